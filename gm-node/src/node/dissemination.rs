//! Dissemination of own writes: to the members that they affect, and to all multicast neighbors.

use std::collections::BTreeSet;
use std::time::Duration;

use gm_broadcast::{BroadcastRequest, RequestedAcks, Targets, Time};
use gm_clock::NetId;
use gm_codec::{Body, GroupUpdate, MemberUpdate};
use gm_data::{GroupName, KeyRange, Record, Replica, Version, View};

use super::NodeMachine;
use super::draft::PendingAnswer;
use super::wait::SHORT_RECORD_ITEMS;
use super::waiter::Subject;
use crate::event::NodeEvent;
use crate::store::Store;

/// Maximum number of changed ranges for which the affected members are looked up; for more, all
/// members are.
const MAX_RANGES: usize = 256;
/// After the start, a node sends writes that need no acks only to far members; neighbors receive
/// the multicast, or are repaired by anti-entropy.
const START_PERIOD: Duration = Duration::from_secs(2);

impl<S: Store> NodeMachine<S> {
    /// Broadcasts a write to the members that it affects, and requests acks if a caller waits for
    /// them.
    pub(super) fn disseminate(
        &mut self,
        now: Time,
        group: &GroupName,
        change: OwnChange<'_>,
        answers: Vec<PendingAnswer>,
    ) {
        let OwnChange { previous: before, own, former, changed } = change;
        let known = before.map(Record::version);
        let ranges = if changed {
            let mut ranges = changed_ranges(before, own);
            ranges.extend(former.iter().flat_map(Record::stamped_items).map(|timed| timed.item.range()));
            ranges
        } else {
            own.items().map(|item| item.range()).collect()
        };
        let mut to = self.concerned_members(group, &ranges);
        let concerned = to.len();
        let waits = if answers.is_empty() {
            if now.since(self.start_time) < START_PERIOD {
                // No neighbor can have confirmed its reception yet. If thousands start at once,
                // asking each of them would cost quadratic traffic.
                to.retain(|node| !self.broadcaster.is_near(*node));
            }
            Vec::new()
        } else {
            let ranges = if ranges.len() > MAX_RANGES { vec![KeyRange::WHOLE] } else { ranges };
            self.open_waits(now, group, &Subject::Own(ranges), answers)
        };
        if let Some(first) = waits.first() {
            to = self.members_to_ask(*first);
        }
        let new = self.is_newcomer_in(now, group);
        if changed && let Some(hosted) = self.groups.hosted.get_mut(group) {
            hosted.informed = new.then(|| to.iter().copied().collect());
        }
        let parts_of = |own: MemberUpdate| parts(own, former.as_ref());
        // Members that the write does not affect may lack earlier versions.
        let short = to.len() > concerned && own.item_counts().1 <= SHORT_RECORD_ITEMS;
        let increment = known.and_then(|known| own.increment_since(known)).filter(|_| changed && !short);
        let whole = increment.is_none();
        let body =
            parts_of(increment.map_or_else(|| MemberUpdate::Record(own.clone()), MemberUpdate::Increment));
        let body = Body::GroupUpdate(GroupUpdate { name: group.clone(), updates: body });
        let whole_body = parts_of(MemberUpdate::Record(own.clone()));
        let whole_body = Some(Body::GroupUpdate(GroupUpdate { name: group.clone(), updates: whole_body }));
        let topic = Some(self.topic(group));
        let outgoing = GroupBroadcast { body, whole_body, topic, to, multicast: true };
        match waits.split_first() {
            None => drop(self.broadcast(now, group, outgoing, None)),
            Some((first, rest)) => {
                self.broadcast_for_acks(now, *first, outgoing, 0, whole);
                rest.iter().for_each(|wait| self.request_acks(now, *wait, false));
            }
        }
        waits.into_iter().for_each(|wait| self.check_wait(now, wait));
    }

    /// Sends a broadcast. Returns its tag, and whether the broadcaster accepted it; if not, members
    /// receive the change by anti-entropy.
    pub(super) fn broadcast(
        &mut self,
        now: Time,
        group: &GroupName,
        outgoing: GroupBroadcast,
        acks: Option<RequestedAcks>,
    ) -> (u64, bool) {
        let GroupBroadcast { body, whole_body, topic, to, multicast } = outgoing;
        self.next_tag += 1;
        let tag = self.next_tag;
        let to = Targets::Nodes(to);
        let broadcasting = BroadcastRequest { tag, body, to, acks, topic, catch_up: whole_body, multicast };
        self.command_broadcaster(now, gm_broadcast::BroadcastCommand::Broadcast(broadcasting));
        let not_broadcast = |event: &gm_broadcast::BroadcastEvent| matches!(event, gm_broadcast::BroadcastEvent::Rejected { tag: of, .. } if *of == tag);
        let index = self.broadcaster_events.iter().rposition(not_broadcast);
        match index.and_then(|index| self.broadcaster_events.remove(index)) {
            Some(gm_broadcast::BroadcastEvent::Rejected { why, .. }) => {
                self.emit(NodeEvent::NotBroadcast { group: group.clone(), why });
                (tag, false)
            }
            _ => (tag, true),
        }
    }

    /// The other members that a change of these ranges affects.
    pub(super) fn concerned_members(&self, group: &GroupName, ranges: &[KeyRange]) -> Vec<NetId> {
        let me = self.me();
        let Some(view) = self.groups.set.group(group).map(Replica::view) else { return Vec::new() };
        let mut nodes: BTreeSet<NetId> = if ranges.len() > MAX_RANGES || ranges.contains(&KeyRange::WHOLE) {
            view.members().collect()
        } else {
            ranges.iter().flat_map(|range| View::affected_members(view, *range)).collect()
        };
        nodes.remove(&me);
        nodes.into_iter().collect()
    }
}

/// A committed write that is to be disseminated.
pub(super) struct OwnChange<'a> {
    pub(super) previous: Option<&'a Record>,
    pub(super) own: &'a Record,
    pub(super) former: Option<Record>,
    pub(super) changed: bool,
}

/// A broadcast to the members of a group.
pub(super) struct GroupBroadcast {
    pub(super) body: Body,
    pub(super) whole_body: Option<Body>,
    pub(super) topic: Option<u64>,
    pub(super) to: Vec<NetId>,
    /// Whether to multicast it as well.
    pub(super) multicast: bool,
}

/// Our own update and that of our former address, in the order of members.
fn parts(own: MemberUpdate, former: Option<&Record>) -> Vec<MemberUpdate> {
    let mut parts: Vec<MemberUpdate> =
        former.cloned().map(MemberUpdate::Record).into_iter().chain([own]).collect();
    parts.sort_by_key(MemberUpdate::member);
    parts
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
