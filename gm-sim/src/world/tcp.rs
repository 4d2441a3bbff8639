//! Bytes of a connection: sent within a window, taken by the other kernel. Knows not how long anything takes.

use gm_broadcast::{ConnectionId, DialFailure, Input, Machine};

use super::{What, World};
use crate::conn::{ACCEPTOR, ConnKey, DIALLER, Stage, Wire, other};
use crate::node::NodeIndex;
use crate::watch::{Flow, Seen};

impl<M: Machine> World<M> {
    pub(super) fn send_on(&mut self, node: NodeIndex, link: ConnectionId, bytes: Vec<u8>) {
        let known = self.nodes[node.at()].links.get(&link).copied();
        let to =
            known.and_then(|(key, side)| self.conns.get(key).map(|conn| conn[other(side) as usize].node));
        self.see(node, &Seen::Sent { flow: Flow::Stream, to, link: Some(link), copies: 1, bytes: &bytes });
        let length = bytes.len();
        if let Some((key, side)) = known
            && let Some(conn) = self.conns.get(key)
            && conn[side as usize].stage != Stage::Done
        {
            if length > 0 {
                conn[side as usize].outbox.push_back(bytes);
                self.flush(key, side);
            }
        } else {
            self.stream_lost(node, length);
        }
    }

    /// What the window has room for goes out; after the last byte of a closed end, its end.
    pub(super) fn flush(&mut self, key: ConnKey, side: u8) {
        let window = self.network.tcp.window;
        loop {
            let Some(conn) = self.conns.get(key) else { return };
            let end = &mut conn[side as usize];
            let room = window.saturating_sub(end.unread);
            if !end.established || room == 0 && !end.outbox.is_empty() {
                return;
            }
            let Some(mut bytes) = end.outbox.pop_front() else { break };
            if bytes.len() > room {
                end.outbox.push_front(bytes.split_off(room));
            }
            end.unread += bytes.len();
            self.transmit(key, side, Wire::Data(bytes));
        }
        let Some(conn) = self.conns.get(key) else { return };
        let end = &mut conn[side as usize];
        if end.closing && !end.said_last {
            end.said_last = true;
            self.transmit(key, side, Wire::Fin);
        }
    }

    /// What an end sent is taken by the other's kernel, and its program if it goes on.
    pub(super) fn take(&mut self, key: ConnKey, side: u8, wire: Wire) {
        let Some(conn) = self.conns.get(key) else { return };
        let here = other(side);
        let end = &mut conn[here as usize];
        let (node, life, link, stage) = (end.node, end.life, end.link, end.stage);
        match wire {
            Wire::Syn => self.accept(key, node),
            Wire::SynAck if stage == Stage::Dialling || end.closing => {
                end.established = true;
                if stage == Stage::Dialling {
                    end.stage = Stage::Open;
                }
                self.transmit(key, here, Wire::Open);
                self.flush(key, here);
                if stage == Stage::Dialling {
                    self.give(node, Input::ConnectionOpened { link, from: None });
                }
            }
            Wire::SynAck => self.transmit(key, here, Wire::Reset),
            Wire::Refuse => {
                // It comes to the dialler, whoever was made to say it.
                let dialler = &conn[DIALLER as usize];
                let (node, link, stage) = (dialler.node, dialler.link, dialler.stage);
                if side == DIALLER {
                    self.transmit(key, ACCEPTOR, Wire::Refuse);
                    return;
                }
                self.forget(key);
                if stage == Stage::Dialling {
                    self.give(node, Input::ConnectionRefused { link, refusal: DialFailure::Refused });
                }
            }
            Wire::Open => self.open(key),
            Wire::Data(bytes) => {
                if stage == Stage::Waiting {
                    self.open(key);
                }
                self.data(key, here, bytes);
            }
            Wire::Ack(bytes) => {
                end.unread = end.unread.saturating_sub(bytes);
                self.flush(key, here);
                if stage == Stage::Open && self.alive(node, life) {
                    self.give(node, Input::ConnectionSent { link, bytes });
                }
            }
            Wire::Fin | Wire::Reset if end.inbox.is_empty() => self.hang_up(key, here),
            Wire::Fin | Wire::Reset => end.last = true,
        }
    }

    /// Bytes came to a host.
    pub(super) fn data(&mut self, key: ConnKey, here: u8, bytes: Vec<u8>) {
        let Some(conn) = self.conns.get(key) else {
            self.stream_lost(NodeIndex::OUTSIDER, bytes.len());
            return;
        };
        let from = conn[other(here) as usize].node;
        let end = &mut conn[here as usize];
        let (node, closing) = (end.node, end.closing);
        if end.stage == Stage::Done {
            self.stream_lost(node, bytes.len());
            self.transmit(key, here, if closing { Wire::Ack(bytes.len()) } else { Wire::Reset });
            return;
        }
        let waits = !end.inbox.is_empty();
        let slow = self.slow(from, node);
        if let Some((class, _)) = slow {
            self.bite(node, class);
        } else if !waits {
            self.read(key, here, bytes);
            return;
        }
        let Some(conn) = self.conns.get(key) else { return };
        let end = &mut conn[here as usize];
        end.inbox.extend(bytes);
        if !end.reading {
            end.reading = true;
            self.queue.push(self.now, What::Read(key, here));
        }
    }
}
