//! Results of the store: a stored draft is committed and disseminated, a failed one rejected.

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
use crate::counter::NodeCounter;
use crate::event::NodeEvent;
use crate::store::{Store, StoreError};

/// A batch that the store works on.
#[derive(Debug)]
pub(super) enum PendingBatch {
    /// The node's identity.
    Identity,
    /// Own writes.
    Own(BTreeMap<GroupName, Draft>),
    /// Records received from other members, and the broadcasts that contained them.
    Learned { records: Vec<(GroupName, NetId)>, broadcasts: Vec<BroadcastId>, contacts: bool, peers: bool },
}

/// Maximum delay until a failed store is tried again.
const MAX_RETRY_DELAY: Duration = Duration::from_secs(60);

impl<S: Store> NodeMachine<S> {
    /// The result of the oldest batch, if the store has finished it.
    pub(super) fn poll_store(&mut self, now: Time) -> Option<Result<(), StoreError>> {
        if self.pending_batches.is_empty() {
            return None;
        }
        self.store.poll_finished(now)
    }

    pub(super) fn on_batch_finished(&mut self, now: Time, result: Result<(), StoreError>) {
        let Some(pending) = self.pending_batches.pop_front() else { return };
        if let PendingBatch::Own(_) = pending
            && let Some(tick) = self.tick_after_store.take()
        {
            self.schedule_write(tick);
        }
        match (&result, self.store_failures) {
            (Ok(()), 0) => {}
            (Ok(()), _) => {
                self.store_failures = 0;
                self.emit(NodeEvent::StoreRecovered);
            }
            (Err(error), failures) => {
                self.store_failures = failures.saturating_add(1);
                self.count(NodeCounter::StoreFailures);
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
                let groups = &mut self.groups;
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

    /// Delay until the next attempt after a failure.
    pub(super) fn store_retry_delay(&self) -> Duration {
        let doubled =
            self.config.timing.store_retry.saturating_mul(1 << self.store_failures.saturating_sub(1).min(6));
        doubled.min(MAX_RETRY_DELAY)
    }

    /// Drops drafts that could not be stored: nothing was sent, and nothing changed.
    fn reject_drafts(&mut self, now: Time, drafts: BTreeMap<GroupName, Draft>, error: &StoreError) {
        for (group, draft) in drafts {
            let answers =
                draft.answers.into_iter().chain(draft.forgotten.into_iter().map(|(_, answer)| answer));
            for answer in answers {
                self.answer(answer.tag, Some(group.clone()), Err(WriteError::Store(error.clone())));
            }
            // A peer that sent a foreign record of ours will send it again; the record of our
            // former address comes from nowhere else.
            if let Some(former) = draft.former_record {
                self.write_queue.push_back(QueuedWrite::Readdress { group: group.clone(), former });
            }
            self.probed.remove(&group);
            if let Some(hosted) = self.groups.hosted.get_mut(&group) {
                hosted.joining = false;
            }
            self.release_if_idle(now, &group);
        }
        self.store_retry_at = Some(now + self.store_retry_delay());
        self.schedule_next_write(now);
    }

    /// Schedules the next write: at once for queued writes that do not wait for a probe, after a
    /// delay for what the store refused.
    fn schedule_next_write(&mut self, now: Time) {
        let ready = |queued: &QueuedWrite| match queued {
            QueuedWrite::Write(write) => !self.first_write_probes.contains_key(&write.group),
            QueuedWrite::Forget { .. } => true,
            QueuedWrite::Readdress { .. } => false,
        };
        let later = !self.to_refute.is_empty()
            || self.write_queue.iter().any(|queued| matches!(queued, QueuedWrite::Readdress { .. }));
        if self.write_queue.iter().any(ready) {
            self.schedule_write(now);
        } else if later {
            self.schedule_write(self.store_retry_at.map_or(now, |until| until.max(now)));
        }
    }

    /// Commits drafts that are stored, and disseminates them.
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
            own_evictions,
            former_leave: former,
            answers,
            forgotten,
            ..
        } = draft;
        let own = draft.own_record().cloned();
        let was_member = before.as_ref().is_some_and(Record::is_member);
        self.probed.remove(&group);
        if changed {
            // The new version is greater than any that peers may have.
            self.exclude_loss_in(&group);
        }
        let groups = &mut self.groups;
        if let Some(hosted) = groups.hosted.get_mut(&group) {
            hosted.joining = false;
        }
        // If the group was released meanwhile, only our own record is kept.
        let kept = groups.hosted.contains_key(&group);
        groups.set.edit(&group, |replica| {
            replica.commit(draft);
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
        own_evictions.into_iter().for_each(|eviction| self.announce_own_eviction(now, &group, eviction));
        let Some(own) = own else { return self.release_if_idle(now, &group) };
        self.follow_membership(now, &group, own.is_member());
        let (waiting, immediate): (Vec<PendingAnswer>, Vec<PendingAnswer>) =
            answers.into_iter().partition(|answer| waits(answer.wait.count));
        for answer in immediate {
            self.answer_at_once(&group, answer);
        }
        if before.is_none() && own.is_member() {
            self.be_eager(now);
        }
        if changed || !waiting.is_empty() {
            let change = OwnChange { previous: before.as_ref(), own: &own, former, changed };
            self.disseminate(now, &group, change, waiting);
        }
        let leaving = self.groups.hosted.get(&group).is_some_and(|hosted| hosted.leaving_until.is_some());
        if (was_member || leaving) && !own.is_member() {
            self.on_left(now, &group);
        } else {
            self.release_if_idle(now, &group);
        }
        if changed {
            self.schedule_exchanges(now, &group, before.is_none());
        }
    }

    /// Hosts the group and registers at its rendezvous nodes as a member, or ends the registration.
    fn follow_membership(&mut self, now: Time, group: &GroupName, is_member: bool) {
        if !is_member {
            return self.unenroll(group);
        }
        let groups = &mut self.groups;
        groups.host(now, group);
        if let Some(hosted) = groups.hosted.get_mut(group) {
            hosted.leaving_until = None;
        }
        self.enroll(now, group);
    }

    /// Prepares the exchanges that spread an own change further than its broadcast reached.
    fn schedule_exchanges(&mut self, now: Time, group: &GroupName, is_first: bool) {
        if let Some(hosted) = self.groups.hosted.get_mut(group) {
            hosted.mark_unsettled();
        }
        self.track_lagging(now, group);
        // A newcomer knows few members, and few know it.
        let timing = self.config.timing;
        self.hasten(
            now,
            if is_first { timing.exchange_interval_min } else { timing.exchange_interval_active },
        );
    }
}
