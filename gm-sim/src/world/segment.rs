//! What travels between the ends of a connection: when it comes, and what if it cannot. Knows not
//! what ends make of it.

use std::time::Duration;

use gm_broadcast::{LatencyClass, Machine};

use super::{ScheduledEvent, World};
use crate::active_faults::Effect;
use crate::conn::{ConnKey, Segment, other_side};
use crate::fault::FaultClass;
use crate::network::{Network, PathProfile, schedule_send};
use crate::node::{NodeIndex, PendingInput};
use crate::observation::{Observation, TrafficKind};

const MILLION: u64 = 1_000_000;
/// What is done before anything begins.
const FREE: PathProfile =
    PathProfile { gap: Duration::ZERO, latency: Duration::ZERO, jitter: Duration::ZERO, bytes_per_second: 0 };

impl<M: Machine> World<M> {
    /// Sends to the other end, behind what was sent before.
    pub(super) fn transmit(&mut self, key: ConnKey, side: u8, wire: Segment) {
        let Some(conn) = self.conns.get(key) else {
            self.stream_lost(NodeIndex::OUTSIDER, wire.payload_length());
            return;
        };
        let (from, to) = (conn[side as usize].node, conn[other_side(side) as usize].node);
        let waits = !conn[side as usize].blocked.is_empty();
        if let Some(class) = self.blocked_by(from, to) {
            self.fault_happened(to, class);
            self.queue_blocked(key, side, wire);
        } else if waits {
            self.queue_blocked(key, side, wire);
        } else {
            self.send_segment(key, side, wire);
        }
    }

    /// Why nothing of a connection comes through now.
    fn blocked_by(&self, from: NodeIndex, to: NodeIndex) -> Option<FaultClass> {
        if self.nodes.get(to.index()).is_some_and(|node| !node.host_up) {
            return Some(FaultClass::HostDeath);
        }
        if self.active_faults.is_empty() {
            None
        } else {
            self.active_faults.blocked_by(self.now, &self.path_ends(from, to), true)
        }
    }

    fn queue_blocked(&mut self, key: ConnKey, side: u8, wire: Segment) {
        let (now, first) = (self.now, self.network.tcp.retry_min);
        let Some(conn) = self.conns.get(key) else { return };
        let end = &mut conn[side as usize];
        if end.blocked.is_empty() {
            end.blocked_since = now;
            end.tries = 0;
            self.queue.push(now + first, ScheduledEvent::Retry(key, side));
        }
        end.blocked.push_back(wire);
    }

    fn send_segment(&mut self, key: ConnKey, side: u8, wire: Segment) {
        let Some(conn) = self.conns.get(key) else { return };
        let (from, to) = (conn[side as usize].node, conn[other_side(side) as usize].node);
        let class = match (self.location(from), self.location(to)) {
            (Some(from), Some(to)) => Network::class(from, to),
            _ => LatencyClass::Lan,
        };
        let free = self.is_free(key, side, &wire);
        let way = if free { FREE } else { *self.network.path(class) };
        let mut begin = self.now;
        if matches!(wire, Segment::Data(_) | Segment::Syn)
            && !free
            && let Some(node) = self.nodes.get_mut(from.index())
        {
            begin = schedule_send(&mut node.busy_until, self.now, &way, wire.payload_length());
        }
        if let Segment::Data(bytes) = &wire {
            self.outsider.record_stream(key, side, bytes);
            if self.reset_happens(from, to) {
                // Not at once: outputs may be being taken.
                self.queue.push(self.now, ScheduledEvent::ResetBoth(key));
            }
        }
        let at = begin
            + way.latency
            + way.transmission_time(wire.payload_length())
            + self.tcp_rng.duration_up_to(way.jitter);
        let Some(conn) = self.conns.get(key) else { return };
        let end = &mut conn[side as usize];
        end.last_arrival = end.last_arrival.max(at);
        end.in_flight.push_back(wire);
        self.queue.push(end.last_arrival, ScheduledEvent::Arrive(key, side));
    }

