//! Ends of connections: closed, given up, reset, or ended with the process.

use gm_broadcast::{ConnectionId, DialFailure, Input, Machine};

use super::World;
use crate::conn::{ACCEPTOR, ConnKey, DIALLER, EndState, Segment, other_side};
use crate::fault::FaultClass;
use crate::node::NodeIndex;
use crate::observation::Observation;

impl<M: Machine> World<M> {
    pub(super) fn close(&mut self, node: NodeIndex, link: ConnectionId) {
        self.observe(node, &Observation::Closed { link });
        let Some((key, side)) = self.nodes[node.index()].conns.remove(&link) else { return };
        let Some(conn) = self.conns.get(key) else { return };
        let (unread, end) = (conn[side as usize].receive_buffer.len(), &mut conn[side as usize]);
        if end.state == EndState::Dialling && end.send_buffer.is_empty() {
            self.remove_conn(key);
            return;
        }
        end.state = EndState::Closed;
        end.closing = true;
        end.receive_buffer.clear();
        self.stream_lost(node, unread);
        self.flush(key, side);
        self.remove_if_closed(key);
    }

    /// Closes one end; its unsent bytes are lost. `stalled`: because the peer acknowledged nothing.
    pub(super) fn abandon(&mut self, key: ConnKey, side: u8, stalled: bool) {
        let Some(conn) = self.conns.get(key) else { return };
        let end = &mut conn[side as usize];
        let (node, link, state) = (end.node, end.link, end.state);
        let lost = end.send_buffer.iter().map(bytes::Bytes::len).sum::<usize>()
            + end.blocked.iter().map(Segment::payload_length).sum::<usize>()
            + end.receive_buffer.len();
        (end.state, end.closing) = (EndState::Closed, false);
        end.send_buffer.clear();
        end.blocked.clear();
        end.receive_buffer.clear();
        self.stream_lost(node, lost);
        self.remove_if_closed(key);
        match state {
            EndState::Open => self.deliver_input(node, Input::ConnectionClosed { link, stalled }),
            EndState::Dialling => {
                self.deliver_input(node, Input::ConnectionRefused { link, refusal: DialFailure::Refused })
            }
            EndState::Accepted | EndState::Closed => {}
        }
    }

    /// Closes one end after the other end closed and all its bytes were read.
    pub(super) fn close_by_peer(&mut self, key: ConnKey, here: u8) {
        let Some(conn) = self.conns.get(key) else { return };
        conn[other_side(here) as usize].state = EndState::Closed;
        self.abandon(key, here, false);
    }

    /// Closes both ends at once.
    pub(super) fn reset_both(&mut self, key: ConnKey) {
        let Some(conn) = self.conns.get(key) else { return };
        let ends = [(conn[0].node, conn[0].link, conn[0].state), (conn[1].node, conn[1].link, conn[1].state)];
        self.fault_happened(ends[1].0, FaultClass::Reset);
        self.remove_conn(key);
        for (node, link, state) in ends {
            if state == EndState::Open {
                self.deliver_input(node, Input::ConnectionClosed { link, stalled: false });
            }
        }
    }

    /// Removes a connection that is closed at both ends.
    pub(super) fn remove_if_closed(&mut self, key: ConnKey) {
        if self.conns.get(key).is_some_and(|conn| conn.iter().all(|end| end.state == EndState::Closed)) {
            self.remove_conn(key);
        }
    }

    /// Removes a connection, with all segments between its ends.
    pub(super) fn remove_conn(&mut self, key: ConnKey) {
        let Some(conn) = self.conns.remove(key) else { return };
        for side in [DIALLER, ACCEPTOR] {
            let (end, peer) = (&conn[side as usize], &conn[other_side(side) as usize]);
            self.stream_lost(peer.node, end.undelivered_bytes() + peer.receive_buffer.len());
        }
    }
}
