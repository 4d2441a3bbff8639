//! Newcomer announcements. A node that has just joined knows few members, so its first writes reach
//! few. It sends its record again to members that it discovers in its first seconds; otherwise a
//! newcomer without multicast would spread only at gossip speed, in O(log n) consecutive exchanges.
//! Announcements end when the node is no newcomer any more and its group was compared.

use std::time::Duration;

use gm_codec::{Body, GroupUpdate, MemberUpdate};
use gm_data::{GroupName, KeyRange, Record};

use super::broadcasts::{Broadcasts, GroupBroadcast};
use crate::counter::NodeCounter;
use crate::node::context::Context;
use crate::node::timers::NodeTimer;

/// Members are discovered in batches. An announcement waits for this time to collect them, plus a
/// random time of up to the same length, so that nodes that start together do not all send at once.
const PAUSE: Duration = Duration::from_millis(10);
/// Members whose incarnations began within this number of seconds of ours are considered to start
/// together with us.
const START_WINDOW_SECONDS: u64 = 10;
/// If more than one in this number of members start together, and announcements would total more
/// than [`MAX_SENDS`], they are left to anti-entropy, which carries many records at a time. (Of 200
/// nodes that start at once without multicast, all are in sync after 1.2 s with 61 messages each;
/// with announcements, after 0.7 s with 250.)
const NEWCOMER_FRACTION: u64 = 8;
const MAX_SENDS: u64 = 1 << 10;
/// A record with more items is left to anti-entropy, which sends only what a peer lacks.
const MAX_ITEMS: usize = 4_096;

/// Whether this node is a newcomer in a group, so that its record is to be announced to members
/// discovered later.
pub(super) fn is_newcomer_in(cx: &Context, group: &GroupName) -> bool {
    cx.is_newcomer() || cx.groups.hosted.get(group).is_some_and(|hosted| !hosted.was_compared())
}

/// Schedules an announcement after anti-entropy merged records of a group.
pub(super) fn schedule(cx: &mut Context, group: &GroupName) {
    let is_newcomer = is_newcomer_in(cx, group);
    let Some(hosted) = cx.groups.hosted.get_mut(group) else { return };
    if !is_newcomer {
        hosted.informed = None;
    }
    let timer = NodeTimer::Announcement(group.clone());
    if hosted.informed.is_some() && !cx.timers.is_set(&timer) {
        let at = cx.now + PAUSE + cx.rng.duration_up_to(PAUSE);
        cx.timers.set(timer, at);
    }
}

/// Sends this node's record to discovered members of a group.
pub(super) fn announce(cx: &mut Context, broadcasts: &mut Broadcasts, group: &GroupName) {
    let short = |own: &&Record| own.is_member() && own.item_counts().1 <= MAX_ITEMS;
    let Some(own) = cx.groups.record(group, cx.me()).filter(short).cloned() else { return };
    let Some(informed) = cx.groups.hosted.get(group).and_then(|hosted| hosted.informed.as_ref()) else {
        return;
    };
    let ranges: Vec<KeyRange> = own.items().map(|item| item.range()).collect();
    let mut to = cx.groups.affected_members(group, &ranges);
    to.retain(|node| !informed.contains(node) && !cx.peers().is_near(*node));
    if to.is_empty() || many_started_together(cx, group, &own) {
        return;
    }
    if let Some(informed) = cx.groups.hosted.get_mut(group).and_then(|hosted| hosted.informed.as_mut()) {
        informed.extend(&to);
    }
    cx.count(NodeCounter::NewcomerAnnouncements);
    let body =
        Body::GroupUpdate(GroupUpdate { name: group.clone(), updates: vec![MemberUpdate::Record(own)] });
    let topic = Some(broadcasts.topic(group));
    broadcasts.send(cx, group, GroupBroadcast { topic, ..GroupBroadcast::new(body, to) }, None, None);
}

/// Whether the number of members that started together, by the time hint in their incarnations,
/// makes anti-entropy cheaper.
fn many_started_together(cx: &Context, group: &GroupName, own: &Record) -> bool {
    let second = |record: &Record| record.version().incarnation.get() >> 16;
    let ours = second(own);
    let Some(replica) = cx.groups.replica(group) else { return false };
    let members = replica.state().member_count() as u64;
    let together = replica.state().records().filter(|record| record.is_member());
    let together =
        together.filter(|record| second(record).abs_diff(ours) <= START_WINDOW_SECONDS).count() as u64;
    together * NEWCOMER_FRACTION > members && together * members > MAX_SENDS
}
