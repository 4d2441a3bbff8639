//! The write queue: changes are applied to drafts at a write tick, and handed to the store. Nothing
//! of a draft is visible, here or elsewhere, before it is stored.
//!
//! A write that no other preceded within the batch window is due at once, so a single write waits
//! for nothing; those that follow within the window wait for its end and share a batch.
//!
//! `writes/draft.rs` applies writes to drafts; `writes/commit.rs` makes stored drafts the state of
//! their groups; `writes/first_write_probe.rs` asks peers before a first write;
//! `writes/store_loss.rs` is the suspicion that the store lacks commits.

mod commit;
mod draft;
mod first_write_probe;
mod store_loss;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use gm_broadcast::{Path, Time};
use gm_clock::NetId;
use gm_data::{Eviction, ForgetError, GroupName, PeerCopy, Record, VersionDigest};

use super::action::Action;
use super::context::Context;
use super::timers::NodeTimer;
use crate::command::{Forget, Wait, Write, WriteError};
use crate::counter::NodeCounter;
use crate::groups::{is_reserved, millis};
use crate::store::StoreError;
use first_write_probe::FirstWriteProbes;
use store_loss::SuspectedLoss;

pub(super) use commit::CommittedDraft;
pub(super) use draft::{Draft, Drafts};

/// A queued write.
#[derive(Clone, Debug)]
enum QueuedWrite {
    /// A write of the owner.
    Write(Write),
    /// This node has a new address: take over the record of its former address.
    Readdress { group: GroupName, former: Record },
    /// Mark a member as forgotten.
    Forget { tag: u64, group: GroupName, member: NetId, wait: Wait },
}

impl QueuedWrite {
    const fn group(&self) -> &GroupName {
        match self {
            QueuedWrite::Write(write) => &write.group,
            QueuedWrite::Readdress { group, .. } | QueuedWrite::Forget { group, .. } => group,
        }
    }
}

/// The writes of a node, from the command to the commit.
#[derive(Debug, Default)]
pub(super) struct WriteQueue {
    /// Queued writes, in their order.
    queue: VecDeque<QueuedWrite>,
    /// The drafts that the store works on. Meanwhile, no other drafts are begun.
    with_store: Option<Drafts>,
    /// End of the window in which writes are gathered after the last batch. A write that comes
    /// later is committed at once.
    gather_until: Time,
    /// The write tick, while the store works on drafts.
    tick_after_store: Option<Time>,
    /// The greatest foreign version of this node's own record, to be refuted at the next write
    /// tick.
    to_refute: BTreeMap<GroupName, VersionDigest>,
    /// Evictions that cover this node's own record: it has to write a version that is not covered.
    own_evictions: BTreeMap<GroupName, Eviction>,
    /// After a failure of the store: time before which nothing is retried that no caller waits for.
    retry_at: Option<Time>,
    probes: FirstWriteProbes,
    loss: SuspectedLoss,
}

impl WriteQueue {
    /// A queue without writes; `suspected_loss`: see
    /// [`StoredState`](crate::StoredState::suspected_loss).
    pub(super) fn new(suspected_loss: Option<String>) -> WriteQueue {
        WriteQueue { loss: SuspectedLoss::new(suspected_loss), ..WriteQueue::default() }
    }

    /// Notes a group in which the store had a record of this node.
    pub(super) fn load_own_record(&mut self, group: &GroupName) {
        self.loss.add(group.clone());
    }

    /// Queues the takeover from this node's former address, for the start.
    pub(super) fn load_former_record(&mut self, group: GroupName, former: Record) {
        self.queue.push_back(QueuedWrite::Readdress { group, former });
    }

    /// Starts the work on what was loaded.
    pub(super) fn start(&mut self, cx: &mut Context) {
        self.loss.report(cx);
        if !self.queue.is_empty() {
            self.schedule(cx, cx.now);
        }
    }

    /// Number of queued writes.
    pub(super) fn len(&self) -> usize {
        self.queue.len()
    }

