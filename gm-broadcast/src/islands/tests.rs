//! Grouping beside a slow twin. Knows no plan.

use std::net::{IpAddr, Ipv4Addr};

use gm_clock::NetId;
use proptest::prelude::*;

use super::{Island, Target, islands};
use crate::class::Class;

/// The node of a number.
pub(crate) fn node(number: u32) -> NetId {
    NetId::new(IpAddr::V4(Ipv4Addr::from(0x0a00_0000 + number)), 4_000).unwrap()
}

pub(crate) fn class() -> impl Strategy<Value = Class> {
    prop_oneof![Just(Class::Island), Just(Class::Lan), Just(Class::Wan)]
}

/// Up to `most` nodes, each once, in any order, a third with one of a few labels, a third failing.
pub(crate) fn targets(most: usize) -> impl Strategy<Value = Vec<Target>> {
    let target = (prop_oneof![2 => Just(None), 1 => (0..8_u32).prop_map(Some)], class(), 0..3_u32);
    prop::collection::vec(target, 0..most)
        .prop_map(|list| {
            let numbered = (0_u32..).zip(list);
            let targets = numbered.map(|(number, (label, class, failing))| Target {
                node: node(number),
                label: label.map(node),
                class,
                failing: failing == 0,
            });
            targets.collect::<Vec<_>>()
        })
        .prop_shuffle()
}

/// The islands as parts (class, live, failing), in quadratic time: every target is compared with all.
fn twin(targets: &[Target]) -> Vec<(Class, Vec<NetId>, Vec<NetId>)> {
    let together = |one: &Target, other: &Target| match one.label {
        Some(label) => other.label == Some(label),
        None => other.node == one.node,
    };
    let mut groups: Vec<(NetId, bool, Vec<&Target>)> = Vec::new();
    for target in targets {
        let mut members: Vec<&Target> = targets.iter().filter(|other| together(target, other)).collect();
        members.sort_by_key(|member| member.node);
        if members[0].node == target.node {
            groups.push((target.label.unwrap_or(target.node), target.label.is_some(), members));
        }
    }
    groups.sort_by_key(|(name, labelled, _)| (*name, *labelled));
    let parts = groups.into_iter().map(|(_, _, members)| {
        let nodes = |failing| {
            let some = members.iter().filter(|member| member.failing == failing);
            some.map(|member| member.node).collect::<Vec<_>>()
        };
        let class = [Class::Island, Class::Lan, Class::Wan]
            .into_iter()
            .find(|class| members.iter().any(|member| member.class == *class));
        (class.unwrap(), nodes(false), nodes(true))
    });
    parts.collect()
}

fn parts(island: &Island) -> (Class, Vec<NetId>, Vec<NetId>) {
    let (live, failing) = island.nodes().split_at(island.live());
    (island.class(), live.to_vec(), failing.to_vec())
}

#[test]
fn a_node_alone_comes_before_an_island_of_its_name() {
    let target = |number, label: Option<u32>, class| Target {
        node: node(number),
        label: label.map(node),
        class,
        failing: number == 2,
    };
    let found = islands([
        target(3, Some(5), Class::Wan),
        target(2, Some(5), Class::Lan),
        target(5, None, Class::Wan),
        target(2, Some(5), Class::Lan),
    ]);
    let parts: Vec<_> = found.iter().map(parts).collect();
    let expected = [(Class::Wan, vec![node(5)], vec![]), (Class::Lan, vec![node(3)], vec![node(2)])];
    assert_eq!(parts, expected);
    assert!(islands([]).is_empty());
    let failing = islands([target(2, None, Class::Lan)]);
    assert!(failing[0].failing());
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn islands_are_the_twins(targets in targets(60)) {
        let found = islands(targets.iter().copied());
        prop_assert_eq!(found.iter().map(parts).collect::<Vec<_>>(), twin(&targets));
    }

    #[test]
    fn order_and_doubles_do_not_matter(targets in targets(40)) {
        let reversed = targets.iter().rev().chain(&targets).copied();
        prop_assert_eq!(islands(reversed), islands(targets.iter().copied()));
    }
}
