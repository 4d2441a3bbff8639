//! Cost per item of outgoing payloads (encode, seal) and incoming ones (open, decode, merge), for
//! several numbers of items.

use std::hint::black_box;

use criterion::{BatchSize, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use gm_clock::{Incarnation, NetId};
use gm_codec::{
    Body, Channel, Epoch, FrameCodec, GroupUpdate, Header, Key, Keyring, Limits, MemberUpdate, NonceSequence,
    Payload,
};
use gm_data::{GroupState, Item, KeyRange, Record, StampedItem, Version};

fn member() -> NetId {
    NetId::new(std::net::Ipv4Addr::new(192, 168, 1, 7).into(), 29_999).expect("an ordinary address")
}

/// A record of one member with this number of separate ranges of different widths, at this clock.
fn record(items: u32, clock: u64) -> Record {
    let range = |i: u32| KeyRange::new(i * 1_000, i * 1_000 + 500 + i * 7 % 300).expect("in order");
    let item = |i: u32| Item::serves(member(), range(i), 20_000, 1).expect("a priority");
    let version = Version::new(Incarnation::new(1 << 46).expect("in range"), false, clock).expect("in range");
    let timed = (0..items).map(|i| StampedItem { item: item(i), stamp: clock });
    Record::from_parts(member(), version, None, 0, timed).expect("valid")
}

fn payload(update: MemberUpdate) -> Payload {
    let body =
        Body::GroupUpdate(GroupUpdate { name: "Customers".parse().expect("a name"), updates: vec![update] });
    Payload { header: Header::own_broadcast(member(), 1_000), body }
}

fn payloads(c: &mut Criterion) {
    let limits = Limits { datagram: 65_000, compress_above: usize::MAX, ..Limits::default() };
    let keyring = Keyring::new(Key::new([7; 32]));
    let mut codec = FrameCodec::new("bench".parse().expect("a name"), keyring, limits).expect("in range");
    let mut nonces = NonceSequence::new(Epoch::new([1; 8]).expect("not zero"));
    let mut group = c.benchmark_group("payloads");
    for items in [1, 16, 128, 1_000] {
        // Every item of the member changes: an update of existing keys and nothing else.
        let (older, newer) = (record(items, 1_000), record(items, 1_001));
        let increment = newer.increment_since(older.version()).expect("of one life");
        let message = payload(MemberUpdate::Increment(increment));
        let state = GroupState::from_records("Customers".parse().expect("a name"), [older]);

        let mut bytes = Vec::new();
        message.encode(&limits, &mut bytes).expect("valid");
        let mut sealed = Vec::new();
        let nonce = nonces.next_nonce().expect("fewer than 2^32");
        codec.seal(&Channel::Datagram, nonce, &bytes, &mut sealed).expect("short");

        group.throughput(Throughput::Elements(items.into()));
        let mut out = Vec::with_capacity(sealed.len());
        group.bench_function(BenchmarkId::new("encode", items), |b| {
            b.iter(|| {
                out.clear();
                black_box(&message).encode(&limits, &mut out).expect("valid");
            });
        });
        let mut frame = Vec::with_capacity(sealed.len());
        group.bench_function(BenchmarkId::new("encode_seal", items), |b| {
            b.iter(|| {
                out.clear();
                frame.clear();
                black_box(&message).encode(&limits, &mut out).expect("valid");
                let nonce = nonces.next_nonce().expect("fewer than 2^32");
                codec.seal(&Channel::Datagram, nonce, &out, &mut frame).expect("short");
            });
        });
        group.bench_function(BenchmarkId::new("decode", items), |b| {
            b.iter(|| Payload::decode(black_box(&bytes), &limits).expect("valid"));
        });
        let mut scratch = Vec::new();
        group.bench_function(BenchmarkId::new("open_decode_merge", items), |b| {
            b.iter_batched_ref(
                || {
                    // No other owner holds the state, as in a node without readers.
                    let records = state.records().map(|old| {
                        Record::from_parts(old.member(), old.version(), None, 0, old.stamped_items())
                            .expect("valid")
                    });
                    (sealed.clone(), GroupState::from_records(state.name().clone(), records))
                },
                |(sealed, state)| {
                    let opened = codec.open(&Channel::Datagram, sealed, &mut scratch).expect("authentic");
                    let message = Payload::decode(opened.payload, &limits).expect("valid");
                    let Body::GroupUpdate(GroupUpdate { updates, .. }) = message.body else {
                        unreachable!("a group update")
                    };
                    for update in updates {
                        let MemberUpdate::Increment(increment) = update else { unreachable!("an increment") };
                        assert_eq!(state.apply(&increment), gm_data::ApplyOutcome::Applied);
                    }
                },
                BatchSize::SmallInput,
            );
        });
    }
    group.finish();
}

criterion_group! {
    name = benches;
    config = Criterion::default().sample_size(20).measurement_time(std::time::Duration::from_secs(1));
    targets = payloads
}
criterion_main!(benches);
