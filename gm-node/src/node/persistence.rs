//! Persistence: the store, the batches that it works on, and the write-back. Own writes are stored
//! before they are visible; records received from other members are stored together after a delay,
//! or sooner if a peer waits for an ack from disk.

use std::collections::VecDeque;
use std::time::Duration;

use gm_broadcast::{BroadcastCommand, Time};
use gm_clock::NetId;
use gm_codec::BroadcastId;
use gm_data::GroupName;

use super::context::Context;
use super::timers::NodeTimer;
use crate::counter::NodeCounter;
use crate::event::NodeEvent;
use crate::store::{Batch, Store, StoreError};

/// A batch that the store works on.
#[derive(Debug)]
pub(super) enum PendingBatch {
    /// The node's identity.
    Identity,
    /// Own writes: the write queue has the drafts.
    Own,
    /// Records, contacts and peers that were learned.
    Learned(LearnedBatch),
}

/// A batch of records, contacts and peers that were learned.
#[derive(Debug, Default)]
pub(super) struct LearnedBatch {
    records: Vec<(GroupName, NetId)>,
    /// The broadcasts that contained them.
    broadcasts: Vec<BroadcastId>,
    /// Whether it contains the contacts.
    contacts: bool,
    /// Whether it contains the known peers.
    peers: bool,
}

/// After a group was released, broadcasts received before are not acknowledged as stored for this
/// time, since the group of a broadcast is not remembered.
const RELEASED_GRACE: Duration = Duration::from_secs(60);
/// Minimum time between stores of the contacts, which are all written each time.
const CONTACTS_INTERVAL: Duration = Duration::from_secs(30);
/// Maximum delay until a failed store is tried again.
const MAX_RETRY_DELAY: Duration = Duration::from_secs(60);

/// The store of a node, and what is on its way to it.
#[derive(Debug)]
pub(super) struct Persistence<S> {
    store: S,
    /// Batches that the store works on, the oldest first.
    pending: VecDeque<PendingBatch>,
    /// Consecutive failures.
    failures: u32,
    /// Broadcasts to acknowledge once their content is on disk.
    unstored: VecDeque<(Option<GroupName>, BroadcastId)>,
    /// Whether the known peers changed since they were stored.
    peers_changed: bool,
    contacts_stored_at: Option<Time>,
    /// Time at which a group was last released.
    released_at: Option<Time>,
}

impl<S: Store> Persistence<S> {
    pub(super) const fn new(store: S) -> Persistence<S> {
        Persistence {
            store,
            pending: VecDeque::new(),
            failures: 0,
            unstored: VecDeque::new(),
            peers_changed: false,
            contacts_stored_at: None,
            released_at: None,
        }
    }

    pub(super) const fn store(&self) -> &S {
        &self.store
    }

    /// Number of broadcasts whose content is not on disk.
    pub(super) fn unstored(&self) -> usize {
        self.unstored.len()
    }

    /// Hands a batch to the store.
    pub(super) fn submit(&mut self, now: Time, batch: Batch, pending: PendingBatch) {
        self.store.submit(now, batch);
        self.pending.push_back(pending);
    }

    /// Stores this node's identity.
    pub(super) fn store_identity(&mut self, cx: &Context) {
        let batch = Batch { me: Some(cx.me()), durable: true, ..Batch::default() };
        self.submit(cx.now, batch, PendingBatch::Identity);
    }

    /// Time of the store's next result, if it is known.
    pub(super) fn next_poll(&self) -> Option<Time> {
        self.store.next_poll().filter(|_| !self.pending.is_empty())
    }

    /// The result of the oldest batch, if the store has finished it.
    pub(super) fn poll(&mut self, cx: &mut Context) -> Option<(PendingBatch, Result<(), StoreError>)> {
        if self.pending.is_empty() {
            return None;
        }
        let result = self.store.poll_finished(cx.now)?;
        let pending = self.pending.pop_front()?;
        match (&result, self.failures) {
            (Ok(()), 0) => {}
            (Ok(()), _) => {
                self.failures = 0;
                cx.emit(NodeEvent::StoreRecovered);
            }
            (Err(error), failures) => {
                self.failures = failures.saturating_add(1);
                cx.count(NodeCounter::StoreFailures);
                if failures == 0 {
                    cx.emit(NodeEvent::StoreFailed { why: error.why.clone() });
                }
            }
        }
        Some((pending, result))
    }

    /// Acknowledges the broadcasts of a stored batch.
    pub(super) fn on_learned_stored(&self, cx: &mut Context, batch: LearnedBatch) {
        for id in batch.broadcasts {
            // An ephemeral store finishes batches without storing them.
            let stored = self.store.is_durable();
            cx.command(if stored { BroadcastCommand::Stored(id) } else { BroadcastCommand::NotStored(id) });
        }
    }

    /// Schedules what a failed batch contained for the next write-back.
    pub(super) fn on_learned_failed(&mut self, cx: &mut Context, batch: LearnedBatch) {
        cx.groups.dirty.extend(batch.records);
        cx.groups.contacts.changed |= batch.contacts;
        self.peers_changed |= batch.peers;
        batch.broadcasts.into_iter().for_each(|id| cx.command(BroadcastCommand::NotStored(id)));
        self.schedule_write_back(cx, false);
    }

    /// Delay until the next attempt after a failure.
    pub(super) fn retry_delay(&self, cx: &Context) -> Duration {
        let doubled =
            cx.config.timing.store_retry.saturating_mul(1 << self.failures.saturating_sub(1).min(6));
        doubled.min(MAX_RETRY_DELAY)
    }

