//! Measurement of grouping and planning: prints durations and asserts nothing.

use std::time::{Duration, Instant};

use super::tests::same;
use super::{SLOWEST_FIRST, TreeShape, plan};
use crate::islands::tests::node;
use crate::islands::{Target, islands};
use crate::latency_class::{LatencyClass, PathCosts};
use crate::postal::tests::cost;
use crate::rng::Rng;

/// Median durations of eleven runs, of grouping and of planning single nodes; and the number of
/// subtrees.
fn measure(count: u32, mixed: bool, costs: &PathCosts) -> (Duration, Duration, usize) {
    let class = |number: u32| if mixed { SLOWEST_FIRST[number as usize % 3] } else { LatencyClass::Wan };
    let target =
        |number| Target { node: node(number), island_id: None, class: class(number), failing: false };
    let targets: Vec<Target> = (0..count).map(target).collect();
    let runs: Vec<_> = (0..11)
        .map(|seed| {
            let targets = targets.clone();
            let begin = Instant::now();
            let list = islands(targets);
            let grouped = begin.elapsed();
            let begin = Instant::now();
            let subtrees = plan(list, costs, TreeShape::Postal, &mut Rng::new([seed; 32]));
            (grouped, begin.elapsed(), subtrees.len())
        })
        .collect();
    let median = |mut times: Vec<Duration>| {
        times.sort();
        times[times.len() / 2]
    };
    let grouped = median(runs.iter().map(|run| run.0).collect());
    let planned = median(runs.iter().map(|run| run.1).collect());
    (grouped, planned, runs[0].2)
}

/// Run by name, in release mode.
#[test]
#[ignore = "a measurement"]
fn plans_are_quick() {
    let costs = [
        ("default costs", PathCosts::DEFAULT),
        ("gap = latency", same(cost(1_000, 1_000))),
        ("a star", same(cost(20_000, 10_000_000_000))),
    ];
    for (name, costs) in costs {
        for (count, mixed) in
            [(100_000, false), (100_000, true), (1_000, false), (1_000, true), (10, false), (10, true)]
        {
            let (grouped, planned, subtrees) = measure(count, mixed, &costs);
            let classes = if mixed { "three classes" } else { "one class" };
            println!(
                "{count} nodes, {classes}, {name}: grouped {grouped:?}, planned {planned:?}, {subtrees} subtrees"
            );
        }
    }
}
