//! Allocations caused by hostile frames. This is a binary with a single test, so that nothing else
//! is counted.

mod common;

use std::alloc::System;

use common::{codec, forge, nonce};
use gm_codec::{Channel, FrameError, Limits, Payload};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// Number of allocated bytes, the minimum of several runs: the thread of the test runner may
/// allocate at the same time.
fn allocated(mut work: impl FnMut()) -> usize {
    let count = || {
        let region = Region::new(ALLOCATOR);
        work();
        let change = region.change();
        change.bytes_allocated + usize::try_from(change.bytes_reallocated.max(0)).expect("not negative")
    };
    std::iter::repeat_with(count).take(5).min().expect("some runs")
}

/// Payloads that announce large counts and then end or are invalid: they allocate in proportion to
/// their bytes.
fn payloads_with_excessive_counts() {
    const BYTES: usize = 20_000;
    // A table of one entry, a direct header, the tag, and the bytes before the count.
    let direct = [0x02, 0x82, 0x80, 0x80, 0xa0, 0x01, 0x75, 0x2f, 0x04, 0x00];
    for before in [
        &[0x01, 0x01, 0x47][..],
        &[0x04],
        &[0x04, 0x02, 0x00],
        &[0x06],
        &[0x06, 0x01, 0x00, 0, 0, 0, 0, 0, 0, 0, 0],
        &[0x09, 0x00],
        &[0x0a, 0x01, 0x47, 0x05],
        &[0x0b, 0x01, 0x47, 0x00],
        &[0x0b, 0x01, 0x47, 0x02, 0x05],
        &[0x0c, 0x01, 0x47],
    ] {
        // A count equal to the number of bytes, and one more. The bytes are `ff`, with which no
        // element can begin.
        for count in [BYTES as u64, BYTES as u64 + 1, 99_999] {
            let bytes = [&direct[..], before, &common::varint(count), &[0xff; BYTES]].concat();
            let allocated = allocated(|| {
                assert!(Payload::decode(&bytes, &Limits::DEFAULT).is_err());
            });
            assert!(allocated <= 100 * BYTES, "{before:x?}: {allocated}");
            assert!(count == BYTES as u64 || before[0] == 4 || allocated < 200, "{before:x?}: {allocated}");
        }
    }
}

#[test]
fn hostile_input_allocates_little() {
    payloads_with_excessive_counts();
    let (mut codec, udp) = (codec(&[1], "c"), Channel::Datagram);
    let bomb = |block: &[u8]| forge(3, 1, "c", &udp, nonce(1).bytes(), block);
    let mut over = common::varint((16 << 20) + 1);
    over.extend([0xfe; 900]);
    let mut within = common::varint(16 << 20);
    within.extend([0xfe; 900]);
    let over_limit = FrameError::PayloadTooLong { declared: (16 << 20) + 1, limit: 16 << 20 };
    for (block, error) in [(over, over_limit), (within, FrameError::BadCompression)] {
        let mut frames = vec![bomb(&block); 5].into_iter();
        let bytes = allocated(|| {
            let (mut frame, mut scratch) = (frames.next().expect("five"), Vec::new());
            assert_eq!(codec.open(&udp, &mut frame, &mut scratch), Err(error));
        });
        assert_eq!(bytes, 0, "{error}");
    }

    // An ordinary frame allocates nothing once the buffers exist.
    let (mut out, mut scratch) = (Vec::with_capacity(2_000), Vec::new());
    let payload = vec![7; 100];
    let bytes = allocated(|| {
        out.clear();
        codec.seal(&udp, nonce(1), &payload, &mut out).expect("short");
        assert_eq!(codec.open(&udp, &mut out, &mut scratch).map(|opened| opened.payload.len()), Ok(100));
    });
    assert_eq!(bytes, 0);
    // The counter works: what is really decompressed is allocated.
    let compressed = allocated(|| {
        out.clear();
        codec.seal(&udp, nonce(1), &[7; 1_000], &mut out).expect("short");
        let mut fresh = Vec::new();
        assert_eq!(codec.open(&udp, &mut out, &mut fresh).map(|opened| opened.payload.len()), Ok(1_000));
    });
    assert!((1_000..4_000).contains(&compressed), "{compressed}");
}
