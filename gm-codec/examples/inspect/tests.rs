//! Output for valid frames, invalid frames and invalid payloads.

use gm_codec::{
    Body, Channel, Epoch, FrameCodec, Header, Key, Keyring, Limits, Nonce, Payload, RecordRequests,
};

use crate::{Options, frame, keyring, lines, unhex};

fn payload() -> Vec<u8> {
    let node = |text: &str| text.parse().expect("a node");
    let requests = vec![(node("10.0.0.1:29999"), None), (node("[2001:db8::1]:29999"), None)];
    let body = Body::RecordRequests(RecordRequests { name: "G".parse().expect("a name"), requests });
    let payload = Payload { header: Header::direct(node("10.0.0.1:29999")), body };
    let mut bytes = Vec::new();
    payload.encode(&Limits::DEFAULT, &mut bytes).expect("valid");
    bytes
}

fn codec(sealed: bool) -> FrameCodec {
    let cluster = "production".parse().expect("a name");
    if sealed {
        FrameCodec::new(cluster, Keyring::new(Key::new([7; 32])), Limits::DEFAULT).expect("in range")
    } else {
        FrameCodec::insecure(cluster, Limits::DEFAULT).expect("in range")
    }
}

fn seal(codec: &mut FrameCodec, payload: &[u8]) -> Vec<u8> {
    let nonce = Nonce::from_parts(Epoch::new(*b"an epoch").expect("not zero"), 258);
    let mut bytes = Vec::new();
    codec.seal(&Channel::Datagram, nonce, payload, &mut bytes).expect("short");
    bytes
}

/// The output, and whether frame and payload were valid.
fn printed(codec: &FrameCodec, bytes: &[u8]) -> (String, bool) {
    let mut out = String::new();
    let is_valid = frame::print(codec, bytes, &mut out);
    (out, is_valid)
}

/// Offset of each field line, and its name and value.
fn rows(text: &str) -> Vec<(usize, String)> {
    let row = |line: &str| {
        let (at, rest) = line.trim_start().split_once("  ")?;
        let rest = rest.split_whitespace().collect::<Vec<_>>().join(" ");
        Some((at.parse().ok()?, rest))
    };
    text.lines().filter_map(row).collect()
}

#[test]
fn a_good_frame() {
    for sealed in [true, false] {
        let mut codec = codec(sealed);
        let bytes = seal(&mut codec, &payload());
        let (text, is_valid) = printed(&codec, &bytes);
        assert!(is_valid, "{text}");
        let rows: Vec<String> = rows(&text).into_iter().map(|(at, row)| format!("{at} {row}")).collect();
        let frame: &[&str] = if sealed {
            &[
                "0 67 magic g",
                "1 01 version and flags version 0, sealed",
                "4 616e2065706f6368 epoch",
                "12 00000102 counter 258",
            ]
        } else {
            &["0 67 magic g", "1 00 version and flags version 0, not sealed", "2 00 key id 00"]
        };
        for row in frame.iter().chain(&[
            "0 03 count 1 IPv4 entries, and IPv6 entries",
            "1 01 count6 1",
            "2 828080a001 entry 0: 10.0.0.1, port follows",
            "7 752f port 29999",
            "9 01 entry 1: 0 octets shared, port 29999, as before",
            "10 20010db8000000000000000000000001 octets 20010db8000000000000000000000001, after",
            "26 04 flags 4: direct",
            "27 00 sender 10.0.0.1:29999, entry 0",
            "28 0c tag 12, record requests",
            "30 47 name \"G\"",
            "31 02 requests 2",
            "33 00 request the whole record of [2001:db8::1]:29999, entry 1",
        ]) {
            assert!(rows.iter().any(|printed| printed == row), "{row} in {text}");
        }
    }
}

#[test]
fn bad_frames() {
    let mut codec = codec(true);
    let good = seal(&mut codec, &payload());
    let mut forged = good.clone();
    forged[20] ^= 1;
    let mut other_magic = good.clone();
    other_magic[0] = 0x68;
    let mut longer = good.clone();
    longer.push(0);
    let unsealed = seal(&mut self::codec(false), &payload());
    for (bytes, at, name, fields) in [
        (&forged, good.len() - 16, "NotAuthentic", 8),
        (&other_magic, 0, "BadMagic", 1),
        (&longer, good.len(), "TrailingBytes", 8),
        (&good[..30].to_vec(), 30, "Truncated", 6),
        (&unsealed, 1, "NotSealed", 2),
        (&Vec::new(), 0, "Truncated", 0),
    ] {
        let (text, is_valid) = printed(&codec, bytes);
        let rows = rows(&text);
        assert!(!is_valid, "{text}");
        assert_eq!(rows.len(), fields + 1, "{text}");
        let (last, why) = rows.last().expect("a line");
        assert!(*last == at && why.starts_with(&format!("{name}: ")), "{name} at {at}: {text}");
    }
}

#[test]
fn bad_payloads_in_good_frames() {
    let mut codec = codec(true);
    for (hex, at, name, before) in [
        // An unknown tag; a member that is not in the table; an unused entry; a distance with a
        // byte too many.
        ("02 828080a001 752f 04 00 3f", 10, "UnknownTag", "tag 63, unknown"),
        (
            "02 828080a001 752f 04 00 0c 01 47 01 02",
            14,
            "NoSuchEntry",
            "the whole record of entry 1, not in the table",
        ),
        ("04 828080a001 752f 03 04 00 03", 8, "UnusedEntry", "tag 3, header only"),
        ("02 828080a001 752f 04 00 0c 01 47 01 8000", 14, "OverLong", "requests 1"),
    ] {
        let bytes = seal(&mut codec, &unhex(hex).expect("hex"));
        let (text, is_valid) = printed(&codec, &bytes);
        let rows = rows(&text);
        assert!(!is_valid, "{text}");
        let [.., (_, field), (last, why)] = rows.as_slice() else { panic!("{text}") };
        assert!(*last == at && why.starts_with(&format!("{name}: ")), "{name} at {at}: {text}");
        assert!(field.ends_with(before), "{before} in {text}");
    }
}

#[test]
fn a_bare_payload() {
    let mut out = String::new();
    assert!(lines::print_payload(&payload(), &Limits::DEFAULT, &mut out), "{out}");
    assert!(!lines::print_payload(&payload()[..5], &Limits::DEFAULT, &mut out), "{out}");
    assert!(out.ends_with("Truncated: the payload ends early, at byte 5\n"), "{out}");
}

#[test]
fn options_and_keys() {
    let parse = |text: &str| Options::parse(text.split_whitespace().map(str::to_owned));
    let options = parse("--unsealed --cluster production --hex").expect("known");
    assert!(options.unsealed && options.hex && options.cluster.as_deref() == Some("production"));
    for wrong in ["--key-file", "--other", "--unsealed --key-file K"] {
        assert!(parse(wrong).is_err(), "{wrong}");
    }
    assert!(keyring(&format!("{}\n\n{}\n", "07".repeat(32), "08".repeat(32))).is_ok());
    for wrong in ["", "07", &"0g".repeat(32)] {
        assert!(keyring(wrong).is_err(), "{wrong}");
    }
}
