//! The cost of digests and fingerprints per item: when building a record, when updated by an
//! increment, and compared with recomputing them from all items.

mod common;

use std::hint::black_box;

use common::{Parts, changed, group_state, increments, name, row, some, state};
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use gm_data::{ApplyOutcome, GroupState, Item, Record, StampedItem};

/// Number of items of the single record.
const SIZES: [u32; 3] = [1_000, 100_000, 1_000_000];

/// The same ranges and stamps as removals, which are not hashed.
fn removed(parts: &Parts) -> Parts {
    let removal = |stamped: &StampedItem| {
        let item = Item::removal(parts.member, stamped.item.range());
        StampedItem { item, ..*stamped }
    };
    Parts { items: parts.items.iter().map(removal).collect(), ..parts.clone() }
}

/// Building a record, per item. The difference of the two rows is the cost of hashing.
fn from_parts(c: &mut Criterion) {
    let mut group = c.benchmark_group("from_parts");
    for size in SIZES {
        let live = state(size, 1).remove(0);
        let removed = removed(&live);
        assert_ne!(live.record().digest(), 0);
        assert_eq!(removed.record().digest(), 0);
        group.throughput(Throughput::Elements(size.into()));
        for (row, parts) in [("live", live), ("removed_unhashed", removed)] {
            group.bench_function(BenchmarkId::new(row, size), |b| {
                b.iter_with_large_drop(|| black_box(&parts).record());
            });
        }
    }
    // As many records as items: the cost of a record in addition to its items, including its
    // insertion into the state.
    let size = 100_000;
    let records = state(size, size);
    assert_eq!(group_state(&records).member_count(), size as usize);
    group.throughput(Throughput::Elements(size.into()));
    group.bench_function(BenchmarkId::new("records_of_one_item", size), |b| {
        b.iter_with_large_drop(|| group_state(black_box(&records)));
    });
    group.finish();
}

/// An increment of 1 % of a record, per new item; and the alternative of recomputing, per item of
/// the whole record.
fn update(c: &mut Criterion) {
    let mut group = c.benchmark_group("update");
    for size in SIZES {
        let before = state(size, 1);
        let news = size / 100;
        let after = group_state(&changed(&before, &some(size, news)));
        let increments = increments(&group_state(&before), &after);
        let increment = increments.first().expect("one member wrote");
        let here = || group_state(&before);

        group.throughput(Throughput::Elements(news.into()));
        row(&mut group, BenchmarkId::new("apply_one_percent", size), here, |here| {
            assert_eq!(here.apply(black_box(increment)), ApplyOutcome::Applied);
            assert_eq!(here.fingerprint(), after.fingerprint());
        });

        let again = |record: &Record| {
            let items = record.stamped_items();
            Record::from_parts(record.member(), record.version(), None, record.floor(), items)
        };
        let again = |state: &GroupState| {
            let records = state.records().map(|record| again(record).expect("good parts"));
            GroupState::from_records(name(), records)
        };
        assert_eq!(again(&after).fingerprint(), after.fingerprint());
        group.throughput(Throughput::Elements(size.into()));
        row(&mut group, BenchmarkId::new("recompute", size), || (), |()| again(black_box(&after)));
    }
    group.finish();
}

criterion_group! {
    name = benches;
    config = common::criterion();
    targets = from_parts, update
}
criterion_main!(benches);
