//! Newcomer announcements. A node that has just joined knows few members, so its first writes reach
//! few. It sends its record again to members that it discovers in its first seconds; otherwise a
//! newcomer without multicast would spread only at gossip speed, in O(log n) consecutive exchanges.
//! Announcements end when the node is no newcomer any more and its group was compared.

use std::time::Duration;

use gm_broadcast::Time;
use gm_codec::{Body, GroupUpdate, MemberUpdate};
use gm_data::{GroupName, KeyRange, Record};

use super::NodeMachine;
use super::dissemination::GroupBroadcast;
use super::timers::NodeTimer;
use crate::counter::NodeCounter;
use crate::store::Store;

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

impl<S: Store> NodeMachine<S> {
    /// Whether this node is a newcomer in a group, so that its record is to be announced to members
    /// discovered later.
    pub(super) fn is_newcomer_in(&self, now: Time, group: &GroupName) -> bool {
        self.is_eager(now) || self.groups.hosted.get(group).is_some_and(|hosted| !hosted.was_compared())
    }

    /// Schedules an announcement after anti-entropy merged records of a group.
    pub(super) fn schedule_announcement(&mut self, now: Time, group: &GroupName) {
        let new = self.is_newcomer_in(now, group);
        let Some(hosted) = self.groups.hosted.get_mut(group) else { return };
        if !new {
            hosted.informed = None;
        }
        let timer = NodeTimer::Announcement(group.clone());
        if hosted.informed.is_some() && !self.timers.is_set(&timer) {
            let at = now + PAUSE + self.rng.duration_up_to(PAUSE);
            self.timers.set(timer, at);
        }
    }

    /// Sends this node's record to discovered members of a group.
    pub(super) fn announce_in_group(&mut self, now: Time, group: &GroupName) {
        let groups = &self.groups;
        let short = |own: &&Record| own.is_member() && own.item_counts().1 <= MAX_ITEMS;
        let Some(own) = groups.record(group, self.me()).filter(short).cloned() else { return };
        let Some(informed) = groups.hosted.get(group).and_then(|hosted| hosted.informed.as_ref()) else {
            return;
        };
        let ranges: Vec<KeyRange> = own.items().map(|item| item.range()).collect();
        let mut to = self.concerned_members(group, &ranges);
        to.retain(|node| !informed.contains(node) && !self.broadcaster.is_near(*node));
        if to.is_empty() || self.many_started_together(group, &own) {
            return;
        }
        if let Some(informed) = self.groups.hosted.get_mut(group).and_then(|hosted| hosted.informed.as_mut())
        {
            informed.extend(&to);
        }
        self.count(NodeCounter::NewcomerAnnouncements);
        let body =
            Body::GroupUpdate(GroupUpdate { name: group.clone(), updates: vec![MemberUpdate::Record(own)] });
        let topic = Some(self.topic(group));
        self.broadcast(
            now,
            group,
            GroupBroadcast { body, whole_body: None, topic, to, multicast: true },
            None,
        );
    }

    /// Whether the number of members that started together, by the time hint in their incarnations,
    /// makes anti-entropy cheaper.
    fn many_started_together(&self, group: &GroupName, own: &Record) -> bool {
        let second = |record: &Record| record.version().incarnation.get() >> 16;
        let ours = second(own);
        let Some(replica) = self.groups.replica(group) else { return false };
        let members = replica.state().member_count() as u64;
        let together = replica.state().records().filter(|record| record.is_member());
        let together =
            together.filter(|record| second(record).abs_diff(ours) <= START_WINDOW_SECONDS).count() as u64;
        together * NEWCOMER_FRACTION > members && together * members > MAX_SENDS
    }
}
