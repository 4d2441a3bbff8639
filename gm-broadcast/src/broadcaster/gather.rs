//! Receipts: what relays say is summed and told to who waits; who goes silent is replaced, once. Knows nothing of how shares are made.

use std::time::Duration;

use gm_clock::NetId;
use gm_codec::{AckStatus, AckSummary, BroadcastId};

use super::Broadcaster;
use super::forward::How;
use crate::alarm::Timer;
use crate::event::{Event, Report};
use crate::handler::Handler;
use crate::links::Ask;
use crate::plant::{Bug, planted};
use crate::tally::{ChildState, Own, TallyKey};
use crate::time::Time;

impl<H: Handler> Broadcaster<H> {
    /// The tallies of a broadcast.
    pub(super) fn tallies_of(&self, id: BroadcastId) -> Vec<TallyKey> {
        let first = TallyKey { id, parent: None, again: false };
        self.tallies.range(first..).map(|(key, _)| *key).take_while(|key| key.id == id).collect()
    }

    /// A relay says how far it is.
    pub(super) fn on_sum(&mut self, now: Time, sender: NetId, id: BroadcastId, sum: AckSummary) {
        for key in self.tallies_of(id) {
            let Some(tally) = self.tallies.get_mut(&key) else { continue };
            // Who was silent and whose share nobody else got may still speak; who was replaced may not.
            let child = tally.children.iter_mut().find(|child| {
                let heard = matches!(child.state, ChildState::Waiting | ChildState::Silent);
                child.hop == sender && child.again == sum.reassigned && heard
            });
            let Some(child) = child else { continue };
            // Nobody can have told more nodes than he was given.
            let most = child.list.len() as u64 + 1;
            if sum.delivered.saturating_add(sum.refused).saturating_add(sum.missing) > most {
                return self.counters.count("receipt", "of more than it had");
            }
            child.heard = now;
            child.state = if sum.is_final { ChildState::Done } else { ChildState::Waiting };
            child.sum = Some(sum);
            return self.gather(now, key);
        }
        self.counters.count("receipt", "not waited for");
    }

    /// A relay shows that it lives.
    pub(super) fn alive(&mut self, now: Time, sender: NetId, id: BroadcastId) {
        for key in self.tallies_of(id) {
            let Some(tally) = self.tallies.get_mut(&key) else { continue };
            for child in tally.children.iter_mut().filter(|child| child.hop == sender) {
                child.heard = now;
            }
        }
    }

    /// What the owner promised is safe now.
    pub(super) fn on_stored(&mut self, now: Time, id: BroadcastId, is_stored: bool) {
        if is_stored {
            self.recent.stored(&id);
        }
        for key in self.tallies_of(id) {
            if let Some(tally) = self.tallies.get_mut(&key)
                && tally.own == Own::Waiting
            {
                tally.own = if is_stored { Own::Counts } else { Own::Refused };
                self.gather(now, key);
            }
        }
    }

    /// The connection of a node ended: if it is a relay, whatever it had not said is not coming.
    pub(super) fn on_relay_gone(&mut self, now: Time, node: NetId) {
        let waiting = |tally: &crate::tally::Tally| {
            tally.children.iter().any(|child| child.hop == node && child.state == ChildState::Waiting)
        };
        let keys: Vec<TallyKey> =
            self.tallies.iter().filter(|(_, tally)| waiting(tally)).map(|(key, _)| *key).collect();
        for key in keys {
            if let Some(tally) = self.tallies.get_mut(&key) {
                // It may have ended the connection for other reasons: it has the time of a pulse to say so.
                for child in tally.children.iter_mut().filter(|child| child.hop == node) {
                    child.patience = child.patience.min(now.since(child.heard) + self.config.times.pulse);
                }
            }
            self.watch(now, key);
        }
    }

    /// Tells who waits what is known, if it is new enough, and ends a tally that is finished.
    pub(super) fn gather(&mut self, now: Time, key: TallyKey) {
        let Some(tally) = self.tallies.get_mut(&key) else { return };
        let over = now >= tally.until;
        let mut sum = tally.sum(key.again);
        sum.is_final |= over;
        let changed = tally.told.as_ref() != Some(&sum);
        let due = tally.told.is_none() || now.since(tally.told_at) >= self.config.times.pulse;
        let last = sum.is_final;
        match key.parent {
            Some(parent) if last || due => {
                tally.told = Some(sum.clone());
                tally.told_at = now;
                self.answer(now, parent, key.id, AckStatus::Summary(sum));
            }
            None if changed => {
                let (tag, targets) = (tally.tag.unwrap_or_default(), tally.targets);
                tally.told = Some(sum.clone());
                let mut parts = if last { tally.parts() } else { Vec::new() };
                for part in &mut parts {
                    let refuses = |node: &NetId| self.peers.refuses(*node);
                    part.closed =
                        part.missing == 1 && part.nodes.len() == 1 && part.nodes.iter().all(refuses);
                }
                let known = sum.delivered.saturating_add(sum.refused).saturating_add(sum.missing);
                let report = Report {
                    delivered: sum.delivered,
                    refused: sum.refused,
                    missing: sum.missing,
                    unknown: targets.saturating_sub(known),
                    names: sum.missing_sample,
                    settled: last,
                };
                self.emit(Event::Receipts { tag, report, parts });
            }
            _ => {}
        }
        if last {
            self.tallies.remove(&key);
            self.alarms.cancel(Timer::Tally(key));
        } else {
            self.watch(now, key);
        }
    }

    /// Gathers when this input is handled, not in the middle of it.
    pub(super) fn gather_soon(&mut self, now: Time, key: TallyKey) {
        self.alarms.set(Timer::Tally(key), now);
    }

    /// Sets the time at which a tally is looked at again.
    pub(super) fn watch(&mut self, now: Time, key: TallyKey) {
        let Some(tally) = self.tallies.get(&key) else { return };
        let pulse = key.parent.map(|_| tally.told_at + self.config.times.pulse);
        let next = [Some(tally.until), pulse, tally.next_silence()].into_iter().flatten().min();
        self.alarms.set_by(Timer::Tally(key), next.unwrap_or(tally.until).max(now));
    }

    pub(super) fn on_tally(&mut self, now: Time, key: TallyKey) {
        let Some(tally) = self.tallies.get_mut(&key) else { return };
        let mut silent = Vec::new();
        for child in &mut tally.children {
            if child.state == ChildState::Waiting && child.heard + child.patience <= now {
                // One of a share that was another's is not replaced again: what it said stands.
                let replace = !child.again && !child.list.is_empty();
                child.state = if replace { ChildState::Replaced } else { ChildState::Silent };
                if replace {
                    silent.push((child.hop, child.list.clone()));
                }
            }
        }
        let (until, durable) = (tally.until, tally.durable);
        for (hop, mut nodes) in silent {
            self.counters.count("receipt", "share given again");
            if planted(Bug::ReissueToTheDead) {
                nodes.insert(0, hop);
            }
            let Some(content) = self.recent.broadcast(&key.id).cloned() else { continue };
            let ask = Ask { until, durable, again: true };
            self.disperse(
                now,
                key.id,
                &content,
                nodes,
                &How { tally: Some(key), ask: Some(ask), ..How::default() },
            );
        }
        self.gather(now, key);
    }
}

/// The shortest time in which receipts are gathered.
pub(super) const SHORTEST: Duration = Duration::from_millis(1);
