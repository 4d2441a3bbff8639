//! Acknowledgements: sums the summaries of relays, reports them upward or to the caller, and
//! reassigns the subtree of a silent relay, once.

use std::time::Duration;

use gm_clock::NetId;
use gm_codec::{AckStatus, AckSummary, BroadcastId};

use super::Broadcaster;
use super::forward::ForwardOptions;
use super::timeouts::BroadcasterTimer;
use crate::ack_aggregation::{AckKey, OwnAck, RelayState};
use crate::connections::RelayAckRequest;
use crate::counter::Counter;
use crate::event::{AckReport, BroadcastEvent};
use crate::time::Time;

impl<D> Broadcaster<D> {
    /// The aggregations of a broadcast.
    pub(super) fn ack_keys_of(&self, id: BroadcastId) -> Vec<AckKey> {
        let first = AckKey { id, parent: None, reissued: false };
        self.ack_aggregations.range(first..).map(|(key, _)| *key).take_while(|key| key.id == id).collect()
    }

    /// Handles the summary of a relay.
    pub(super) fn on_ack_summary(&mut self, now: Time, sender: NetId, id: BroadcastId, sum: AckSummary) {
        for key in self.ack_keys_of(id) {
            let Some(aggregation) = self.ack_aggregations.get_mut(&key) else { continue };
            // A silent relay whose subtree was not reassigned may still report; a replaced one may
            // not.
            let child = aggregation.children.iter_mut().find(|child| {
                let may_report = matches!(child.state, RelayState::Pending | RelayState::Silent);
                child.relay == sender && child.reissued == sum.reassigned && may_report
            });
            let Some(child) = child else { continue };
            // No relay can count more nodes than its targets and itself.
            let max = child.targets.len() as u64 + 1;
            if sum.delivered.saturating_add(sum.refused).saturating_add(sum.missing) > max {
                return self.counters.count(Counter::AcksImplausible);
            }
            child.last_heard = now;
            child.state = if sum.is_final { RelayState::Done } else { RelayState::Pending };
            child.summary = Some(sum);
            return self.update_acks(now, key);
        }
        self.counters.count(Counter::AcksUnexpected);
    }

    /// Notes that a relay is alive.
    pub(super) fn on_relay_alive(&mut self, now: Time, sender: NetId, id: BroadcastId) {
        for key in self.ack_keys_of(id) {
            let Some(aggregation) = self.ack_aggregations.get_mut(&key) else { continue };
            for child in aggregation.children.iter_mut().filter(|child| child.relay == sender) {
                child.last_heard = now;
            }
        }
    }

    /// The caller stored a broadcast, or failed to.
    pub(super) fn on_stored(&mut self, now: Time, id: BroadcastId, is_stored: bool) {
        if is_stored {
            self.retransmit_cache.mark_stored(&id);
        }
        for key in self.ack_keys_of(id) {
            if let Some(aggregation) = self.ack_aggregations.get_mut(&key)
                && aggregation.own == OwnAck::Pending
            {
                aggregation.own = if is_stored { OwnAck::Acked } else { OwnAck::Refused };
                self.update_acks(now, key);
            }
        }
    }

    /// The connection of a node ended: if it is a pending relay, its summaries may be lost.
    pub(super) fn on_relay_gone(&mut self, now: Time, node: NetId) {
        let waiting = |aggregation: &crate::ack_aggregation::AckAggregation| {
            aggregation.children.iter().any(|child| child.relay == node && child.state == RelayState::Pending)
        };
        let keys: Vec<AckKey> = self
            .ack_aggregations
            .iter()
            .filter(|(_, aggregation)| waiting(aggregation))
            .map(|(key, _)| *key)
            .collect();
        for key in keys {
            if let Some(aggregation) = self.ack_aggregations.get_mut(&key) {
                // It may have closed the connection for other reasons: it has one ack interval to
                // report.
                for child in aggregation.children.iter_mut().filter(|child| child.relay == node) {
                    child.silence_timeout = child
                        .silence_timeout
                        .min(now.since(child.last_heard) + self.config.timings.ack_interval);
                }
            }
            self.schedule_ack_timer(now, key);
        }
    }

