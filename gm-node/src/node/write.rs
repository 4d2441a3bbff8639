//! What we write about ourselves: gathered for a tick, written on drafts, handed to the storage. Nothing of it is seen, here or elsewhere, before
//! it is stored. Knows nothing of what the storage is.

use std::collections::BTreeMap;

use gm_broadcast::Time;
use gm_data::{GroupName, OwnOutcome, Record, Replica, Stamp, Standing, Version};

use super::Node;
use super::commit::{Answer, Draft, Flight};
use crate::command::{Count, Wait, Waited, What, Write, WriteError, Written};
use crate::event::Event;
use crate::plant::{Bug, planted};
use crate::store::{Batch, Store};

/// What is to be written.
#[derive(Clone, Debug)]
pub(super) enum Queued {
    /// The owner wants it.
    Write(Write),
    /// We live under another address than before: this is what our former self said.
    Move { group: GroupName, former: Record },
}

impl<S: Store> Node<S> {
    pub(super) fn on_write(&mut self, now: Time, write: Write) {
        if let Err(error) = self.room_for(write.wait) {
            return self.answer(write.tag, write.group, Err(error));
        }
        self.queue.push_back(Queued::Write(write));
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
        if waits(wait.count) && self.waiters.len() >= waiting {
            return full("writes wait for others", waiting, "waits", "wait for fewer, or not so long");
        }
        Ok(())
    }

