//! Payloads that come: what is read is written again as the same bytes, whatever they are, and
//! costs no more memory than the bytes account for. An input is a payload.

#![no_main]

use std::alloc::System;

use gm_codec::{Limits, Payload};
use libfuzzer_sys::fuzz_target;
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// Bytes that reading may allocate for each byte of a payload, all that is given back again counted
/// too.
const PER_BYTE: usize = 88;
/// Bytes that reading may allocate besides.
const BESIDES: usize = 1_024;

const WIDE: Limits = Limits::DEFAULT;
/// Limits that small payloads reach.
const TIGHT: Limits = Limits { nodes: 4, items: 6, ..Limits::DEFAULT };

fuzz_target!(|bytes: &[u8]| {
    let region = Region::new(ALLOCATOR);
    let wide = Payload::decode(bytes, &WIDE);
    let allocated = region.change().bytes_allocated;
    let most = PER_BYTE * bytes.len() + BESIDES;
    assert!(allocated <= most, "{} bytes cost {allocated}, more than {most}", bytes.len());

    if let Ok(payload) = &wide {
        // What was in the buffer before stays.
        let mut again = vec![0xa5];
        payload.encode(&WIDE, &mut again).expect("what was read can be written");
        assert_eq!(again[1..], *bytes, "another spelling was read");
        assert_eq!(again[0], 0xa5, "what stood before the payload was changed");
    }
    match (wide, Payload::decode(bytes, &TIGHT)) {
        (wide, Ok(tight)) => assert_eq!(wide, Ok(tight), "the limits changed what was read"),
        (Ok(wide), Err(error)) => {
            assert_eq!(error.name(), "TooMany", "only a limit can be the difference");
            let mut nothing = Vec::new();
            assert!(wide.encode(&TIGHT, &mut nothing).is_err(), "written, but not read");
            assert!(nothing.is_empty(), "what cannot be said left something behind");
        }
        (Err(_), Err(_)) => {}
    }
});
