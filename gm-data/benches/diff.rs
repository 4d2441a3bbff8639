//! Events between two states: the time to find the differences of states that share their equal
//! parts, and of states that were built separately.

mod common;

use std::hint::black_box;

use common::{MEMBERS, changed, group_state, increments, some, state};
use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use gm_data::{ApplyOutcome, GroupState};

/// Number of items of both states.
const SIZES: [u32; 2] = [100_000, 1_000_000];

/// The state after the increments, which shares the unchanged parts with the one before.
fn grown(before: &GroupState, after: &GroupState) -> GroupState {
    let mut grown = before.clone();
    for increment in increments(before, after) {
        assert_eq!(grown.apply(&increment), ApplyOutcome::Applied);
    }
    assert_eq!(grown.fingerprint(), after.fingerprint());
    grown
}

fn diff(c: &mut Criterion) {
    let mut group = c.benchmark_group("diff");
    for size in SIZES {
        let parts = state(size, MEMBERS);
        let before = group_state(&parts);
        let mut compare = |row: &str, after: &GroupState, events: u32| {
            assert_eq!(after.events_since(&before).len(), events as usize);
            group.bench_function(BenchmarkId::new(row, size), |b| {
                b.iter_with_large_drop(|| black_box(after).events_since(black_box(&before)));
            });
        };
        compare("equal_shared", &before.clone(), 0);
        compare("equal_apart", &group_state(&parts), 0);
        let apart = group_state(&changed(&parts, &some(size, 1)));
        compare("one_item_shared", &grown(&before, &apart), 1);
        let apart = group_state(&changed(&parts, &some(size, size / 100)));
        compare("one_percent_shared", &grown(&before, &apart), size / 100);
        compare("one_percent_apart", &apart, size / 100);
    }
    group.finish();
}

criterion_group! {
    name = benches;
    config = common::criterion();
    targets = diff
}
criterion_main!(benches);
