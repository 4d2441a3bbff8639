//! Waits of writes: asks members for acknowledgements, asks again those that do not answer, and
//! further members, until enough have acknowledged or the timeout passes.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use gm_broadcast::{AckPart, AckReport, RequestedAcks, Time, Timers};
use gm_clock::NetId;
use gm_codec::{Body, GroupUpdate};
use gm_data::{GroupName, Record, Replica};

use super::NodeMachine;
use super::dissemination::GroupBroadcast;
use super::draft::PendingAnswer;
use super::timers::NodeTimer;
use super::waiter::{GroupFacts, Subject, WaitKind, Waiter};
use crate::command::{CommittedWrite, WaitOutcome};
use crate::store::Store;

/// The waits of a node.
#[derive(Debug, Default)]
pub(super) struct Waits {
    table: BTreeMap<u64, Waiter>,
    /// The wait that a broadcast belongs to, by tag.
    rounds: BTreeMap<u64, u64>,
    /// Number of the latest wait.
    last: u64,
}

impl Waits {
    pub(super) fn len(&self) -> usize {
        self.table.len()
    }

    /// Sets the timer of a wait to its next action. Must be called after every change of the
    /// waiter's deadlines.
    fn schedule(&self, id: u64, timers: &mut Timers<NodeTimer>) {
        timers.set_or_cancel(NodeTimer::Wait(id), self.table.get(&id).map(Waiter::due));
    }

    /// Whether the timer of each wait is set to its next action.
    pub(super) fn are_scheduled(&self, timers: &Timers<NodeTimer>) -> bool {
        self.table.iter().all(|(id, waiter)| timers.get(&NodeTimer::Wait(*id)) == Some(waiter.due()))
    }

    /// Whether a wait in this group is open.
    pub(super) fn is_any_in(&self, group: &GroupName) -> bool {
        self.table.values().any(|waiter| waiter.group == *group)
    }

    /// Lets the waits of a group that satisfy `wants` ask discovered members at `at`.
    fn ask_found(
        &mut self,
        at: Time,
        group: &GroupName,
        timers: &mut Timers<NodeTimer>,
        wants: impl Fn(&Waiter) -> bool,
    ) {
        for (id, waiter) in &mut self.table {
            if waiter.group == *group && wants(waiter) {
                waiter.found_at = Some(at);
                timers.set(NodeTimer::Wait(*id), waiter.due());
            }
        }
    }
}

/// Members are discovered in batches: time to collect them before they are asked.
const GATHER: Duration = Duration::from_millis(10);
/// Beyond the wanted number, half as many members and these are asked in addition, as some may be
/// dead.
const SPARE: u64 = 4;
/// Up to this number of members, those to ask are drawn from a full list; above it, by hash
/// position.
const MAX_INDEXED: usize = 256;
/// Number of draws for each member to ask.
const DRAWS: u64 = 4;
/// A record with up to this number of items is sent whole to members that the write does not
/// affect, as they may lack earlier versions.
pub(super) const SHORT_RECORD_ITEMS: usize = 64;
/// Approximate sizes in bytes: of a record without its items, and of one item.
const RECORD_BYTES: u64 = 48;
const ITEM_BYTES: u64 = 16;

impl<S: Store> NodeMachine<S> {
    /// Opens waits for answers, one for each kind. Sends nothing yet.
    pub(super) fn open_waits(
        &mut self,
        now: Time,
        group: &GroupName,
        subject: &Subject,
        answers: Vec<PendingAnswer>,
    ) -> Vec<u64> {
        let mut kinds: BTreeMap<WaitKind, Vec<PendingAnswer>> = BTreeMap::new();
        for answer in answers {
            kinds.entry(WaitKind::of(&answer)).or_default().push(answer);
        }
        let first = self.waits.last + 1;
        for (kind, answers) in kinds {
            self.waits.last += 1;
            let waiter = Waiter::new(now, group.clone(), subject.clone(), kind, answers);
            self.waits.table.insert(self.waits.last, waiter);
            self.waits.schedule(self.waits.last, &mut self.timers);
        }
        (first..=self.waits.last).collect()
    }

