//! What the storage says: what was written is installed and told to whom it concerns, or refused.
//! Knows nothing of how a wait ends.

use std::collections::BTreeMap;
use std::time::Duration;

use gm_broadcast::Time;
use gm_clock::NetId;
use gm_codec::BroadcastId;
use gm_data::{GroupName, GroupState, Record};

use super::NodeMachine;
use super::dissemination::OwnChange;
use super::draft::{Draft, PendingAnswer};
use super::write::{QueuedWrite, waits};
use crate::command::WriteError;
use crate::event::NodeEvent;
use crate::plant::{Bug, planted};
use crate::store::{Store, StoreError};

/// What is with the storage.
#[derive(Debug)]
pub(super) enum PendingBatch {
    /// Whose storage it is.
    Identity,
    /// What we wrote.
    Own(BTreeMap<GroupName, Draft>),
    /// What others wrote, and the broadcasts that said it.
    Learned { records: Vec<(GroupName, NetId)>, broadcasts: Vec<BroadcastId>, contacts: bool, peers: bool },
}

/// A storage that refuses is tried again after this at the latest.
const MAX_RETRY_DELAY: Duration = Duration::from_secs(60);

impl<S: Store> NodeMachine<S> {
    /// What became of the oldest batch, if the storage knows.
    pub(super) fn poll_store(&mut self, now: Time) -> Option<Result<(), StoreError>> {
        if self.pending_batches.is_empty() {
            return None;
        }
        self.store.poll_finished(now)
    }

    pub(super) fn on_batch_finished(&mut self, now: Time, result: Result<(), StoreError>) {
        let Some(pending) = self.pending_batches.pop_front() else { return };
        let result = if planted(Bug::RefusalIgnored) { Ok(()) } else { result };
        match (&result, self.store_failures) {
            (Ok(()), 0) => {}
            (Ok(()), _) => {
                self.store_failures = 0;
                self.emit(NodeEvent::StoreRecovered);
            }
            (Err(error), failures) => {
                self.store_failures = failures.saturating_add(1);
                self.count("storage", "refused");
                if failures == 0 {
                    self.emit(NodeEvent::StoreFailed { why: error.why.clone() });
                }
            }
        }
        match (pending, result) {
            (PendingBatch::Identity, Ok(())) => {}
            (PendingBatch::Identity, Err(_)) => self.schedule_write_back(now, true),
            (PendingBatch::Own(drafts), Ok(())) => self.commit(now, drafts),
            (PendingBatch::Own(drafts), Err(error)) => self.reject_drafts(now, drafts, &error),
            (PendingBatch::Learned { broadcasts, .. }, Ok(())) => self.on_learned_stored(now, broadcasts),
            (PendingBatch::Learned { records, broadcasts, contacts, peers }, Err(_)) => {
                let groups = self.groups_mut();
                groups.dirty.extend(records);
                groups.contacts.changed |= contacts;
                self.peers_changed |= peers;
                for id in broadcasts {
                    self.command_broadcaster(now, gm_broadcast::BroadcastCommand::NotStored(id));
                }
                self.schedule_write_back(now, false);
            }
        }
    }

    /// How long a storage that refused is left alone.
    pub(super) fn store_retry_delay(&self) -> Duration {
        let doubled =
            self.config.timing.store_retry.saturating_mul(1 << self.store_failures.saturating_sub(1).min(6));
        doubled.min(MAX_RETRY_DELAY)
    }

    /// What was written is not stored: nobody is told, and nothing was changed.
    fn reject_drafts(&mut self, now: Time, drafts: BTreeMap<GroupName, Draft>, error: &StoreError) {
        for (group, draft) in drafts {
            let answers =
                draft.answers.into_iter().chain(draft.forgotten.into_iter().map(|(_, answer)| answer));
            for answer in answers.filter(|_| !planted(Bug::RefusalNotAnswered)) {
                self.answer(answer.tag, Some(group.clone()), Err(WriteError::Store(error.clone())));
            }
            // Whoever showed us a record of ours will show it again; our former self nobody shows
            // us.
            if let Some(former) = draft.former_record {
                self.write_queue.push_back(QueuedWrite::Readdress { group: group.clone(), former });
            }
            self.probed.remove(&group);
            if let Some(hosted) = self.groups_mut().hosted.get_mut(&group) {
                hosted.joining = false;
            }
            self.release_if_idle(now, &group);
        }
        self.store_retry_at = Some(now + self.store_retry_delay());
        self.schedule_next_write(now);
    }

