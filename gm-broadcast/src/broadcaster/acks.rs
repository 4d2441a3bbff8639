//! Receipts: what relays say is summed and told to who waits; who goes silent is replaced, once.
//! Knows nothing of how shares are made.

use std::time::Duration;

use gm_clock::NetId;
use gm_codec::{AckStatus, AckSummary, BroadcastId};

use super::Broadcaster;
use super::forward::ForwardOptions;
use crate::ack_aggregation::{AckKey, OwnAck, RelayState};
use crate::connections::RelayAckRequest;
use crate::counter::Counter;
use crate::event::{AckReport, BroadcastEvent};
use crate::handler::Handler;
use crate::plant::{Bug, planted};
use crate::time::Time;
use crate::timers::Timer;

impl<H: Handler> Broadcaster<H> {
    /// The tallies of a broadcast.
    pub(super) fn ack_keys_of(&self, id: BroadcastId) -> Vec<AckKey> {
        let first = AckKey { id, parent: None, reissued: false };
        self.ack_aggregations.range(first..).map(|(key, _)| *key).take_while(|key| key.id == id).collect()
    }

    /// A relay says how far it is.
    pub(super) fn on_ack_summary(&mut self, now: Time, sender: NetId, id: BroadcastId, sum: AckSummary) {
        for key in self.ack_keys_of(id) {
            let Some(aggregation) = self.ack_aggregations.get_mut(&key) else { continue };
            // Who was silent and whose share nobody else got may still speak; who was replaced may
            // not.
            let child = aggregation.children.iter_mut().find(|child| {
                let heard = matches!(child.state, RelayState::Pending | RelayState::Silent);
                child.relay == sender && child.reissued == sum.reassigned && heard
            });
            let Some(child) = child else { continue };
            // Nobody can have told more nodes than he was given.
            let most = child.targets.len() as u64 + 1;
            if sum.delivered.saturating_add(sum.refused).saturating_add(sum.missing) > most {
                return self.counters.count(Counter::AcksImplausible);
            }
            child.last_heard = now;
            child.state = if sum.is_final { RelayState::Done } else { RelayState::Pending };
            child.summary = Some(sum);
            return self.update_acks(now, key);
        }
        self.counters.count(Counter::AcksUnexpected);
    }

    /// A relay shows that it lives.
    pub(super) fn on_relay_alive(&mut self, now: Time, sender: NetId, id: BroadcastId) {
        for key in self.ack_keys_of(id) {
            let Some(aggregation) = self.ack_aggregations.get_mut(&key) else { continue };
            for child in aggregation.children.iter_mut().filter(|child| child.relay == sender) {
                child.last_heard = now;
            }
        }
    }

    /// What the owner promised is safe now.
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

    /// The connection of a node ended: if it is a relay, whatever it had not said is not coming.
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
                // It may have ended the connection for other reasons: it has the time of a pulse to
                // say so.
                for child in aggregation.children.iter_mut().filter(|child| child.relay == node) {
                    child.silence_timeout = child
                        .silence_timeout
                        .min(now.since(child.last_heard) + self.config.timings.ack_interval);
                }
            }
            self.schedule_ack_timer(now, key);
        }
    }

    /// Tells who waits what is known, if it is new enough, and ends a tally that is finished.
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
            self.timers.cancel(Timer::Acks(key));
        } else {
            self.schedule_ack_timer(now, key);
        }
    }

    /// Gathers when this input is handled, not in the middle of it.
    pub(super) fn schedule_ack_update(&mut self, now: Time, key: AckKey) {
        self.timers.set(Timer::Acks(key), now);
    }

    /// Sets the time at which a tally is looked at again.
    pub(super) fn schedule_ack_timer(&mut self, now: Time, key: AckKey) {
        let Some(aggregation) = self.ack_aggregations.get(&key) else { return };
        let pulse = key.parent.map(|_| aggregation.reported_at + self.config.timings.ack_interval);
        let next =
            [Some(aggregation.deadline), pulse, aggregation.silence_deadline()].into_iter().flatten().min();
        self.timers.set_by(Timer::Acks(key), next.unwrap_or(aggregation.deadline).max(now));
    }

    pub(super) fn on_ack_timer(&mut self, now: Time, key: AckKey) {
        let Some(aggregation) = self.ack_aggregations.get_mut(&key) else { return };
        let mut silent = Vec::new();
        for child in &mut aggregation.children {
            if child.state == RelayState::Pending && child.last_heard + child.silence_timeout <= now {
                // One of a share that was another's is not replaced again: what it said stands.
                let replace = !child.reissued && !child.targets.is_empty();
                child.state = if replace { RelayState::Replaced } else { RelayState::Silent };
                if replace {
                    silent.push((child.relay, child.targets.clone()));
                }
            }
        }
        let (until, durable) = (aggregation.deadline, aggregation.durable);
        for (relay, mut nodes) in silent {
            self.counters.count(Counter::SubtreesReassigned);
            if planted(Bug::ReissueToTheDead) {
                nodes.insert(0, relay);
            }
            let Some(content) = self.retransmit_cache.broadcast(&key.id).cloned() else { continue };
            let ask = RelayAckRequest { deadline: until, durable, reissued: true };
            self.distribute(
                now,
                key.id,
                &content,
                nodes,
                &ForwardOptions { ack_key: Some(key), ack_request: Some(ask), ..ForwardOptions::default() },
            );
        }
        self.update_acks(now, key);
    }
}

/// The shortest time in which receipts are gathered.
pub(super) const MIN_ACK_TIMEOUT: Duration = Duration::from_millis(1);