    /// Requests acks from members that were not asked yet and, with `again`, from those that did
    /// not answer. Each is sent the whole record.
    pub(super) fn request_acks(&mut self, now: Time, id: u64, again: bool) {
        let mut to = self.members_to_ask(id);
        let Some(waiter) = self.waits.table.get_mut(&id).filter(|waiter| !waiter.not_broadcast) else {
            return;
        };
        let mut before = 0;
        if again {
            // The members of a released group are unknown.
            let hosted = self.groups.replica(&waiter.group);
            let is_member = |node| hosted.is_none_or(|replica| replica.state().is_member(node));
            let (open, had) = waiter.take_unanswered(is_member);
            to.extend(open);
            before = had;
        }
        let (group, subject) = (waiter.group.clone(), waiter.subject.clone());
        let Some(record) = self.record_of(&group, &subject).filter(|_| !to.is_empty()) else { return };
        let body = Body::GroupUpdate(GroupUpdate {
            name: group,
            updates: vec![gm_codec::MemberUpdate::Record(record)],
        });
        let outgoing = GroupBroadcast { body, whole_body: None, topic: None, to, multicast: false };
        self.broadcast_for_acks(now, id, outgoing, before, true);
    }

    /// Broadcasts with a request for acks. `before`: number of targets that are known to have
    /// acknowledged earlier; `whole`: whether the broadcast carries whole records.
    pub(super) fn broadcast_for_acks(
        &mut self,
        now: Time,
        id: u64,
        outgoing: GroupBroadcast,
        before: u64,
        whole: bool,
    ) {
        let Some(waiter) = self.waits.table.get(&id) else { return };
        let (group, durable) = (waiter.group.clone(), waiter.kind.disk);
        let (within, to) = (waiter.until().since(now), outgoing.to.clone());
        let wanted = RequestedAcks { within, durable };
        let (tag, sent) = self.broadcast(now, &group, outgoing, Some(wanted).filter(|_| !to.is_empty()));
        let Some(waiter) = self.waits.table.get_mut(&id) else { return };
        waiter.not_broadcast |= !sent;
        if !to.is_empty() {
            let targets = to.len() as u64;
            waiter.begin(tag, to, before, whole);
            self.waits.rounds.insert(tag, id);
            if !sent {
                let unknown = AckReport { unknown: targets, settled: true, ..AckReport::default() };
                self.on_acks(now, tag, unknown, Vec::new());
            }
        }
    }

    /// Handles acks of a broadcast.
    pub(super) fn on_acks(&mut self, now: Time, tag: u64, report: AckReport, parts: Vec<AckPart>) {
        let Some(id) = self.waits.rounds.get(&tag).copied() else { return };
        if let Some(waiter) = self.waits.table.get_mut(&id)
            && waiter.on_acks(tag, report, parts)
        {
            self.waits.rounds.remove(&tag);
        }
        self.check_wait(now, id);
    }

    /// Members that were not asked yet: all that the write affects and, if more acks are wanted,
    /// some others.
    pub(super) fn members_to_ask(&mut self, id: u64) -> Vec<NetId> {
        self.update_required(id);
        let Some(waiter) = self.waits.table.get(&id) else { return Vec::new() };
        let mut to: Vec<NetId> =
            waiter.required.iter().filter(|member| !waiter.was_asked(**member)).copied().collect();
        let wanted = waiter.wanted().saturating_sub(to.len() as u64);
        let others = self.spare_members(id, wanted);
        if let Some(waiter) = self.waits.table.get_mut(&id) {
            waiter.lacks_members = (others.len() as u64) < wanted;
        }
        to.extend(others);
        to
    }

