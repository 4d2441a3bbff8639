//! Waits of writes, a write concern: asks members for acknowledgements, asks again those that do
//! not answer, and further members, until enough have acknowledged or the timeout passes.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use gm_broadcast::{AckPart, AckReport, RequestedAcks, Time, Timers};
use gm_clock::NetId;
use gm_codec::{Body, GroupUpdate};
use gm_data::{GroupName, Record, Replica};

use super::broadcasts::{Broadcasts, GroupBroadcast};
use super::waiter::{GroupFacts, Subject, WaitKind, Waiter};
use crate::command::{PendingAnswer, WaitOutcome};
use crate::groups::MAX_INDEXED;
use crate::node::action::Action;
use crate::node::context::Context;
use crate::node::timers::NodeTimer;

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
    fn schedule(&self, id: u64, cx: &mut Context) {
        cx.timers.set_or_cancel(NodeTimer::Wait(id), self.table.get(&id).map(Waiter::due));
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
/// Number of draws for each member to ask.
const DRAWS: u64 = 4;
/// A record with up to this number of items is sent whole to members that the write does not
/// affect, as they may lack earlier versions.
pub(super) const SHORT_RECORD_ITEMS: usize = 64;
/// Approximate sizes in bytes: of a record without its items, and of one item.
const RECORD_BYTES: u64 = 48;
const ITEM_BYTES: u64 = 16;

impl Waits {
    /// Opens waits for answers, one for each kind. Sends nothing yet.
    pub(super) fn open(
        &mut self,
        cx: &mut Context,
        group: &GroupName,
        subject: &Subject,
        answers: Vec<PendingAnswer>,
    ) -> Vec<u64> {
        let mut kinds: BTreeMap<WaitKind, Vec<PendingAnswer>> = BTreeMap::new();
        for answer in answers {
            kinds.entry(WaitKind::of(&answer)).or_default().push(answer);
        }
        let first = self.last + 1;
        for (kind, answers) in kinds {
            self.last += 1;
            let waiter = Waiter::new(cx.now, group.clone(), subject.clone(), kind, answers);
            self.table.insert(self.last, waiter);
            self.schedule(self.last, cx);
        }
        (first..=self.last).collect()
    }

    /// Requests acks from members that were not asked yet and, with `again`, from those that did
    /// not answer. Each is sent the whole record.
    pub(super) fn request_acks(
        &mut self,
        cx: &mut Context,
        broadcasts: &mut Broadcasts,
        id: u64,
        again: bool,
    ) {
        let mut to = self.members_to_ask(cx, id);
        let Some(waiter) = self.table.get_mut(&id).filter(|waiter| !waiter.not_broadcast) else {
            return;
        };
        let mut before = 0;
        if again {
            // The members of a released group are unknown.
            let hosted = cx.groups.replica(&waiter.group);
            let is_member = |node| hosted.is_none_or(|replica| replica.state().is_member(node));
            let (open, had) = waiter.take_unanswered(is_member);
            to.extend(open);
            before = had;
        }
        let (group, subject) = (waiter.group.clone(), waiter.subject.clone());
        let Some(record) = record_of(cx, &group, &subject).filter(|_| !to.is_empty()) else { return };
        let body = Body::GroupUpdate(GroupUpdate {
            name: group,
            updates: vec![gm_codec::MemberUpdate::Record(record)],
        });
        let outgoing = GroupBroadcast { body, whole_body: None, topic: None, to, multicast: false };
        self.broadcast(cx, broadcasts, id, outgoing, before, true);
    }

    /// Broadcasts with a request for acks. `before`: number of targets that are known to have
    /// acknowledged earlier; `whole`: whether the broadcast carries whole records.
    pub(super) fn broadcast(
        &mut self,
        cx: &mut Context,
        broadcasts: &mut Broadcasts,
        id: u64,
        outgoing: GroupBroadcast,
        before: u64,
        whole: bool,
    ) {
        let Some(waiter) = self.table.get(&id) else { return };
        let (group, durable) = (waiter.group.clone(), waiter.kind.disk);
        let (within, to) = (waiter.until().since(cx.now), outgoing.to.clone());
        let wanted = RequestedAcks { within, durable };
        let acks = Some(wanted).filter(|_| !to.is_empty());
        let tag = broadcasts.send(cx, &group, outgoing, acks, Some(id));
        if let Some(waiter) = self.table.get_mut(&id).filter(|_| !to.is_empty()) {
            waiter.begin(tag, to, before, whole);
            self.rounds.insert(tag, id);
        }
    }

    /// Handles that the broadcaster rejected the broadcast of a wait: no member can acknowledge it.
    pub(super) fn on_rejected(&mut self, cx: &mut Context, id: u64, tag: u64) {
        let Some(waiter) = self.table.get_mut(&id) else { return };
        waiter.not_broadcast = true;
        let unknown = waiter.targets(tag);
        if unknown == 0 {
            return self.check(cx, id);
        }
        let report = AckReport { unknown, settled: true, ..AckReport::default() };
        self.on_acks(cx, tag, report, Vec::new());
    }

    /// Handles acks of a broadcast.
    pub(super) fn on_acks(&mut self, cx: &mut Context, tag: u64, report: AckReport, parts: Vec<AckPart>) {
        let Some(id) = self.rounds.get(&tag).copied() else { return };
        if let Some(waiter) = self.table.get_mut(&id)
            && waiter.on_acks(tag, report, parts)
        {
            self.rounds.remove(&tag);
        }
        self.check(cx, id);
    }

    /// Members that were not asked yet: all that the write affects and, if more acks are wanted,
    /// some others.
    pub(super) fn members_to_ask(&mut self, cx: &mut Context, id: u64) -> Vec<NetId> {
        self.update_required(cx, id);
        let Some(waiter) = self.table.get(&id) else { return Vec::new() };
        let mut to: Vec<NetId> =
            waiter.required.iter().filter(|member| !waiter.was_asked(**member)).copied().collect();
        let wanted = waiter.wanted().saturating_sub(to.len() as u64);
        let others = self.spare_members(cx, id, wanted);
        if let Some(waiter) = self.table.get_mut(&id) {
            waiter.lacks_members = (others.len() as u64) < wanted;
        }
        to.extend(others);
        to
    }

    /// Updates the members that the write of a wait affects. The members of a released group are
    /// unknown, so its wait keeps the previous ones.
    fn update_required(&mut self, cx: &Context, id: u64) {
        let Some(waiter) = self.table.get(&id) else { return };
        if !cx.groups.hosted.contains_key(&waiter.group) {
            return;
        }
        let concerned = match &waiter.subject {
            Subject::Own(ranges) => cx.groups.affected_members(&waiter.group, ranges),
            Subject::Forgotten(record) => cx.groups.members_except(&waiter.group, record.member()),
        };
        let required: BTreeSet<NetId> = concerned.into_iter().collect();
        if let Some(waiter) = self.table.get_mut(&id) {
            waiter.required = required;
        }
    }

    /// Some unasked members that the write does not affect, with some reserve.
    fn spare_members(&self, cx: &mut Context, id: u64, wanted: u64) -> Vec<NetId> {
        let Some(waiter) = self.table.get(&id).filter(|_| wanted > 0) else { return Vec::new() };
        let Some(replica) = cx.groups.replica(&waiter.group) else { return Vec::new() };
        let max = wanted.saturating_add(wanted / 2 + SPARE);
        let (me, members) = (cx.me(), replica.state().member_count());
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
            cx.rng.shuffle(&mut others);
            others.truncate(max);
            return others;
        }
        let group = waiter.group.clone();
        let places: Vec<u64> = (0..DRAWS * max as u64).map(|_| cx.rng.next_u64()).collect();
        let Some(waiter) = self.table.get(&id) else { return Vec::new() };
        let is_new = |member: &NetId| !waiter.was_asked(*member) && !waiter.required.contains(member);
        let drawn =
            places.into_iter().filter_map(|place| cx.groups.sample_member(&group, place)).filter(is_new);
        let drawn: BTreeSet<NetId> = drawn.collect();
        drawn.into_iter().take(max).collect()
    }

    /// Answers the callers whose wait has ended.
    pub(super) fn check(&mut self, cx: &mut Context, id: u64) {
        let Some(waiter) = self.table.get(&id) else { return };
        let facts = facts(cx, &waiter.group, &waiter.subject);
        if waiter.kind.all && waiter.answer_due(cx.now, WaitOutcome::Satisfied, facts) {
            // Further members may have been discovered since the last update.
            self.update_required(cx, id);
        }
        let names = cx.config.limits.reported_members;
        let Some(waiter) = self.table.get_mut(&id) else { return };
        if waiter.lacks_questions() {
            waiter.found_at.get_or_insert(cx.now + GATHER);
        }
        let (mut done, mut rest) = (Vec::new(), Vec::new());
        for (until, answer) in std::mem::take(&mut waiter.answers) {
            match waiter.verdict(cx.now, until, answer.wait.count, facts) {
                Some(end) => done.push((answer, waiter.report(end, facts, names))),
                None => rest.push((until, answer)),
            }
        }
        waiter.answers = rest;
        let group = waiter.group.clone();
        if waiter.answers.is_empty() {
            self.table.remove(&id);
            self.rounds.retain(|_, of| *of != id);
        }
        self.schedule(id, cx);
        for (answer, waited) in done {
            let (tag, written) = answer.complete(waited);
            cx.answer(tag, Some(group.clone()), Ok(written));
        }
        cx.act(Action::ReleaseIfLeft(group));
    }

    /// Requests acks and answers callers where due.
    pub(super) fn on_due(&mut self, cx: &mut Context, broadcasts: &mut Broadcasts, id: u64) {
        self.ask_when_due(cx, broadcasts, id);
        self.check(cx, id);
    }

    /// Ends all waits now.
    pub(super) fn end_all(&mut self, cx: &mut Context) {
        for (until, _) in self.table.values_mut().flat_map(|waiter| &mut waiter.answers) {
            *until = cx.now.min(*until);
        }
        let all: Vec<u64> = self.table.keys().copied().collect();
        all.into_iter().for_each(|id| self.check(cx, id));
    }

    fn ask_when_due(&mut self, cx: &mut Context, broadcasts: &mut Broadcasts, id: u64) {
        let Some(waiter) = self.table.get(&id) else { return };
        let items = record_of(cx, &waiter.group, &waiter.subject).map_or(0, |record| record.item_counts().1);
        let Some(waiter) = self.table.get_mut(&id) else { return };
        let found = waiter.found_at.take_if(|at| *at <= cx.now).is_some();
        let again = waiter.retry_at <= cx.now;
        if again {
            waiter.pause(cx.now, RECORD_BYTES + ITEM_BYTES * items as u64);
        }
        let group = waiter.group.clone();
        if found || again {
            self.request_acks(cx, broadcasts, id, again);
        }
        let lacks = self.table.get(&id).is_some_and(|waiter| waiter.lacks_members);
        if again && (lacks || !knows_all(cx, &group)) {
            // Further members may still be discovered.
            cx.act(Action::Hasten(cx.config.timing.exchange_interval_active));
        }
    }

    /// Handles discovered or changed members: waits that want more members ask them.
    pub(super) fn on_members_found(&mut self, cx: &mut Context, group: &GroupName, members: &[NetId]) {
        let Some(state) = cx.groups.replica(group).map(Replica::state) else { return };
        self.ask_found(cx.now + GATHER, group, &mut cx.timers, |waiter| {
            let news = |member: &NetId| state.is_member(*member) && !waiter.was_asked(*member);
            waiter.lacks_members && waiter.found_at.is_none() && members.iter().any(news)
        });
    }

    /// Handles that the members of a group are completely known now: waits for all include those
    /// discovered meanwhile.
    pub(super) fn on_knows_all(&mut self, cx: &mut Context, group: &GroupName) {
        self.ask_found(cx.now, group, &mut cx.timers, |_| true);
    }
}

/// The current version of the record that members are to acknowledge.
fn record_of(cx: &Context, group: &GroupName, subject: &Subject) -> Option<Record> {
    match subject {
        Subject::Own(_) => cx.groups.record(group, cx.me()).cloned(),
        Subject::Forgotten(record) => Some(record.clone()),
    }
}

/// Whether all members of a group are known: another host is in sync, or single-node mode is set.
fn knows_all(cx: &Context, group: &GroupName) -> bool {
    cx.config.single_node || cx.groups.hosted.get(group).is_some_and(|hosted| hosted.in_sync)
}

/// The facts about a group that decide whether a wait is over.
fn facts(cx: &Context, group: &GroupName, subject: &Subject) -> GroupFacts {
    let not_counted = match subject {
        Subject::Forgotten(record) => vec![cx.me(), record.member()],
        Subject::Own(_) => vec![cx.me()],
    };
    let members = cx.groups.replica(group).map(Replica::state).map_or(0, |state| {
        let not_counted = not_counted.iter().filter(|member| state.is_member(**member));
        state.member_count().saturating_sub(not_counted.count())
    });
    let alone = cx.config.single_node && members == 0;
    GroupFacts { in_sync: knows_all(cx, group), single_node: alone, members: members as u64 }
}
