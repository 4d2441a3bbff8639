//! Queries for the owners of a key, and updates of the index that answers them, compared with a
//! plain map and a linear scan.

mod common;

use std::collections::BTreeMap;
use std::hint::black_box;

use common::{CONTEXT, MEMBERS, Rng, group_state, member, port, priority, range, row, state};
use criterion::measurement::WallTime;
use criterion::{
    BatchSize, BenchmarkGroup, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main,
};
use gm_data::{ApplyOutcome, Change, GroupState, Item, KeyRange, Op, Owner, Record, Replica, View, key_of};

/// Number of items of the state. Each served key is served by one member, or by two.
const SIZES: [u32; 3] = [100, 10_000, 1_000_000];

/// The queried keys in random order, so that large states are not cached.
fn keys(items: u32) -> Vec<u32> {
    let mut rng = Rng::new(7);
    (0..1 << 16).map(|_| rng.below(items * 100)).collect()
}

/// A view in which each range is served by two members.
fn twice(items: u32) -> View {
    let half = state(items / 2, MEMBERS);
    let mut all = half.clone();
    for (number, mut parts) in (0..).zip(half) {
        parts.member = member(1_000 + number);
        for stamped in &mut parts.items {
            let item = stamped.item;
            stamped.item = Item::new(parts.member, item.range(), item.op(), item.port(), item.priority())
                .expect("a priority");
        }
        all.push(parts);
    }
    View::new(group_state(&all))
}

fn bench_query(
    group: &mut BenchmarkGroup<'_, WallTime>,
    id: BenchmarkId,
    keys: &[u32],
    mut find: impl FnMut(u32) -> bool,
) {
    group.throughput(Throughput::Elements(1));
    let mut next = keys.iter().cycle();
    group.bench_function(id, |b| b.iter(|| find(*next.next().expect("for ever"))));
}

fn locate(c: &mut Criterion) {
    let mut group = c.benchmark_group("locate");
    for size in SIZES {
        let view = View::new(group_state(&state(size, MEMBERS)));
        let (both, keys) = (twice(size), keys(size / 2));
        assert_eq!((view.locate(keys[0]).len(), both.locate(keys[0]).len()), (1, 2));
        let mut owners: Vec<Owner> = Vec::new();
        bench_query(&mut group, BenchmarkId::new("first_owner_of_one", size), &keys, |key| {
            view.first_owner(key).is_some()
        });
        bench_query(&mut group, BenchmarkId::new("first_owner_of_two", size), &keys, |key| {
            both.first_owner(key).is_some()
        });
        bench_query(&mut group, BenchmarkId::new("locate_one", size), &keys, |key| {
            view.locate_into(key, &mut owners);
            !owners.is_empty()
        });
        bench_query(&mut group, BenchmarkId::new("locate_two", size), &keys, |key| {
            both.locate_into(key, &mut owners);
            owners.len() == 2
        });
        bench_query(&mut group, BenchmarkId::new("affected_members", size), &keys, |key| {
            !view.affected_members(KeyRange::single(key)).is_empty()
        });
        // A map by start can answer only for one owner per key and ranges that do not overlap.
        let map: BTreeMap<u32, (u32, Item)> =
            view.items().iter().map(|t| (t.item.range().start(), (t.item.range().end(), t.item))).collect();
        bench_query(&mut group, BenchmarkId::new("btree_of_starts", size), &keys, |key| {
            map.range(..=key).next_back().is_some_and(|(_, (end, item))| *end >= key && item.op() == Op::Add)
        });
        if size <= 10_000 {
            let items: Vec<Item> = view.items().iter().map(|stamped| stamped.item).collect();
            bench_query(&mut group, BenchmarkId::new("linear_scan", size), &keys, |key| {
                items.iter().filter(|item| item.range().contains(black_box(key))).count() > 0
            });
        }
    }
    group.finish();
}

