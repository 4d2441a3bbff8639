//! Allocation counts of states and replicas. The only test of its own binary, so that no other test
//! is counted.

mod common;

use std::alloc::System;
use std::hint::black_box;

use common::{NOW, group_state, id, record, version};
use gm_data::{GroupState, Item, KeyRange, MergeOutcome, Replica, StampedItem};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, Stats, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

const MEMBERS: u8 = 100;
const ITEMS: u32 = 100;

/// 100 members with 100 items each. Two such states share nothing.
fn ten_thousand() -> GroupState {
    let item = |member, number| StampedItem {
        item: Item::serves(id(member), KeyRange::single(number), 80, 1).expect("priority 1"),
        stamp: 1,
    };
    let items = |member| (0..ITEMS).map(|number| item(member, number)).collect::<Vec<_>>();
    group_state((1..=MEMBERS).map(|member| record(id(member), version(1, 1), &items(member))))
}

/// Allocations with reallocations, and bytes, of `work`: the minimum over several runs, because the
/// test runner's own thread may allocate meanwhile.
fn allocated(mut work: impl FnMut()) -> (usize, usize) {
    let count = || {
        let region = Region::new(ALLOCATOR);
        work();
        let Stats { allocations, reallocations, bytes_allocated, .. } = region.change();
        (allocations + reallocations, bytes_allocated)
    };
    std::iter::repeat_with(count).take(5).min().expect("some runs")
}

#[test]
fn reads_and_merges_without_news_hardly_allocate() {
    let (state, separate) = (ten_thousand(), ten_thousand());
    assert_eq!(state.live_item_count(), 10_000);
    let clone = state.clone();
    assert_eq!(allocated(|| drop(black_box(state.clone()))), (0, 0), "a clone");
    assert_eq!(allocated(|| assert_ne!(black_box(&state).fingerprint(), 0)), (0, 0), "a fingerprint");
    assert_eq!(allocated(|| assert_eq!(state.member_count(), 100)), (0, 0), "counts");
    let member = id(50);
    let search = || state.items().get(member, KeyRange::single(7));
    assert_eq!(allocated(|| assert!(black_box(search()).is_some())), (0, 0), "a search");

    let mut mine = state.clone();
    assert_eq!(
        allocated(|| assert_eq!(mine.merge(&clone), Ok(MergeOutcome::default()))),
        (0, 0),
        "a merge of what is shared"
    );
    let equal = allocated(|| assert_eq!(mine.merge(&separate), Ok(MergeOutcome::default())));
    println!("merge of an equal state that shares nothing: {equal:?}");
    assert!(equal.0 <= 4 && equal.1 <= 1_024, "a merge of an equal state that shares nothing: {equal:?}");
    let read = allocated(|| assert_eq!(black_box(&state).items().iter().count(), 10_000));
    println!("reading all items: {read:?}");
    assert!(
        read.0 <= 4 * usize::from(MEMBERS) && read.1 <= 1_024 * usize::from(MEMBERS),
        "reading all items: {read:?}"
    );

    let mut replica = Replica::restore(id(200), state.clone());
    let known = replica.state().clone();
    assert_eq!(allocated(|| drop(replica.merge(&known, NOW))), (0, 0), "merging a known state");

    // Check that the counter works: a write copies its path, and far less than the whole 200 kB.
    let mut number = 0;
    let write = allocated(|| {
        number += 1;
        let change = gm_data::Change::Interest(KeyRange::single(number));
        assert!(replica.change(&[change], NOW).expect("a sound change").changed);
    });
    println!("a write beside a reader: {write:?}");
    assert!(write.0 > 0 && write.1 < 16_384, "a write: {write:?}");
}
