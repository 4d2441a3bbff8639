//! Handover of subtrees: the first node of a subtree that can be reached becomes its relay.
//!
//! A subtree that fits goes by datagram (see `datagram_hop`). Otherwise, and for a node that does
//! not acknowledge datagrams, it goes by a connection.
//!
//! If a dial is refused, the next candidate is tried at once. If it is unanswered after a few
//! latencies, the next one is dialed beside it (a hedged request), up to a limit. The candidate
//! that answers first takes the subtree; unanswered ones are still among its targets.

use std::collections::VecDeque;
use std::time::Duration;

use gm_clock::NetId;

use super::Broadcaster;
use super::datagram_hop::DatagramHop;
use super::timeouts::BroadcasterTimer;
use crate::ack_aggregation::{RelayAcks, RelayState};
use crate::connections::{OutboundBroadcast, OutboxEntry, RelayAckRequest};
use crate::counter::Counter;
use crate::event::BroadcastEvent;
use crate::latency_class::LatencyClass;
use crate::machine::{ConnectionId, Output};
use crate::reception::Reception;
use crate::time::Time;

/// A subtree that no relay has taken yet.
#[derive(Debug)]
pub(super) struct SubtreeHandover {
    pub(super) outbound: OutboundBroadcast,
    pub(super) class: LatencyClass,
    /// Candidates that were not tried yet, in this order.
    pub(super) untried: VecDeque<NetId>,
    /// Candidates with a dial under way.
    pub(super) dialling: Vec<NetId>,
    /// The candidate to which it was sent by datagram.
    pub(super) hop: Option<DatagramHop>,
}

/// Greatest number of repeated handovers to the same relay, if its connection ended before the
/// subtree was sent.
const MAX_TRIES: u8 = 2;
/// Time to send a byte at 100 Mbit/s.
const NEAR_TIME_PER_BYTE: Duration = Duration::from_nanos(80);
/// Time to send a byte over a long path: a window of 256 KiB per round trip of a quarter of a
/// second.
const WAN_TIME_PER_BYTE: Duration = Duration::from_micros(1);

impl<D> Broadcaster<D> {
    /// Looks for a relay of a subtree, unless too many subtrees are open.
    pub(super) fn start_handover(
        &mut self,
        now: Time,
        outbound: OutboundBroadcast,
        class: LatencyClass,
        nodes: Vec<NetId>,
    ) {
        if self.handovers.len() >= self.config.limits.open_subtrees {
            self.doubt(Counter::SubtreesDropped);
            if let Some(key) = outbound.ack_key
                && let Some(aggregation) = self.ack_aggregations.get_mut(&key)
            {
                nodes.into_iter().for_each(|node| aggregation.add_missing(node));
                aggregation.open_subtrees = aggregation.open_subtrees.saturating_sub(1);
                self.schedule_ack_update(now, key);
            }
            return;
        }
        let id = self.next_handover;
        self.next_handover += 1;
        let handover =
            SubtreeHandover { outbound, class, untried: nodes.into(), dialling: Vec::new(), hop: None };
        self.handovers.insert(id, handover);
        self.advance_handover(now, id);
    }

    /// Tries the next candidate.
    pub(super) fn advance_handover(&mut self, now: Time, id: u64) {
        loop {
            let Some(handover) = self.handovers.get_mut(&id) else { return };
            let Some(node) = handover.untried.pop_front() else {
                if handover.dialling.is_empty() {
                    self.close_handover(now, id);
                }
                return;
            };
            if !handover.dialling.is_empty() && self.splits_off_hop(now, id, node) {
                return;
            }
            if self.start_hop(now, id, node) {
                return;
            }
            let link = self.connection_to(now, node, false);
            let is_open = link.and_then(|link| self.connections.table.get(&link)).map(|link| link.is_open());
            let Some(handover) = self.handovers.get_mut(&id) else { return };
            match (link, is_open) {
                (Some(link), Some(true)) => return self.hand_over(now, id, node, link),
                (Some(_), Some(false)) => {
                    handover.dialling.push(node);
                    self.handovers_awaiting_dial.insert((node, id));
                    let cost = self.config.path_costs.cost(handover.class);
                    if !handover.untried.is_empty() {
                        let hedge = now + cost.latency.saturating_mul(4) + self.config.timings.hedge;
                        self.timers.set(BroadcasterTimer::Handover(id), hedge);
                    }
                    return;
                }
                _ => self.count_missing(id, node),
            }
        }
    }

