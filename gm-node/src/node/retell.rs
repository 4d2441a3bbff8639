//! What we wrote when we knew few members is told to those whom we find next: else a newcomer without multicast, who at first knows one node, would be
//! known to all only after as many exchanges of anti-entropy, one after the other, as a rumour takes. Ends when we are not new any more, and somebody holds the same as we do. Knows nothing of
//! how members are found.

use std::time::Duration;

use gm_broadcast::Time;
use gm_codec::{Body, GroupUpdate, MemberUpdate};
use gm_data::{GroupName, KeyRange, Record};

use super::Node;
use super::tell::Telling;
use crate::plant::{Bug, planted};
use crate::store::Store;

/// What is found comes in pieces: they are waited for so long, and up to as long again, so that not all who start at one time tell at one time.
const PAUSE: Duration = Duration::from_millis(10);
/// Who began within so many seconds of us begins with us.
const TOGETHER: u64 = 10;
/// If more than one in so many members begin with us, and they would tell all members more than [`SENDS`] times, it is left to anti-entropy: that carries
/// many records at a time. (200 that start at one time without multicast: all the same after 1.2 s with 61 sends each; if they tell each other, 0.7 s with 250.)
const NEW: u64 = 8;
const SENDS: u64 = 1 << 10;
/// A longer record is left to anti-entropy, which carries of it what somebody lacks.
const ITEMS: usize = 4_096;

impl<S: Store> Node<S> {
    /// When somebody is to be told.
    pub(super) fn retell_at(&self) -> Option<Time> {
        self.retell.values().min().copied()
    }

    /// Whether those who will be found in a group are to be told what we write now.
    pub(super) fn is_new_in(&self, now: Time, group: &GroupName) -> bool {
        self.is_eager(now) || self.groups().held.get(group).is_some_and(|held| !held.was_compared())
    }

    /// Anti-entropy found something in a group.
    pub(super) fn retell_soon(&mut self, now: Time, group: &GroupName) {
        let new = self.is_new_in(now, group);
        let Some(held) = self.groups_mut().held.get_mut(group) else { return };
        if !new {
            held.told = None;
        }
        if held.told.is_some() && !self.retell.contains_key(group) && !planted(Bug::NewcomerUntold) {
            let at = now + PAUSE + self.chance.duration_up_to(PAUSE);
            self.retell.insert(group.clone(), at);
        }
    }

    /// Tells those who are due.
    pub(super) fn retell(&mut self, now: Time) {
        let due: Vec<GroupName> =
            self.retell.iter().filter(|(_, at)| **at <= now).map(|(group, _)| group.clone()).collect();
        for group in due {
            self.retell.remove(&group);
            self.retell_group(now, &group);
        }
    }

    fn retell_group(&mut self, now: Time, group: &GroupName) {
        let groups = self.groups();
        let short = |own: &&Record| own.is_member() && own.item_counts().1 <= ITEMS;
        let Some(own) = groups.record(group, self.me()).filter(short).cloned() else { return };
        let Some(told) = groups.held.get(group).and_then(|held| held.told.as_ref()) else { return };
        let ranges: Vec<KeyRange> = own.items().map(|item| item.range()).collect();
        let mut to = self.concerned(group, &ranges);
        to.retain(|node| !told.contains(node) && !self.caster.is_near(*node));
        if to.is_empty() || self.many_began(group, &own) {
            return;
        }
        if let Some(told) = self.groups_mut().held.get_mut(group).and_then(|held| held.told.as_mut()) {
            told.extend(&to);
        }
        self.count("own", "told again");
        let body =
            Body::GroupUpdate(GroupUpdate { name: group.clone(), updates: vec![MemberUpdate::Record(own)] });
        let topic = Some(self.topic(group));
        self.broadcast(now, group, Telling { body, instead: None, topic, to, multicast: true }, None);
    }

    /// Whether so many members began when we did, as far as the hint in their incarnations says, that anti-entropy is cheaper.
    fn many_began(&self, group: &GroupName, own: &Record) -> bool {
        let second = |record: &Record| record.version().incarnation.get() >> 16;
        let ours = second(own);
        let Some(replica) = self.groups().held(group) else { return false };
        let members = replica.state().member_count() as u64;
        let together = replica.state().records().filter(|record| record.is_member());
        let together = together.filter(|record| second(record).abs_diff(ours) <= TOGETHER).count() as u64;
        together * NEW > members && together * members > SENDS
    }
}