    /// Whether a write in a group is queued or with the store.
    pub(super) fn is_any_in(&self, group: &GroupName) -> bool {
        self.queue.iter().any(|queued| queued.group() == group)
            || self.with_store.as_ref().is_some_and(|drafts| drafts.concern(group))
    }

    /// Whether a first write in a group waits for its probe.
    pub(super) fn is_probing(&self, group: &GroupName) -> bool {
        self.probes.is_open(group)
    }

    /// Queues a write of the owner, or answers it if it is refused. `waits`: number of open waits.
    pub(super) fn on_write(&mut self, cx: &mut Context, write: Write, waits: usize) {
        if is_reserved(&write.group) {
            let error = WriteError::ReservedName { group: write.group.clone() };
            return cx.answer(write.tag, Some(write.group), Err(error));
        }
        match self.check_limits(cx, write.wait, waits) {
            Err(error) => cx.answer(write.tag, Some(write.group), Err(error)),
            Ok(()) => self.enqueue(cx, QueuedWrite::Write(write)),
        }
    }

    /// Queues an order to forget a member, in one group or in all that know it.
    pub(super) fn on_forget(&mut self, cx: &mut Context, forget: Forget, waits: usize) {
        let Forget { tag, group, member, wait } = forget;
        let groups: Vec<GroupName> = match group {
            Some(group) => vec![group],
            None => {
                let knows = |group: &&GroupName| {
                    cx.groups.version(group, member).is_some_and(|version| !version.forgotten)
                };
                cx.groups.hosted.keys().filter(knows).cloned().collect()
            }
        };
        if groups.is_empty() {
            let error = ForgetError::Unknown { member };
            return cx.answer(tag, None, Err(error.into()));
        }
        for group in groups {
            match self.check_limits(cx, wait, waits) {
                Err(error) => cx.answer(tag, Some(group), Err(error)),
                Ok(()) => self.enqueue(cx, QueuedWrite::Forget { tag, group, member, wait }),
            }
        }
    }

    /// Queues a write for the next tick: now, or after a recent batch the end of its window.
    fn enqueue(&mut self, cx: &mut Context, queued: QueuedWrite) {
        self.queue.push_back(queued);
        let tick = self.gather_until.max(cx.now);
        self.schedule(cx, tick);
    }

    /// Whether the limits allow one more write, and one more wait.
    fn check_limits(&self, cx: &Context, wait: Wait, waits: usize) -> Result<(), WriteError> {
        let (writes, max_waits) = (cx.config.limits.writes, cx.config.limits.waits);
        let full = |what, max, limit, remedy| Err(WriteError::LimitReached { what, max, limit, remedy });
        if self.queue.len() >= writes {
            let remedy = "write less often, in larger batches";
            return full("writes waiting for the store", writes, "writes", remedy);
        }
        if wait.count.needs_acks() && waits >= max_waits {
            let remedy = "wait for fewer, or shorter";
            return full("writes waiting for acknowledgements", max_waits, "waits", remedy);
        }
        Ok(())
    }

    /// Handles a peer's record of this node that it did not write.
    pub(super) fn on_foreign_record(
        &mut self,
        cx: &mut Context,
        group: &GroupName,
        (from, path): (NetId, Path),
        stamp: VersionDigest,
    ) {
        let known = cx.groups.set.group(group);
        if !known.is_none_or(|replica| replica.classify_copy(stamp) == PeerCopy::Foreign) {
            return;
        }
        if let Some(eviction) = known.and_then(|replica| replica.eviction_covering(cx.me(), stamp.version)) {
            let (group, evictions) = (group.clone(), vec![eviction]);
            return cx.act(Action::SendEvictions { group, to: from, path, evictions });
        }
        let is_paused =
            known.and_then(|own| own.conflict().paused_until()).is_some_and(|until| until > millis(cx.now));
        if let Some(hosted) = cx.groups.hosted.get_mut(group) {
            hosted.conflict_source = Some(from);
        }
        if is_paused {
            let context = cx.write_context();
            cx.groups.set.edit(group, |replica| replica.note_claim(stamp, context));
            return cx.count(NodeCounter::ClaimsDuringConflict);
        }
        if !self.to_refute.contains_key(group) && self.to_refute.len() >= cx.config.limits.groups {
            return cx.count(NodeCounter::RefutationsDropped);
        }
        let highest = self.to_refute.entry(group.clone()).or_insert(stamp);
        *highest = stamp.max(*highest);
        self.loss.report_confirmed(cx, group, stamp);
        // A report about our own record is what a first write waits for.
        self.on_record_probed(cx, group);
        self.schedule(cx, cx.now);
    }

