//! Fuzz target of received payloads: whatever decodes encodes to the same bytes, and decoding
//! allocates memory in proportion to the input. An input is a payload.

#![no_main]

use std::alloc::System;

use gm_codec::{Limits, Payload};
use libfuzzer_sys::fuzz_target;
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// Maximum number of bytes that decoding allocates for each byte of a payload, including freed
/// ones.
const PER_BYTE: usize = 88;
/// Bytes that decoding may allocate in addition.
const BESIDES: usize = 1_024;

const WIDE: Limits = Limits::DEFAULT;
/// Limits that small payloads reach.
const TIGHT: Limits = Limits { nodes: 4, items: 6, ..Limits::DEFAULT };

fuzz_target!(|bytes: &[u8]| {
    let region = Region::new(ALLOCATOR);
    let wide = Payload::decode(bytes, &WIDE);
    let allocated = region.change().bytes_allocated;
    let bound = PER_BYTE * bytes.len() + BESIDES;
    assert!(allocated <= bound, "{} bytes cost {allocated}, more than {bound}", bytes.len());

    if let Ok(payload) = &wide {
        // The previous contents of the buffer must stay.
        let mut again = vec![0xa5];
        payload.encode(&WIDE, &mut again).expect("a decoded payload encodes");
        assert_eq!(again[1..], *bytes, "another encoding was accepted");
        assert_eq!(again[0], 0xa5, "the bytes before the payload were changed");
    }
    match (wide, Payload::decode(bytes, &TIGHT)) {
        (wide, Ok(tight)) => assert_eq!(wide, Ok(tight), "the limits changed the payload"),
        (Ok(wide), Err(error)) => {
            assert_eq!(error.name(), "TooMany", "only a limit may differ");
            let mut nothing = Vec::new();
            assert!(wide.encode(&TIGHT, &mut nothing).is_err(), "encoded, but not decoded");
            assert!(nothing.is_empty(), "a failed encoding left bytes behind");
        }
        (Err(_), Err(_)) => {}
    }
});
