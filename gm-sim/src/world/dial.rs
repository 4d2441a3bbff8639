//! Connection setup: dial, accept, refuse, time out.

use gm_broadcast::{ConnectionId, DialFailure, Input, Machine};
use gm_clock::NetId;

use super::{ScheduledEvent, World};
use crate::active_faults::Effect;
use crate::conn::{ACCEPTOR, ConnEnd, ConnKey, DIALLER, EndState, Segment};
use crate::fault::FaultClass;
use crate::node::NodeIndex;
use crate::observation::Observation;

impl<M: Machine> World<M> {
    pub(super) fn dial(&mut self, node: NodeIndex, link: ConnectionId, to: NetId, small_segments: bool) {
        self.observe(node, &Observation::Dialled { link, to });
        // An address outside this world behaves like a dead host.
        let peer = self.find(to).unwrap_or(NodeIndex::OUTSIDER);
        let life = self.nodes[node.index()].life;
        let mut ends = [
            ConnEnd::new(node, life, link, EndState::Dialling),
            ConnEnd::new(peer, 0, ConnectionId::accepted(0), EndState::Accepted),
        ];
        // The limit is sent with the SYN, and binds both sides.
        ends.iter_mut().for_each(|end| end.small_segments = small_segments);
        let key = self.conns.add(ends);
        self.nodes[node.index()].conns.insert(link, (key, DIALLER));
        self.queue.push(self.now + self.network.tcp.connect_timeout, ScheduledEvent::DialTimeout(key));
        if peer == NodeIndex::OUTSIDER {
            return;
        }
        let refused = self.first_effect(node, peer, |effect| matches!(effect, Effect::Refuse).then_some(()));
        let silent = self.first_effect(node, peer, |effect| matches!(effect, Effect::Silent).then_some(()));
        if let Some((class, ())) = silent {
            self.fault_happened(node, class);
        } else if let Some((class, ())) = refused {
            self.fault_happened(node, class);
            // As if the peer's host had refused after one latency.
            self.transmit(key, DIALLER, Segment::Refuse);
        } else {
            self.transmit(key, DIALLER, Segment::Syn);
        }
    }

    pub(super) fn dial_timeout(&mut self, key: ConnKey) {
        let Some(conn) = self.conns.get(key) else { return };
        let end = &mut conn[DIALLER as usize];
        if end.established {
            return;
        }
        let (node, link, dialling) = (end.node, end.link, end.state == EndState::Dialling);
        self.remove_conn(key);
        if dialling {
            self.deliver_input(node, Input::ConnectionRefused { link, refusal: DialFailure::Unreachable });
        }
    }

    /// A SYN reached the host.
    pub(super) fn accept(&mut self, key: ConnKey, node: NodeIndex) {
        let backlog = self.network.tcp.backlog;
        let Some(state) = self.nodes.get_mut(node.index()) else { return };
        if state.machine.is_none() {
            self.transmit(key, ACCEPTOR, Segment::Refuse);
            return;
        }
        if let Some(paused) = &mut state.paused {
            paused.accepted += 1;
            if paused.accepted > backlog {
                self.fault_happened(node, FaultClass::Pause);
                return;
            }
        }
        let state = &mut self.nodes[node.index()];
        let (life, link) = (state.life, ConnectionId::accepted(state.accepted));
        state.accepted += 1;
        let Some(conn) = self.conns.get(key) else { return };
        let end = &mut conn[ACCEPTOR as usize];
        (end.life, end.link) = (life, link);
        self.transmit(key, ACCEPTOR, Segment::SynAck);
    }

    /// Reports the connection to the acceptor's program.
    pub(super) fn open(&mut self, key: ConnKey) {
        let Some(conn) = self.conns.get(key) else { return };
        let end = &mut conn[ACCEPTOR as usize];
        let (node, life, link) = (end.node, end.life, end.link);
        if end.state != EndState::Accepted {
            return;
        }
        if !self.alive(node, life) {
            if let Some(conn) = self.conns.get(key) {
                conn[ACCEPTOR as usize].state = EndState::Closed;
            }
            self.transmit(key, ACCEPTOR, Segment::Reset);
            self.remove_if_closed(key);
            return;
        }
        let Some(conn) = self.conns.get(key) else { return };
        let end = &mut conn[ACCEPTOR as usize];
        (end.state, end.established) = (EndState::Open, true);
        let dialler = conn[DIALLER as usize].node;
        self.nodes[node.index()].conns.insert(link, (key, ACCEPTOR));
        // The outsider has no address.
        let from = self.nodes.get(dialler.index()).map(|node| node.location.id.socket_addr());
        self.deliver_input(node, Input::ConnectionOpened { link, from });
    }

    /// Whether the process for which an end was made still lives.
    pub(super) fn alive(&self, node: NodeIndex, life: u32) -> bool {
        self.nodes.get(node.index()).is_none_or(|node| node.machine.is_some() && node.life == life)
    }
}
