//! Members that may lack what this node wrote, as broadcasts get lost: anti-entropy compares with each of them soon, until it holds the same or has not answered
//! for minutes. If partners were drawn by chance alone, two members of a small group would meet only after as many exchanges as a node has partners in all
//! its groups.

use std::collections::BTreeMap;
use std::time::Duration;

use gm_broadcast::Time;
use gm_clock::NetId;
use gm_data::{GroupName, Replica};

use super::Node;
use crate::store::Store;

/// In a group with more other members, all of them compare with each other soon enough.
const FEW: usize = 8;
/// A member is tried this often, later each time: for about four minutes.
const TRIES: u32 = 8;
/// Members that are due are compared with one after the other, at this pace.
const PACE: Duration = Duration::from_millis(100);
/// The maximum of members in doubt.
const MOST: usize = 1_024;

/// Members that may lack what this node wrote.
#[derive(Debug, Default)]
pub(super) struct Doubts(BTreeMap<NetId, Doubt>);

#[derive(Clone, Copy, Debug)]
struct Doubt {
    due: Time,
    tries: u32,
}

impl Doubts {
    /// A member may lack something.
    fn begin(&mut self, due: Time, node: NetId) {
        if self.0.len() < MOST || self.0.contains_key(&node) {
            let doubt = self.0.entry(node).or_insert(Doubt { due, tries: 0 });
            *doubt = Doubt { due: doubt.due.min(due), tries: 0 };
        }
    }

    /// A member holds the same.
    pub(super) fn end(&mut self, node: NetId) {
        self.0.remove(&node);
    }

    /// When the next one is due, not sooner than the pace allows.
    pub(super) fn next(&self, now: Time) -> Option<Time> {
        Some(self.0.values().map(|doubt| doubt.due).min()?.max(now + PACE))
    }

    /// Takes a member that is due; it is due again after twice `first`, and longer each time.
    pub(super) fn take(&mut self, now: Time, first: Duration) -> Option<NetId> {
        let due = self.0.iter_mut().filter(|(_, doubt)| doubt.due <= now);
        let (node, doubt) = due.min_by_key(|(_, doubt)| doubt.due)?;
        let node = *node;
        doubt.tries += 1;
        doubt.due = now + first * (1 << doubt.tries);
        if doubt.tries >= TRIES {
            self.0.remove(&node);
        }
        Some(node)
    }
}

impl<S: Store> Node<S> {
    /// This node wrote in a group: its other members may not hear of it.
    pub(super) fn doubt(&mut self, now: Time, group: &GroupName) {
        let me = self.me();
        let Some(state) = self.groups().topology.group(group).map(Replica::state) else { return };
        if state.member_count() > FEW + 1 {
            return;
        }
        // A member that hears our multicast notices itself what it misses.
        let far = |member: &NetId| *member != me && !self.caster.is_near(*member);
        let others: Vec<NetId> = state.members().filter(far).collect();
        let due = now + self.config.times.moving;
        others.into_iter().for_each(|member| self.doubts.begin(due, member));
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
    fn a_member_in_doubt_is_tried_later_each_time_and_then_no_more() {
        let (mut doubts, second) = (Doubts::default(), Duration::from_secs(1));
        let start = Time::ZERO + second;
        doubts.begin(start, node(1));
        doubts.begin(start + second, node(2));
        assert_eq!(doubts.take(start, second), Some(node(1)));
        assert_eq!(doubts.take(start, second), None);
        doubts.end(node(2));
        let mut tried = 1;
        while let Some(next) = doubts.next(start) {
            assert_eq!(doubts.take(next, second), Some(node(1)));
            tried += 1;
        }
        assert_eq!(tried, TRIES);
    }

    #[test]
    fn many_that_are_due_come_at_a_pace() {
        let mut doubts = Doubts::default();
        (1..=3).for_each(|number| doubts.begin(Time::ZERO, node(number)));
        let now = Time::ZERO + Duration::from_secs(9);
        assert_eq!(doubts.next(now), Some(now + PACE));
        let taken: Vec<_> = (0..3).filter_map(|_| doubts.take(now, PACE)).collect();
        assert_eq!(taken, [node(1), node(2), node(3)]);
    }

    #[test]
    fn the_time_to_the_next_try_doubles() {
        let (mut doubts, second) = (Doubts::default(), Duration::from_secs(1));
        doubts.begin(Time::ZERO, node(1));
        let mut now = Time::ZERO;
        for tries in 1..TRIES {
            assert_eq!(doubts.take(now, second), Some(node(1)));
            assert_eq!(doubts.next(now), Some(now + second * (1 << tries)), "after {tries}");
            now = now + second * (1 << tries);
        }
    }

    #[test]
    fn so_many_are_in_doubt_and_those_can_be_anew() {
        let mut doubts = Doubts::default();
        let many = |number: usize| -> NetId {
            format!("10.1.{}.{}:29999", number / 250, number % 250 + 1).parse().unwrap()
        };
        let second = Duration::from_secs(1);
        (0..MOST).for_each(|number| doubts.begin(Time::ZERO + second, many(number)));
        doubts.begin(Time::ZERO, node(1));
        assert_eq!((doubts.0.len(), doubts.take(Time::ZERO, second)), (MOST, None), "there is no room");
        doubts.begin(Time::ZERO, many(7));
        assert_eq!((doubts.0.len(), doubts.take(Time::ZERO, second)), (MOST, Some(many(7))));
    }
}
