//! Rendezvous hashing (highest random weight: Thaler and Ravishankar, 1998) chooses the nodes at
//! which the members of a group meet.
//!
//! Every node weighs all nodes that it knows for the name of the group and takes those of the
//! greatest weight. Nodes that know the same nodes choose the same ones without a message. One node
//! more or less changes the choice for its own share of the names only.

use gm_clock::NetId;
use gm_data::GroupName;

/// The number of nodes at which the members of a group meet: two, so that one is left while only
/// some members have noticed that the other is dead.
pub(crate) const COUNT: usize = 2;

/// A node's weight for a group; of equal weights, the NetId decides.
pub(crate) type Weight = (u64, NetId);

/// The key by which nodes are weighed for a group.
pub(crate) fn key(group: &GroupName) -> u32 {
    gm_data::key_of(group.as_str().as_bytes())
}

pub(crate) fn weight(key: u32, node: NetId) -> Weight {
    (gm_data::rendezvous_weight(key, node), node)
}

/// The nodes of the greatest weight for a key, at most so many, the greatest first.
pub(crate) fn best(key: u32, nodes: impl IntoIterator<Item = NetId>, max: usize) -> Vec<Weight> {
    let mut best: Vec<Weight> = Vec::with_capacity(max + 1);
    for weight in nodes.into_iter().map(|node| weight(key, node)) {
        insert(&mut best, weight, max);
    }
    best
}

/// Inserts a weight into the greatest ones, if it is one of them, and returns where.
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
    fn the_greatest_are_chosen_in_any_order_of_nodes() {
        for key in keys() {
            let mut all: Vec<Weight> = nodes(60).map(|node| weight(key, node)).collect();
            all.sort_unstable_by(|a, b| b.cmp(a));
            assert_eq!(best(key, nodes(60), 4), all[..4]);
            let backwards: Vec<NetId> = nodes(60).collect();
            assert_eq!(best(key, backwards.into_iter().rev().chain(nodes(60)), 4), all[..4]);
        }
        assert_eq!(best(7, nodes(1), 4).len(), 1);
    }

    /// A node more is chosen for its share of the names, and for all others nothing changes.
    #[test]
    fn names_are_spread_evenly_and_stay_where_they_are() {
        let mut of_each = std::collections::BTreeMap::<NetId, usize>::new();
        let mut moved = 0;
        for key in keys() {
            let (before, after) = (best(key, nodes(60), COUNT), best(key, nodes(61), COUNT));
            before.iter().for_each(|(_, node)| *of_each.entry(*node).or_default() += 1);
            moved += after.iter().filter(|node| !before.contains(node)).count();
        }
        // 2,000 in all: 33 of each node, and the new one takes about as many.
        assert!(of_each.len() == 60 && of_each.values().all(|count| (10..70).contains(count)), "{of_each:?}");
        assert!((15..60).contains(&moved), "{moved} moved");
    }

    /// What is said is where it stands now: nowhere, if it is not among the greatest or was there.
    #[test]
    fn a_weight_that_is_inserted_is_among_the_greatest() {
        let weight = |weight| (weight, "10.0.0.1:29999".parse().unwrap());
        let mut best = Vec::new();
        assert_eq!(insert(&mut best, weight(5), 2), Some(0));
        assert_eq!(insert(&mut best, weight(3), 2), Some(1));
        assert_eq!(insert(&mut best, weight(3), 2), None, "it was there");
        assert_eq!(insert(&mut best, weight(2), 2), None, "two are greater");
        assert_eq!(insert(&mut best, weight(4), 2), Some(1));
        assert_eq!(best, [weight(5), weight(4)]);
    }
}
