//! A connection comes to be, or does not. Knows not how long anything takes.

use gm_broadcast::{ConnectionId, DialFailure, Input, Machine};
use gm_clock::NetId;

use super::{What, World};
use crate::conn::{ACCEPTOR, ConnKey, DIALLER, End, Stage, Wire};
use crate::fault::FaultClass;
use crate::node::NodeIndex;
use crate::rules::Effect;
use crate::watch::Seen;

impl<M: Machine> World<M> {
    pub(super) fn dial(&mut self, node: NodeIndex, link: ConnectionId, to: NetId) {
        self.see(node, &Seen::Dialled { link, to });
        // Who is not of this world has no kernel: the host is as one that is dead.
        let peer = self.find(to).unwrap_or(NodeIndex::OUTSIDER);
        let life = self.nodes[node.at()].life;
        let dialler = End::new(node, life, link, Stage::Dialling);
        let key = self.conns.add([dialler, End::new(peer, 0, ConnectionId::accepted(0), Stage::Waiting)]);
        self.nodes[node.at()].links.insert(link, (key, DIALLER));
        self.queue.push(self.now + self.network.tcp.connect_timeout, What::DialTimeout(key));
        if peer == NodeIndex::OUTSIDER {
            return;
        }
        let refused = self.wrong(node, peer, |effect| matches!(effect, Effect::Refuse).then_some(()));
        let silent = self.wrong(node, peer, |effect| matches!(effect, Effect::Silent).then_some(()));
        if let Some((class, ())) = silent {
            self.bite(node, class);
        } else if let Some((class, ())) = refused {
            self.bite(node, class);
            // As if the peer's host had said no after the way there.
            self.transmit(key, DIALLER, Wire::Refuse);
        } else {
            self.transmit(key, DIALLER, Wire::Syn);
        }
    }

    pub(super) fn dial_timeout(&mut self, key: ConnKey) {
        let Some(conn) = self.conns.get(key) else { return };
        let end = &mut conn[DIALLER as usize];
        if end.established {
            return;
        }
        let (node, link, dialling) = (end.node, end.link, end.stage == Stage::Dialling);
        self.forget(key);
        if dialling {
            self.give(node, Input::ConnectionRefused { link, refusal: DialFailure::Unreachable });
        }
    }

    /// A dial reached the host.
    pub(super) fn accept(&mut self, key: ConnKey, node: NodeIndex) {
        let backlog = self.network.tcp.backlog;
        let Some(state) = self.nodes.get_mut(node.at()) else { return };
        if state.machine.is_none() {
            self.transmit(key, ACCEPTOR, Wire::Refuse);
            return;
        }
        if let Some(frozen) = &mut state.frozen {
            frozen.accepted += 1;
            if frozen.accepted > backlog {
                self.bite(node, FaultClass::Pause);
                return;
            }
        }
        let state = &mut self.nodes[node.at()];
        let (life, link) = (state.life, ConnectionId::accepted(state.accepted));
        state.accepted += 1;
        let Some(conn) = self.conns.get(key) else { return };
        let end = &mut conn[ACCEPTOR as usize];
        (end.life, end.link) = (life, link);
        self.transmit(key, ACCEPTOR, Wire::SynAck);
    }

    /// The acceptor's program is told.
    pub(super) fn open(&mut self, key: ConnKey) {
        let Some(conn) = self.conns.get(key) else { return };
        let end = &mut conn[ACCEPTOR as usize];
        let (node, life, link) = (end.node, end.life, end.link);
        if end.stage != Stage::Waiting {
            return;
        }
        if !self.alive(node, life) {
            if let Some(conn) = self.conns.get(key) {
                conn[ACCEPTOR as usize].stage = Stage::Done;
            }
            self.transmit(key, ACCEPTOR, Wire::Reset);
            self.bury(key);
            return;
        }
        let Some(conn) = self.conns.get(key) else { return };
        let end = &mut conn[ACCEPTOR as usize];
        (end.stage, end.established) = (Stage::Open, true);
        let dialler = conn[DIALLER as usize].node;
        self.nodes[node.at()].links.insert(link, (key, ACCEPTOR));
        // The outsider is nowhere in the world.
        let from = self.nodes.get(dialler.at()).map(|node| node.place.id.socket_addr());
        self.give(node, Input::ConnectionOpened { link, from });
    }

    /// Whether the program of an end is still the one that it was made for.
    pub(super) fn alive(&self, node: NodeIndex, life: u32) -> bool {
        self.nodes.get(node.at()).is_none_or(|node| node.machine.is_some() && node.life == life)
    }
}
