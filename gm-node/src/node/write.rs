//! What we write, about ourselves and of who is forgotten: gathered for a tick, written on drafts, handed to the storage. Nothing of it is seen, here or
//! elsewhere, before it is stored. Knows nothing of what the storage is.

use std::collections::BTreeMap;

use gm_broadcast::{Path, Time};
use gm_clock::NetId;
use gm_data::{GroupName, PeerCopy, Record, VersionDigest};

use super::Node;
use super::commit::Flight;
use super::draft::{Answer, Draft};
use crate::command::{Count, Wait, Waited, Write, WriteError, Written};
use crate::event::Event;
use crate::groups::{millis, stands_for_all};
use crate::plant::{Bug, planted};
use crate::store::{Batch, Store};

/// What is to be written.
#[derive(Clone, Debug)]
pub(super) enum Queued {
    /// The owner wants it.
    Write(Write),
    /// We live under another address than before: this is what our former self said.
    Move { group: GroupName, former: Record },
    /// The owner wants another member to be forgotten.
    Forget { tag: u64, group: GroupName, member: NetId, wait: Wait },
}

impl Queued {
    pub(super) const fn group(&self) -> &GroupName {
        match self {
            Queued::Write(write) => &write.group,
            Queued::Move { group, .. } | Queued::Forget { group, .. } => group,
        }
    }
}

impl<S: Store> Node<S> {
    pub(super) fn on_write(&mut self, now: Time, write: Write) {
        if stands_for_all(&write.group) {
            let error = WriteError::ReservedName { group: write.group.clone() };
            return self.answer(write.tag, Some(write.group), Err(error));
        }
        if let Err(error) = self.room_for(write.wait) {
            return self.answer(write.tag, Some(write.group), Err(error));
        }
        self.enqueue(now, Queued::Write(write));
    }

    /// It is written at the next tick.
    pub(super) fn enqueue(&mut self, now: Time, queued: Queued) {
        self.queue.push_back(queued);
        let tick = now + self.config.times.tick;
        self.tick = Some(self.tick.map_or(tick, |set| set.min(tick)));
    }

    /// Whether one more can be waited for.
    pub(super) fn room_for(&self, wait: Wait) -> Result<(), WriteError> {
        let (writes, waiting) = (self.config.bounds.writes, self.config.bounds.waits);
        let full = |what, most, bound, else_way| Err(WriteError::Full { what, most, bound, else_way });
        if self.queue.len() >= writes {
            return full(
                "writes wait for the storage",
                writes,
                "writes",
                "write less often, in greater batches",
            );
        }
        if waits(wait.count) && self.waits.len() >= waiting {
            return full("writes wait for others", waiting, "waits", "wait for fewer, or not so long");
        }
        Ok(())
    }

    /// Somebody holds of us what we did not write.
    pub(super) fn on_own(&mut self, now: Time, group: &GroupName, way: (NetId, Path), stamp: VersionDigest) {
        let known = self.groups().topology.group(group);
        let above = known.is_none_or(|replica| replica.classify_copy(stamp) == PeerCopy::Foreign);
        if !above || planted(Bug::NoReassertion) {
            return;
        }
        let me = self.me();
        if let Some(eviction) = known.and_then(|replica| replica.eviction_covering(me, stamp.version)) {
            return self.send_evictions(now, group, way, &[eviction]);
        }
        let is_paused =
            known.and_then(|own| own.conflict().paused_until()).is_some_and(|until| until > millis(now));
        if let Some(held) = self.groups_mut().held.get_mut(group) {
            held.claimed = Some(way.0);
        }
        if is_paused {
            let moment = self.moment(now);
            self.groups_mut().topology.edit(group, |replica| replica.note_claim(stamp, moment));
            return self.count("own", "conflict goes on");
        }
        let most = self.config.bounds.groups;
        if !self.reassert.contains_key(group) && self.reassert.len() >= most {
            return self.count("dropped", "reassertion, too many");
        }
        let highest = self.reassert.entry(group.clone()).or_insert(stamp);
        *highest = stamp.max(*highest);
        self.tell_lacked(group, stamp);
        // What we hear of ourselves is what a first write waits for.
        self.on_heard(now, group);
        self.tick = Some(self.tick.map_or(now, |set| set.min(now)));
    }

