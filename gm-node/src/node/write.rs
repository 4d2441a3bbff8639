//! The write path: changes are queued until the next write tick, applied to drafts, and handed to
//! the store. Nothing of a draft is visible, here or elsewhere, before it is stored.

use std::collections::BTreeMap;

use gm_broadcast::{Path, Time};
use gm_clock::NetId;
use gm_data::{GroupName, PeerCopy, Record, VersionDigest};

use super::NodeMachine;
use super::commit::PendingBatch;
use super::draft::{Draft, PendingAnswer};
use super::timers::NodeTimer;
use crate::command::{AckCount, CommittedWrite, Wait, WaitReport, Write, WriteError};
use crate::counter::NodeCounter;
use crate::event::NodeEvent;
use crate::groups::{is_reserved, millis};
use crate::store::{Batch, Store};

/// A queued write.
#[derive(Clone, Debug)]
pub(super) enum QueuedWrite {
    /// A write of the owner.
    Write(Write),
    /// This node has a new address: take over the record of its former address.
    Readdress { group: GroupName, former: Record },
    /// Mark a member as forgotten.
    Forget { tag: u64, group: GroupName, member: NetId, wait: Wait },
}

impl QueuedWrite {
    pub(super) const fn group(&self) -> &GroupName {
        match self {
            QueuedWrite::Write(write) => &write.group,
            QueuedWrite::Readdress { group, .. } | QueuedWrite::Forget { group, .. } => group,
        }
    }
}

impl<S: Store> NodeMachine<S> {
    pub(super) fn on_write(&mut self, now: Time, write: Write) {
        if is_reserved(&write.group) {
            let error = WriteError::ReservedName { group: write.group.clone() };
            return self.answer(write.tag, Some(write.group), Err(error));
        }
        if let Err(error) = self.check_wait_limit(write.wait) {
            return self.answer(write.tag, Some(write.group), Err(error));
        }
        self.enqueue(now, QueuedWrite::Write(write));
    }

    /// Queues a write for the next tick.
    pub(super) fn enqueue(&mut self, now: Time, queued: QueuedWrite) {
        self.write_queue.push_back(queued);
        let tick = now + self.config.timing.write_batch_window;
        self.schedule_write(tick);
    }

    /// Whether the limits allow one more write, and one more wait.
    pub(super) fn check_wait_limit(&self, wait: Wait) -> Result<(), WriteError> {
        let (writes, waiting) = (self.config.limits.writes, self.config.limits.waits);
        let full = |what, max, limit, remedy| Err(WriteError::LimitReached { what, max, limit, remedy });
        if self.write_queue.len() >= writes {
            return full(
                "writes waiting for the store",
                writes,
                "writes",
                "write less often, in larger batches",
            );
        }
        if waits(wait.count) && self.waits.len() >= waiting {
            return full(
                "writes waiting for acknowledgements",
                waiting,
                "waits",
                "wait for fewer, or shorter",
            );
        }
        Ok(())
    }

    /// Handles a peer's record of this node that it did not write.
    pub(super) fn on_foreign_record(
        &mut self,
        now: Time,
        group: &GroupName,
        route: (NetId, Path),
        stamp: VersionDigest,
    ) {
        let known = self.groups.set.group(group);
        let above = known.is_none_or(|replica| replica.classify_copy(stamp) == PeerCopy::Foreign);
        if !above {
            return;
        }
        let me = self.me();
        if let Some(eviction) = known.and_then(|replica| replica.eviction_covering(me, stamp.version)) {
            return self.send_evictions(now, group, route, &[eviction]);
        }
        let is_paused =
            known.and_then(|own| own.conflict().paused_until()).is_some_and(|until| until > millis(now));
        if let Some(hosted) = self.groups.hosted.get_mut(group) {
            hosted.conflict_source = Some(route.0);
        }
        if is_paused {
            let context = self.write_context(now);
            self.groups.set.edit(group, |replica| replica.note_claim(stamp, context));
            return self.count(NodeCounter::ClaimsDuringConflict);
        }
        let max = self.config.limits.groups;
        if !self.to_refute.contains_key(group) && self.to_refute.len() >= max {
            return self.count(NodeCounter::RefutationsDropped);
        }
        let highest = self.to_refute.entry(group.clone()).or_insert(stamp);
        *highest = stamp.max(*highest);
        self.report_confirmed_loss(group, stamp);
        // A report about our own record is what a first write waits for.
        self.on_probe_answered(now, group);
        self.schedule_write(now);
    }

