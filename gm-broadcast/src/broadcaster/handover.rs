//! Finding a hop for a share: the first node of it that can be reached takes the list. Knows
//! nothing of what is passed on.
//!
//! Who is refused is followed by the next node of the share at once; who is silent, after a few
//! latencies, by the next one beside him, up to a bound: whoever answers first takes the list, with
//! those who did not answer yet still on it.

use std::collections::VecDeque;
use std::time::Duration;

use gm_clock::NetId;

use super::Broadcaster;
use crate::ack_aggregation::{RelayAcks, RelayState};
use crate::connections::{ConnectionState, OutboundBroadcast, OutboxEntry, RelayAckRequest};
use crate::counter::Counter;
use crate::handler::Handler;
use crate::latency_class::LatencyClass;
use crate::machine::{ConnectionId, Output};
use crate::plant::{Bug, planted};
use crate::reception::Reception;
use crate::time::Time;
use crate::timers::Timer;

/// A share that nobody has taken yet.
#[derive(Debug)]
pub(super) struct SubtreeHandover {
    outbound: OutboundBroadcast,
    class: LatencyClass,
    /// Who was not tried yet, in this order.
    untried: VecDeque<NetId>,
    /// Who is being dialled.
    dialling: Vec<NetId>,
    failed: bool,
}

/// How often a share is given anew to the same hop because its connection ended before it was sent.
const MAX_TRIES: u8 = 2;
/// How long a byte may take to go out, at 100 Mbit/s.
const NEAR_TIME_PER_BYTE: Duration = Duration::from_nanos(80);
/// How long a byte may take on its way far away, where a window of 256 KiB goes out once in a
/// quarter of a second.
const WAN_TIME_PER_BYTE: Duration = Duration::from_micros(1);

