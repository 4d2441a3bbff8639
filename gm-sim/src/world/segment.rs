//! Segments between the ends of a connection: arrival times, blocking and retransmission.

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
/// Path of the free first bytes of connections, see [`TcpModel::pre_opened`](crate::TcpModel).
const FREE: PathProfile =
    PathProfile { gap: Duration::ZERO, latency: Duration::ZERO, jitter: Duration::ZERO, bytes_per_second: 0 };

impl<M: Machine> World<M> {
    /// Sends a segment to the other end, behind those sent before.
    pub(super) fn transmit(&mut self, key: ConnKey, side: u8, segment: Segment) {
        let Some(conn) = self.conns.get(key) else {
            self.stream_lost(NodeIndex::OUTSIDER, segment.payload_length());
            return;
        };
        let (from, to) = (conn[side as usize].node, conn[other_side(side) as usize].node);
        let packet = conn[side as usize].longest_packet(&segment);
        let waits = conn[side as usize].longest_blocked_packet();
        let is_ack = matches!(segment, Segment::Ack(_));
        if let Some(class) = self.blocked_by(from, to, packet) {
            self.fault_happened(to, class);
            self.queue_blocked(key, side, segment);
        } else if waits.is_some_and(|longest| !is_ack || self.blocked_by(from, to, longest).is_none()) {
            // Only an acknowledgement overtakes bytes that are too long for the path.
            self.queue_blocked(key, side, segment);
        } else {
            self.send_segment(key, side, segment);
        }
    }

    /// Class of the fault that now blocks a segment between these nodes whose longest packet has
    /// this length.
    fn blocked_by(&self, from: NodeIndex, to: NodeIndex, packet: usize) -> Option<FaultClass> {
        if self.nodes.get(to.index()).is_some_and(|node| !node.host_up) {
            return Some(FaultClass::HostDeath);
        }
        if self.active_faults.is_empty() {
            None
        } else {
            self.active_faults.blocks_segment(self.now, &self.path_ends(from, to), packet)
        }
    }

    fn queue_blocked(&mut self, key: ConnKey, side: u8, segment: Segment) {
        let (now, first) = (self.now, self.network.tcp.retry_min);
        let Some(conn) = self.conns.get(key) else { return };
        let end = &mut conn[side as usize];
        if end.blocked.is_empty() {
            end.blocked_since = now;
            end.tries = 0;
            self.queue.push(now + first, ScheduledEvent::Retry(key, side));
        }
        end.blocked.push_back(segment);
    }

    fn send_segment(&mut self, key: ConnKey, side: u8, segment: Segment) {
        let Some(conn) = self.conns.get(key) else { return };
        let (from, to) = (conn[side as usize].node, conn[other_side(side) as usize].node);
        let class = match (self.location(from), self.location(to)) {
            (Some(from), Some(to)) => Network::class(from, to),
            _ => LatencyClass::Lan,
        };
        let free = self.is_free(key, side, &segment);
        let path = if free { FREE } else { *self.network.path(class) };
        let mut begin = self.now;
        if matches!(segment, Segment::Data(_) | Segment::Syn)
            && !free
            && let Some(node) = self.nodes.get_mut(from.index())
        {
            begin = schedule_send(&mut node.busy_until, self.now, &path, segment.payload_length());
        }
        if let Segment::Data(bytes) = &segment {
            self.outsider.record_stream(key, side, bytes);
            if self.reset_happens(from, to) {
                // Queued, because outputs may be being drained.
                self.queue.push(self.now, ScheduledEvent::ResetBoth(key));
            }
        }
        let at = begin
            + path.latency
            + path.transmission_time(segment.payload_length())
            + self.tcp_rng.duration_up_to(path.jitter);
        let Some(conn) = self.conns.get(key) else { return };
        let end = &mut conn[side as usize];
        end.last_arrival = end.last_arrival.max(at);
        end.in_flight.push_back(segment);
        self.queue.push(end.last_arrival, ScheduledEvent::Arrive(key, side));
    }

    /// Whether a segment takes no time, because the connection counts as opened before.
    fn is_free(&mut self, key: ConnKey, side: u8, segment: &Segment) -> bool {
        let Some(limit) = self.network.tcp.pre_opened else { return false };
        let Some(conn) = self.conns.get(key) else { return false };
        let end = &mut conn[side as usize];
        match segment {
            Segment::Syn | Segment::SynAck | Segment::Open => true,
            Segment::Data(bytes) if end.free_bytes + bytes.len() <= limit => {
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

    /// The value of the first matching effect on a path, with the class under which it counts.
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

    /// Delivers the first segment in flight to the other end's host.
    pub(super) fn arrive(&mut self, key: ConnKey, side: u8) {
        let Some(conn) = self.conns.get(key) else { return };
        let Some(segment) = conn[side as usize].in_flight.pop_front() else { return };
        let to = conn[other_side(side) as usize].node;
        if let Some(node) = self.nodes.get_mut(to.index()) {
            if !node.host_up {
                self.queue_blocked(key, side, segment);
                return;
            }
            let for_program =
                matches!(segment, Segment::Open | Segment::Data(_) | Segment::Fin | Segment::Reset);
            if for_program && let Some(frozen) = &mut node.paused {
                frozen.queue.push_back(PendingInput::Segment(key, side, segment));
                self.fault_happened(to, FaultClass::Pause);
                return;
            }
        }
        self.receive_segment(key, side, segment);
    }

    /// Retransmits blocked segments, or gives up.
    pub(super) fn retry(&mut self, key: ConnKey, side: u8) {
        let (now, tcp) = (self.now, self.network.tcp);
        let Some(conn) = self.conns.get(key) else { return };
        let (from, to) = (conn[side as usize].node, conn[other_side(side) as usize].node);
        let Some(packet) = conn[side as usize].longest_blocked_packet() else { return };
        let blocked_by = self.blocked_by(from, to, packet);
        let Some(conn) = self.conns.get(key) else { return };
        let end = &mut conn[side as usize];
        if blocked_by.is_none() {
            for segment in std::mem::take(&mut end.blocked) {
                self.send_segment(key, side, segment);
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

    /// Gives up the connection at an end that waits for acknowledgements; the other end is not
    /// notified.
    fn give_up(&mut self, key: ConnKey, side: u8) {
        let Some(conn) = self.conns.get(key) else { return };
        let to = conn[other_side(side) as usize].node;
        let held = std::mem::take(&mut conn[side as usize].blocked);
        let lost = held.iter().map(Segment::payload_length).sum();
        let data = held.iter().any(|segment| matches!(segment, Segment::Data(_)));
        let ack = held.iter().any(|segment| matches!(segment, Segment::Ack(_)));
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