    /// Updates the members that the write of a wait affects. The members of a released group are
    /// unknown, so its wait keeps the previous ones.
    fn update_required(&mut self, id: u64) {
        let Some(waiter) = self.waits.table.get(&id) else { return };
        if !self.groups.hosted.contains_key(&waiter.group) {
            return;
        }
        let concerned = match &waiter.subject {
            Subject::Own(ranges) => self.concerned_members(&waiter.group, ranges),
            Subject::Forgotten(record) => self.members_except(&waiter.group, record.member()),
        };
        let required: BTreeSet<NetId> = concerned.into_iter().collect();
        if let Some(waiter) = self.waits.table.get_mut(&id) {
            waiter.required = required;
        }
    }

    /// Some unasked members that the write does not affect, with some reserve.
    fn spare_members(&mut self, id: u64, wanted: u64) -> Vec<NetId> {
        let Some(waiter) = self.waits.table.get(&id).filter(|_| wanted > 0) else { return Vec::new() };
        let Some(replica) = self.groups.replica(&waiter.group) else { return Vec::new() };
        let max = wanted.saturating_add(wanted / 2 + SPARE);
        let (me, members) = (self.me(), replica.state().member_count());
        let forgotten = match &waiter.subject {
            Subject::Own(_) => None,
            Subject::Forgotten(record) => Some(record.member()),
        };
        let is_new = |member: &NetId| {
            *member != me
                && Some(*member) != forgotten
                && !waiter.was_asked(*member)
                && !waiter.required.contains(member)
        };
        let max = usize::try_from(max).unwrap_or(usize::MAX);
        if members <= MAX_INDEXED || max >= members / 4 {
            let mut others: Vec<NetId> = replica.state().members().filter(is_new).collect();
            self.rng.shuffle(&mut others);
            others.truncate(max);
            return others;
        }
        let group = waiter.group.clone();
        let places: Vec<u64> = (0..DRAWS * max as u64).map(|_| self.rng.next_u64()).collect();
        let Some(waiter) = self.waits.table.get(&id) else { return Vec::new() };
        let is_new = |member: &NetId| !waiter.was_asked(*member) && !waiter.required.contains(member);
        let drawn = places.into_iter().filter_map(|place| self.sample_member(&group, place)).filter(is_new);
        let drawn: BTreeSet<NetId> = drawn.collect();
        drawn.into_iter().take(max).collect()
    }

    /// The current version of the record that members are to acknowledge.
    fn record_of(&self, group: &GroupName, subject: &Subject) -> Option<Record> {
        match subject {
            Subject::Own(_) => self.groups.record(group, self.me()).cloned(),
            Subject::Forgotten(record) => Some(record.clone()),
        }
    }

    /// The other members of a group, without `member`.
    pub(super) fn members_except(&self, group: &GroupName, member: NetId) -> Vec<NetId> {
        let me = self.me();
        let members = self.groups.replica(group).map(|replica| replica.state().members());
        members.into_iter().flatten().filter(|node| ![me, member].contains(node)).collect()
    }

    /// Whether all members of a group are known: another host is in sync, or single-node mode is
    /// set.
    fn knows_all(&self, group: &GroupName) -> bool {
        self.config.single_node || self.groups.hosted.get(group).is_some_and(|hosted| hosted.in_sync)
    }

    fn facts(&self, group: &GroupName, subject: Option<&Subject>) -> GroupFacts {
        let not_counted = match subject {
            Some(Subject::Forgotten(record)) => vec![self.me(), record.member()],
            Some(Subject::Own(_)) | None => vec![self.me()],
        };
        let members = self.groups.replica(group).map(Replica::state).map_or(0, |state| {
            let not_counted = not_counted.iter().filter(|member| state.is_member(**member));
            state.member_count().saturating_sub(not_counted.count())
        });
        let alone = self.config.single_node && members == 0;
        GroupFacts { in_sync: self.knows_all(group), single_node: alone, members: members as u64 }
    }