    /// Handles a peer's eviction of our own record: writes a version that is not covered, or sends
    /// the peer the eviction that already resulted.
    pub(super) fn on_own_evicted(
        &mut self,
        cx: &mut Context,
        group: GroupName,
        (from, path): (NetId, Path),
        eviction: Eviction,
    ) {
        let Some(own) = cx.groups.set.group(&group) else { return };
        let is_paused = own.conflict().paused_until().is_some_and(|until| until > millis(cx.now));
        if let Some(later) = own.reset_eviction() {
            cx.act(Action::SendEvictions { group, to: from, path, evictions: vec![later] });
        } else if is_paused {
            cx.count(NodeCounter::ClaimsDuringConflict);
        } else if self.own_evictions.len() < cx.config.limits.groups {
            self.own_evictions.insert(group, eviction);
            self.schedule(cx, cx.now);
        }
    }

    /// A peer reported our record in a group, or that it has none.
    pub(super) fn on_record_probed(&mut self, cx: &mut Context, group: &GroupName) {
        self.loss.exclude_in(cx, group);
        if self.probes.end(group) {
            self.schedule(cx, cx.now);
        }
    }

    /// The probes before first writes.
    pub(super) const fn probes(&mut self) -> &mut FirstWriteProbes {
        &mut self.probes
    }

    /// Asks peers before the first writes for which there was no one to ask.
    pub(super) fn ask_found_peers(&mut self, cx: &mut Context) {
        if self.probes.hasten(cx.now) {
            self.schedule(cx, cx.now);
        }
    }

    /// Sets the write tick, unless it is set to an earlier time. While the store works on drafts,
    /// the tick waits for the result.
    fn schedule(&mut self, cx: &mut Context, at: Time) {
        if self.with_store.is_some() {
            self.tick_after_store = Some(self.tick_after_store.map_or(at, |set| set.min(at)));
        } else {
            cx.timers.set_by(NodeTimer::WriteTick, at);
        }
    }

    /// The first part of the write tick: asks peers before first writes.
    pub(super) fn probe_first_writes(&mut self, cx: &mut Context) {
        let queued = self.queue.iter().filter_map(|queued| match queued {
            QueuedWrite::Write(write) => Some(write.group.clone()),
            QueuedWrite::Readdress { .. } | QueuedWrite::Forget { .. } => None,
        });
        let queued: BTreeSet<GroupName> = queued.collect();
        if let Some(next) = self.probes.advance(cx, &self.loss, &queued) {
            self.schedule(cx, next);
        }
    }

    /// The second part of the write tick: applies all writes that do not have to wait to drafts,
    /// and hands these to the store. Drafts that change nothing are committed at once.
    pub(super) fn draft_queued(&mut self, cx: &mut Context) {
        let drafts = self.take_drafts(cx);
        let batch = drafts.batch(cx.me());
        self.with_store = Some(drafts);
        if batch.is_empty() {
            return cx.act(Action::Commit);
        }
        cx.act(Action::SubmitDrafts(batch));
        self.tick_after_store = cx.timers.cancel(&NodeTimer::WriteTick);
    }

