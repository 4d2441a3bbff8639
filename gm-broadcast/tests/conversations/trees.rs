//! Without multicast: a tree of connections delivers once to each node, whichever are down.

use std::collections::BTreeSet;

use gm_broadcast::{
    BroadcasterLimits, Counter, Directory, KnownNode, LatencyClass, PathCost, PathCosts, Targets, TreeShape,
};
use gm_sim::TrafficKind;
use proptest::prelude::*;

use crate::hops::meet;
use crate::net::{Net, at};
use crate::station::{broadcast_of, ms, node, sealed};

const SHAPES: [TreeShape; 3] = [TreeShape::Postal, TreeShape::Halving, TreeShape::Star];

/// Costs at which a send takes as long as the latency: trees are deep.
pub(crate) fn deep() -> PathCosts {
    let cost = PathCost { gap: ms(1), latency: ms(1) };
    PathCosts { island: cost, lan: cost, wan: cost }
}

#[test]
fn a_tree_of_eight_delivers_once_each() {
    for (shape, hops) in SHAPES.into_iter().flat_map(|shape| [(shape, false), (shape, true)]) {
        let mut net = Net::of(8, None, |config| {
            config.tree_shape = shape;
            config.path_costs = deep();
            config.datagram_hops = hops;
        });
        meet(&mut net, 8);
        let before: u64 = (1..8).map(|number| net.count(number, Counter::BroadcastDuplicates)).sum();
        let id = net.broadcast(0, broadcast_of("once each"));
        net.run(ms(1_000));
        for number in 1..8 {
            assert_eq!(net.got(number, id).len(), 1, "{shape:?}");
        }
        let after: u64 = (1..8).map(|number| net.count(number, Counter::BroadcastDuplicates)).sum();
        assert_eq!(before, after);
        let contents: Vec<_> = net.wire.iter().filter(|tapped| tapped.is_content(id)).collect();
        let flow = if hops { TrafficKind::Datagram } else { TrafficKind::Stream };
        assert!(contents.iter().all(|tapped| tapped.flow == flow));
        assert_eq!(contents.len(), 7);
        let own = contents.iter().filter(|tapped| tapped.from == at(0)).count();
        assert_eq!(
            own,
            if shape == TreeShape::Star { 7 } else { 3 },
            "log2 of 8, or 7 if the origin sends to all"
        );
    }
}

#[test]
fn only_the_targets_are_reached() {
    let mut net = Net::of(6, None, |config| config.path_costs = deep());
    let to = Targets::Nodes(vec![node(4), node(2), node(0), node(4)]);
    let id = net.broadcast(0, gm_broadcast::BroadcastRequest { to, ..broadcast_of("two of five") });
    net.run(ms(1_000));
    let got: Vec<usize> = (0..6).filter(|number| !net.got(*number, id).is_empty()).collect();
    assert_eq!(got, [2, 4]);
}

/// Content that exceeds the cache is forwarded all the same.
#[test]
fn a_broadcast_larger_than_the_cache_reaches_all() {
    let mut net = Net::of(8, None, |config| {
        config.path_costs = deep();
        config.limits = BroadcasterLimits { cached_bytes: 100, ..config.limits };
    });
    let id = net.broadcast(0, broadcast_of(&"large ".repeat(1_000)));
    net.run(ms(1_000));
    for number in 1..8 {
        assert_eq!(net.got(number, id).len(), 1);
    }
}

/// Nodes of another island are one unit: the first that can be reached multicasts to the others.
#[test]
fn an_island_without_its_first_nodes_is_reached() {
    for dead in 0..4 {
        let known =
            |number| KnownNode { node: node(number), island_id: Some(node(1)), class: LatencyClass::Wan };
        let directory = std::sync::Arc::new(Directory::new((1..6).map(known).collect()));
        let mut net = Net::of(6, None, |config| config.directory = directory.clone());
        for number in 0..dead {
            net.crash(number + 1);
        }
        let id = net.broadcast(0, broadcast_of("to an island"));
        net.run(ms(5_000));
        for number in dead + 1..6 {
            assert_eq!(net.got(number, id).len(), 1, "{dead} down, {number}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_live_node_is_reached_once(
        count in 2..12_usize,
        down in prop::collection::btree_set(1..12_usize, 0..6),
        shape in 0..3_usize,
        fan_out in 1..4_usize,
        latency in 0..30_u64,
    ) {
        let mut net = Net::with_latency(sealed, ms(latency));
        for _ in 0..count {
            net.add(None, |config| {
                config.tree_shape = SHAPES[shape];
                config.path_costs = deep();
                config.limits.fan_out = fan_out;
            });
        }
        net.introduce();
        let down: BTreeSet<usize> = down.into_iter().filter(|number| *number < count).collect();
        for number in &down {
            net.crash(*number);
        }
        for round in 0..3 {
            let id = net.broadcast(0, broadcast_of("to all that are up"));
            net.run(ms(3_000));
            for number in 1..count {
                prop_assert_eq!(net.got(number, id).len(), usize::from(!down.contains(&number)), "{} in {}", number, round);
            }
        }
    }
}