    /// Notes that the known peers changed.
    pub(super) fn note_peers_changed(&mut self) {
        self.peers_changed = true;
    }

    /// Notes a merged broadcast, to be acknowledged once its content is on disk.
    pub(super) fn note_unstored(&mut self, cx: &Context, group: &GroupName, id: BroadcastId) {
        if self.unstored.len() >= cx.config.broadcast.limits.cached_broadcasts {
            self.unstored.pop_front();
        }
        self.unstored.push_back((Some(group.clone()), id));
    }

    /// Schedules a write-back if the known peers or the contacts have changed.
    pub(super) fn write_back_if_changed(&self, cx: &mut Context) {
        if self.peers_changed {
            self.schedule_write_back(cx, false);
        } else if cx.groups.contacts.changed {
            let at = self.contacts_at(cx.now);
            if at <= cx.now {
                self.schedule_write_back(cx, false);
            } else {
                cx.timers.set_by(NodeTimer::WriteBack, at);
            }
        }
    }

    /// Earliest time at which contacts may be stored.
    fn contacts_at(&self, now: Time) -> Time {
        self.contacts_stored_at.map_or(now, |last| last + CONTACTS_INTERVAL)
    }

    /// Schedules a write-back.
    pub(super) fn schedule_write_back(&self, cx: &mut Context, at_once: bool) {
        let pause = if self.failures > 0 {
            self.retry_delay(cx)
        } else if at_once {
            Duration::ZERO
        } else {
            cx.config.timing.write_back_delay
        };
        cx.timers.set_by(NodeTimer::WriteBack, cx.now + pause);
    }

    /// Handles that a peer waits until a broadcast is on disk here.
    pub(super) fn on_persist_requested(&mut self, cx: &mut Context, id: BroadcastId) {
        if !self.store.is_durable() {
            return cx.command(BroadcastCommand::NotStored(id));
        }
        let contains = |pending: &PendingBatch| match pending {
            PendingBatch::Learned(batch) => batch.broadcasts.contains(&id),
            PendingBatch::Identity | PendingBatch::Own => false,
        };
        if self.pending.iter().any(contains) {
            return;
        }
        if !self.unstored.iter().any(|(_, unstored)| *unstored == id) {
            if self.released_at.is_some_and(|at| cx.now.since(at) < RELEASED_GRACE) {
                // It may be of the released group.
                return cx.command(BroadcastCommand::NotStored(id));
            }
            // Its content was known here before: it is stored once all that is dirty now is.
            self.unstored.push_back((None, id));
        }
        self.schedule_write_back(cx, true);
    }

    /// Stores what changed.
    pub(super) fn write_back(&mut self, cx: &mut Context) {
        let (me, max) = (cx.me(), cx.config.limits.stored_peers);
        let peers = std::mem::take(&mut self.peers_changed).then(|| {
            let mut known = cx.peers().known();
            cx.rng.shuffle(&mut known);
            known.truncate(max);
            known.sort_unstable();
            known
        });
        let may_store_contacts = self.contacts_at(cx.now) <= cx.now;
        let groups = &mut cx.groups;
        let dirty = std::mem::take(&mut groups.dirty);
        let contacts = may_store_contacts && std::mem::take(&mut groups.contacts.changed);
        // Durable, since peers that receive an ack rely on it.
        let mut batch = Batch { durable: true, me: Some(me), ..Batch::default() };
        for (group, member) in &dirty {
            // Own records are stored by the write queue, before they are sent.
            if *member == me {
                continue;
            }
            match groups.record(group, *member) {
                Some(record) => batch.records.push((group.clone(), record.clone())),
                None => batch.removed.push((group.clone(), *member)),
            }
        }
        if contacts {
            // Gossip is not stored: otherwise names that no node hosts would survive restarts.
            let own = groups.contacts.direct_contacts(None);
            batch.contacts = Some(own.map(|(group, node)| (group.clone(), node)).collect());
            self.contacts_stored_at = Some(cx.now);
        }
        let broadcasts = std::mem::take(&mut self.unstored).into_iter().map(|(_, id)| id).collect();
        let (records, with_peers) = (dirty.into_iter().collect(), peers.is_some());
        batch.peers = peers;
        let learned = LearnedBatch { records, broadcasts, contacts, peers: with_peers };
        self.submit(cx.now, batch, PendingBatch::Learned(learned));
    }

    /// Removes the records of a released group from the store. Those that are not stored yet never
    /// will be, nor may be those of broadcasts whose group is not known.
    pub(super) fn on_released(&mut self, cx: &mut Context, group: &GroupName, members: Vec<NetId>) {
        if !members.is_empty() {
            self.released_at = Some(cx.now);
        }
        let unstored = std::mem::take(&mut self.unstored).into_iter();
        let (gone, rest): (Vec<_>, Vec<_>) =
            unstored.partition(|(of, _)| of.as_ref().is_none_or(|of| of == group));
        self.unstored = rest.into();
        gone.into_iter().for_each(|(_, id)| cx.command(BroadcastCommand::NotStored(id)));
        if !members.is_empty() {
            let removed = members.into_iter().map(|member| (group.clone(), member)).collect();
            let batch = Batch { removed, ..Batch::default() };
            self.submit(cx.now, batch, PendingBatch::Learned(LearnedBatch::default()));
        }
    }

    /// Clears the suspicion that the store lacks commits.
    pub(super) fn exclude_loss(&mut self) {
        self.store.exclude_loss();
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic)]
mod tests;
