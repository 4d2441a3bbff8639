//! Rendezvous hashing (highest random weight: Thaler and Ravishankar 1998): chooses the nodes at
//! which the members of a group meet.
//!
//! Every node computes a weight for each node that it knows and the name of the group, and chooses
//! the nodes with the greatest weights. Nodes that know the same nodes make the same choice without
//! communication. Adding or removing a node changes the choice only for its share of the names.

use gm_clock::NetId;
use gm_data::GroupName;

/// Number of rendezvous nodes of a group: with two, one is left while only some members have
/// noticed that the other is dead.
pub(crate) const COUNT: usize = 2;

/// A node's weight for a group; the NetId breaks ties.
pub(crate) type Weight = (u64, NetId);

/// The hash key of a group's name.
pub(crate) fn key(group: &GroupName) -> u32 {
    gm_data::key_of(group.as_str().as_bytes())
}

pub(crate) fn weight(key: u32, node: NetId) -> Weight {
    (gm_data::rendezvous_weight(key, node), node)
}

/// The nodes with the greatest weights for a key, the greatest first, at most `max`.
pub(crate) fn best(key: u32, nodes: impl IntoIterator<Item = NetId>, max: usize) -> Vec<Weight> {
    let mut best: Vec<Weight> = Vec::with_capacity(max + 1);
    for weight in nodes.into_iter().map(|node| weight(key, node)) {
        insert(&mut best, weight, max);
    }
    best
}

/// Inserts a weight into the greatest ones; returns its index, if it is one of them.
pub(crate) fn insert(best: &mut Vec<Weight>, weight: Weight, max: usize) -> Option<usize> {
    let at = best.partition_point(|other| *other > weight);
    if at >= max || best.get(at) == Some(&weight) {
        return None;
    }
    best.insert(at, weight);
    best.truncate(max);
    Some(at)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn nodes(count: u32) -> impl Iterator<Item = NetId> {
        (0..count).map(|node| format!("10.0.{}.{}:29999", node / 250, node % 250 + 1).parse().unwrap())
    }

    fn keys() -> impl Iterator<Item = u32> {
        (0..1_000).map(|group| key(&format!("group-{group:05}").parse().unwrap()))
    }

    #[test]
    fn the_choice_does_not_depend_on_the_order_of_nodes() {
        for key in keys() {
            let mut all: Vec<Weight> = nodes(60).map(|node| weight(key, node)).collect();
            all.sort_unstable_by(|a, b| b.cmp(a));
            assert_eq!(best(key, nodes(60), 4), all[..4]);
            let backwards: Vec<NetId> = nodes(60).collect();
            assert_eq!(best(key, backwards.into_iter().rev().chain(nodes(60)), 4), all[..4]);
        }
        assert_eq!(best(7, nodes(1), 4).len(), 1);
    }

    /// An added node is chosen for its share of the names; nothing changes for all others.
    #[test]
    fn names_are_spread_evenly_and_stay_where_they_are() {
        let mut of_each = std::collections::BTreeMap::<NetId, usize>::new();
        let mut moved = 0;
        for key in keys() {
            let (before, after) = (best(key, nodes(60), COUNT), best(key, nodes(61), COUNT));
            before.iter().for_each(|(_, node)| *of_each.entry(*node).or_default() += 1);
            moved += after.iter().filter(|node| !before.contains(node)).count();
        }
        // 2,000 choices in all: 33 for each node, and about as many for the new one.
        assert!(of_each.len() == 60 && of_each.values().all(|count| (10..70).contains(count)), "{of_each:?}");
        assert!((15..60).contains(&moved), "{moved} moved");
    }

    /// `insert` returns the index; `None` if the weight is too small or was there already.
    #[test]
    fn a_weight_that_is_inserted_is_among_the_greatest() {
        let weight = |weight| (weight, "10.0.0.1:29999".parse().unwrap());
        let mut best = Vec::new();
        assert_eq!(insert(&mut best, weight(5), 2), Some(0));
        assert_eq!(insert(&mut best, weight(3), 2), Some(1));
        assert_eq!(insert(&mut best, weight(3), 2), None, "it is there already");
        assert_eq!(insert(&mut best, weight(2), 2), None, "two are greater");
        assert_eq!(insert(&mut best, weight(4), 2), Some(1));
        assert_eq!(best, [weight(5), weight(4)]);
    }
}
