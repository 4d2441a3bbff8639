//! Merging of a remote state, as a whole and as increments, compared with a hand-written merge of
//! registers in a `BTreeMap`.

mod common;

use std::collections::BTreeMap;
use std::hint::black_box;
use std::time::Duration;

use common::{CONTEXT, MEMBERS, Parts, changed, group_state, increments, row, some, state};
use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, BenchmarkId, Criterion, criterion_group, criterion_main};
use gm_data::{ApplyOutcome, GroupState, Increment, Replica};

/// Number of items of both states.
const SIZES: [u32; 4] = [1_000, 10_000, 100_000, 1_000_000];

/// A last-writer-wins register: the value with the greater marker (clock, member) wins.
#[derive(Clone, PartialEq)]
struct LwwReg {
    val: (u16, u32),
    marker: (u64, u32),
}

impl LwwReg {
    fn merge(&mut self, other: LwwReg) {
        if self.marker < other.marker {
            *self = other;
        }
    }
}

type Map = BTreeMap<(u32, u32), LwwReg>;

fn map(state: &[Parts]) -> Map {
    let records = (0..).zip(state);
    let items = records.flat_map(|(number, parts)| parts.items.iter().map(move |stamped| (number, stamped)));
    items
        .map(|(number, stamped)| {
            let (range, item) = (stamped.item.range(), stamped.item);
            let val = (item.port(), item.priority().into());
            ((range.start(), range.end()), LwwReg { val, marker: (stamped.stamp, number) })
        })
        .collect()
}

fn merge_whole(map: &mut Map, other: Map) {
    for (key, register) in other {
        match map.get_mut(&key) {
            Some(mine) => mine.merge(register),
            None => drop(map.insert(key, register)),
        }
    }
}

fn merge_delta(map: &mut Map, delta: Vec<((u32, u32), LwwReg)>) {
    for (key, register) in delta {
        map.get_mut(&key).expect("the same keys").merge(register);
    }
}

fn apply_all(here: &mut GroupState, increments: &[Increment]) {
    for increment in increments {
        assert_eq!(here.apply(increment), ApplyOutcome::Applied);
    }
}

fn ours(group: &mut BenchmarkGroup<'_, WallTime>, size: u32, here: &[Parts], other: &[Parts]) {
    let (old, new) = (group_state(here), group_state(other));
    let increments = increments(&old, &new);
    let mut joined = old.clone();
    joined.merge(&new).expect("one group");
    let mut applied = old.clone();
    apply_all(&mut applied, &increments);
    for result in [&joined, &applied] {
        assert_eq!(result.fingerprint(), new.fingerprint());
        assert_eq!(result.live_item_count(), size as usize);
    }
    assert_ne!(old.fingerprint(), new.fingerprint());

    // Replaced nodes are freed during the merge, because they are not shared.
    let alone = || group_state(here);
    row(group, BenchmarkId::new("whole", size), alone, |here| here.merge(&new));
    row(group, BenchmarkId::new("whole_while_read", size), || old.clone(), |here| here.merge(&new));
    row(group, BenchmarkId::new("whole_from_parts", size), alone, |here| {
        let other = group_state(other);
        (here.merge(&other), other)
    });
    // A state in use was read recently, so read what building it evicted from the caches.
    let in_use = || {
        let here = group_state(here);
        black_box(here.items().iter().map(|stamped| stamped.stamp).sum::<u64>());
        here
    };
    row(group, BenchmarkId::new("increments", size), in_use, |here| apply_all(here, &increments));
    row(group, BenchmarkId::new("increments_cold", size), alone, |here| apply_all(here, &increments));
    let shared = BenchmarkId::new("increments_while_read", size);
    row(group, shared, || old.clone(), |here| apply_all(here, &increments));
}

fn by_hand(group: &mut BenchmarkGroup<'_, WallTime>, size: u32, here: &[Parts], other: &[Parts]) {
    let (here, other) = (map(here), map(other));
    let differs = |(key, register): &(&(u32, u32), &LwwReg)| here.get(key) != Some(register);
    let delta: Vec<((u32, u32), LwwReg)> =
        other.iter().filter(differs).map(|(key, register)| (*key, register.clone())).collect();
    let mut merged = [here.clone(), here.clone()];
    merge_whole(&mut merged[0], other.clone());
    merge_delta(&mut merged[1], delta.clone());
    assert!(merged.iter().all(|merged| *merged == other) && here.len() == size as usize);

    let both = || (here.clone(), Some(other.clone()));
    row(group, BenchmarkId::new("btree_whole", size), both, |(here, other)| {
        merge_whole(here, other.take().expect("once"));
    });
    let in_use = || {
        let here = here.clone();
        black_box(here.values().map(|register| register.marker.0).sum::<u64>());
        (here, Some(delta.clone()))
    };
    row(group, BenchmarkId::new("btree_delta", size), in_use, |(here, delta)| {
        merge_delta(here, delta.take().expect("once"));
    });
    let cold = || (here.clone(), Some(delta.clone()));
    row(group, BenchmarkId::new("btree_delta_cold", size), cold, |(here, delta)| {
        merge_delta(here, delta.take().expect("once"));
    });
}

fn merge(c: &mut Criterion) {
    for (subject, share) in [("merge_one_percent", 100), ("merge_one_item", u32::MAX)] {
        let mut group = c.benchmark_group(subject);
        for size in SIZES {
            // Copying the largest map takes a fifth of a second.
            group.measurement_time(Duration::from_millis(if size < 1_000_000 { 500 } else { 2_500 }));
            let here = state(size, MEMBERS);
            let other = changed(&here, &some(size, (size / share).max(1)));
            ours(&mut group, size, &here, &other);
            by_hand(&mut group, size, &here, &other);
        }
        group.finish();
    }
}

/// Merging at a node that hosts the whole group with index and buckets: a thousand members have
/// each changed one of a hundred items, and the node receives them as a whole or as increments.
fn merge_into_replica(c: &mut Criterion) {
    const SIZE: u32 = 100_000;
    const MANY: u32 = 1_000;
    let here = state(SIZE, MANY);
    let items: Vec<u32> = (0..MANY).collect();
    let (old, new) = (group_state(&here), group_state(&changed(&here, &items)));
    let increments = increments(&old, &new);
    assert_eq!(increments.len(), MANY as usize);
    let me = common::member(MANY);
    let replica = Replica::restore(me, old);
    // The changed nodes are not shared.
    let alone = || Replica::restore(me, group_state(&here));
    let mut group = c.benchmark_group("merge_into_replica");
    group.measurement_time(Duration::from_millis(2_500));
    row(&mut group, BenchmarkId::new("whole", SIZE), alone, |here| here.merge(&new, CONTEXT));
    row(
        &mut group,
        BenchmarkId::new("whole_while_read", SIZE),
        || replica.clone(),
        |here| here.merge(&new, CONTEXT),
    );
    let apply = |here: &mut Replica| {
        for increment in &increments {
            assert_eq!(here.apply_increment(increment, CONTEXT).0, ApplyOutcome::Applied);
        }
    };
    row(&mut group, BenchmarkId::new("increments", SIZE), alone, apply);
    row(&mut group, BenchmarkId::new("increments_while_read", SIZE), || replica.clone(), apply);
    group.finish();
}

criterion_group! {
    name = benches;
    config = common::criterion();
    targets = merge, merge_into_replica
}
criterion_main!(benches);
