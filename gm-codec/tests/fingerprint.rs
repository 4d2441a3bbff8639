//! Checksum over the encodings of thousands of generated payloads: any change of the wire
//! format changes it.
//!
//! It shows that the encoding changed, but not where; the other vectors show that. It also changes
//! if the generated payloads change, by `tests/payloads` or by another version of proptest. `cargo
//! xtask vectors` writes it.

mod common;
mod payloads;

use payloads::{limits, payload};
use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use serde_json::json;

const COUNT: usize = 5_000;

#[test]
fn generated_encodings_match_the_committed_hash() {
    let seed = TestRng::from_seed(RngAlgorithm::ChaCha, &[11; 32]);
    let mut runner = TestRunner::new_with_rng(Config::default(), seed);
    let strategy = payload();
    let (mut sum, mut total, mut bytes) = (crc32fast::Hasher::new(), 0, Vec::new());
    for _ in 0..COUNT {
        let payload = strategy.new_tree(&mut runner).expect("the strategy yields a value").current();
        bytes.clear();
        payload.encode(&limits(), &mut bytes).expect("a valid payload");
        sum.update(&bytes);
        total += bytes.len();
    }
    let note = "The encodings of so many generated payloads, one after the other: how many bytes, and their hash, a number in hex \
                that zlib's crc32 gives. The payloads come from the crate's own tests: no other implementation can make them.";
    let vector = json!({
        "payloads": COUNT, "bytes": total, "hash": "CRC-32 (IEEE 802.3)", "value": format!("{:08x}", sum.finalize()),
    });
    common::committed("fingerprint", note, vec![vector]);
}