    /// A timer of a handover: a datagram was not acknowledged, or the hedge delay is over and the
    /// next candidate is tried.
    pub(super) fn on_handover_timer(&mut self, now: Time, id: u64) {
        if let Some(hop) = self.handovers.get(&id).and_then(|handover| handover.hop) {
            return self.on_hop_timeout(now, id, hop);
        }
        let max = self.config.limits.dials_per_subtree;
        if self.handovers.get(&id).is_some_and(|handover| handover.dialling.len() < max) {
            self.counters.count(Counter::DialsHedged);
            self.advance_handover(now, id);
        }
    }

    /// A node is connected: it takes the subtrees that wait for it.
    pub(super) fn on_reached(&mut self, now: Time, node: NetId) {
        let Some(link) = self.peers.get(node).and_then(|peer| peer.connection) else { return };
        for id in self.handovers_waiting_for(node) {
            self.hand_over(now, id, node, link);
        }
    }

    /// A node cannot be reached: subtrees that wait for it go on to the next candidate.
    pub(super) fn on_unreached(&mut self, now: Time, node: NetId) {
        for id in self.handovers_waiting_for(node) {
            self.handovers_awaiting_dial.remove(&(node, id));
            let Some(handover) = self.handovers.get_mut(&id) else { continue };
            handover.dialling.retain(|dialled| *dialled != node);
            if handover.hop.is_some() {
                // Datagrams may still arrive.
                continue;
            }
            self.count_missing(id, node);
            self.advance_handover(now, id);
        }
    }

    fn handovers_waiting_for(&self, node: NetId) -> Vec<u64> {
        self.handovers_awaiting_dial.range((node, 0)..=(node, u64::MAX)).map(|(_, id)| *id).collect()
    }

    pub(super) fn count_missing(&mut self, id: u64, node: NetId) {
        self.doubt(Counter::RelaysUnreachable);
        let Some(handover) = self.handovers.get(&id) else { return };
        if let Some(aggregation) =
            handover.outbound.ack_key.and_then(|key| self.ack_aggregations.get_mut(&key))
        {
            aggregation.add_missing(node);
        }
    }

    /// Removes a subtree: a relay took it, or no candidate is left.
    pub(super) fn close_handover(&mut self, now: Time, id: u64) -> Option<SubtreeHandover> {
        let handover = self.handovers.remove(&id)?;
        self.timers.cancel(&BroadcasterTimer::Handover(id));
        for node in &handover.dialling {
            self.handovers_awaiting_dial.remove(&(*node, id));
        }
        if let Some(hop) = handover.hop {
            self.hops_without_ack.remove(&(hop.relay, id));
        }
        let key = handover.outbound.ack_key;
        if let Some(aggregation) = key.and_then(|key| self.ack_aggregations.get_mut(&key)) {
            aggregation.open_subtrees = aggregation.open_subtrees.saturating_sub(1);
            if handover.untried.is_empty()
                && handover.dialling.is_empty()
                && let Some(key) = key
            {
                self.schedule_ack_update(now, key);
            }
        }
        Some(handover)
    }

