//! What the storage says: what was written is installed and told to whom it concerns, or refused. Knows nothing of how a wait ends.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use gm_broadcast::{Broadcasting, Targets, Time, Wanted};
use gm_clock::NetId;
use gm_codec::{Body, BroadcastId, Group, Part};
use gm_data::{GroupName, KeyRange, Record, Replica, Version, View};

use super::Node;
use super::wait::Waiter;
use super::write::{Queued, changed_ranges, waits};
use crate::command::{Count, Wait, WriteError};
use crate::event::Event;
use crate::plant::{Bug, planted};
use crate::store::{Store, StoreError};

/// What is with the storage.
#[derive(Debug)]
pub(super) enum Flight {
    /// Whose storage it is.
    Name,
    /// What we wrote about ourselves.
    Own(BTreeMap<GroupName, Draft>),
    /// What others wrote, and the broadcasts that said it.
    Learned { records: Vec<(GroupName, NetId)>, said: Vec<BroadcastId>, contacts: bool, peers: bool },
}

/// A group that is being written.
#[derive(Clone, Debug)]
pub(super) struct Draft {
    pub(super) replica: Replica,
    /// Our record as it stands.
    pub(super) before: Option<Record>,
    pub(super) changed: bool,
    /// The leave of our former self.
    pub(super) former: Option<Record>,
    /// What it had said.
    pub(super) moved: Option<Record>,
    pub(super) answers: Vec<Answer>,
}

/// Who is to be answered.
#[derive(Clone, Debug)]
pub(super) struct Answer {
    pub(super) tag: u64,
    pub(super) wait: Wait,
    pub(super) changed: bool,
    pub(super) version: Version,
}

/// Ranges for which is looked up one by one whom they concern; of more, everybody is told.
const RANGES: usize = 256;
/// So long after its start a node leaves to multicast and anti-entropy what nobody waits for, where it hears multicast.
const COLD: Duration = Duration::from_secs(2);
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
                groups.contacts_changed |= contacts;
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
            for answer in draft.answers.into_iter().filter(|_| !planted(Bug::RefusalNotAnswered)) {
                self.answer(answer.tag, group.clone(), Err(WriteError::Store(error.clone())));
            }
            // Whoever showed us a record of ours will show it again; our former self nobody shows us.
            if let Some(former) = draft.moved {
                self.queue.push_back(Queued::Move { group: group.clone(), former });
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
        let Draft { replica: draft, before, changed, former, answers, .. } = draft;
        let own = draft.own().cloned();
        let was_member = before.as_ref().is_some_and(Record::is_member);
        let groups = self.groups_mut();
        groups.topology.edit(&group, |replica| {
            if planted(Bug::HeardIsOverwritten) {
                *replica = draft;
            } else {
                replica.install(draft);
            }
            if let Some(former) = &former {
                // Another member's record here, although we wrote it.
                let state = gm_data::Message::from_records(group.clone(), [former.clone()]);
                let _ = replica.hear_others(&state);
            }
        });
        let Some(own) = own else { return self.unhold_if_idle(now, &group) };
        if changed {
            groups.stirred.insert(group.clone());
        }
        if own.is_member() {
            groups.hold(&group);
            if let Some(held) = groups.held.get_mut(&group) {
                held.leaving = None;
            }
        }
        self.heard.remove(&group);
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
        if was_member && !own.is_member() {
            self.on_left(now, &group);
        } else {
            self.unhold_if_idle(now, &group);
        }
        if changed {
            // Who is new knows few, and few know it.
            let times = self.config.times;
            self.hasten(now, if before.is_none() { times.fast } else { times.moving });
        }
    }

    /// Tells whom it concerns what was written.
    fn tell(&mut self, now: Time, group: &GroupName, says: Says<'_>, answers: Vec<Answer>) {
        let Says { before, own, former, changed } = says;
        let known = before.map(Record::version);
        let ranges = if changed {
            let mut ranges = changed_ranges(before, own);
            ranges.extend(former.iter().flat_map(Record::timed_items).map(|timed| timed.item.range()));
            ranges
        } else {
            own.items().map(|item| item.range()).collect()
        };
        let mut to = self.concerned(group, &ranges);
        if answers.is_empty() && now.since(self.born) < COLD {
            // Nobody can have confirmed yet that it hears us. Where thousands start at once, asking each of them would be the square of that.
            to.retain(|node| !self.caster.is_near(*node));
        }
        let new = self.is_new_in(now, group);
        if changed && let Some(held) = self.groups_mut().held.get_mut(group) {
            held.told = new.then(|| to.iter().copied().collect());
        }
        let whole = |own: &Record| parts(Part::Record(own.clone()), former.as_ref());
        let part = known.and_then(|known| own.increment_since(known)).map(Part::Increment);
        let body = match part {
            Some(part) if changed => parts(part, former.as_ref()),
            _ => whole(own),
        };
        let body = Body::Group(Group { name: group.clone(), parts: body });
        let instead = Body::Group(Group { name: group.clone(), parts: whole(own) });
        let topic = Some(self.topic(group));
        self.broadcast(now, group, Telling { body, instead: Some(instead), topic, to }, answers);
    }

    /// Broadcasts, and waits for what the answers wait for.
    pub(super) fn broadcast(&mut self, now: Time, group: &GroupName, telling: Telling, answers: Vec<Answer>) {
        let Telling { body, instead, topic, to } = telling;
        self.next_tag += 1;
        let tag = self.next_tag;
        let within = answers.iter().map(|answer| answer.wait.within).max();
        let durable = answers.iter().any(|answer| answer.wait.disk);
        let receipts = within.map(|within| Wanted { within, durable });
        let targets = to.len() as u64;
        let waiter = Waiter::new(now, group.clone(), targets, answers, self.knows_all(group));
        if receipts.is_some() {
            self.waiters.insert(tag, waiter);
        }
        let broadcasting = Broadcasting { tag, body, to: Targets::Nodes(to), receipts, topic, instead };
        self.order(now, gm_broadcast::Command::Broadcast(broadcasting));
        if receipts.is_some() {
            self.look_at_wait(now, tag);
        }
    }

    /// The members that a change of those ranges concerns, without ourselves.
    pub(super) fn concerned(&self, group: &GroupName, ranges: &[KeyRange]) -> Vec<NetId> {
        let me = self.me();
        let Some(view) = self.groups().topology.group(group).map(Replica::view) else { return Vec::new() };
        let mut nodes: BTreeSet<NetId> = if ranges.len() > RANGES || ranges.contains(&KeyRange::WHOLE) {
            view.members().collect()
        } else {
            ranges.iter().flat_map(|range| View::concerned(view, *range)).collect()
        };
        nodes.remove(&me);
        nodes.into_iter().collect()
    }
}

/// What is told of a write.
struct Says<'a> {
    before: Option<&'a Record>,
    own: &'a Record,
    former: Option<Record>,
    changed: bool,
}

/// A broadcast of a group.
pub(super) struct Telling {
    pub(super) body: Body,
    pub(super) instead: Option<Body>,
    pub(super) topic: Option<u64>,
    pub(super) to: Vec<NetId>,
}

/// Our part, and that of our former self, in the order of the members.
fn parts(own: Part, former: Option<&Record>) -> Vec<Part> {
    let mut parts: Vec<Part> = former.cloned().map(Part::Record).into_iter().chain([own]).collect();
    parts.sort_by_key(Part::member);
    parts
}

/// A wait that nobody waits for any more needs no count.
pub(super) const fn wanted(count: Count, targets: u64) -> u64 {
    match count {
        Count::None => 0,
        Count::Some(count) => count,
        Count::All => targets,
    }
}
