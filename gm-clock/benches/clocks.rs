//! Lookup and merge of a `WorldClock` compared with a `BTreeMap`: `cargo bench -p gm-clock --
//! --quick`.

use std::collections::BTreeMap;
use std::hint::black_box;
use std::net::Ipv4Addr;
use std::time::Duration;

use criterion::{BatchSize, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use gm_clock::{Incarnation, LocalClock, NetId, WorldClock};

type Map = BTreeMap<NetId, (u64, u64)>;

const SIZES: [u32; 3] = [100, 10_000, 100_000];

fn member(number: u32) -> NetId {
    let ip = Ipv4Addr::from(0x0a00_0000 + number);
    NetId::new(ip.into(), 29999).expect("an ordinary address")
}

fn clock(number: u32, time: u64) -> LocalClock {
    LocalClock::new(member(number), Incarnation::ORIGINAL, time).expect("small")
}

fn map(world: &WorldClock) -> Map {
    world.iter().map(|clock| (clock.member(), (clock.incarnation().get(), clock.time()))).collect()
}

fn map_merge(map: &mut Map, other: &Map) -> usize {
    let mut changed = 0;
    for (&member, &clock) in other {
        let old = map.entry(member).or_insert_with(|| {
            changed += 1;
            clock
        });
        if *old < clock {
            *old = clock;
            changed += 1;
        }
    }
    changed
}

fn get(c: &mut Criterion) {
    let mut group = c.benchmark_group("get");
    for size in SIZES {
        let world: WorldClock = (0..size).map(|number| clock(2 * number, 5)).collect();
        let map = map(&world);
        // A fixed sequence of scattered members, of which every second is unknown.
        let step = (2 * (size / 3)) | 1;
        let mut at = 0;
        let mut next = move || {
            at = (at + step) % (2 * size);
            member(at)
        };
        let mut again = next;
        group.bench_function(BenchmarkId::new("world_clock", size), |b| {
            b.iter(|| world.get(black_box(next())))
        });
        group.bench_function(BenchmarkId::new("btree_map", size), |b| {
            b.iter(|| map.get(&black_box(again())).copied());
        });
    }
    group.finish();
}

fn merge(c: &mut Criterion) {
    for size in SIZES {
        let here: WorldClock = (0..size).map(|number| clock(2 * number, 5)).collect();
        let others = [
            ("equal", here.clone()),
            (
                "one_percent",
                (0..size).map(|number| clock(2 * number, 5 + u64::from(number % 100 == 0))).collect(),
            ),
            ("disjoint", (0..size).map(|number| clock(2 * number + 1, 5)).collect()),
        ];
        for (name, other) in others {
            let mut group = c.benchmark_group(format!("merge_{name}"));
            group.throughput(Throughput::Elements(size.into()));
            group.bench_function(BenchmarkId::new("world_clock", size), |b| {
                b.iter_batched_ref(
                    || here.clone(),
                    |here| here.merge(black_box(&other)),
                    BatchSize::LargeInput,
                );
            });
            let (here, other) = (map(&here), map(&other));
            group.bench_function(BenchmarkId::new("btree_map", size), |b| {
                b.iter_batched_ref(
                    || here.clone(),
                    |here| map_merge(here, black_box(&other)),
                    BatchSize::LargeInput,
                );
            });
            group.finish();
        }
    }
}

criterion_group! {
    name = benches;
    config = Criterion::default()
        .sample_size(10)
        .warm_up_time(Duration::from_millis(200))
        .measurement_time(Duration::from_millis(500));
    targets = get, merge
}
criterion_main!(benches);
