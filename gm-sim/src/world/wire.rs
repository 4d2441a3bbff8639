//! What travels between the ends of a connection: when it comes, and what if it cannot. Knows not what ends make of it.

use std::time::Duration;

use gm_broadcast::{LatencyClass, Machine};

use super::{What, World};
use crate::conn::{ConnKey, Wire, other};
use crate::fault::FaultClass;
use crate::network::{Network, Way, send};
use crate::node::{NodeIndex, Waiting};
use crate::rules::Effect;
use crate::watch::{Flow, Seen};

const MILLION: u64 = 1_000_000;
/// What is done before anything begins.
const FREE: Way = Way { gap: Duration::ZERO, latency: Duration::ZERO, jitter: Duration::ZERO, rate: 0 };

impl<M: Machine> World<M> {
    /// Sends to the other end, behind what was sent before.
    pub(super) fn transmit(&mut self, key: ConnKey, side: u8, wire: Wire) {
        let Some(conn) = self.conns.get(key) else {
            self.stream_lost(NodeIndex::OUTSIDER, wire.length());
            return;
        };
        let (from, to) = (conn[side as usize].node, conn[other(side) as usize].node);
        let waits = !conn[side as usize].held.is_empty();
        if let Some(class) = self.held_up(from, to) {
            self.bite(to, class);
            self.hold(key, side, wire);
        } else if waits {
            self.hold(key, side, wire);
        } else {
            self.depart(key, side, wire);
        }
    }

    /// Why nothing of a connection comes through now.
    fn held_up(&self, from: NodeIndex, to: NodeIndex) -> Option<FaultClass> {
        if self.nodes.get(to.at()).is_some_and(|node| !node.host_up) {
            return Some(FaultClass::HostDeath);
        }
        if self.rules.is_empty() { None } else { self.rules.blocked(self.now, &self.ends(from, to), true) }
    }

    fn hold(&mut self, key: ConnKey, side: u8, wire: Wire) {
        let (now, first) = (self.now, self.network.tcp.retry_first);
        let Some(conn) = self.conns.get(key) else { return };
        let end = &mut conn[side as usize];
        if end.held.is_empty() {
            end.held_since = now;
            end.tries = 0;
            self.queue.push(now + first, What::Retry(key, side));
        }
        end.held.push_back(wire);
    }

    fn depart(&mut self, key: ConnKey, side: u8, wire: Wire) {
        let Some(conn) = self.conns.get(key) else { return };
        let (from, to) = (conn[side as usize].node, conn[other(side) as usize].node);
        let class = match (self.place(from), self.place(to)) {
            (Some(from), Some(to)) => Network::class(from, to),
            _ => LatencyClass::Lan,
        };
        let free = self.is_free(key, side, &wire);
        let way = if free { FREE } else { *self.network.way(class) };
        let mut begin = self.now;
        if matches!(wire, Wire::Data(_) | Wire::Syn)
            && !free
            && let Some(node) = self.nodes.get_mut(from.at())
        {
            begin = send(&mut node.busy_until, self.now, &way, wire.length());
        }
        if let Wire::Data(bytes) = &wire {
            self.outsider.overhears(key, side, bytes);
            if self.connection_ends(from, to) {
                // Not at once: outputs may be being taken.
                self.queue.push(self.now, What::Sever(key));
            }
        }
        let at = begin + way.latency + way.length(wire.length()) + self.tcp_chance.duration_up_to(way.jitter);
        let Some(conn) = self.conns.get(key) else { return };
        let end = &mut conn[side as usize];
        end.arrival = end.arrival.max(at);
        end.flight.push_back(wire);
        self.queue.push(end.arrival, What::Arrive(key, side));
    }

