//! Helpers of the benches: members, ranges and states, a reproducible random generator, and the
//! duration of a row.
#![allow(dead_code)] // Every bench uses a part of it.

use std::net::Ipv4Addr;
use std::time::Duration;

use criterion::measurement::WallTime;
use criterion::{BatchSize, BenchmarkGroup, BenchmarkId, Criterion, SamplingMode};
use gm_clock::{Incarnation, NetId};
use gm_data::{GroupName, GroupState, Increment, Item, KeyRange, Record, StampedItem, Version, WriteContext};

/// Number of members of a state with many members.
pub(crate) const MEMBERS: u32 = 64;

/// The context of every write: nothing here depends on time.
pub(crate) const CONTEXT: WriteContext = WriteContext { unix_seconds: 0, entropy: 0, millis: 0 };

/// SplitMix64, a random generator with the same sequence in every run.
pub(crate) struct Rng(u64);

impl Rng {
    pub(crate) const fn new(seed: u64) -> Rng {
        Rng(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut x = self.0;
        x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        x ^ (x >> 31)
    }

    /// A number below `limit`, which must not be 0.
    pub(crate) fn below(&mut self, limit: u32) -> u32 {
        u32::try_from(self.next() % u64::from(limit)).expect("below the limit")
    }

    /// The numbers `0..limit` in random order.
    pub(crate) fn order(&mut self, limit: u32) -> Vec<u32> {
        let mut order: Vec<u32> = (0..limit).collect();
        for at in (1..limit).rev() {
            order.swap(at as usize, self.below(at + 1) as usize);
        }
        order
    }
}

pub(crate) fn name() -> GroupName {
    GroupName::new("bench").expect("an ordinary name")
}

pub(crate) fn member(number: u32) -> NetId {
    let ip = Ipv4Addr::from(0x0a00_0000 + number);
    NetId::new(ip.into(), 29999).expect("an ordinary address")
}

/// The range with the given number; no two overlap.
pub(crate) fn range(number: u32) -> KeyRange {
    KeyRange::new(number * 100, number * 100 + 99).expect("in order")
}

pub(crate) fn port(number: u32) -> u16 {
    20_000 + u16::try_from(number % 1_000).expect("below 1,000")
}

pub(crate) fn priority(number: u32) -> u16 {
    1 + u16::try_from(number % 10).expect("below 10")
}

/// The parts of a record as a decoder provides them.
#[derive(Clone)]
pub(crate) struct Parts {
    pub(crate) member: NetId,
    pub(crate) version: Version,
    pub(crate) items: Vec<StampedItem>,
}

impl Parts {
    pub(crate) fn record(&self) -> Record {
        Record::from_parts(self.member, self.version, None, 0, self.items.iter().copied())
            .expect("good parts")
    }
}

pub(crate) fn version(clock: u64) -> Version {
    Version::new(Incarnation::ORIGINAL, false, clock).expect("a small clock")
}

/// Item number i belongs to member i mod `members`; each member wrote its items one by one in the
/// order of their ranges.
pub(crate) fn state(items: u32, members: u32) -> Vec<Parts> {
    let record = |number: u32| {
        let member = member(number);
        let mut time = 0;
        let mut item = |i: u32| {
            time += 1;
            let item = Item::serves(member, range(i), port(i), priority(i)).expect("a priority");
            StampedItem { item, stamp: time }
        };
        let items: Vec<StampedItem> = (number..items).step_by(members as usize).map(&mut item).collect();
        Parts { member, version: version(time), items }
    };
    (0..members).map(record).collect()
}

/// The state after each member has changed the priority of those of the given items that it owns,
/// with one write per item.
pub(crate) fn changed(state: &[Parts], items: &[u32]) -> Vec<Parts> {
    let mut state = state.to_vec();
    let members = u32::try_from(state.len()).expect("few");
    for &i in items {
        let Parts { member, version, items } = &mut state[(i % members) as usize];
        version.clock += 1;
        let item = Item::serves(*member, range(i), port(i), 1_000 + priority(i)).expect("a priority");
        items[(i / members) as usize] = StampedItem { item, stamp: version.clock };
    }
    state
}

/// `count` of the numbers `0..items`, in random order.
pub(crate) fn some(items: u32, count: u32) -> Vec<u32> {
    let mut some = Rng::new(u64::from(items)).order(items);
    some.truncate(count as usize);
    some
}

/// The state of the given records, newly built, so that it shares nothing.
pub(crate) fn group_state(state: &[Parts]) -> GroupState {
    GroupState::from_records(name(), state.iter().map(Parts::record))
}

/// The increments that update a holder of `before` to `after`, one for every member that wrote.
pub(crate) fn increments(before: &GroupState, after: &GroupState) -> Vec<Increment> {
    let increment = |record: &Record| {
        let known = before.record(record.member()).expect("the same members").version();
        record.increment_since(known)
    };
    after.records().filter_map(increment).collect()
}

/// Few samples and little time: rows differ by factors, not by percents.
pub(crate) fn criterion() -> Criterion {
    Criterion::default()
        .sample_size(10)
        .nresamples(2_000)
        .warm_up_time(Duration::from_millis(100))
        .measurement_time(Duration::from_millis(500))
}

/// Measures `routine` on the values of `setup`. Creating these values, and dropping them and the
/// results of `routine`, is not measured. The setup time determines the plan: many runs of small
/// rows, ten of the largest.
pub(crate) fn row<I, O>(
    group: &mut BenchmarkGroup<'_, WallTime>,
    id: BenchmarkId,
    mut setup: impl FnMut() -> I,
    mut routine: impl FnMut(&mut I) -> O,
) {
    group.sampling_mode(SamplingMode::Flat);
    group.bench_function(id, |b| b.iter_batched_ref(&mut setup, &mut routine, BatchSize::PerIteration));
}