    /// Reports the summary, if it is due, and removes a finished aggregation.
    pub(super) fn update_acks(&mut self, now: Time, key: AckKey) {
        let Some(aggregation) = self.ack_aggregations.get_mut(&key) else { return };
        let over = now >= aggregation.deadline;
        let mut sum = aggregation.summary(key.reissued);
        sum.is_final |= over;
        let changed = aggregation.last_reported.as_ref() != Some(&sum);
        let due = aggregation.last_reported.is_none()
            || now.since(aggregation.reported_at) >= self.config.timings.ack_interval;
        let last = sum.is_final;
        match key.parent {
            Some(parent) if last || due => {
                aggregation.last_reported = Some(sum.clone());
                aggregation.reported_at = now;
                self.send_ack(now, parent, key.id, AckStatus::Summary(sum));
            }
            None if changed => {
                let (tag, targets) = (aggregation.tag.unwrap_or_default(), aggregation.targets);
                aggregation.last_reported = Some(sum.clone());
                let mut parts = if last { aggregation.parts() } else { Vec::new() };
                for part in &mut parts {
                    let refuses = |node: &NetId| self.peers.refuses(*node);
                    part.closed =
                        part.missing == 1 && part.nodes.len() == 1 && part.nodes.iter().all(refuses);
                }
                let known = sum.delivered.saturating_add(sum.refused).saturating_add(sum.missing);
                let report = AckReport {
                    delivered: sum.delivered,
                    refused: sum.refused,
                    missing: sum.missing,
                    unknown: targets.saturating_sub(known),
                    missing_nodes: sum.missing_sample,
                    settled: last,
                };
                self.emit(BroadcastEvent::Acks { tag, report, parts });
            }
            _ => {}
        }
        if last {
            self.ack_aggregations.remove(&key);
            self.timers.cancel(&BroadcasterTimer::Acks(key));
        } else {
            self.schedule_ack_timer(now, key);
        }
    }

    /// Schedules an update for the end of this input, not in the middle of it.
    pub(super) fn schedule_ack_update(&mut self, now: Time, key: AckKey) {
        self.timers.set(BroadcasterTimer::Acks(key), now);
    }

    /// Schedules the next look at an aggregation.
    pub(super) fn schedule_ack_timer(&mut self, now: Time, key: AckKey) {
        let Some(aggregation) = self.ack_aggregations.get(&key) else { return };
        let interval = key.parent.map(|_| aggregation.reported_at + self.config.timings.ack_interval);
        let next = [Some(aggregation.deadline), interval, aggregation.silence_deadline()]
            .into_iter()
            .flatten()
            .min();
        self.timers.set_by(BroadcasterTimer::Acks(key), next.unwrap_or(aggregation.deadline).max(now));
    }

    pub(super) fn on_ack_timer(&mut self, now: Time, key: AckKey) {
        let Some(aggregation) = self.ack_aggregations.get_mut(&key) else { return };
        let mut silent = Vec::new();
        for child in &mut aggregation.children {
            if child.state == RelayState::Pending && child.last_heard + child.silence_timeout <= now {
                // A relay of a reassigned subtree is not replaced again: its last summary counts.
                let replace = !child.reissued && !child.targets.is_empty();
                child.state = if replace { RelayState::Replaced } else { RelayState::Silent };
                if replace {
                    silent.push(child.targets.clone());
                }
            }
        }
        let (until, durable) = (aggregation.deadline, aggregation.durable);
        for nodes in silent {
            self.counters.count(Counter::SubtreesReassigned);
            let Some(content) = self.retransmit_cache.broadcast(&key.id).cloned() else { continue };
            let request = RelayAckRequest { deadline: until, durable, reissued: true };
            self.distribute(
                now,
                key.id,
                &content,
                nodes,
                &ForwardOptions {
                    ack_key: Some(key),
                    ack_request: Some(request),
                    ..ForwardOptions::default()
                },
            );
        }
        self.update_acks(now, key);
    }
}

/// Shortest deadline of an aggregation.
pub(super) const MIN_ACK_TIMEOUT: Duration = Duration::from_millis(1);
