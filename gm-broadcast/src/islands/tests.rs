//! Grouping, compared with a slow reference implementation.

use std::net::{IpAddr, Ipv4Addr};

use gm_clock::NetId;
use proptest::prelude::*;

use super::{Island, Target, islands};
use crate::latency_class::LatencyClass;

/// The NetId of a number.
pub(crate) fn node(number: u32) -> NetId {
    NetId::new(IpAddr::V4(Ipv4Addr::from(0x0a00_0000 + number)), 4_000).unwrap()
}

pub(crate) fn class() -> impl Strategy<Value = LatencyClass> {
    prop_oneof![Just(LatencyClass::Island), Just(LatencyClass::Lan), Just(LatencyClass::Wan)]
}

/// Up to `most` distinct nodes in any order, a third with one of a few island ids, a third failing.
pub(crate) fn targets(most: usize) -> impl Strategy<Value = Vec<Target>> {
    let target = (prop_oneof![2 => Just(None), 1 => (0..8_u32).prop_map(Some)], class(), 0..3_u32);
    prop::collection::vec(target, 0..most)
        .prop_map(|list| {
            let numbered = (0_u32..).zip(list);
            let targets = numbered.map(|(number, (label, class, failing))| Target {
                node: node(number),
                island_id: label.map(node),
                class,
                failing: failing == 0,
            });
            targets.collect::<Vec<_>>()
        })
        .prop_shuffle()
}

/// The islands as (class, live, failing), in quadratic time.
fn model(targets: &[Target]) -> Vec<(LatencyClass, Vec<NetId>, Vec<NetId>)> {
    let together = |one: &Target, other: &Target| match one.island_id {
        Some(label) => other.island_id == Some(label),
        None => other.node == one.node,
    };
    let mut groups: Vec<(NetId, bool, Vec<&Target>)> = Vec::new();
    for target in targets {
        let mut members: Vec<&Target> = targets.iter().filter(|other| together(target, other)).collect();
        members.sort_by_key(|member| member.node);
        if members[0].node == target.node {
            groups.push((target.island_id.unwrap_or(target.node), target.island_id.is_some(), members));
        }
    }
    groups.sort_by_key(|(name, labelled, _)| (*name, *labelled));
    let parts = groups.into_iter().map(|(_, _, members)| {
        let nodes = |failing| {
            let some = members.iter().filter(|member| member.failing == failing);
            some.map(|member| member.node).collect::<Vec<_>>()
        };
        let class = [LatencyClass::Island, LatencyClass::Lan, LatencyClass::Wan]
            .into_iter()
            .find(|class| members.iter().any(|member| member.class == *class));
        (class.unwrap(), nodes(false), nodes(true))
    });
    parts.collect()
}

fn parts(island: &Island) -> (LatencyClass, Vec<NetId>, Vec<NetId>) {
    let (live, failing) = island.nodes().split_at(island.live());
    (island.class(), live.to_vec(), failing.to_vec())
}

#[test]
fn a_single_node_precedes_an_island_with_its_id() {
    let target = |number, label: Option<u32>, class| Target {
        node: node(number),
        island_id: label.map(node),
        class,
        failing: number == 2,
    };
    let found = islands([
        target(3, Some(5), LatencyClass::Wan),
        target(2, Some(5), LatencyClass::Lan),
        target(5, None, LatencyClass::Wan),
        target(2, Some(5), LatencyClass::Lan),
    ]);
    let parts: Vec<_> = found.iter().map(parts).collect();
    let expected =
        [(LatencyClass::Wan, vec![node(5)], vec![]), (LatencyClass::Lan, vec![node(3)], vec![node(2)])];
    assert_eq!(parts, expected);
    assert!(islands([]).is_empty());
    let failing = islands([target(2, None, LatencyClass::Lan)]);
    assert!(failing[0].failing());
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn islands_equal_the_reference(targets in targets(60)) {
        let found = islands(targets.iter().copied());
        prop_assert_eq!(found.iter().map(parts).collect::<Vec<_>>(), model(&targets));
    }

    #[test]
    fn order_and_duplicates_do_not_matter(targets in targets(40)) {
        let reversed = targets.iter().rev().chain(&targets).copied();
        prop_assert_eq!(islands(reversed), islands(targets.iter().copied()));
    }
}
