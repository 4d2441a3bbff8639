//! What the storage says: what was written is installed and told to whom it concerns, or refused. Knows nothing of how a wait ends.

use std::collections::BTreeMap;
use std::time::Duration;

use gm_broadcast::Time;
use gm_clock::NetId;
use gm_codec::BroadcastId;
use gm_data::{GroupName, GroupState, Record};

use super::Node;
use super::draft::{Answer, Draft};
use super::tell::Says;
use super::write::{Queued, waits};
use crate::command::WriteError;
use crate::event::Event;
use crate::plant::{Bug, planted};
use crate::store::{Store, StoreError};

/// What is with the storage.
#[derive(Debug)]
pub(super) enum Flight {
    /// Whose storage it is.
    Name,
    /// What we wrote.
    Own(BTreeMap<GroupName, Draft>),
    /// What others wrote, and the broadcasts that said it.
    Learned { records: Vec<(GroupName, NetId)>, said: Vec<BroadcastId>, contacts: bool, peers: bool },
}

/// A storage that refuses is tried again after this at the latest.
const RETRY_MOST: Duration = Duration::from_secs(60);

impl<S: Store> Node<S> {
    /// What became of the oldest batch, if the storage knows.
    pub(super) fn finished(&mut self, now: Time) -> Option<Result<(), StoreError>> {
        if self.flights.is_empty() {
            return None;
        }
        self.store.finished(now)
    }

    pub(super) fn on_finished(&mut self, now: Time, result: Result<(), StoreError>) {
        let Some(flight) = self.flights.pop_front() else { return };
        let result = if planted(Bug::RefusalIgnored) { Ok(()) } else { result };
        match (&result, self.store_failures) {
            (Ok(()), 0) => {}
            (Ok(()), _) => {
                self.store_failures = 0;
                self.emit(Event::StorageWorks);
            }
            (Err(error), failures) => {
                self.store_failures = failures.saturating_add(1);
                self.count("storage", "refused");
                if failures == 0 {
                    self.emit(Event::StorageFails { why: error.why.clone() });
                }
            }
        }
        match (flight, result) {
            (Flight::Name, Ok(())) => {}
            (Flight::Name, Err(_)) => self.flush_soon(now, true),
            (Flight::Own(drafts), Ok(())) => self.commit(now, drafts),
            (Flight::Own(drafts), Err(error)) => self.refuse(now, drafts, &error),
            (Flight::Learned { said, .. }, Ok(())) => self.on_learned_stored(now, said),
            (Flight::Learned { records, said, contacts, peers }, Err(_)) => {
                let groups = self.groups_mut();
                groups.dirty.extend(records);
                groups.contacts.changed |= contacts;
                self.peers_changed |= peers;
                for id in said {
                    self.order(now, gm_broadcast::Command::NotStored(id));
                }
                self.flush_soon(now, false);
            }
        }
    }

    /// How long a storage that refused is left alone.
    pub(super) fn store_pause(&self) -> Duration {
        let doubled =
            self.config.times.store_retry.saturating_mul(1 << self.store_failures.saturating_sub(1).min(6));
        doubled.min(RETRY_MOST)
    }

    /// What was written is not stored: nobody is told, and nothing was changed.
    fn refuse(&mut self, now: Time, drafts: BTreeMap<GroupName, Draft>, error: &StoreError) {
        for (group, draft) in drafts {
            let answers =
                draft.answers.into_iter().chain(draft.forgotten.into_iter().map(|(_, answer)| answer));
            for answer in answers.filter(|_| !planted(Bug::RefusalNotAnswered)) {
                self.answer(answer.tag, Some(group.clone()), Err(WriteError::Store(error.clone())));
            }
            // Whoever showed us a record of ours will show it again; our former self nobody shows us.
            if let Some(former) = draft.moved {
                self.queue.push_back(Queued::Move { group: group.clone(), former });
            }
            self.heard.remove(&group);
            if let Some(held) = self.groups_mut().held.get_mut(&group) {
                held.joining = false;
            }
            self.unhold_if_idle(now, &group);
        }
        self.blocked_until = Some(now + self.store_pause());
        self.write_on(now);
    }

    /// What waits to be written, and not for others to say what they know, is written next; what the storage refused, after a while.
    fn write_on(&mut self, now: Time) {
        let ready = |queued: &Queued| match queued {
            Queued::Write(write) => !self.hearing.contains_key(&write.group),
            Queued::Forget { .. } => true,
            Queued::Move { .. } => false,
        };
        let later = !self.reassert.is_empty()
            || self.queue.iter().any(|queued| matches!(queued, Queued::Move { .. }));
        let next = if self.queue.iter().any(ready) {
            Some(now)
        } else {
            later.then(|| self.blocked_until.map_or(now, |until| until.max(now)))
        };
        self.tick = [self.tick, next].into_iter().flatten().min();
    }

    /// What was written stands: it is installed, and told.
    pub(super) fn commit(&mut self, now: Time, drafts: BTreeMap<GroupName, Draft>) {
        for (group, draft) in drafts {
            self.commit_group(now, group, draft);
        }
        self.write_on(now);
    }

    fn commit_group(&mut self, now: Time, group: GroupName, draft: Draft) {
        let others: Vec<Record> = draft.others().cloned().collect();
        let Draft { replica: draft, before, changed, returned, former, answers, forgotten, .. } = draft;
        let own = draft.own_record().cloned();
        let was_member = before.as_ref().is_some_and(Record::is_member);
        self.heard.remove(&group);
        if changed {
            // What is written now is above whatever others may hold.
            self.doubt_no_longer(&group);
        }
        let groups = self.groups_mut();
        if let Some(held) = groups.held.get_mut(&group) {
            held.joining = false;
        }
        // If the group was let go meanwhile, only what is our own is kept of it.
        let kept = groups.held.contains_key(&group);
        groups.topology.edit(&group, |replica| {
            if planted(Bug::HeardIsOverwritten) {
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
            groups.stirred.insert(group.clone());
        }
        for (member, answer) in forgotten {
            if let Some(record) = others.iter().find(|record| record.member() == member) {
                self.tell_forgotten(now, &group, record.clone(), answer);
            }
        }
        returned.into_iter().for_each(|eviction| self.tell_return(now, &group, eviction));
        let Some(own) = own else { return self.unhold_if_idle(now, &group) };
        let groups = self.groups_mut();
        if own.is_member() {
            groups.hold(now, &group);
            if let Some(held) = groups.held.get_mut(&group) {
                held.leaving = None;
            }
            self.enroll(now, &group);
        } else {
            self.unenroll(&group);
        }
        let (tell, quiet): (Vec<Answer>, Vec<Answer>) =
            answers.into_iter().partition(|answer| waits(answer.wait.count));
        for answer in quiet {
            self.answer_at_once(&group, answer);
        }
        if before.is_none() && own.is_member() {
            self.be_eager(now);
        }
        if changed || !tell.is_empty() {
            let says = Says { before: before.as_ref(), own: &own, former, changed };
            self.tell(now, &group, says, tell);
        }
        let leaving = self.groups().held.get(&group).is_some_and(|held| held.leaving.is_some());
        if (was_member || leaving) && !own.is_member() {
            self.on_left(now, &group);
        } else {
            self.unhold_if_idle(now, &group);
        }
        if changed {
            if let Some(held) = self.groups_mut().held.get_mut(&group) {
                held.unsettle();
            }
            self.doubt(now, &group);
            // Who is new knows few, and few know it.
            let times = self.config.times;
            self.hasten(now, if before.is_none() { times.fast } else { times.moving });
        }
    }
}