    /// Whether it takes no time, because connections are as if they had been made before.
    fn is_free(&mut self, key: ConnKey, side: u8, wire: &Segment) -> bool {
        let Some(most) = self.network.tcp.pre_opened else { return false };
        let Some(conn) = self.conns.get(key) else { return false };
        let end = &mut conn[side as usize];
        match wire {
            Segment::Syn | Segment::SynAck | Segment::Open => true,
            Segment::Data(bytes) if end.free_bytes + bytes.len() <= most => {
                end.free_bytes += bytes.len();
                true
            }
            _ => false,
        }
    }

    fn reset_happens(&mut self, from: NodeIndex, to: NodeIndex) -> bool {
        let parts = self.first_effect(from, to, |effect| match effect {
            Effect::Reset(parts) => Some(*parts),
            _ => None,
        });
        parts.is_some_and(|(_, parts)| self.tcp_rng.ratio(u64::from(parts), MILLION))
    }

    /// What the first effect of a kind on a way says, and as what it counts.
    pub(super) fn first_effect<T>(
        &self,
        from: NodeIndex,
        to: NodeIndex,
        pick: impl Fn(&Effect) -> Option<T>,
    ) -> Option<(FaultClass, T)> {
        if self.active_faults.is_empty() {
            return None;
        }
        self.active_faults.first_effect(self.now, &self.path_ends(from, to), pick)
    }

    /// What an end sent first is at the other's host.
    pub(super) fn arrive(&mut self, key: ConnKey, side: u8) {
        let Some(conn) = self.conns.get(key) else { return };
        let Some(wire) = conn[side as usize].in_flight.pop_front() else { return };
        let to = conn[other_side(side) as usize].node;
        if let Some(node) = self.nodes.get_mut(to.index()) {
            if !node.host_up {
                self.queue_blocked(key, side, wire);
                return;
            }
            let for_program =
                matches!(wire, Segment::Open | Segment::Data(_) | Segment::Fin | Segment::Reset);
            if for_program && let Some(frozen) = &mut node.paused {
                frozen.queue.push_back(PendingInput::Segment(key, side, wire));
                self.fault_happened(to, FaultClass::Pause);
                return;
            }
        }
        self.receive_segment(key, side, wire);
    }

    /// Tries again what did not come through, or gives up.
    pub(super) fn retry(&mut self, key: ConnKey, side: u8) {
        let (now, tcp) = (self.now, self.network.tcp);
        let Some(conn) = self.conns.get(key) else { return };
        let (from, to) = (conn[side as usize].node, conn[other_side(side) as usize].node);
        if conn[side as usize].blocked.is_empty() {
            return;
        }
        let blocked_by = self.blocked_by(from, to);
        let Some(conn) = self.conns.get(key) else { return };
        let end = &mut conn[side as usize];
        if blocked_by.is_none() {
            for wire in std::mem::take(&mut end.blocked) {
                self.send_segment(key, side, wire);
            }
        } else if now.since(end.blocked_since) >= tcp.user_timeout {
            self.give_up(key, side);
        } else {
            end.tries = (end.tries + 1).min(20);
            let wait = tcp.retry_min.saturating_mul(1 << end.tries).min(tcp.retry_max);
            let left = (end.blocked_since + tcp.user_timeout).since(now).max(Duration::from_nanos(1));
            self.queue.push(now + wait.min(left), ScheduledEvent::Retry(key, side));
        }
    }

    /// Who waits for an answer to bytes gives the connection up; nobody tells the other.
    fn give_up(&mut self, key: ConnKey, side: u8) {
        let Some(conn) = self.conns.get(key) else { return };
        let to = conn[other_side(side) as usize].node;
        let held = std::mem::take(&mut conn[side as usize].blocked);
        let lost = held.iter().map(Segment::payload_length).sum();
        let data = held.iter().any(|wire| matches!(wire, Segment::Data(_)));
        let ack = held.iter().any(|wire| matches!(wire, Segment::Ack(_)));
        self.stream_lost(to, lost);
        if data {
            self.abandon(key, side, true);
        }
        if ack {
            self.abandon(key, other_side(side), true);
        }
    }

    pub(super) fn stream_lost(&mut self, node: NodeIndex, length: usize) {
        if length > 0 {
            self.observe(node, &Observation::Lost { flow: TrafficKind::Stream, length });
        }
    }
}
