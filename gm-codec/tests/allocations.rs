//! Memory cost of decoding any input: the total of all allocations, including freed ones. This is a
//! binary with a single test, so that nothing else is counted.

mod common;
mod payloads;

use std::alloc::System;

use common::{codec, forge, nonce, stream, unhex, varint};
use gm_codec::{Channel, ConnectionSide, Limits, Payload};
use payloads::payload;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::{RngAlgorithm, TestRng, TestRunner};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// Decoding a payload of n bytes allocates at most this many bytes times n. The worst case is
/// buckets without children: 3 bytes each, which become a parent of 264. Next are forgotten
/// members: 5 bytes each, which become an entry of the table (20), its mark (1) and an update (128,
/// in a vector that has just doubled), 277 bytes.
const DECODE: usize = 88;
/// Opening a frame of n bytes allocates at most this many bytes times n: snappy's expansion.
const OPEN: usize = 22;
/// Number of inputs of each kind.
const COUNT: usize = 3_000;

/// Number of allocated bytes, from the first of several attempts within the bound: the thread of
/// the test runner may allocate at the same time.
fn allocated(bound: usize, mut work: impl FnMut()) -> usize {
    let count = || {
        let region = Region::new(ALLOCATOR);
        work();
        region.change().bytes_allocated
    };
    let tries: Vec<usize> = std::iter::repeat_with(count).take(5).collect();
    tries.iter().copied().find(|bytes| *bytes <= bound).unwrap_or(tries[0])
}

/// Decodes the bytes and returns the number of allocated bytes.
fn decode(bytes: &[u8]) -> usize {
    let bound = DECODE * bytes.len();
    let spent = allocated(bound, || drop(Payload::decode(bytes, &Limits::DEFAULT)));
    assert!(spent <= bound, "{spent} bytes for {}: {}", bytes.len(), common::hex(bytes));
    spent
}

struct Draw(TestRunner);

impl Draw {
    fn of<S: Strategy>(&mut self, strategy: S) -> S::Value {
        strategy.new_tree(&mut self.0).expect("the strategy yields a value").current()
    }

    fn payload(&mut self) -> Vec<u8> {
        let mut bytes = Vec::new();
        self.of(payload()).encode(&Limits::DEFAULT, &mut bytes).expect("a valid payload");
        bytes
    }
}

/// A table of this many adjacent addresses with one port.
fn table(count: usize) -> Vec<u8> {
    let mut bytes = varint(2 * count as u64);
    bytes.extend(unhex("828080a001752f"));
    bytes.resize(bytes.len() + count - 1, 0x03);
    bytes
}

/// A group `G` of this many updates, with a table of just their members.
fn updates(count: usize, update: &[u8]) -> Vec<u8> {
    let mut bytes = table(count);
    bytes.extend(unhex("000001010147"));
    bytes.extend(varint(count as u64));
    (0..count).for_each(|_| bytes.extend(update));
    bytes
}

/// A direct payload of a table, a tag, the group `G` for bodies with a name, and a content.
fn direct(nodes: usize, tag: &str, body: &[u8]) -> Vec<u8> {
    [table(nodes), unhex("0400"), unhex(tag), body.to_vec()].concat()
}

/// The valid payloads that cost most per byte: buckets; forgotten members, records without items
/// and with one, increments, lists, one record and one increment with many items; versions without
/// records, requests, islands, nacks.
fn costliest_payloads(count: usize) -> [Vec<u8>; 12] {
    let counted = |each: &str| [varint(count as u64), unhex(each).repeat(count)].concat();
    let islands = [varint(2 * count as u64), unhex("0000").repeat(count), unhex("00")].concat();
    let runs = [unhex("0100"), vec![1; 8], varint(count.min(64) as u64), unhex("0000").repeat(count.min(64))];
    let list = [varint(count as u64), vec![0; count]].concat();
    let items = [varint(count as u64), unhex("7800"), vec![0x7c; count - 1]].concat();
    [
        direct(1, "0a014705", &counted("000000")),
        updates(count, &unhex("01010100")),
        updates(count, &unhex("0001010000")),
        updates(count, &unhex("00010100017800")),
        updates(count, &unhex("02010100000000000000000000")),
        [table(count), unhex("300001"), list.clone(), list, unhex("020161")].concat(),
        [updates(1, &unhex("00010100")), items.clone()].concat(),
        [updates(1, &unhex("020101000000000000000000")), items].concat(),
        direct(count, "0b014700", &counted("02")),
        direct(count, "0c0147", &counted("00")),
        direct(count, "04", &islands),
        direct(1, "06", &runs.concat()),
    ]
}

