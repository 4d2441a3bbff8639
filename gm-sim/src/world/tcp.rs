//! Bytes of connections: sent within a window, received by the other end's kernel.

use bytes::Bytes;
use gm_broadcast::{ConnectionId, DialFailure, Input, Machine};

use super::{ScheduledEvent, World};
use crate::conn::{ACCEPTOR, ConnKey, DIALLER, EndState, Segment, other_side};
use crate::node::NodeIndex;
use crate::observation::{Observation, TrafficKind};

impl<M: Machine> World<M> {
    pub(super) fn send_bytes(&mut self, node: NodeIndex, link: ConnectionId, bytes: Bytes) {
        let known = self.nodes[node.index()].conns.get(&link).copied();
        let to = known
            .and_then(|(key, side)| self.conns.get(key).map(|conn| conn[other_side(side) as usize].node));
        self.observe(
            node,
            &Observation::Sent { flow: TrafficKind::Stream, to, link: Some(link), copies: 1, bytes: &bytes },
        );
        let length = bytes.len();
        if let Some((key, side)) = known
            && let Some(conn) = self.conns.get(key)
            && conn[side as usize].state != EndState::Closed
        {
            if length > 0 {
                conn[side as usize].send_buffer.push_back(bytes);
                self.flush(key, side);
            }
        } else {
            self.stream_lost(node, length);
        }
    }

    /// Sends bytes as far as the window allows; after the last byte of a closed end, its FIN.
    pub(super) fn flush(&mut self, key: ConnKey, side: u8) {
        let window = self.network.tcp.window;
        loop {
            let Some(conn) = self.conns.get(key) else { return };
            let end = &mut conn[side as usize];
            let room = window.saturating_sub(end.window_used);
            if !end.established || room == 0 && !end.send_buffer.is_empty() {
                return;
            }
            let Some(mut bytes) = end.send_buffer.pop_front() else { break };
            if bytes.len() > room {
                end.send_buffer.push_front(bytes.split_off(room));
            }
            end.window_used += bytes.len();
            self.transmit(key, side, Segment::Data(bytes));
        }
        let Some(conn) = self.conns.get(key) else { return };
        let end = &mut conn[side as usize];
        if end.closing && !end.fin_sent {
            end.fin_sent = true;
            self.transmit(key, side, Segment::Fin);
        }
    }

    /// Handles a segment at the kernel of the receiving end, and passes it on to the program if it
    /// affects it.
    pub(super) fn receive_segment(&mut self, key: ConnKey, side: u8, segment: Segment) {
        let Some(conn) = self.conns.get(key) else { return };
        let here = other_side(side);
        let end = &mut conn[here as usize];
        let (node, life, link, state) = (end.node, end.life, end.link, end.state);
        match segment {
            Segment::Syn => self.accept(key, node),
            Segment::SynAck if state == EndState::Dialling || end.closing => {
                end.established = true;
                if state == EndState::Dialling {
                    end.state = EndState::Open;
                }
                self.transmit(key, here, Segment::Open);
                self.flush(key, here);
                if state == EndState::Dialling {
                    self.deliver_input(node, Input::ConnectionOpened { link, from: None });
                }
            }
            Segment::SynAck => self.transmit(key, here, Segment::Reset),
            Segment::Refuse => {
                // A refusal goes to the dialler, whichever end had to send it.
                let dialler = &conn[DIALLER as usize];
                let (node, link, state) = (dialler.node, dialler.link, dialler.state);
                if side == DIALLER {
                    self.transmit(key, ACCEPTOR, Segment::Refuse);
                    return;
                }
                self.remove_conn(key);
                if state == EndState::Dialling {
                    self.deliver_input(
                        node,
                        Input::ConnectionRefused { link, refusal: DialFailure::Refused },
                    );
                }
            }
            Segment::Open => self.open(key),
            Segment::Data(bytes) => {
                if state == EndState::Accepted {
                    self.open(key);
                }
                self.receive_data(key, here, bytes);
            }
            Segment::Ack(bytes) => {
                end.window_used = end.window_used.saturating_sub(bytes);
                self.flush(key, here);
                if state == EndState::Open && self.alive(node, life) {
                    self.deliver_input(node, Input::ConnectionSent { link, bytes });
                }
            }
            Segment::Fin | Segment::Reset if end.receive_buffer.is_empty() => self.close_by_peer(key, here),
            Segment::Fin | Segment::Reset => end.fin_received = true,
        }
    }

    /// Handles bytes that reached a host.
    pub(super) fn receive_data(&mut self, key: ConnKey, here: u8, bytes: Bytes) {
        let Some(conn) = self.conns.get(key) else {
            self.stream_lost(NodeIndex::OUTSIDER, bytes.len());
            return;
        };
        let from = conn[other_side(here) as usize].node;
        let end = &mut conn[here as usize];
        let (node, closing) = (end.node, end.closing);
        if end.state == EndState::Closed {
            self.stream_lost(node, bytes.len());
            self.transmit(key, here, if closing { Segment::Ack(bytes.len()) } else { Segment::Reset });
            return;
        }
        let waits = !end.receive_buffer.is_empty();
        let slow = self.slow_reader_rate(from, node);
        if let Some((class, _)) = slow {
            self.fault_happened(node, class);
        } else if !waits {
            self.read(key, here, bytes);
            return;
        }
        let Some(conn) = self.conns.get(key) else { return };
        let end = &mut conn[here as usize];
        end.receive_buffer.extend(bytes);
        if !end.reading {
            end.reading = true;
            self.queue.push(self.now, ScheduledEvent::Read(key, here));
        }
    }
}