    /// Hands a subtree to a relay.
    fn hand_over(&mut self, now: Time, id: u64, relay: NetId, link: ConnectionId) {
        self.handovers_awaiting_dial.remove(&(relay, id));
        let Some(SubtreeHandover { mut outbound, class, untried: rest, dialling, .. }) =
            self.close_handover(now, id)
        else {
            return;
        };
        let mut targets: Vec<NetId> =
            dialling.into_iter().filter(|node| *node != relay).chain(rest).collect();
        targets.sort_unstable();
        let reissued = outbound.ack_request.is_some_and(|request| request.reissued);
        outbound.announcement = reissued
            || (outbound.content.multicast && self.reception.reception_of(relay, now) != Reception::None);
        let latency = self.config.path_costs.cost(class).latency;
        if let Some(request) = outbound.ack_request {
            // Its summary must arrive here before the deadline.
            let left = request.deadline.since(now);
            let way = latency.saturating_mul(2) + left / 32;
            outbound.ack_request = Some(RelayAckRequest { deadline: request.deadline - way, ..request });
        }
        // The planner may not have known the latency class; the dial has measured it.
        let measured = self.peers.get(relay).and_then(|peer| peer.class).unwrap_or(class).max(class);
        let bytes = u32::try_from(outbound.content.payload_bytes).unwrap_or(u32::MAX);
        let transfer = if measured == LatencyClass::Wan {
            WAN_TIME_PER_BYTE.saturating_mul(bytes)
        } else {
            Duration::ZERO
        };
        let way = self.config.path_costs.cost(measured).latency.saturating_mul(4) + transfer;
        if let Some(aggregation) = outbound.ack_key.and_then(|key| self.ack_aggregations.get_mut(&key)) {
            // Frames to other relays are sent before, or between the parts that do not fit into a
            // window.
            let subtrees =
                u32::try_from(aggregation.children.len() + aggregation.open_subtrees + 1).unwrap_or(u32::MAX);
            let sending = NEAR_TIME_PER_BYTE.saturating_mul(bytes).saturating_mul(subtrees);
            aggregation.children.push(RelayAcks {
                relay,
                targets: targets.clone(),
                reissued,
                last_heard: now,
                silence_timeout: self.config.timings.ack_interval.saturating_mul(3) + way + sending,
                summary: None,
                state: RelayState::Pending,
            });
        }
        let key = outbound.ack_key;
        outbound.targets = targets;
        self.enqueue(now, link, OutboxEntry::Broadcast(outbound));
        if let Some(key) = key {
            self.schedule_ack_timer(now, key);
        }
        self.flush_outbox(now, link);
    }

    /// A subtree was handed over and not sent: its connection ended, or the outbox was full.
    pub(super) fn on_outbound_lost(
        &mut self,
        now: Time,
        relay: NetId,
        mut outbound: OutboundBroadcast,
        full: bool,
    ) {
        self.counters.count(Counter::OutboxBroadcastsLost);
        let mut nodes = std::mem::take(&mut outbound.targets);
        if let Some(aggregation) = outbound.ack_key.and_then(|key| self.ack_aggregations.get_mut(&key)) {
            let reissued = outbound.ack_request.is_some_and(|request| request.reissued);
            let child = aggregation.children.iter().position(|child| {
                child.relay == relay && child.reissued == reissued && child.summary.is_none()
            });
            let child = child.map(|child| aggregation.children.remove(child));
            if child.is_some_and(|child| child.state == RelayState::Replaced) {
                // Its targets were reassigned meanwhile: only the relay itself is left.
                nodes.clear();
            }
            aggregation.open_subtrees += 1;
            outbound.ack_request = outbound
                .ack_request
                .map(|request| RelayAckRequest { deadline: aggregation.deadline, ..request });
        }
        if full || outbound.tries >= MAX_TRIES {
            if let Some(aggregation) = outbound.ack_key.and_then(|key| self.ack_aggregations.get_mut(&key)) {
                aggregation.add_missing(relay);
            }
        } else {
            outbound.tries += 1;
            nodes.insert(0, relay);
        }
        self.start_handover(now, outbound, LatencyClass::Lan, nodes);
    }

    /// Counts a loss that may be left to the caller, and reports it.
    pub(super) fn doubt(&mut self, cause: Counter) {
        self.counters.count(cause);
        self.emit(BroadcastEvent::DeliveryDoubtful);
    }

    /// Dials a node, within the limit of connections.
    pub(super) fn dial(&mut self, now: Time, to: NetId) -> Option<ConnectionId> {
        if self.connections.table.len() >= self.config.limits.connections {
            let Some(idlest) = self.connections.idlest() else {
                self.counters.count(Counter::DialsOverLimit);
                return None;
            };
            self.lose_connection(now, idlest);
        }
        let link = self.start_dial(now, to);
        self.peers.entry(to, self.config.directory.get(to)).0.connection = Some(link);
        self.counters.count(Counter::DialsStarted);
        Some(link)
    }

    /// Dials a node, with small segments if the path to it drops large packets.
    pub(super) fn start_dial(&mut self, now: Time, to: NetId) -> ConnectionId {
        let small_segments = self.peers.get(to).is_some_and(|peer| peer.drops_large_packets(now));
        let link = self.connections.add_dial(to, small_segments, now, self.codec.limits());
        self.outputs.push(Output::Dial { link, to, small_segments });
        link
    }
}
