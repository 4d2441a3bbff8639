//! Writes of the own record, depending on its size, without readers and while a reader keeps the
//! previous state.

mod common;

use std::cell::RefCell;
use std::hint::black_box;

use common::{CONTEXT, Rng, group_state, name, port, priority, range, state};
use criterion::measurement::WallTime;
use criterion::{
    BatchSize, BenchmarkGroup, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main,
};
use gm_data::{Change, GroupState, KeyRange, Replica};

/// Number of items of the record before the write.
const SIZES: [u32; 4] = [1, 1_000, 100_000, 1_000_000];

/// Number of changes of a batch.
const BATCH: u32 = 1_000;

/// The kind of change that a write makes to its range.
#[derive(Clone, Copy)]
enum Kind {
    NewRange,
    Priority,
    Removal,
}

/// A replica that writes. It is rebuilt before writes have changed its size by more than a tenth or
/// one batch.
struct Writer {
    kind: Kind,
    size: u32,
    /// Number of changes of a write.
    batch: u32,
    replica: Replica,
    rng: Rng,
    /// Items not yet written since the replica was built, in random order, the next one last.
    left: Vec<u32>,
    order: Vec<u32>,
    reader: Option<GroupState>,
}

impl Writer {
    fn new(kind: Kind, size: u32, batch: u32) -> Writer {
        let replica = Replica::new(common::member(0), name());
        let mut rng = Rng::new(size.into());
        let order = rng.order(size);
        let mut writer = Writer { kind, size, batch, replica, rng, left: Vec::new(), order, reader: None };
        writer.renew();
        writer
    }

    /// Creates an unshared record of `size` items in an incarnation that has begun.
    fn renew(&mut self) {
        self.reader = None;
        self.replica = Replica::restore(common::member(0), group_state(&state(self.size, 1)));
        let priority = Change::Priority { range: range(0), priority: 999 };
        let write = self.replica.change(&[priority], CONTEXT).expect("range 0 is served");
        assert!(write.changed && self.live() == self.size as usize);
        self.left.clone_from(&self.order);
        self.left.truncate(self.batch.max(self.size / 10) as usize);
    }

    fn live(&self) -> usize {
        self.replica.state().live_item_count()
    }

    fn next(&mut self) -> Vec<Change> {
        if self.left.len() < self.batch as usize {
            self.renew();
        }
        (0..self.batch).map(|_| self.change()).collect()
    }

    fn change(&mut self) -> Change {
        let at = self.left.pop().expect("rebuilt before it is empty");
        match self.kind {
            // Between two existing ranges, both of which begin at multiples of a hundred.
            Kind::NewRange => {
                let start = range(at).start() + 1 + self.rng.below(99);
                let range = KeyRange::single(start);
                Change::Serve { range, port: Some(port(at)), priority: priority(at) }
            }
            Kind::Priority => Change::Priority { range: range(at), priority: 1_000 + priority(at) },
            Kind::Removal => Change::Unserve(range(at)),
        }
    }
}

fn row(
    group: &mut BenchmarkGroup<'_, WallTime>,
    row: &str,
    kind: Kind,
    (size, batch): (u32, u32),
    read: bool,
) {
    // Created by the first call only, because criterion calls again for every sample.
    let mut made = None;
    group.bench_function(BenchmarkId::new(row, size), |b| {
        let writer = RefCell::new(made.take().unwrap_or_else(|| Writer::new(kind, size, batch)));
        let setup = || {
            let mut writer = writer.borrow_mut();
            let batch = writer.next();
            // A reader as in servers: it keeps the latest state, so every write finds its path
            // shared.
            writer.reader = read.then(|| writer.replica.state().clone());
            batch
        };
        let write = |batch: &mut Vec<Change>| {
            let write = writer.borrow_mut().replica.change(black_box(batch), CONTEXT);
            assert!(write.as_ref().is_ok_and(|write| write.changed && write.increment.is_some()));
            write
        };
        b.iter_batched_ref(setup, write, BatchSize::PerIteration);
        made = Some(writer.into_inner());
    });
}

fn one_item(c: &mut Criterion) {
    let rows = [
        ("new_range", Kind::NewRange),
        ("priority", Kind::Priority),
        // The last item of a record cannot be removed: it becomes an interest.
        ("removal", Kind::Removal),
    ];
    for (subject, read) in [("write", false), ("write_while_read", true)] {
        let mut group = c.benchmark_group(subject);
        for (name, kind) in rows {
            for size in SIZES {
                row(&mut group, name, kind, (size, 1), read);
            }
        }
        group.finish();
    }
}

/// 1,000 changes in one write, in random order. Skipped for a record of one item, which has too
/// few.
fn batch(c: &mut Criterion) {
    for (subject, read) in [("write_batch", false), ("write_batch_while_read", true)] {
        let mut group = c.benchmark_group(subject);
        group.throughput(Throughput::Elements(BATCH.into()));
        for (name, kind) in [("new_range", Kind::NewRange), ("priority", Kind::Priority)] {
            for size in SIZES.into_iter().filter(|&size| size >= BATCH) {
                row(&mut group, name, kind, (size, BATCH), read);
            }
        }
        group.finish();
    }
}

criterion_group! {
    name = benches;
    config = common::criterion();
    targets = one_item, batch
}
criterion_main!(benches);