impl<H: Handler> Broadcaster<H> {
    /// Looks for somebody to take a share, unless too many are looked for already.
    pub(super) fn start_handover(
        &mut self,
        now: Time,
        outbound: OutboundBroadcast,
        class: LatencyClass,
        nodes: Vec<NetId>,
    ) {
        if self.handovers.len() >= self.config.limits.open_subtrees {
            self.counters.count(Counter::SubtreesDropped);
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
        let share =
            SubtreeHandover { outbound, class, untried: nodes.into(), dialling: Vec::new(), failed: false };
        self.handovers.insert(id, share);
        self.advance_handover(now, id);
    }

    /// Tries the next node of a share.
    fn advance_handover(&mut self, now: Time, id: u64) {
        loop {
            let Some(share) = self.handovers.get_mut(&id) else { return };
            let Some(node) = share.untried.pop_front() else {
                if share.dialling.is_empty() {
                    self.close_handover(now, id);
                }
                return;
            };
            let link = self.connection_to(now, node);
            let is_open = link.and_then(|link| self.connections.table.get(&link)).map(|link| link.is_open());
            let Some(share) = self.handovers.get_mut(&id) else { return };
            match (link, is_open) {
                (Some(link), Some(true)) => return self.hand_over(now, id, node, link),
                (Some(_), Some(false)) => {
                    share.dialling.push(node);
                    self.handovers_awaiting_dial.insert((node, id));
                    let cost = self.config.path_costs.cost(share.class);
                    if !share.untried.is_empty() {
                        let hedge = now + cost.latency.saturating_mul(4) + self.config.timings.hedge;
                        self.timers.set(Timer::Handover(id), hedge);
                    }
                    return;
                }
                _ => self.count_missing(id, node),
            }
        }
    }

    /// The time of the next attempt beside those under way.
    pub(super) fn on_handover_timer(&mut self, now: Time, id: u64) {
        let most = self.config.limits.dials_per_subtree;
        if self.handovers.get(&id).is_some_and(|share| share.dialling.len() < most) {
            self.counters.count(Counter::DialsHedged);
            self.advance_handover(now, id);
        }
    }

    /// A node can be sent to: it takes the shares that wait for it.
    pub(super) fn on_reached(&mut self, now: Time, node: NetId) {
        let Some(link) = self.peers.get(node).and_then(|peer| peer.connection) else { return };
        for id in self.handovers_waiting_for(node) {
            self.hand_over(now, id, node, link);
        }
    }

    /// A node cannot be reached: shares that wait for it go on to the next.
    pub(super) fn on_unreached(&mut self, now: Time, node: NetId) {
        for id in self.handovers_waiting_for(node) {
            self.handovers_awaiting_dial.remove(&(node, id));
            if let Some(share) = self.handovers.get_mut(&id) {
                share.dialling.retain(|dialled| *dialled != node);
            }
            self.count_missing(id, node);
            self.advance_handover(now, id);
        }
    }

    fn handovers_waiting_for(&self, node: NetId) -> Vec<u64> {
        self.handovers_awaiting_dial.range((node, 0)..=(node, u64::MAX)).map(|(_, id)| *id).collect()
    }

    fn count_missing(&mut self, id: u64, node: NetId) {
        self.counters.count(Counter::RelaysUnreachable);
        let Some(share) = self.handovers.get_mut(&id) else { return };
        share.failed = true;
        if let Some(aggregation) = share.outbound.ack_key.and_then(|key| self.ack_aggregations.get_mut(&key))
        {
            aggregation.add_missing(node);
        }
    }

    /// A share ends: somebody took it, or nobody is left to.
    fn close_handover(&mut self, now: Time, id: u64) -> Option<SubtreeHandover> {
        let share = self.handovers.remove(&id)?;
        self.timers.cancel(Timer::Handover(id));
        for node in &share.dialling {
            self.handovers_awaiting_dial.remove(&(*node, id));
        }
        let key = share.outbound.ack_key;
        if let Some(aggregation) = key.and_then(|key| self.ack_aggregations.get_mut(&key)) {
            aggregation.open_subtrees = aggregation.open_subtrees.saturating_sub(1);
            if share.untried.is_empty()
                && share.dialling.is_empty()
                && let Some(key) = key
            {
                self.schedule_ack_update(now, key);
            }
        }
        Some(share)
    }

    /// Gives a share to a node of it.
    fn hand_over(&mut self, now: Time, id: u64, relay: NetId, link: ConnectionId) {
        self.handovers_awaiting_dial.remove(&(relay, id));
        let Some(SubtreeHandover { mut outbound, class, untried: rest, dialling, failed }) =
            self.close_handover(now, id)
        else {
            return;
        };
        let mut list: Vec<NetId> = dialling.into_iter().filter(|node| *node != relay).chain(rest).collect();
        if failed && planted(Bug::ReplacedHopLosesList) {
            list.clear();
        }
        list.sort_unstable();
        let again = outbound.ack_request.is_some_and(|ask| ask.reissued);
        outbound.announcement = again
            || (outbound.content.multicast && self.reception.reception_of(relay, now) != Reception::None);
        let latency = self.config.path_costs.cost(class).latency;
        if let Some(ask) = outbound.ack_request {
            // What it says must be here in time.
            let left = ask.deadline.since(now);
            let way = latency.saturating_mul(2) + left / 32;
            outbound.ack_request = Some(RelayAckRequest { deadline: ask.deadline - way, ..ask });
        }
        // The plan may not have known how far it is; the dial has shown it.
        let measured = self.peers.get(relay).and_then(|peer| peer.class).unwrap_or(class).max(class);
        let bytes = u32::try_from(outbound.content.payload_bytes).unwrap_or(u32::MAX);
        let far = if measured == LatencyClass::Wan {
            WAN_TIME_PER_BYTE.saturating_mul(bytes)
        } else {
            Duration::ZERO
        };
        let way = self.config.path_costs.cost(measured).latency.saturating_mul(4) + far;
        if let Some(aggregation) = outbound.ack_key.and_then(|key| self.ack_aggregations.get_mut(&key)) {
            // What is given to others goes out first, or between what does not fit into a window.
            let shares =
                u32::try_from(aggregation.children.len() + aggregation.open_subtrees + 1).unwrap_or(u32::MAX);
            let sending = NEAR_TIME_PER_BYTE.saturating_mul(bytes).saturating_mul(shares);
            aggregation.children.push(RelayAcks {
                relay,
                targets: list.clone(),
                reissued: again,
                last_heard: now,
                silence_timeout: self.config.timings.ack_interval.saturating_mul(3) + way + sending,
                summary: None,
                state: RelayState::Pending,
            });
        }
        let key = outbound.ack_key;
        outbound.targets = list;
        self.enqueue(now, link, OutboxEntry::Broadcast(outbound));
        if let Some(key) = key {
            self.schedule_ack_timer(now, key);
        }
        self.flush_outbox(now, link);
    }

    /// A share that was given was not sent: its connection ended, or it had to make room.
    pub(super) fn on_outbound_lost(
        &mut self,
        now: Time,
        relay: NetId,
        mut outbound: OutboundBroadcast,
        full: bool,
    ) {
        self.counters.count(Counter::OutboxBroadcastsLost);
        if planted(Bug::OutboxLostWithLink) {
            return;
        }
        let mut nodes = std::mem::take(&mut outbound.targets);
        if let Some(aggregation) = outbound.ack_key.and_then(|key| self.ack_aggregations.get_mut(&key)) {
            let again = outbound.ack_request.is_some_and(|ask| ask.reissued);
            let child = aggregation
                .children
                .iter()
                .position(|child| child.relay == relay && child.reissued == again && child.summary.is_none());
            let child = child.map(|child| aggregation.children.remove(child));
            if child.is_some_and(|child| child.state == RelayState::Replaced) {
                // It waited so long that its list was given to others: what is left of it is the
                // hop.
                nodes.clear();
            }
            aggregation.open_subtrees += 1;
            outbound.ack_request =
                outbound.ack_request.map(|ask| RelayAckRequest { deadline: aggregation.deadline, ..ask });
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

    /// Opens a connection, if there is room for one.
    pub(super) fn dial(&mut self, now: Time, to: NetId) -> Option<ConnectionId> {
        if self.connections.table.len() >= self.config.limits.connections {
            let Some(idlest) = self.connections.idlest() else {
                self.counters.count(Counter::DialsOverLimit);
                return None;
            };
            self.lose_connection(now, idlest);
        }
        let link = self.connections.next_id();
        self.connections.add(link, Some(to), ConnectionState::Dialling, now, self.codec.limits());
        self.peers.entry(to, self.config.directory.get(to)).0.connection = Some(link);
        self.counters.count(Counter::DialsStarted);
        let small_segments = self.swallows_large_packets(now, to);
        self.outputs.push(Output::Dial { link, to, small_segments });
        Some(link)
    }
}