    fn take_drafts(&mut self, cx: &mut Context) -> Drafts {
        self.gather_until = cx.now + cx.config.timing.write_batch_window;
        let mut drafts = Drafts::default();
        let blocked = self.retry_at.is_some_and(|after| after > cx.now);
        if !blocked {
            self.retry_at = None;
            for (group, stamp) in std::mem::take(&mut self.to_refute) {
                drafts.refute(cx, group, |own, context| own.observe_own_record(stamp, context));
            }
            for (group, eviction) in std::mem::take(&mut self.own_evictions) {
                drafts.refute(cx, group, |own, context| own.observe_eviction(&eviction, context));
            }
        }
        for queued in std::mem::take(&mut self.queue) {
            match queued {
                QueuedWrite::Write(write) if self.probes.is_open(&write.group) => {
                    self.queue.push_back(QueuedWrite::Write(write));
                }
                QueuedWrite::Write(write) => drafts.write(cx, write),
                QueuedWrite::Readdress { group, former } if blocked => {
                    self.queue.push_back(QueuedWrite::Readdress { group, former });
                }
                QueuedWrite::Readdress { group, former } => drafts.readdress(cx, group, former),
                QueuedWrite::Forget { tag, group, member, wait } => {
                    drafts.forget(cx, group, member, (tag, wait));
                }
            }
        }
        drafts
    }

    /// Takes the drafts that the store has finished, or that nothing has to be stored of. A write
    /// tick that waited for the store is set again.
    pub(super) fn take_finished(&mut self, cx: &mut Context) -> Drafts {
        let drafts = self.with_store.take().unwrap_or_default();
        if let Some(tick) = self.tick_after_store.take() {
            self.schedule(cx, tick);
        }
        drafts
    }

    /// Makes a stored draft the state of its group.
    pub(super) fn commit(&mut self, cx: &mut Context, group: &GroupName, draft: Draft) -> CommittedDraft {
        self.probes.forget(group);
        if draft.changed {
            // The new version is greater than any that peers may have.
            self.loss.exclude_in(cx, group);
        }
        commit::install(cx, group, draft)
    }

    /// Drops drafts that could not be stored: nothing was sent, and nothing changed. What no caller
    /// waits for is retried after `retry_delay`.
    pub(super) fn reject(
        &mut self,
        cx: &mut Context,
        drafts: Drafts,
        error: &StoreError,
        retry_delay: std::time::Duration,
    ) {
        for (group, draft) in drafts.into_groups() {
            let forgotten = draft.forgotten.into_iter().map(|(_, answer)| answer);
            for answer in draft.answers.into_iter().chain(forgotten) {
                cx.answer(answer.tag, Some(group.clone()), Err(WriteError::Store(error.clone())));
            }
            // A peer that sent a foreign record of ours will send it again; the record of our
            // former address comes from nowhere else.
            if let Some(former) = draft.former_record {
                self.queue.push_back(QueuedWrite::Readdress { group: group.clone(), former });
            }
            self.probes.forget(&group);
            if let Some(hosted) = cx.groups.hosted.get_mut(&group) {
                hosted.joining = false;
            }
            cx.act(Action::ReleaseIfIdle(group));
        }
        self.retry_at = Some(cx.now + retry_delay);
        self.schedule_next(cx);
    }

    /// Schedules the next write: at once for queued writes that do not wait for a probe, after a
    /// delay for what the store refused.
    pub(super) fn schedule_next(&mut self, cx: &mut Context) {
        let ready = |queued: &QueuedWrite| match queued {
            QueuedWrite::Write(write) => !self.probes.is_open(&write.group),
            QueuedWrite::Forget { .. } => true,
            QueuedWrite::Readdress { .. } => false,
        };
        let later = !self.to_refute.is_empty()
            || self.queue.iter().any(|queued| matches!(queued, QueuedWrite::Readdress { .. }));
        if self.queue.iter().any(ready) {
            self.schedule(cx, cx.now);
        } else if later {
            self.schedule(cx, self.retry_at.map_or(cx.now, |until| until.max(cx.now)));
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic)]
mod tests;