    /// When something is to be written, or asked before it can be.
    pub(super) fn write_at(&self) -> Option<Time> {
        if self.flights.iter().any(|flight| matches!(flight, Flight::Own(_))) {
            return None;
        }
        let hearing = self.hearing.values().map(|hearing| hearing.due()).min();
        [self.tick, hearing].into_iter().flatten().min()
    }

    /// The tick: everything that can be written is.
    pub(super) fn write(&mut self, now: Time) {
        self.hear_before_writing(now);
        self.tick = None;
        let mut drafts: BTreeMap<GroupName, Draft> = BTreeMap::new();
        let blocked = self.blocked_until.is_some_and(|after| after > now);
        if !blocked {
            self.blocked_until = None;
            for (group, stamp) in std::mem::take(&mut self.reassert) {
                self.draft_reassertion(now, &mut drafts, group, |own, moment| {
                    own.observe_own_record(stamp, moment)
                });
            }
            for (group, eviction) in std::mem::take(&mut self.evicted) {
                self.draft_reassertion(now, &mut drafts, group, |own, moment| {
                    own.observe_eviction(&eviction, moment)
                });
            }
        }
        let mut waiting = std::collections::VecDeque::new();
        for queued in std::mem::take(&mut self.queue) {
            match queued {
                Queued::Write(write) if self.hearing.contains_key(&write.group) => {
                    waiting.push_back(Queued::Write(write));
                }
                Queued::Write(write) => self.draft_write(now, &mut drafts, write),
                Queued::Move { group, former } if blocked => {
                    waiting.push_back(Queued::Move { group, former })
                }
                Queued::Move { group, former } => self.draft_move(now, &mut drafts, group, former),
                Queued::Forget { tag, group, member, wait } => {
                    self.draft_forgetting(&mut drafts, group, member, (tag, wait));
                }
            }
        }
        self.queue = waiting;
        self.hand_over(now, drafts);
    }

    /// Hands what was written to the storage; what is only to be answered is at once.
    fn hand_over(&mut self, now: Time, mut drafts: BTreeMap<GroupName, Draft>) {
        let mut batch = Batch { durable: !planted(Bug::OwnNotSynced), ..Batch::default() };
        for (group, draft) in &drafts {
            let own = draft.replica.own_record().filter(|_| draft.changed).into_iter();
            let kept = |record: &&Record| !(planted(Bug::ForgettingNotStored) && record.version().forgotten);
            let records = own.chain(draft.others()).filter(kept);
            batch.records.extend(records.map(|record| (group.clone(), record.clone())));
            if draft.moved.is_some() {
                batch.me = Some(self.me());
            }
        }
        if batch.is_empty() || planted(Bug::SentBeforeStored) {
            self.commit(now, drafts.clone());
        }
        if !batch.is_empty() {
            self.store.submit(now, batch);
            if planted(Bug::AnsweredBeforeStored) {
                for (group, draft) in &mut drafts {
                    let answers = std::mem::take(&mut draft.answers);
                    answers.into_iter().for_each(|answer| self.answer_at_once(group, answer));
                }
            }
            let drafts = if planted(Bug::SentBeforeStored) { BTreeMap::new() } else { drafts };
            self.flights.push_back(Flight::Own(drafts));
        }
    }

    /// Answers somebody who waits for nobody.
    pub(super) fn answer_at_once(&mut self, group: &GroupName, answer: Answer) {
        let Answer { tag, changed, version, .. } = answer;
        let waited = Waited { members: self.other_members(group), ..Waited::default() };
        self.answer(tag, Some(group.clone()), Ok(Written { version, changed, waited }));
    }

    pub(super) fn answer(&mut self, tag: u64, group: Option<GroupName>, result: Result<Written, WriteError>) {
        self.emit(Event::Answered { tag, group, result });
    }
}

/// Whether a wait is for others.
pub(super) fn waits(count: Count) -> bool {
    !matches!(count, Count::None | Count::Some(0))
}
