//! Dissemination of writes: to the members that they affect, and to all multicast neighbors; with
//! acks, if a caller waits for them.
//!
//! `dissemination/broadcasts.rs` numbers the broadcasts; `dissemination/waits.rs` and
//! `dissemination/waiter.rs` wait for acks; `dissemination/newcomer_announcement.rs` repeats the
//! record of a newcomer.

mod broadcasts;
mod newcomer_announcement;
mod waiter;
mod waits;

use std::time::Duration;

use gm_broadcast::{AckPart, AckReport, Transport};
use gm_clock::NetId;
use gm_codec::{Body, BroadcastId, GroupUpdate, MemberUpdate};
use gm_data::{Eviction, GroupName, KeyRange, Record, Version};

use super::context::Context;
use super::messages::evictions_body;
use super::sponsor;
use super::timers::NodeTimer;
use crate::command::{PendingAnswer, WaitReport};
use crate::counter::NodeCounter;
use crate::event::NodeEvent;
use crate::groups::MAX_RANGES;
use broadcasts::{Broadcasts, GroupBroadcast};
use waiter::Subject;
use waits::{SHORT_RECORD_ITEMS, Waits};

/// After the start, a node sends writes that need no acks only to far members; neighbors receive
/// the multicast, or are repaired by anti-entropy.
const START_PERIOD: Duration = Duration::from_secs(2);
/// Maximum number of evictions in one broadcast.
const MAX_EVICTIONS: usize = 1_000;

/// The broadcasts of a node about its groups, and the waits for their acks.
#[derive(Debug, Default)]
pub(super) struct Dissemination {
    broadcasts: Broadcasts,
    waits: Waits,
}

/// A committed write that is to be disseminated.
#[derive(Debug)]
pub(super) struct OwnChange<'a> {
    pub(super) previous: Option<&'a Record>,
    pub(super) own: &'a Record,
    pub(super) former: Option<Record>,
    pub(super) changed: bool,
}

impl Dissemination {
    /// Number of open waits.
    pub(super) fn open_waits(&self) -> usize {
        self.waits.len()
    }

    /// Whether a wait in a group is open.
    pub(super) fn is_waiting_in(&self, group: &GroupName) -> bool {
        self.waits.is_any_in(group)
    }

    /// Whether the timer of each wait is set to its next action.
    pub(super) fn waits_are_scheduled(&self, cx: &Context) -> bool {
        self.waits.are_scheduled(&cx.timers)
    }

    /// Broadcasts a write to the members that it affects, and requests acks if callers wait for
    /// them.
    pub(super) fn disseminate(
        &mut self,
        cx: &mut Context,
        group: &GroupName,
        change: OwnChange<'_>,
        answers: Vec<PendingAnswer>,
    ) {
        let ranges = affected_ranges(&change);
        let OwnChange { previous, own, former, changed } = change;
        let known = previous.map(Record::version);
        let mut to = cx.groups.affected_members(group, &ranges);
        let concerned = to.len();
        sponsor::end_if_lost(cx, group);
        let sponsor = sponsor::pending_sponsor(cx, group);
        if let Some(sponsor) = sponsor {
            let updates = own_updates(MemberUpdate::Record(own.clone()), former.as_ref());
            sponsor::send_record(cx, group, sponsor, updates);
            if answers.is_empty() {
                to.clear();
            }
        }
        let waits = if answers.is_empty() {
            if cx.now.since(cx.start_time) < START_PERIOD {
                // No neighbor can have confirmed its reception yet. If thousands start at once,
                // asking each of them would cost quadratic traffic.
                to.retain(|node| !cx.peers().is_near(*node));
            }
            Vec::new()
        } else {
            let ranges = if ranges.len() > MAX_RANGES { vec![KeyRange::WHOLE] } else { ranges };
            self.waits.open(cx, group, &Subject::Own(ranges), answers)
        };
        if let Some(first) = waits.first() {
            to = self.waits.members_to_ask(cx, *first);
        }
        let is_newcomer = newcomer_announcement::is_newcomer_in(cx, group);
        if changed && let Some(hosted) = cx.groups.hosted.get_mut(group) {
            hosted.informed = is_newcomer.then(|| to.iter().copied().chain(sponsor).collect());
        }
        if sponsor.is_some() && waits.is_empty() {
            // The sponsor passes it on, together with those of other newcomers.
            return;
        }
        let body_of = |update: MemberUpdate| {
            let updates = own_updates(update, former.as_ref());
            Body::GroupUpdate(GroupUpdate { name: group.clone(), updates })
        };
        // Members that the write does not affect may lack earlier versions.
        let short = to.len() > concerned && own.item_counts().1 <= SHORT_RECORD_ITEMS;
        let increment = known.and_then(|known| own.increment_since(known)).filter(|_| changed && !short);
        let whole = increment.is_none();
        let body =
            body_of(increment.map_or_else(|| MemberUpdate::Record(own.clone()), MemberUpdate::Increment));
        let whole_body = Some(body_of(MemberUpdate::Record(own.clone())));
        let topic = Some(self.broadcasts.topic(group));
        let outgoing = GroupBroadcast { body, whole_body, topic, to, multicast: true };
        match waits.split_first() {
            None => drop(self.broadcasts.send(cx, group, outgoing, None, None)),
            Some((first, rest)) => {
                self.waits.broadcast(cx, &mut self.broadcasts, *first, outgoing, 0, whole);
                rest.iter().for_each(|id| self.waits.request_acks(cx, &mut self.broadcasts, *id, false));
            }
        }
        waits.into_iter().for_each(|id| self.waits.check(cx, id));
    }