fn check_payloads(draw: &mut Draw) {
    for _ in 0..COUNT {
        decode(&draw.of(vec(any::<u8>(), 0..600)));
        decode(&draw.of(vec(0..9_u8, 0..300)));
        let (valid, at, byte) = (draw.payload(), draw.of(any::<usize>()), draw.of(any::<u8>()));
        let at = at % valid.len();
        decode(&valid);
        decode(&valid[..at]);
        let mut mutated = valid.clone();
        mutated[at] = byte;
        decode(&mutated);
        // Replaces a number that may be a count by a large one: the remaining bytes, each limit, 64
        // bits.
        for count in [valid.len() - at, 100_000, 1 << 20, 1 << 32, usize::MAX] {
            decode(&[&valid[..at], &varint(count as u64), &valid[at + 1..]].concat());
        }
    }
    for count in [1, 5, 9, 65, 1_025, 16_385] {
        for bytes in costliest_payloads(count) {
            assert!(Payload::decode(&bytes, &Limits::DEFAULT).is_ok(), "{}", common::hex(&bytes));
            decode(&bytes);
            decode(&bytes[..bytes.len() - 1]);
        }
    }
    // Each announces as many elements as possible and contains none of them.
    for start in [
        "",
        "02828080a001752f100001",
        "02828080a001752f000001010147",
        "02828080a001752f0000010101470100010100",
    ] {
        for left in [10, 1_000, 90_000] {
            let count = varint(if start.is_empty() { 2 * left } else { left });
            decode(&[unhex(start), count, vec![0; usize::try_from(left).expect("small")]].concat());
        }
    }
    // The bound is tight.
    let worst = &costliest_payloads(16_385)[0];
    assert!(decode(worst) > (DECODE - 1) * worst.len());
}

fn check_frames(draw: &mut Draw) {
    let udp = Channel::Datagram;
    let reader = codec(&[1, 2, 3], "c");
    let open = |frame: &[u8], factor: usize| {
        let mut copies = vec![frame.to_vec(); 5].into_iter();
        let bound = factor * frame.len();
        let spent = allocated(bound, || {
            let mut copy = copies.next().expect("five");
            let mut scratch = Vec::new();
            let _ = reader.open(&udp, &mut copy, &mut scratch);
        });
        assert!(spent <= bound, "{spent} bytes for {}: {}", frame.len(), common::hex(frame));
    };
    let (mut sealing, elsewhere) = (codec(&[2], "c"), stream(ConnectionSide::Initiator, 0));
    for _ in 0..COUNT {
        open(&draw.of(vec(any::<u8>(), 0..600)), 0);
        let mut frame = Vec::new();
        sealing.seal(&elsewhere, nonce(1), &draw.payload(), &mut frame).expect("short");
        open(&frame, 0);
        frame.clear();
        let payload = draw.payload();
        sealing.seal(&udp, nonce(1), &payload[..payload.len().min(1_000)], &mut frame).expect("short");
        open(&frame, OPEN);
        let (at, bit) = (draw.of(any::<usize>()) % frame.len(), draw.of(0..8_u8));
        frame[at] ^= 1 << bit;
        open(&frame, 0);
        // An attacker with the key can send any block that announces any length.
        let (announced, block) =
            (draw.of(any::<u32>()) >> draw.of(0..32_u32), draw.of(vec(any::<u8>(), 0..600)));
        let block = [varint(announced.into()), block].concat();
        open(&forge(3, 3, "c", &udp, nonce(1).bytes(), &block), OPEN);
    }
}

#[test]
fn decoding_allocates_in_proportion_to_input() {
    let seed = TestRng::from_seed(RngAlgorithm::ChaCha, &[13; 32]);
    let mut draw = Draw(TestRunner::new_with_rng(ProptestConfig::default(), seed));
    check_payloads(&mut draw);
    check_frames(&mut draw);
}
