//! What we wrote when we knew few members is told to those whom we find next: else a newcomer
//! without multicast, who at first knows one node, would be known to all only after as many
//! exchanges of anti-entropy, one after the other, as a rumour takes. Ends when we are not new any
//! more, and somebody holds the same as we do. Knows nothing of how members are found.

use std::time::Duration;

use gm_broadcast::Time;
use gm_codec::{Body, GroupUpdate, MemberUpdate};
use gm_data::{GroupName, KeyRange, Record};

use super::NodeMachine;
use super::dissemination::GroupBroadcast;
use crate::plant::{Bug, planted};
use crate::store::Store;

/// What is found comes in pieces: they are waited for so long, and up to as long again, so that not
/// all who start at one time tell at one time.
const PAUSE: Duration = Duration::from_millis(10);
/// Who began within so many seconds of us begins with us.
const START_WINDOW_SECONDS: u64 = 10;
/// If more than one in so many members begin with us, and they would tell all members more than
/// [`MAX_SENDS`] times, it is left to anti-entropy: that carries many records at a time. (200 that
/// start at one time without multicast: all the same after 1.2 s with 61 sends each; if they tell
/// each other, 0.7 s with 250.)
const NEWCOMER_FRACTION: u64 = 8;
const MAX_SENDS: u64 = 1 << 10;
/// A longer record is left to anti-entropy, which carries of it what somebody lacks.
const MAX_ITEMS: usize = 4_096;

impl<S: Store> NodeMachine<S> {
    /// When somebody is to be told.
    pub(super) fn next_announcement(&self) -> Option<Time> {
        self.announcements.values().min().copied()
    }

    /// Whether those who will be found in a group are to be told what we write now.
    pub(super) fn is_newcomer_in(&self, now: Time, group: &GroupName) -> bool {
        self.is_eager(now) || self.groups().hosted.get(group).is_some_and(|hosted| !hosted.was_compared())
    }

    /// Anti-entropy found something in a group.
    pub(super) fn schedule_announcement(&mut self, now: Time, group: &GroupName) {
        let new = self.is_newcomer_in(now, group);
        let Some(hosted) = self.groups_mut().hosted.get_mut(group) else { return };
        if !new {
            hosted.informed = None;
        }
        if hosted.informed.is_some()
            && !self.announcements.contains_key(group)
            && !planted(Bug::NewcomerNotInformed)
        {
            let at = now + PAUSE + self.rng.duration_up_to(PAUSE);
            self.announcements.insert(group.clone(), at);
        }
    }

    /// Tells those who are due.
    pub(super) fn send_due_announcements(&mut self, now: Time) {
        let due: Vec<GroupName> =
            self.announcements.iter().filter(|(_, at)| **at <= now).map(|(group, _)| group.clone()).collect();
        for group in due {
            self.announcements.remove(&group);
            self.announce_in_group(now, &group);
        }
    }

    fn announce_in_group(&mut self, now: Time, group: &GroupName) {
        let groups = self.groups();
        let short = |own: &&Record| own.is_member() && own.item_counts().1 <= MAX_ITEMS;
        let Some(own) = groups.record(group, self.me()).filter(short).cloned() else { return };
        let Some(told) = groups.hosted.get(group).and_then(|hosted| hosted.informed.as_ref()) else { return };
        let ranges: Vec<KeyRange> = own.items().map(|item| item.range()).collect();
        let mut to = self.concerned_members(group, &ranges);
        to.retain(|node| !told.contains(node) && !self.broadcaster.is_near(*node));
        if to.is_empty() || self.many_started_together(group, &own) {
            return;
        }
        if let Some(told) =
            self.groups_mut().hosted.get_mut(group).and_then(|hosted| hosted.informed.as_mut())
        {
            told.extend(&to);
        }
        self.count("own", "told again");
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

    /// Whether so many members began when we did, as far as the hint in their incarnations says,
    /// that anti-entropy is cheaper.
    fn many_started_together(&self, group: &GroupName, own: &Record) -> bool {
        let second = |record: &Record| record.version().incarnation.get() >> 16;
        let ours = second(own);
        let Some(replica) = self.groups().replica(group) else { return false };
        let members = replica.state().member_count() as u64;
        let together = replica.state().records().filter(|record| record.is_member());
        let together =
            together.filter(|record| second(record).abs_diff(ours) <= START_WINDOW_SECONDS).count() as u64;
        together * NEWCOMER_FRACTION > members && together * members > MAX_SENDS
    }
}