    /// Passes the records of newcomers on to members of a group.
    pub(super) fn pass_on(
        &mut self,
        cx: &mut Context,
        group: &GroupName,
        updates: Vec<MemberUpdate>,
        (to, multicast): (Vec<NetId>, bool),
    ) {
        let body = Body::GroupUpdate(GroupUpdate { name: group.clone(), updates });
        let outgoing = GroupBroadcast { multicast, ..GroupBroadcast::new(body, to) };
        self.broadcasts.send(cx, group, outgoing, None, None);
    }

    /// Broadcasts a forgotten record to all members and to the forgotten one: if it is alive, it
    /// refutes the record.
    pub(super) fn broadcast_forget(
        &mut self,
        cx: &mut Context,
        group: &GroupName,
        record: Record,
        answer: PendingAnswer,
    ) {
        let member = record.member();
        let updates = vec![MemberUpdate::Record(record.clone())];
        let body = Body::GroupUpdate(GroupUpdate { name: group.clone(), updates });
        if !answer.wait.count.needs_acks() {
            answer_at_once(cx, group, answer);
            let mut to = cx.groups.members_except(group, member);
            to.push(member);
            self.broadcasts.send(cx, group, GroupBroadcast::new(body, to), None, None);
            return;
        }
        // The forgotten member may be dead, so the wait does not include it.
        cx.send(member, body.clone(), Transport::Udp);
        for id in self.waits.open(cx, group, &Subject::Forgotten(record), vec![answer]) {
            let to = self.waits.members_to_ask(cx, id);
            let outgoing = GroupBroadcast::new(body.clone(), to);
            self.waits.broadcast(cx, &mut self.broadcasts, id, outgoing, 0, true);
            self.waits.check(cx, id);
        }
    }

    /// Broadcasts evictions to all members.
    pub(super) fn broadcast_evictions(
        &mut self,
        cx: &mut Context,
        group: &GroupName,
        evictions: &[Eviction],
    ) {
        for evictions in evictions.chunks(MAX_EVICTIONS) {
            let to = cx.groups.members_except(group, cx.me());
            let outgoing = GroupBroadcast::new(evictions_body(group, evictions), to);
            self.broadcasts.send(cx, group, outgoing, None, None);
        }
    }

    /// Broadcasts the eviction of claims beyond the horizon: otherwise no member would accept this
    /// node's records.
    pub(super) fn announce_own_eviction(&mut self, cx: &mut Context, group: &GroupName, eviction: Eviction) {
        cx.count(NodeCounter::HorizonResets);
        cx.emit(NodeEvent::HorizonClaimEvicted { group: group.clone(), above: eviction.least });
        self.broadcast_evictions(cx, group, &[eviction]);
    }

    /// Handles that the broadcaster rejected a broadcast: members receive the change by
    /// anti-entropy.
    pub(super) fn on_rejected(&mut self, cx: &mut Context, tag: u64, wait: Option<u64>) {
        if let Some(id) = wait {
            self.waits.on_rejected(cx, id, tag);
        }
    }

