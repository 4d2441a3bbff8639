//! A connection ends: closed, given up, reset, or with its program. Knows not how long anything takes.

use gm_broadcast::{ConnectionId, DialFailure, Input, Machine};

use super::World;
use crate::conn::{ACCEPTOR, ConnKey, DIALLER, Stage, Wire, other};
use crate::fault::FaultClass;
use crate::node::NodeIndex;
use crate::watch::Seen;

impl<M: Machine> World<M> {
    pub(super) fn close(&mut self, node: NodeIndex, link: ConnectionId) {
        self.see(node, &Seen::Closed { link });
        let Some((key, side)) = self.nodes[node.at()].links.remove(&link) else { return };
        let Some(conn) = self.conns.get(key) else { return };
        let (unread, end) = (conn[side as usize].inbox.len(), &mut conn[side as usize]);
        if end.stage == Stage::Dialling && end.outbox.is_empty() {
            self.forget(key);
            return;
        }
        end.stage = Stage::Done;
        end.closing = true;
        end.inbox.clear();
        self.stream_lost(node, unread);
        self.flush(key, side);
        self.bury(key);
    }

    /// Ends one side; what it had not sent is lost. `stalled`: because the other acknowledged nothing.
    pub(super) fn abandon(&mut self, key: ConnKey, side: u8, stalled: bool) {
        let Some(conn) = self.conns.get(key) else { return };
        let end = &mut conn[side as usize];
        let (node, link, stage) = (end.node, end.link, end.stage);
        let lost = end.outbox.iter().map(Vec::len).sum::<usize>()
            + end.held.iter().map(Wire::length).sum::<usize>()
            + end.inbox.len();
        (end.stage, end.closing) = (Stage::Done, false);
        end.outbox.clear();
        end.held.clear();
        end.inbox.clear();
        self.stream_lost(node, lost);
        self.bury(key);
        match stage {
            Stage::Open => self.give(node, Input::ConnectionClosed { link, stalled }),
            Stage::Dialling => {
                self.give(node, Input::ConnectionRefused { link, refusal: DialFailure::Refused })
            }
            Stage::Waiting | Stage::Done => {}
        }
    }

    /// The other end is over, and all that it sent is read.
    pub(super) fn hang_up(&mut self, key: ConnKey, here: u8) {
        let Some(conn) = self.conns.get(key) else { return };
        conn[other(here) as usize].stage = Stage::Done;
        self.abandon(key, here, false);
    }

    /// Both ends are over at once.
    pub(super) fn sever(&mut self, key: ConnKey) {
        let Some(conn) = self.conns.get(key) else { return };
        let ends = [(conn[0].node, conn[0].link, conn[0].stage), (conn[1].node, conn[1].link, conn[1].stage)];
        self.bite(ends[1].0, FaultClass::Reset);
        self.forget(key);
        for (node, link, stage) in ends {
            if stage == Stage::Open {
                self.give(node, Input::ConnectionClosed { link, stalled: false });
            }
        }
    }

    /// Takes a connection away that is over at both ends.
    pub(super) fn bury(&mut self, key: ConnKey) {
        if self.conns.get(key).is_some_and(|conn| conn.iter().all(|end| end.stage == Stage::Done)) {
            self.forget(key);
        }
    }

    /// Takes a connection away, with all that is between its ends.
    pub(super) fn forget(&mut self, key: ConnKey) {
        let Some(conn) = self.conns.remove(key) else { return };
        for side in [DIALLER, ACCEPTOR] {
            let (end, peer) = (&conn[side as usize], &conn[other(side) as usize]);
            self.stream_lost(peer.node, end.bytes() + peer.inbox.len());
        }
    }
}
