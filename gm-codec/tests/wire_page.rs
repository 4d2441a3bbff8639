//! `docs/WIRE.md` agrees with the code: the worked frame, every error name, every default limit.

#![allow(clippy::cast_possible_truncation)]

mod common;

use common::hex;
use gm_codec::{Channel, Epoch, FrameCodec, Key, Keyring, Limits, Nonce};

const PAGE: &str = include_str!("../../docs/WIRE.md");

#[test]
fn worked_frame_matches_the_page() {
    let secret = std::array::from_fn(|at| at as u8);
    let cluster = "production".parse().expect("a name");
    let codec = FrameCodec::new(cluster, Keyring::new(Key::new(secret)), Limits::default());
    let epoch = Epoch::new([1, 2, 3, 4, 5, 6, 7, 8]).expect("not zero");
    let mut frame = Vec::new();
    let mut codec = codec.expect("in range");
    codec.seal(&Channel::Datagram, Nonce::from_parts(epoch, 1), b"hello", &mut frame).expect("short");
    let associated = common::associated(&frame[..4], "production", &Channel::Datagram);
    for (at, part) in [(0..1), (1..2), (2..3), (3..4), (4..12), (12..16), (16..21), (21..37), (0..37)]
        .into_iter()
        .map(|range| (range.clone(), hex(&frame[range])))
    {
        assert!(PAGE.contains(&format!("`{part}`")), "bytes {at:?}: {part}");
    }
    assert!(PAGE.contains(&format!("`{}`", hex(&associated))), "{}", hex(&associated));
}

#[test]
fn every_error_and_limit_is_on_the_page() {
    let frame_errors = variants(include_str!("../src/frame_error.rs"), "pub enum FrameError");
    let payload_errors = variants(include_str!("../src/payload/error.rs"), "pub enum PayloadError");
    assert_eq!((frame_errors.len(), payload_errors.len()), (18, 19), "{frame_errors:?} {payload_errors:?}");
    // Variants that wrap an error of another crate or of an application get their names from
    // `PayloadError::name`.
    let named = |name: &'static str| match name {
        "NetId(#[from] NetIdError)" => "BadNetId",
        "Name(#[from] NameError)" => "BadName",
        "Record(#[from] RecordError)" => "BadRecord",
        "BadApplicationName" => "BadName",
        name => name,
    };
    let names: Vec<&str> = frame_errors.into_iter().chain(payload_errors.into_iter().map(named)).collect();
    for name in names.into_iter().chain(["OverLong", "Exhausted", "Full", "Duplicate", "HandshakeEchoed"]) {
        assert!(PAGE.contains(&format!("`{name}`")), "{name}");
    }
    let Limits { frame, datagram, payload, compress_above, replay_epochs, nodes, items } = Limits::DEFAULT;
    for (name, value) in [
        ("frame", frame),
        ("datagram", datagram),
        ("payload", payload),
        ("compress_above", compress_above),
        ("replay_epochs", replay_epochs),
        ("nodes", nodes),
        ("items", items),
    ] {
        assert!(PAGE.contains(&format!("| `{name}` | {value} |")), "{name} {value}");
    }
}

/// The variants of an error type, from its source.
fn variants(source: &'static str, of: &str) -> Vec<&'static str> {
    let (_, variants) = source.split_once(of).expect("it is there");
    let lines = variants.split_once("\n}").expect("it ends").0.lines();
    lines
        .filter_map(|line| line.strip_prefix("    "))
        .filter(|line| line.starts_with(char::is_uppercase))
        .map(|line| line.trim_end_matches([',', '{', ' ']))
        .collect()
}