/// A further write of one item by its owner, with the updates of record, fingerprint and index.
fn update(c: &mut Criterion) {
    let mut group = c.benchmark_group("update_one_item");
    for size in SIZES {
        let own = member(0);
        let view = group_state(&state(size, MEMBERS));
        let mut replica = Replica::restore(own, view);
        let mut order = Rng::new(3).order(size / MEMBERS).into_iter().cycle();
        let mut next = move || order.next().expect("for ever") * MEMBERS;
        let mut flip = 0;
        let mut change = |replica: &mut Replica, what: fn(u32, u32) -> Change| {
            let number = next();
            flip += 1;
            replica.change(&[what(number, flip)], CONTEXT).is_ok()
        };
        let other_priority = |number, flip| Change::Serve {
            range: range(number),
            port: Some(port(number)),
            priority: priority(number) + 10 * (1 + (flip % 2) as u16),
        };
        group.bench_function(BenchmarkId::new("priority", size), |b| {
            b.iter(|| change(&mut replica, other_priority));
        });
        let come_or_go = |number: u32, flip: u32| {
            let key = KeyRange::single(number * 100 + 1 + flip % 97);
            Change::Serve { range: key, port: Some(1), priority: 1 }
        };
        group.bench_function(BenchmarkId::new("new_range", size), |b| {
            b.iter(|| change(&mut replica, come_or_go));
        });
        let mut reader = replica.view().clone();
        group.bench_function(BenchmarkId::new("priority_while_read", size), |b| {
            b.iter(|| {
                let done = change(&mut replica, other_priority);
                reader = replica.view().clone();
                done
            });
        });
        drop(reader);
    }
    group.finish();
}

/// The cost of the index per change: an increment of one item of a member with 1e6 items, applied
/// with and without an index.
fn index_update(c: &mut Criterion) {
    let mut group = c.benchmark_group("increment_of_one_item");
    for size in SIZES {
        let held = group_state(&state(size, MEMBERS));
        let mut owner = Replica::restore(member(0), held.clone());
        // The first write opens a new incarnation, which is sent as a whole record.
        let first = Change::Interest(KeyRange::WHOLE);
        assert!(owner.change(&[first], CONTEXT).is_ok_and(|write| write.changed));
        let mut reader = Replica::new(member(MEMBERS + 1), held.name().clone());
        assert!(reader.merge(&message_of(owner.state()), CONTEXT).is_ok());
        let mut plain = message_of(owner.state());
        let mut order = Rng::new(5).order(size.max(100)).into_iter().cycle();
        let mut next = || order.next().expect("for ever");
        let mut flip = 0;
        let mut increment = |owner: &mut Replica| {
            flip += 1;
            let key = KeyRange::single(next() * 100 + 1 + flip % 97);
            let serve = Change::Serve { range: key, port: Some(1), priority: 1 + (flip % 1_000) as u16 };
            owner.change(&[serve], CONTEXT).ok().and_then(|write| write.increment)
        };
        // The two increments alternate, so that each is applied to the state that it needs.
        group.bench_function(BenchmarkId::new("with_index", size), |b| {
            b.iter_batched(
                || increment(&mut owner).inspect(|new| assert_eq!(plain.apply(new), ApplyOutcome::Applied)),
                |new| new.map(|new| reader.apply_increment(&new, CONTEXT)),
                BatchSize::PerIteration,
            );
        });
        group.bench_function(BenchmarkId::new("without", size), |b| {
            b.iter_batched(
                || {
                    increment(&mut owner).inspect(|new| {
                        assert_eq!(reader.apply_increment(new, CONTEXT).0, ApplyOutcome::Applied)
                    })
                },
                |new| new.map(|new| plain.apply(&new)),
                BatchSize::PerIteration,
            );
        });
        assert_eq!(plain.fingerprint(), reader.state().fingerprint());
    }
    group.finish();
}

/// The same state newly built, so that it shares nothing.
fn message_of(state: &GroupState) -> GroupState {
    let record = |old: &Record| {
        Record::from_parts(old.member(), old.version(), old.predecessor(), old.floor(), old.stamped_items())
            .expect("good parts")
    };
    GroupState::from_records(state.name().clone(), state.records().map(record))
}

fn whole(c: &mut Criterion) {
    let mut group = c.benchmark_group("index");
    for size in SIZES {
        let parts = state(size, MEMBERS);
        row(
            &mut group,
            BenchmarkId::new("build", size),
            || Some(group_state(&parts)),
            |group_state| View::new(group_state.take().expect("once")),
        );
        let view = View::new(group_state(&parts));
        row(&mut group, BenchmarkId::new("snapshot", size), || (), |()| view.clone());
        row(&mut group, BenchmarkId::new("coverage", size), || (), |()| view.coverage().count());
        row(&mut group, BenchmarkId::new("redundancy", size), || (), |()| view.redundancy());
    }
    group.finish();
}

fn keys_of(c: &mut Criterion) {
    let mut group = c.benchmark_group("key_of");
    for bytes in [8, 32, 256] {
        let key = vec![7; bytes];
        group.throughput(Throughput::Bytes(bytes as u64));
        group.bench_function(BenchmarkId::from_parameter(bytes), |b| b.iter(|| key_of(black_box(&key))));
    }
    group.finish();
}

criterion_group! {
    name = benches;
    config = common::criterion();
    targets = locate, update, index_update, whole, keys_of
}
criterion_main!(benches);