    /// Somebody holds of us what we did not write.
    pub(super) fn on_own(&mut self, now: Time, group: &GroupName, stamp: Stamp) {
        let known = self.groups().topology.group(group);
        let above = known.is_none_or(|replica| replica.stands_against(stamp) == Standing::Foreign);
        if !above || planted(Bug::NoReassertion) {
            return;
        }
        let millis = now.as_nanos() / 1_000_000;
        if known.and_then(|replica| replica.conflict().until()).is_some_and(|until| until > millis) {
            return self.count("own", "conflict goes on");
        }
        let most = self.config.bounds.groups;
        if !self.reassert.contains_key(group) && self.reassert.len() >= most {
            return self.count("dropped", "reassertion, too many");
        }
        let highest = self.reassert.entry(group.clone()).or_insert(stamp);
        *highest = stamp.max(*highest);
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
                self.draft_reassertion(now, &mut drafts, group, stamp);
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
            }
        }
        self.queue = waiting;
        self.hand_over(now, drafts);
    }

    /// The draft of a group: what stands, to be written on.
    fn draft<'a>(&self, drafts: &'a mut BTreeMap<GroupName, Draft>, group: &GroupName) -> &'a mut Draft {
        drafts.entry(group.clone()).or_insert_with(|| {
            let groups = &self.caster.handler().topology;
            let replica = groups.group(group).cloned().unwrap_or_else(|| {
                let fresh = Replica::new(self.me(), group.clone());
                match self.config.default_port {
                    Some(port) => fresh.with_default_port(port),
                    None => fresh,
                }
            });
            let before = replica.own().cloned();
            Draft { replica, before, changed: false, former: None, moved: None, answers: Vec::new() }
        })
    }

    fn draft_write(&mut self, now: Time, drafts: &mut BTreeMap<GroupName, Draft>, write: Write) {
        let Write { tag, group, what, wait } = write;
        let moment = self.moment(now);
        let bounds = self.config.bounds;
        let room = self.groups().held.contains_key(&group) || self.groups().held.len() < bounds.groups;
        let draft = self.draft(drafts, &group);
        let undo = draft.replica.clone();
        let written = match &what {
            What::Join(ranges) => draft.replica.join(ranges, moment),
            What::Leave => draft.replica.leave(moment),
            What::Change(batch) => draft.replica.change(batch, moment),
        };
        let records = draft.replica.state().records().len();
        let own_items = draft.replica.own().map_or(0, |own| own.counts().1);
        let (live, had) = (draft.replica.state().live_item_count(), undo.state().live_item_count());
        let full = |what, most, bound, else_way| Err(WriteError::Full { what, most, bound, else_way });
        let result = match written {
            Err(error) => Err(WriteError::Change(error)),
            Ok(_) if !room => full("groups are held", bounds.groups, "groups", "leave a group"),
            Ok(_) if undo.own().is_none() && records > bounds.records => {
                full("records of a group", bounds.records, "records", "use a new group")
            }
            Ok(_) if own_items > bounds.items => {
                full("items of one member", bounds.items, "items", "serve fewer, greater ranges")
            }
            Ok(_) if live > had && live > bounds.group_items => {
                full("items of a group", bounds.group_items, "group_items", "split the group")
            }
            Ok(written) => Ok(written),
        };
        match result {
            Ok(written) => {
                draft.changed |= written.changed;
                draft.answers.push(Answer { tag, wait, changed: written.changed, version: written.version });
            }
            Err(error) => {
                draft.replica = undo;
                self.answer(tag, group, Err(error));
            }
        }
    }

    fn draft_reassertion(
        &mut self,
        now: Time,
        drafts: &mut BTreeMap<GroupName, Draft>,
        group: GroupName,
        stamp: Stamp,
    ) {
        let moment = self.moment(now);
        let draft = self.draft(drafts, &group);
        let outcome = draft.replica.hear_of_oneself(stamp, moment);
        match outcome {
            OwnOutcome::Reasserted(_) => {
                draft.changed = true;
                self.count("own", "reasserted");
            }
            OwnOutcome::Conflict => {
                let until = draft.replica.conflict().until().unwrap_or(moment.millis);
                let pause_millis = until.saturating_sub(moment.millis);
                self.count("own", "conflict");
                self.emit(Event::IdentityConflict { group, pause_millis });
            }
            OwnOutcome::Exhausted => self.count("own", "clock at its end"),
            OwnOutcome::Nothing | OwnOutcome::Older => {}
        }
    }

    /// The former self leaves, and this one says what that one said: in one batch of the storage.
    fn draft_move(
        &mut self,
        now: Time,
        drafts: &mut BTreeMap<GroupName, Draft>,
        group: GroupName,
        former: Record,
    ) {
        if planted(Bug::FormerSelfStays) {
            return;
        }
        let moment = self.moment(now);
        // If the storage refused before, somebody may have spoken under the old address meanwhile.
        let known = self.groups().record(&group, former.member()).unwrap_or(&former).clone();
        let state = gm_data::Message::from_records(group.clone(), [known]);
        let mut old = Replica::restore(former.member(), state);
        let left = old.leave(moment).is_ok();
        let batch: Vec<gm_data::Change> = former.items().map(|item| change_of(&item)).collect();
        let draft = self.draft(drafts, &group);
        draft.former = old.own().filter(|_| left && !planted(Bug::FormerSelfNotLeft)).cloned();
        draft.moved = Some(former);
        if let Ok(written) = draft.replica.change(&batch, moment) {
            draft.changed |= written.changed;
        }
        self.count("own", "moved");
    }

    /// Hands what was written to the storage; what is only to be answered is at once.
    fn hand_over(&mut self, now: Time, mut drafts: BTreeMap<GroupName, Draft>) {
        let mut batch = Batch { durable: !planted(Bug::OwnNotSynced), ..Batch::default() };
        for (group, draft) in &drafts {
            let own = draft.replica.own().filter(|_| draft.changed);
            batch
                .records
                .extend(own.into_iter().chain(&draft.former).map(|record| (group.clone(), record.clone())));
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
        self.answer(tag, group.clone(), Ok(Written { version, changed, waited: Waited::default() }));
    }

    pub(super) fn answer(&mut self, tag: u64, group: GroupName, result: Result<Written, WriteError>) {
        self.emit(Event::Answered { tag, group, result });
    }
}

/// Whether a wait is for others.
pub(super) fn waits(count: Count) -> bool {
    !matches!(count, Count::None | Count::Some(0))
}

/// The change that says what an item says.
fn change_of(item: &gm_data::Item) -> gm_data::Change {
    use gm_data::{Change, Op};
    match item.op() {
        Op::Add => Change::Serve { range: item.range(), port: Some(item.port()), priority: item.priority() },
        Op::Get | Op::Rmv => Change::Interest(item.range()),
    }
}

/// The ranges that were written between two records, each once.
pub(super) fn changed_ranges(before: Option<&Record>, after: &Record) -> Vec<gm_data::KeyRange> {
    let known = before.map(Record::version).filter(|version| !version.gone);
    let since: Option<Version> = known.filter(|known| known.clock >= after.floor());
    let increment = since.and_then(|since| after.increment_since(since));
    match increment {
        Some(increment) => increment.items().map(|timed| timed.item.range()).collect(),
        None => {
            let old = before.into_iter().flat_map(Record::timed_items);
            let mut ranges: Vec<_> = old.chain(after.timed_items()).map(|timed| timed.item.range()).collect();
            ranges.sort_unstable();
            ranges.dedup();
            ranges
        }
    }
}