    /// What waits to be written, and not for others to say what they know, is written next; what
    /// the storage refused, after a while.
    fn schedule_next_write(&mut self, now: Time) {
        let ready = |queued: &QueuedWrite| match queued {
            QueuedWrite::Write(write) => !self.first_write_probes.contains_key(&write.group),
            QueuedWrite::Forget { .. } => true,
            QueuedWrite::Readdress { .. } => false,
        };
        let later = !self.to_refute.is_empty()
            || self.write_queue.iter().any(|queued| matches!(queued, QueuedWrite::Readdress { .. }));
        let next = if self.write_queue.iter().any(ready) {
            Some(now)
        } else {
            later.then(|| self.store_retry_at.map_or(now, |until| until.max(now)))
        };
        self.write_due = [self.write_due, next].into_iter().flatten().min();
    }

    /// What was written stands: it is installed, and told.
    pub(super) fn commit(&mut self, now: Time, drafts: BTreeMap<GroupName, Draft>) {
        for (group, draft) in drafts {
            self.commit_group(now, group, draft);
        }
        self.schedule_next_write(now);
    }

    fn commit_group(&mut self, now: Time, group: GroupName, draft: Draft) {
        let others: Vec<Record> = draft.other_records().cloned().collect();
        let Draft {
            replica: draft,
            previous: before,
            changed,
            own_evictions: returned,
            former_leave: former,
            answers,
            forgotten,
            ..
        } = draft;
        let own = draft.own_record().cloned();
        let was_member = before.as_ref().is_some_and(Record::is_member);
        self.probed.remove(&group);
        if changed {
            // What is written now is above whatever others may hold.
            self.exclude_loss_in(&group);
        }
        let groups = self.groups_mut();
        if let Some(hosted) = groups.hosted.get_mut(&group) {
            hosted.joining = false;
        }
        // If the group was let go meanwhile, only what is our own is kept of it.
        let kept = groups.hosted.contains_key(&group);
        groups.set.edit(&group, |replica| {
            if planted(Bug::MergedIsOverwritten) {
                *replica = draft;
            } else {
                replica.commit(draft);
            }
            if kept {
                let _ =
                    replica.merge_others(&GroupState::from_records(group.clone(), others.iter().cloned()));
            }
        });
        if changed || !others.is_empty() {
            groups.changed_groups.insert(group.clone());
        }
        for (member, answer) in forgotten {
            if let Some(record) = others.iter().find(|record| record.member() == member) {
                self.broadcast_forget(now, &group, record.clone(), answer);
            }
        }
        returned.into_iter().for_each(|eviction| self.announce_own_eviction(now, &group, eviction));
        let Some(own) = own else { return self.release_if_idle(now, &group) };
        let groups = self.groups_mut();
        if own.is_member() {
            groups.host(now, &group);
            if let Some(hosted) = groups.hosted.get_mut(&group) {
                hosted.leaving_until = None;
            }
            self.enroll(now, &group);
        } else {
            self.unenroll(&group);
        }
        let (tell, quiet): (Vec<PendingAnswer>, Vec<PendingAnswer>) =
            answers.into_iter().partition(|answer| waits(answer.wait.count));
        for answer in quiet {
            self.answer_at_once(&group, answer);
        }
        if before.is_none() && own.is_member() {
            self.be_eager(now);
        }
        if changed || !tell.is_empty() {
            let says = OwnChange { previous: before.as_ref(), own: &own, former, changed };
            self.disseminate(now, &group, says, tell);
        }
        let leaving = self.groups().hosted.get(&group).is_some_and(|hosted| hosted.leaving_until.is_some());
        if (was_member || leaving) && !own.is_member() {
            self.on_left(now, &group);
        } else {
            self.release_if_idle(now, &group);
        }
        if changed {
            if let Some(hosted) = self.groups_mut().hosted.get_mut(&group) {
                hosted.mark_unsettled();
            }
            self.track_lagging(now, &group);
            // Who is new knows few, and few know it.
            let times = self.config.timing;
            self.hasten(
                now,
                if before.is_none() { times.exchange_interval_min } else { times.exchange_interval_active },
            );
        }
    }
}