    /// Whether it takes no time, because connections are as if they had been made before.
    fn is_free(&mut self, key: ConnKey, side: u8, wire: &Wire) -> bool {
        let Some(most) = self.network.tcp.warm else { return false };
        let Some(conn) = self.conns.get(key) else { return false };
        let end = &mut conn[side as usize];
        match wire {
            Wire::Syn | Wire::SynAck | Wire::Open => true,
            Wire::Data(bytes) if end.free + bytes.len() <= most => {
                end.free += bytes.len();
                true
            }
            _ => false,
        }
    }

    fn connection_ends(&mut self, from: NodeIndex, to: NodeIndex) -> bool {
        let parts = self.wrong(from, to, |effect| match effect {
            Effect::Reset(parts) => Some(*parts),
            _ => None,
        });
        parts.is_some_and(|(_, parts)| self.tcp_chance.ratio(u64::from(parts), MILLION))
    }

    /// What the first effect of a kind on a way says, and as what it counts.
    pub(super) fn wrong<T>(
        &self,
        from: NodeIndex,
        to: NodeIndex,
        pick: impl Fn(&Effect) -> Option<T>,
    ) -> Option<(FaultClass, T)> {
        if self.rules.is_empty() {
            return None;
        }
        self.rules.first(self.now, &self.ends(from, to), pick)
    }

    /// What an end sent first is at the other's host.
    pub(super) fn arrive(&mut self, key: ConnKey, side: u8) {
        let Some(conn) = self.conns.get(key) else { return };
        let Some(wire) = conn[side as usize].flight.pop_front() else { return };
        let to = conn[other(side) as usize].node;
        if let Some(node) = self.nodes.get_mut(to.at()) {
            if !node.host_up {
                self.hold(key, side, wire);
                return;
            }
            let for_program = matches!(wire, Wire::Open | Wire::Data(_) | Wire::Fin | Wire::Reset);
            if for_program && let Some(frozen) = &mut node.frozen {
                frozen.waiting.push_back(Waiting::Wire(key, side, wire));
                self.bite(to, FaultClass::Pause);
                return;
            }
        }
        self.take(key, side, wire);
    }

    /// Tries again what did not come through, or gives up.
    pub(super) fn retry(&mut self, key: ConnKey, side: u8) {
        let (now, tcp) = (self.now, self.network.tcp);
        let Some(conn) = self.conns.get(key) else { return };
        let (from, to) = (conn[side as usize].node, conn[other(side) as usize].node);
        if conn[side as usize].held.is_empty() {
            return;
        }
        let held_up = self.held_up(from, to);
        let Some(conn) = self.conns.get(key) else { return };
        let end = &mut conn[side as usize];
        if held_up.is_none() {
            for wire in std::mem::take(&mut end.held) {
                self.depart(key, side, wire);
            }
        } else if now.since(end.held_since) >= tcp.give_up {
            self.give_up(key, side);
        } else {
            end.tries = (end.tries + 1).min(20);
            let wait = tcp.retry_first.saturating_mul(1 << end.tries).min(tcp.retry_most);
            let left = (end.held_since + tcp.give_up).since(now).max(Duration::from_nanos(1));
            self.queue.push(now + wait.min(left), What::Retry(key, side));
        }
    }

    /// Who waits for an answer to bytes gives the connection up; nobody tells the other.
    fn give_up(&mut self, key: ConnKey, side: u8) {
        let Some(conn) = self.conns.get(key) else { return };
        let to = conn[other(side) as usize].node;
        let held = std::mem::take(&mut conn[side as usize].held);
        let lost = held.iter().map(Wire::length).sum();
        let data = held.iter().any(|wire| matches!(wire, Wire::Data(_)));
        let ack = held.iter().any(|wire| matches!(wire, Wire::Ack(_)));
        self.stream_lost(to, lost);
        if data {
            self.abandon(key, side, true);
        }
        if ack {
            self.abandon(key, other(side), true);
        }
    }

    pub(super) fn stream_lost(&mut self, node: NodeIndex, length: usize) {
        if length > 0 {
            self.see(node, &Seen::Lost { flow: Flow::Stream, length });
        }
    }
}
