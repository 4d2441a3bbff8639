//! Telling what was written: to the members whom it concerns, and whoever hears the multicast.
//! Knows nothing of how it was written and stored.

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

/// Ranges for which is looked up one by one whom they concern; of more, everybody is told.
const MAX_RANGES: usize = 256;
/// So long after its start a node leaves to multicast and anti-entropy what nobody waits for, where
/// it hears multicast.
const START_PERIOD: Duration = Duration::from_secs(2);

impl<S: Store> NodeMachine<S> {
    /// Sends what was written to the members whom it concerns. If somebody waits for others, they
    /// are asked to acknowledge it.
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
                // Nobody can have confirmed yet that it hears us. Where thousands start at once,
                // asking each of them would be the square of that.
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
        if changed && let Some(hosted) = self.groups_mut().hosted.get_mut(group) {
            hosted.informed = new.then(|| to.iter().copied().collect());
        }
        let parts_of = |own: MemberUpdate| parts(own, former.as_ref());
        // Members that it does not concern may lack what came before.
        let short = to.len() > concerned && own.item_counts().1 <= SHORT_RECORD_ITEMS;
        let increment = known.and_then(|known| own.increment_since(known)).filter(|_| changed && !short);
        let whole = increment.is_none();
        let body =
            parts_of(increment.map_or_else(|| MemberUpdate::Record(own.clone()), MemberUpdate::Increment));
        let body = Body::GroupUpdate(GroupUpdate { name: group.clone(), updates: body });
        let instead = parts_of(MemberUpdate::Record(own.clone()));
        let instead = Some(Body::GroupUpdate(GroupUpdate { name: group.clone(), updates: instead }));
        let topic = Some(self.topic(group));
        let outgoing = GroupBroadcast { body, whole_body: instead, topic, to, multicast: true };
        match waits.split_first() {
            None => drop(self.broadcast(now, group, outgoing, None)),
            Some((first, rest)) => {
                self.broadcast_for_acks(now, *first, outgoing, 0, whole);
                rest.iter().for_each(|wait| self.request_acks(now, *wait, false));
            }
        }
        waits.into_iter().for_each(|wait| self.check_wait(now, wait));
    }

    /// Broadcasts, and returns the tag of it and whether it could be said: if not, members learn it
    /// by anti-entropy.
    pub(super) fn broadcast(
        &mut self,
        now: Time,
        group: &GroupName,
        outgoing: GroupBroadcast,
        receipts: Option<RequestedAcks>,
    ) -> (u64, bool) {
        let GroupBroadcast { body, whole_body: instead, topic, to, multicast } = outgoing;
        self.next_tag += 1;
        let tag = self.next_tag;
        let to = Targets::Nodes(to);
        let broadcasting =
            BroadcastRequest { tag, body, to, acks: receipts, topic, catch_up: instead, multicast };
        self.command_broadcaster(now, gm_broadcast::BroadcastCommand::Broadcast(broadcasting));
        let not_broadcast = |event: &gm_broadcast::BroadcastEvent| matches!(event, gm_broadcast::BroadcastEvent::Rejected { tag: of, .. } if *of == tag);
        let place = self.broadcaster_events.iter().rposition(not_broadcast);
        match place.and_then(|place| self.broadcaster_events.remove(place)) {
            Some(gm_broadcast::BroadcastEvent::Rejected { why, .. }) => {
                self.emit(NodeEvent::NotBroadcast { group: group.clone(), why });
                (tag, false)
            }
            _ => (tag, true),
        }
    }

    /// The members that a change of those ranges concerns, without ourselves.
    pub(super) fn concerned_members(&self, group: &GroupName, ranges: &[KeyRange]) -> Vec<NetId> {
        let me = self.me();
        let Some(view) = self.groups().set.group(group).map(Replica::view) else { return Vec::new() };
        let mut nodes: BTreeSet<NetId> = if ranges.len() > MAX_RANGES || ranges.contains(&KeyRange::WHOLE) {
            view.members().collect()
        } else {
            ranges.iter().flat_map(|range| View::affected_members(view, *range)).collect()
        };
        nodes.remove(&me);
        nodes.into_iter().collect()
    }
}

/// What is told of a write.
pub(super) struct OwnChange<'a> {
    pub(super) previous: Option<&'a Record>,
    pub(super) own: &'a Record,
    pub(super) former: Option<Record>,
    pub(super) changed: bool,
}

/// A broadcast of a group.
pub(super) struct GroupBroadcast {
    pub(super) body: Body,
    pub(super) whole_body: Option<Body>,
    pub(super) topic: Option<u64>,
    pub(super) to: Vec<NetId>,
    /// Whether whoever hears our multicast is told as well.
    pub(super) multicast: bool,
}

/// Our part, and that of our former self, in the order of the members.
fn parts(own: MemberUpdate, former: Option<&Record>) -> Vec<MemberUpdate> {
    let mut parts: Vec<MemberUpdate> =
        former.cloned().map(MemberUpdate::Record).into_iter().chain([own]).collect();
    parts.sort_by_key(MemberUpdate::member);
    parts
}

/// The ranges that were written between two records, each once.
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
