//! Members that may lack this node's writes, because broadcasts get lost: anti-entropy compares
//! with each of them soon, until it is in sync or has not answered for minutes. With partners
//! chosen at random alone, two members of a small group would meet only after as many exchanges as
//! a node has partners in all its groups.

use std::collections::BTreeMap;
use std::time::Duration;

use gm_broadcast::Time;
use gm_clock::NetId;
use gm_data::{GroupName, Replica};

use crate::node::context::Context;
use crate::node::timers::NodeTimer;

/// In a group with more other members, random partners find a difference soon enough.
const MAX_GROUP_MEMBERS: usize = 8;
/// Number of attempts for each member, with doubling delays: about four minutes.
const MAX_TRIES: u32 = 8;
/// Minimum delay between comparisons with lagging members.
const MIN_INTERVAL: Duration = Duration::from_millis(100);
/// Maximum number of lagging members.
const MAX_LAGGING: usize = 1_024;

/// Members that may lack this node's writes.
#[derive(Debug, Default)]
pub(super) struct LaggingMembers(BTreeMap<NetId, Lagging>);

#[derive(Clone, Copy, Debug)]
struct Lagging {
    due: Time,
    tries: u32,
}

impl LaggingMembers {
    /// Adds a member that may lack a write.
    fn add(&mut self, due: Time, node: NetId) {
        if self.0.len() < MAX_LAGGING || self.0.contains_key(&node) {
            let entry = self.0.entry(node).or_insert(Lagging { due, tries: 0 });
            *entry = Lagging { due: entry.due.min(due), tries: 0 };
        }
    }

    /// Removes a member that is in sync.
    pub(super) fn remove(&mut self, node: NetId) {
        self.0.remove(&node);
    }

    /// Time of the next attempt, at least the minimum delay from now.
    pub(super) fn next(&self, now: Time) -> Option<Time> {
        Some(self.0.values().map(|entry| entry.due).min()?.max(now + MIN_INTERVAL))
    }

    /// Takes a member that is due; its next attempt is after twice `first`, and the delay doubles
    /// each time.
    pub(super) fn take_due(&mut self, now: Time, first: Duration) -> Option<NetId> {
        let due = self.0.iter_mut().filter(|(_, entry)| entry.due <= now);
        let (node, entry) = due.min_by_key(|(_, entry)| entry.due)?;
        let node = *node;
        entry.tries += 1;
        entry.due = now + first * (1 << entry.tries);
        if entry.tries >= MAX_TRIES {
            self.0.remove(&node);
        }
        Some(node)
    }

    /// Starts the next exchange at the latest when a lagging member is due.
    pub(super) fn schedule(&self, cx: &mut Context) {
        if let Some(next) = self.next(cx.now) {
            cx.timers.set_by(NodeTimer::Exchange, next);
        }
    }

    /// After a write in a group, tracks the members that may not receive it.
    pub(super) fn track(&mut self, cx: &Context, group: &GroupName) {
        let me = cx.me();
        let Some(state) = cx.groups.set.group(group).map(Replica::state) else { return };
        if state.member_count() > MAX_GROUP_MEMBERS + 1 {
            return;
        }
        // A neighbor detects a lost multicast itself.
        let far = |member: &NetId| *member != me && !cx.peers().is_near(*member);
        let due = cx.now + cx.config.timing.exchange_interval_active;
        state.members().filter(far).for_each(|member| self.add(due, member));
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn node(number: u8) -> NetId {
        format!("10.0.0.{number}:29999").parse().unwrap()
    }

    #[test]
    fn a_lagging_member_is_tried_with_backoff_then_dropped() {
        let (mut lagging, second) = (LaggingMembers::default(), Duration::from_secs(1));
        let start = Time::ZERO + second;
        lagging.add(start, node(1));
        lagging.add(start + second, node(2));
        assert_eq!(lagging.take_due(start, second), Some(node(1)));
        assert_eq!(lagging.take_due(start, second), None);
        lagging.remove(node(2));
        let mut tried = 1;
        while let Some(next) = lagging.next(start) {
            assert_eq!(lagging.take_due(next, second), Some(node(1)));
            tried += 1;
        }
        assert_eq!(tried, MAX_TRIES);
    }

    #[test]
    fn due_members_are_spaced() {
        let mut lagging = LaggingMembers::default();
        (1..=3).for_each(|number| lagging.add(Time::ZERO, node(number)));
        let now = Time::ZERO + Duration::from_secs(9);
        assert_eq!(lagging.next(now), Some(now + MIN_INTERVAL));
        let taken: Vec<_> = (0..3).filter_map(|_| lagging.take_due(now, MIN_INTERVAL)).collect();
        assert_eq!(taken, [node(1), node(2), node(3)]);
    }

    #[test]
    fn the_time_to_the_next_try_doubles() {
        let (mut lagging, second) = (LaggingMembers::default(), Duration::from_secs(1));
        lagging.add(Time::ZERO, node(1));
        let mut now = Time::ZERO;
        for tries in 1..MAX_TRIES {
            assert_eq!(lagging.take_due(now, second), Some(node(1)));
            assert_eq!(lagging.next(now), Some(now + second * (1 << tries)), "after {tries}");
            now = now + second * (1 << tries);
        }
    }

    #[test]
    fn the_table_is_limited_and_entries_can_be_renewed() {
        let mut lagging = LaggingMembers::default();
        let many = |number: usize| -> NetId {
            format!("10.1.{}.{}:29999", number / 250, number % 250 + 1).parse().unwrap()
        };
        let second = Duration::from_secs(1);
        (0..MAX_LAGGING).for_each(|number| lagging.add(Time::ZERO + second, many(number)));
        lagging.add(Time::ZERO, node(1));
        assert_eq!(
            (lagging.0.len(), lagging.take_due(Time::ZERO, second)),
            (MAX_LAGGING, None),
            "the table is full"
        );
        lagging.add(Time::ZERO, many(7));
        assert_eq!((lagging.0.len(), lagging.take_due(Time::ZERO, second)), (MAX_LAGGING, Some(many(7))));
    }
}
