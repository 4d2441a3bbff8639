//! The payload vectors: generated, compared with the committed file, and decoded again; and
//! malformed payloads with the names of their errors. `cargo xtask vectors` writes the file
//! instead.

mod common;
mod payloads;

use gm_codec::Payload;
use payloads::as_json::{NOTE, as_json};
use payloads::malformed::{self, DIRECT, START, TWO};
use payloads::malformed_bodies;
use payloads::{encoded, hex, limits, payload, refused, samples, unhex};
use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use serde_json::{Value, json};

/// Number of generated payloads in the file.
const GENERATED: usize = 400;
/// Minimum number of payloads of each tag.
const OF_EACH: usize = 20;

/// The encoding of a valid payload, which must decode to the same value.
fn bytes_of(payload: &Payload) -> Vec<u8> {
    let bytes = encoded(payload);
    assert_eq!(Payload::decode(&bytes, &limits()).as_ref(), Ok(payload));
    bytes
}

fn by_hand() -> impl Iterator<Item = Value> {
    samples::samples().into_iter().map(|(what, payload)| {
        json!({ "what": what, "bytes": hex(&bytes_of(&payload)), "payload": as_json(&payload) })
    })
}

fn generated() -> Vec<Value> {
    let seed = TestRng::from_seed(RngAlgorithm::ChaCha, &[11; 32]);
    let mut runner = TestRunner::new_with_rng(Config::default(), seed);
    let (mut vectors, mut tags) = (Vec::new(), [0; 13]);
    while vectors.len() < GENERATED {
        let payload = payload().new_tree(&mut runner).expect("the strategy yields a value").current();
        let bytes = bytes_of(&payload);
        if bytes.len() <= 200 {
            vectors.push(json!({ "bytes": hex(&bytes), "payload": as_json(&payload) }));
            tags[usize::try_from(payload.body.tag()).expect("a small number")] += 1;
        }
    }
    assert!(tags[1..].iter().all(|count| *count >= OF_EACH), "{tags:?}");
    vectors
}

/// Malformed payloads: description, bytes, name of the error.
fn malformed() -> Vec<(String, Vec<u8>, &'static str)> {
    let tables = [
        malformed::MALFORMED,
        malformed::PRECEDENCE,
        malformed::HEADERS,
        malformed_bodies::OF_MULTICAST,
        malformed_bodies::OF_SYNC,
        malformed_bodies::OF_MEMBERS,
    ];
    let row = |(what, text, name): &(&str, &str, &'static str)| {
        let (start, rest) = match text.split_at_checked(1) {
            Some(("=", rest)) => ("", rest),
            Some((">", rest)) => (DIRECT, rest),
            Some(("&", rest)) => (TWO, rest),
            _ => (START, *text),
        };
        ((*what).to_owned(), [unhex(start), unhex(rest)].concat(), *name)
    };
    let mut all: Vec<_> = tables.into_iter().flatten().map(row).collect();
    // Too long for the tables: 1,000 bytes in one extension, 25 in another.
    let extensions = |left: usize| {
        let head = unhex("02 828080a001 752f 8402 00 02 00 e807");
        [head, vec![0; 1_000], unhex("01 19"), vec![0; left]].concat()
    };
    all.push(("sections of 1,025 bytes together".to_owned(), extensions(25), "TooMany"));
    all.push(("sections of 1,025 bytes together, and too few bytes".to_owned(), extensions(24), "Truncated"));
    all
}

fn malformed_values() -> Vec<Value> {
    let malformed = malformed();
    let other = |(_, bytes, name): &&(String, Vec<u8>, &str)| refused(bytes) != Some(*name);
    let result = |(what, bytes, _): &(String, Vec<u8>, &str)| format!("{what}: {:?}", refused(bytes));
    let others: Vec<String> = malformed.iter().filter(other).map(result).collect();
    assert!(others.is_empty(), "{others:#?}");
    let vector = |(what, bytes, name): &(String, Vec<u8>, &str)| json!({ "what": what, "bytes": hex(bytes), "error": name });
    malformed.iter().map(vector).collect()
}

#[test]
fn prefixes_of_malformed_payloads_are_valid() {
    for (start, rest) in [(START, "01 01 47 00"), (DIRECT, "03"), (TWO, "0c 01 47 01 02")] {
        assert_eq!(refused(&unhex(&format!("{start} {rest}"))), None, "{start}");
    }
}

#[test]
fn codec_matches_the_vectors() {
    let lists = [("payloads", by_hand().chain(generated()).collect()), ("malformed", malformed_values())];
    let mut text = format!("{{\n  \"note\": {}", json!(NOTE));
    for (list, vectors) in &lists {
        let lines: Vec<String> = vectors.iter().map(|vector: &Value| format!("    {vector}")).collect();
        text += &format!(",\n  \"{list}\": [\n{}\n  ]", lines.join(",\n"));
    }
    text += "\n}\n";
    assert!(
        common::vector_file("payloads", &text) == text,
        "the vectors differ: if the change is intended, run `cargo xtask vectors`"
    );
}

/// The trace covers every byte exactly once and reports the same error.
#[test]
fn traced_decoding_matches_decoding() {
    let valid = samples::samples().into_iter().map(|(what, payload)| (what.to_owned(), encoded(&payload)));
    for (what, bytes) in valid.chain(malformed().into_iter().map(|(what, bytes, _)| (what, bytes))) {
        let mut read = 0;
        let traced = Payload::decode_traced(&bytes, &limits(), &mut |field| {
            assert_eq!(field.at, read, "{what}: {field:?}");
            read += field.len;
        });
        match (traced, Payload::decode(&bytes, &limits())) {
            (Ok(payload), Ok(same)) => {
                assert_eq!((payload, read), (same, bytes.len()), "{what}");
            }
            (Err(fault), Err(same)) => {
                assert_eq!(fault.error, same, "{what}");
                assert!(fault.at <= read && read <= bytes.len(), "{what}: {fault}");
            }
            (traced, decoded) => panic!("{what}: {traced:?} and {decoded:?}"),
        }
    }
}