    /// Sets the write tick, unless it is set to an earlier time. While the store works on own
    /// writes, the tick waits for the result.
    pub(super) fn schedule_write(&mut self, at: Time) {
        if self.pending_batches.iter().any(|pending| matches!(pending, PendingBatch::Own(_))) {
            self.tick_after_store = Some(self.tick_after_store.map_or(at, |set| set.min(at)));
        } else {
            self.timers.set_by(NodeTimer::WriteTick, at);
        }
    }

    /// The write tick: applies all writes that do not have to wait.
    pub(super) fn write_queued(&mut self, now: Time) {
        self.probe_before_writing(now);
        let mut drafts: BTreeMap<GroupName, Draft> = BTreeMap::new();
        let blocked = self.store_retry_at.is_some_and(|after| after > now);
        if !blocked {
            self.store_retry_at = None;
            for (group, stamp) in std::mem::take(&mut self.to_refute) {
                self.draft_refutation(now, &mut drafts, group, |own, context| {
                    own.observe_own_record(stamp, context)
                });
            }
            for (group, eviction) in std::mem::take(&mut self.own_evictions) {
                self.draft_refutation(now, &mut drafts, group, |own, context| {
                    own.observe_eviction(&eviction, context)
                });
            }
        }
        let mut waiting = std::collections::VecDeque::new();
        for queued in std::mem::take(&mut self.write_queue) {
            match queued {
                QueuedWrite::Write(write) if self.first_write_probes.contains_key(&write.group) => {
                    waiting.push_back(QueuedWrite::Write(write));
                }
                QueuedWrite::Write(write) => self.draft_write(now, &mut drafts, write),
                QueuedWrite::Readdress { group, former } if blocked => {
                    waiting.push_back(QueuedWrite::Readdress { group, former })
                }
                QueuedWrite::Readdress { group, former } => {
                    self.draft_readdress(now, &mut drafts, group, former)
                }
                QueuedWrite::Forget { tag, group, member, wait } => {
                    self.draft_forget(&mut drafts, group, member, (tag, wait));
                }
            }
        }
        self.write_queue = waiting;
        self.submit_drafts(now, drafts);
    }

    /// Hands the drafts to the store. Drafts without changes are only answered, at once.
    fn submit_drafts(&mut self, now: Time, drafts: BTreeMap<GroupName, Draft>) {
        let mut batch = Batch { durable: true, ..Batch::default() };
        for (group, draft) in &drafts {
            let own = draft.replica.own_record().filter(|_| draft.changed).into_iter();
            let records = own.chain(draft.other_records());
            batch.records.extend(records.map(|record| (group.clone(), record.clone())));
            if draft.former_record.is_some() {
                batch.me = Some(self.me());
            }
        }
        if batch.is_empty() {
            return self.commit(now, drafts);
        }
        self.store.submit(now, batch);
        self.pending_batches.push_back(PendingBatch::Own(drafts));
        self.tick_after_store = self.timers.cancel(&NodeTimer::WriteTick);
    }

    /// Answers a caller that waits for no acks.
    pub(super) fn answer_at_once(&mut self, group: &GroupName, answer: PendingAnswer) {
        let PendingAnswer { tag, changed, version, .. } = answer;
        let waited = WaitReport { members: self.other_members(group), ..WaitReport::default() };
        self.answer(tag, Some(group.clone()), Ok(CommittedWrite { version, changed, wait: waited }));
    }

    pub(super) fn answer(
        &mut self,
        tag: u64,
        group: Option<GroupName>,
        result: Result<CommittedWrite, WriteError>,
    ) {
        self.emit(NodeEvent::Answered { tag, group, result });
    }
}

/// Whether a wait requires acks.
pub(super) fn waits(count: AckCount) -> bool {
    !matches!(count, AckCount::None | AckCount::Some(0))
}
