//! Allocation counts of world clock operations. The only test of its own binary, so that no other
//! test is counted.

use std::alloc::System;

use gm_clock::{Causality, Incarnation, LocalClock, NetId, WorldClock};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// Number of runs of each operation.
const RUNS: u16 = 5;

fn member(number: u16) -> NetId {
    format!("10.0.0.1:{number}").parse().expect("an ordinary address")
}

/// Members 1..=1000 at `time`.
fn thousand(time: u64) -> WorldClock {
    (1..=1000)
        .map(|number| LocalClock::new(member(number), Incarnation::ORIGINAL, time).expect("small"))
        .collect()
}

/// Number of allocations and reallocations of `work`: the minimum over several runs, because the
/// test runner's own thread may allocate meanwhile.
fn allocations(mut work: impl FnMut()) -> usize {
    let count = || {
        let region = Region::new(ALLOCATOR);
        work();
        let change = region.change();
        change.allocations + change.reallocations
    };
    std::iter::repeat_with(count).take(RUNS.into()).min().expect("some runs")
}

#[test]
fn only_unknown_members_allocate() {
    let (older, equal) = (thousand(4), thousand(5));
    let (mut world, ann) = (thousand(5), member(1));
    assert_eq!(allocations(|| assert_eq!(world.merge(&equal), 0)), 0, "merge of an equal one");
    assert_eq!(allocations(|| assert_eq!(world.merge(&older), 0)), 0, "merge of an older one");
    assert_eq!(allocations(|| assert_eq!(world.merge(&WorldClock::new()), 0)), 0, "merge of an empty one");

    let newer: Vec<WorldClock> = (6..).map(thousand).take(RUNS.into()).collect();
    let mut newer = newer.iter();
    let advance = || assert_eq!(world.merge(newer.next().expect("one a run")), 1000);
    assert_eq!(allocations(advance), 0, "merge that advances known members");

    let mut times = 100..;
    let set = || {
        let time = times.next().expect("endless");
        let clock = LocalClock::new(ann, Incarnation::ORIGINAL, time).expect("small");
        assert!(world.set(clock));
        assert_eq!(world.get(ann), Some(clock));
    };
    assert_eq!(allocations(set), 0, "set and get of a known member");
    assert_eq!(allocations(|| assert_eq!(world.compare(&older), Causality::After)), 0, "compare");
    assert_eq!(allocations(|| assert_eq!(world.lag(&older).count(), 1000)), 0, "lag");

    // Check that the counter works: unknown members need memory, and allocate it once.
    assert_eq!(
        allocations(|| assert_eq!(WorldClock::new().merge(&older), 1000)),
        1,
        "merge of unknown members"
    );
}