    /// Number of other known members of a group.
    pub(super) fn other_members(&self, group: &GroupName) -> u64 {
        self.facts(group, None).members
    }

    /// Answers the callers whose wait has ended.
    pub(super) fn check_wait(&mut self, now: Time, id: u64) {
        let Some(waiter) = self.waits.table.get(&id) else { return };
        let facts = self.facts(&waiter.group, Some(&waiter.subject));
        if waiter.kind.all && waiter.answer_due(now, WaitOutcome::Satisfied, facts) {
            // Further members may have been discovered since the last update.
            self.update_required(id);
        }
        let names = self.config.limits.reported_members;
        let Some(waiter) = self.waits.table.get_mut(&id) else { return };
        if waiter.lacks_questions() {
            waiter.found_at.get_or_insert(now + GATHER);
        }
        let (mut done, mut rest) = (Vec::new(), Vec::new());
        for (until, answer) in std::mem::take(&mut waiter.answers) {
            match waiter.verdict(now, until, answer.wait.count, facts) {
                Some(end) => done.push((answer, waiter.report(end, facts, names))),
                None => rest.push((until, answer)),
            }
        }
        waiter.answers = rest;
        let group = waiter.group.clone();
        if waiter.answers.is_empty() {
            self.waits.table.remove(&id);
            self.waits.rounds.retain(|_, of| *of != id);
        }
        self.waits.schedule(id, &mut self.timers);
        for (PendingAnswer { tag, changed, version, .. }, waited) in done {
            self.answer(tag, Some(group.clone()), Ok(CommittedWrite { version, changed, wait: waited }));
        }
        self.release_if_left(now, &group);
    }

    /// Requests acks and answers callers where due.
    pub(super) fn on_wait_due(&mut self, now: Time, id: u64) {
        self.ask_when_due(now, id);
        self.check_wait(now, id);
    }

    /// Ends all waits now.
    pub(super) fn end_all_waits(&mut self, now: Time) {
        for (until, _) in self.waits.table.values_mut().flat_map(|waiter| &mut waiter.answers) {
            *until = now.min(*until);
        }
        let all: Vec<u64> = self.waits.table.keys().copied().collect();
        all.into_iter().for_each(|id| self.check_wait(now, id));
    }

    fn ask_when_due(&mut self, now: Time, id: u64) {
        let Some(waiter) = self.waits.table.get(&id) else { return };
        let items = self.record_of(&waiter.group, &waiter.subject).map_or(0, |record| record.item_counts().1);
        let Some(waiter) = self.waits.table.get_mut(&id) else { return };
        let found = waiter.found_at.take_if(|at| *at <= now).is_some();
        let again = waiter.retry_at <= now;
        if again {
            waiter.pause(now, RECORD_BYTES + ITEM_BYTES * items as u64);
        }
        let group = waiter.group.clone();
        if found || again {
            self.request_acks(now, id, again);
        }
        let lacks = self.waits.table.get(&id).is_some_and(|waiter| waiter.lacks_members);
        if again && (lacks || !self.knows_all(&group)) {
            // Further members may still be discovered.
            self.hasten(now, self.config.timing.exchange_interval_active);
        }
    }

    /// Handles discovered or changed members: waits that want more members ask them.
    pub(super) fn on_members_found(&mut self, now: Time, group: &GroupName, members: &[NetId]) {
        let Some(state) = self.groups.replica(group).map(Replica::state) else { return };
        self.waits.ask_found(now + GATHER, group, &mut self.timers, |waiter| {
            let news = |member: &NetId| state.is_member(*member) && !waiter.was_asked(*member);
            waiter.lacks_members && waiter.found_at.is_none() && members.iter().any(news)
        });
    }

    /// Handles that the members of a group are completely known now: waits for all include those
    /// discovered meanwhile.
    pub(super) fn on_knows_all(&mut self, now: Time, group: &GroupName) {
        self.waits.ask_found(now, group, &mut self.timers, |_| true);
    }
}
