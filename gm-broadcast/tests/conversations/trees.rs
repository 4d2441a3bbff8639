//! Without multicast: a tree of connections tells everybody once, whoever is down.

use std::collections::BTreeSet;

use gm_broadcast::{Bounds, Class, Classes, Cost, Directory, Known, Shape, Targets};
use proptest::prelude::*;

use crate::net::Net;
use crate::station::{ms, node, say};
use crate::tap::Way;

const SHAPES: [Shape; 3] = [Shape::Postal, Shape::Halving, Shape::Star];

/// Costs by which a send takes as long as a hop: trees are deep.
pub(crate) fn deep() -> Classes {
    let cost = Cost { gap: ms(1), latency: ms(1) };
    Classes { island: cost, lan: cost, wan: cost }
}

#[test]
fn a_tree_of_eight_delivers_once_each() {
    for shape in SHAPES {
        let mut net = Net::of(8, None, |config| {
            config.shape = shape;
            config.classes = deep();
        });
        let id = net.broadcast(0, say("once each"));
        net.run(ms(1_000));
        for number in 1..8 {
            assert_eq!(net.got(number, id).len(), 1, "{shape:?}");
            assert_eq!(net.count(number, "broadcast", "known already"), 0);
        }
        let contents: Vec<_> = net.wire.iter().filter(|said| said.is_content(id)).collect();
        assert!(contents.iter().all(|said| said.way == Way::Link));
        assert_eq!(contents.len(), 7);
        let own = contents.iter().filter(|said| said.from == 0).count();
        assert_eq!(
            own,
            if shape == Shape::Star { 7 } else { 3 },
            "log2 of 8, unless the origin tells everybody"
        );
    }
}

#[test]
fn who_is_meant_is_told_and_nobody_else() {
    let mut net = Net::of(6, None, |config| config.classes = deep());
    let to = Targets::Nodes(vec![node(4), node(2), node(0), node(4)]);
    let id = net.broadcast(0, gm_broadcast::Broadcasting { to, ..say("two of five") });
    net.run(ms(1_000));
    let got: Vec<usize> = (0..6).filter(|number| !net.got(*number, id).is_empty()).collect();
    assert_eq!(got, [2, 4]);
}

/// Content that is more than is kept is passed on all the same.
#[test]
fn a_broadcast_larger_than_what_is_kept_reaches_all() {
    let mut net = Net::of(8, None, |config| {
        config.classes = deep();
        config.bounds = Bounds { recent_bytes: 100, ..config.bounds };
    });
    let id = net.broadcast(0, say(&"large ".repeat(1_000)));
    net.run(ms(1_000));
    for number in 1..8 {
        assert_eq!(net.got(number, id).len(), 1);
    }
}

/// Nodes of another island are one unit: the first that can be reached tells the others.
#[test]
fn an_island_without_its_first_nodes_is_told_by_the_next() {
    for dead in 0..4 {
        let known = |number| Known { node: node(number), label: Some(node(1)), class: Class::Wan };
        let directory = std::sync::Arc::new(Directory::new((1..6).map(known).collect()));
        let mut net = Net::of(6, None, |config| config.directory = directory.clone());
        for number in 0..dead {
            net.stations[number + 1].down = true;
        }
        let id = net.broadcast(0, say("to an island"));
        net.run(ms(5_000));
        for number in dead + 1..6 {
            assert_eq!(net.got(number, id).len(), 1, "{dead} down, {number}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whoever_is_up_is_told_once(
        count in 2..12_usize,
        down in prop::collection::btree_set(1..12_usize, 0..6),
        shape in 0..3_usize,
        fan_out in 1..4_usize,
        latency in 0..30_u64,
    ) {
        let mut net = Net::of(count, None, |config| {
            config.shape = SHAPES[shape];
            config.classes = deep();
            config.bounds.fan_out = fan_out;
        });
        net.latency = ms(latency);
        let down: BTreeSet<usize> = down.into_iter().filter(|number| *number < count).collect();
        for number in &down {
            net.stations[*number].down = true;
        }
        for round in 0..3 {
            let id = net.broadcast(0, say("to all that are up"));
            net.run(ms(3_000));
            for number in 1..count {
                prop_assert_eq!(net.got(number, id).len(), usize::from(!down.contains(&number)), "{} in {}", number, round);
            }
        }
    }
}