    /// Handles acks of a broadcast.
    pub(super) fn on_acks(&mut self, cx: &mut Context, tag: u64, report: AckReport, parts: Vec<AckPart>) {
        self.waits.on_acks(cx, tag, report, parts);
    }

    /// Requests acks and answers callers where due.
    pub(super) fn on_wait_due(&mut self, cx: &mut Context, id: u64) {
        self.waits.on_due(cx, &mut self.broadcasts, id);
    }

    /// Ends all waits now.
    pub(super) fn end_waits(&mut self, cx: &mut Context) {
        self.waits.end_all(cx);
    }

    /// Handles discovered or changed members: waits that want more members ask them.
    pub(super) fn on_members_found(&mut self, cx: &mut Context, group: &GroupName, members: &[NetId]) {
        self.waits.on_members_found(cx, group, members);
    }

    /// Handles that the members of a group are completely known now.
    pub(super) fn on_knows_all(&mut self, cx: &mut Context, group: &GroupName) {
        self.waits.on_knows_all(cx, group);
    }

    /// Notes that the origin of a broadcast knows this node.
    pub(super) fn note_informed(&self, cx: &mut Context, group: &GroupName, id: BroadcastId) {
        if let Some(informed) = cx.groups.hosted.get_mut(group).and_then(|hosted| hosted.informed.as_mut()) {
            informed.insert(id.origin);
        }
    }

    /// Schedules an announcement of a newcomer, after anti-entropy merged records of a group.
    pub(super) fn schedule_announcement(&self, cx: &mut Context, group: &GroupName) {
        newcomer_announcement::schedule(cx, group);
    }

    /// Announces this node to discovered members of a group.
    pub(super) fn announce(&mut self, cx: &mut Context, group: &GroupName) {
        newcomer_announcement::announce(cx, &mut self.broadcasts, group);
    }

    /// Forgets what concerns a released group.
    pub(super) fn on_released(&mut self, cx: &mut Context, group: &GroupName) {
        cx.timers.cancel(&NodeTimer::Announcement(group.clone()));
        self.broadcasts.on_released(group);
    }
}

/// Answers a caller that waits for no acks.
pub(super) fn answer_at_once(cx: &mut Context, group: &GroupName, answer: PendingAnswer) {
    let members = cx.groups.hosted.get(group).map_or(0, |_| cx.groups.other_member_count(group));
    let wait = WaitReport { members: members as u64, ..WaitReport::default() };
    let (tag, written) = answer.complete(wait);
    cx.answer(tag, Some(group.clone()), Ok(written));
}

/// The ranges whose owners a write affects.
fn affected_ranges(change: &OwnChange<'_>) -> Vec<KeyRange> {
    if !change.changed {
        return change.own.items().map(|item| item.range()).collect();
    }
    let mut ranges = changed_ranges(change.previous, change.own);
    let former = change.former.iter().flat_map(Record::stamped_items);
    ranges.extend(former.map(|timed| timed.item.range()));
    ranges
}

/// Our own update and that of our former address, in the order of members.
fn own_updates(own: MemberUpdate, former: Option<&Record>) -> Vec<MemberUpdate> {
    let mut updates: Vec<MemberUpdate> =
        former.cloned().map(MemberUpdate::Record).into_iter().chain([own]).collect();
    updates.sort_by_key(MemberUpdate::member);
    updates
}

/// The ranges that changed between two records, each once.
fn changed_ranges(before: Option<&Record>, after: &Record) -> Vec<KeyRange> {
    let known = before.map(Record::version).filter(|version| !version.forgotten);
    let since: Option<Version> = known.filter(|known| known.clock >= after.floor());
    let increment = since.and_then(|since| after.increment_since(since));
    match increment {
        Some(increment) => increment.items().map(|timed| timed.item.range()).collect(),
        None => {
            let old = before.into_iter().flat_map(Record::stamped_items);
            let mut ranges: Vec<_> =
                old.chain(after.stamped_items()).map(|timed| timed.item.range()).collect();
            ranges.sort_unstable();
            ranges.dedup();
            ranges
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic)]
mod tests;
