//! The vectors of frames and keyrings: generated from their description, compared with the
//! committed files, and decoded again.

#![allow(clippy::cast_possible_truncation)]

mod common;

use common::{
    channel_json, channel_of, codec, committed, forge, hex, insecure, key, noise, nonce, secret, stream,
    unhex, unsealed,
};
use gm_codec::{
    Channel, ConnectionSide, FrameCodec, FrameError, Key, Keyring, KeyringError, Limits, Nonce, varint,
};
use serde_json::{Value, json};

struct Frames(Vec<Value>);

impl Frames {
    fn json(what: &str, keys: &[u8], cluster: &str, channel: &Channel, frame: &[u8]) -> Value {
        let keys: Vec<_> = keys.iter().map(|number| hex(&secret(*number))).collect();
        json!({ "what": what, "keys": keys, "cluster": cluster, "channel": channel_json(channel), "frame": hex(frame) })
    }

    fn bad(&mut self, what: &str, (keys, channel): (&[u8], &Channel), frame: &[u8], error: &str) {
        let mut vector = Self::json(what, keys, "production", channel, frame);
        vector["error"] = json!(error);
        self.0.push(vector);
    }

    /// A frame that the crate makes; it must equal the one assembled by hand.
    fn good(
        &mut self,
        what: &str,
        (keys, cluster, channel): (&[u8], &str, Channel),
        counter: u32,
        payload: &[u8],
    ) {
        let mut frame = Vec::new();
        let mut codec = if keys.is_empty() { insecure(cluster) } else { codec(keys, cluster) };
        codec.seal(&channel, nonce(counter), payload, &mut frame).expect("within the limits");
        let compressed = frame[1] & 2 != 0;
        let block;
        let text = if compressed {
            block = snap(payload);
            &block
        } else {
            payload
        };
        let by_hand = match keys.first() {
            Some(first) => forge(1 | frame[1] & 2, *first, cluster, &channel, nonce(counter).bytes(), text),
            None => unsealed(frame[1] & 2, cluster, &channel, text),
        };
        assert_eq!(hex(&frame), hex(&by_hand), "{what}");
        let mut vector = Self::json(what, keys, cluster, &channel, &frame);
        vector["payload"] = json!(hex(payload));
        vector["exact"] = json!(if compressed { "decode" } else { "both" });
        if !keys.is_empty() {
            vector["epoch"] = json!(nonce(counter).epoch().to_string());
            vector["counter"] = json!(counter);
        }
        self.0.push(vector);
    }
}

/// The block of an unsealed frame with this payload.
fn snap(payload: &[u8]) -> Vec<u8> {
    let mut frame = Vec::new();
    insecure("c").seal(&Channel::Datagram, nonce(0), payload, &mut frame).expect("within the limits");
    let header = 3 + varint::read(&frame[3..]).expect("a length").1;
    frame[header..frame.len() - 4].to_vec()
}

fn good_frames(frames: &mut Frames) {
    let long = "x".repeat(64);
    let of = |from, number| stream(from, number);
    for bytes in [0, 1, 5, 99, 100, 127, 128, 129, 300] {
        frames.good("incompressible", (&[1], "production", Channel::Datagram), bytes as u32, &noise(bytes));
    }
    for bytes in [128, 129, 200, 900, 1_150] {
        frames.good(
            "one byte again and again",
            (&[1], "production", Channel::Datagram),
            7,
            &vec![b'a'; bytes],
        );
    }
    for cluster in ["c", "ügyfelek", &long] {
        for channel in [Channel::Datagram, of(ConnectionSide::Initiator, 0), of(ConnectionSide::Acceptor, 0)]
        {
            frames.good("clusters and channels", (&[1], cluster, channel), 1, b"payload");
            frames.good("clusters and channels, unsealed", (&[], cluster, channel), 1, b"payload");
        }
    }
    for node in ["10.0.0.2:29999", "255.255.255.254:65535", "[2001:db8::2]:29999"] {
        let to = Channel::DatagramTo(node.parse().expect("a node"));
        frames.good("to one node", (&[1], "production", to), 3, b"payload");
        frames.good("to one node, unsealed", (&[], "production", to), 3, b"payload");
    }
    for number in [1, 255, 256, u64::MAX] {
        frames.good(
            "later on a stream",
            (&[1], "production", of(ConnectionSide::Acceptor, number)),
            2,
            b"payload",
        );
    }
    for counter in [0, 255, 256, u32::MAX] {
        frames.good("counters", (&[2], "production", Channel::Datagram), counter, b"payload");
    }
    frames.good("unsealed, empty", (&[], "production", Channel::Datagram), 0, b"");
    frames.good("unsealed, compressed", (&[], "production", Channel::Datagram), 0, &[7; 500]);
}

fn bad_headers(frames: &mut Frames) {
    let udp = Channel::Datagram;
    let valid = forge(1, 1, "production", &udp, nonce(9).bytes(), b"payload");
    let id = valid[2];
    let mut bad = |what: &str, bytes: &[u8], error: &str| frames.bad(what, (&[1], &udp), bytes, error);
    bad("no bytes", &[], "Truncated");
    for bytes in 1..valid.len() {
        bad("cut", &valid[..bytes], "Truncated");
    }
    bad("two frames in a datagram", &[valid.as_slice(), &valid].concat(), "TrailingBytes");
    bad("one byte more", &[valid.as_slice(), &[0]].concat(), "TrailingBytes");
    for byte in [0, 0x66, 0x47, 0xff] {
        bad("another magic, at the first byte", &[byte], "BadMagic");
    }
    for second in [0x11, 0x21, 0xf1, 0x10] {
        bad("another version", &[0x67, second, id, 0x23], "UnknownVersion");
    }
    for second in [0x04, 0x05, 0x08, 0x0f] {
        bad("another flag", &[0x67, second, id, 0x23], "UnknownFlags");
    }
    bad("unsealed, and a key id", &[0x67, 0, 1, 4], "KeyIdOfUnsealed");
    bad("a length of two bytes for 35", &[0x67, 1, id, 0xa3, 0x00], "LengthOverLong");
    bad("a length of 70 bits", &[&[0x67, 1, id], [0xff; 9].as_slice(), &[0x7f]].concat(), "LengthTooLarge");
    bad("a frame of 16 MiB and 1 byte", &[0x67, 1, id, 0xfa, 0xff, 0xff, 0x07], "TooLong");
    bad("a frame of 16 MiB, cut", &[0x67, 1, id, 0xf9, 0xff, 0xff, 0x07], "Truncated");
    bad("a frame of 2^64 bytes", &[&[0x67, 1, id], [0xff; 9].as_slice(), &[1]].concat(), "TooLong");
    for len in [0, 27] {
        bad("no room for nonce and tag", &[0x67, 1, id, len], "TooShort");
    }
    bad("unsealed, no room for the checksum", &[0x67, 0, 0, 3], "TooShort");
    bad("unsealed, where sealed is wanted", &unsealed(0, "production", &udp, b"payload"), "NotSealed");
    bad("the key id of no key", &forge(1, 2, "production", &udp, nonce(9).bytes(), b"payload"), "UnknownKey");
    frames.bad("sealed, and we have no keys", (&[], &udp), &valid, "UnknownKey");
}

/// The first frame of each side of a connection must be short; later ones, and datagrams, need not
/// be.
fn first_frames(frames: &mut Frames) {
    let sides = [ConnectionSide::Initiator, ConnectionSide::Acceptor];
    for (side, number) in sides.into_iter().flat_map(|side| [(side, 0), (side, 1)]) {
        let there = stream(side, number);
        let id = key(1).id();
        // 4,091 bytes follow a header of 5.
        let error = if number == 0 { "TooLong" } else { "Truncated" };
        frames.bad("4,097 bytes, cut", (&[1], &there), &[0x67, 1, id, 0xfc, 0x1f], error);
        frames.bad("4,096 bytes, cut", (&[1], &there), &[0x67, 1, id, 0xfb, 0x1f], "Truncated");
        frames.bad("unsealed, 4,097 bytes, cut", (&[], &there), &[0x67, 0, 0, 0xfc, 0x1f], error);
    }
    let (udp, id) = (Channel::Datagram, key(1).id());
    frames.bad("a datagram of 4,097 bytes, cut", (&[1], &udp), &[0x67, 1, id, 0xfc, 0x1f], "Truncated");
    let first = (&[1][..], "production", stream(ConnectionSide::Acceptor, 0));
    frames.good("the longest first frame", first, 4, &noise(4_096 - 5 - 28));
}

fn bad_addressees(frames: &mut Frames) {
    let to = |node: &str| Channel::DatagramTo(node.parse().expect("a node"));
    let udp = Channel::Datagram;
    let sealed = |channel: &Channel| forge(1, 1, "production", channel, nonce(9).bytes(), b"payload");
    let bob = to("10.0.0.2:29999");
    frames.bad("to all, and opened as if to one", (&[1], &bob), &sealed(&udp), "NotAuthentic");
    frames.bad("to one, and opened as if to all", (&[1], &udp), &sealed(&bob), "NotAuthentic");
    for other in ["10.0.0.3:29999", "10.0.0.2:29998", "[2001:db8::2]:29999"] {
        frames.bad("to another node", (&[1], &to(other)), &sealed(&bob), "NotAuthentic");
    }
}

fn bad_insides(frames: &mut Frames) {
    let udp = Channel::Datagram;
    let (mine, after) = (stream(ConnectionSide::Initiator, 5), stream(ConnectionSide::Initiator, 6));
    let sealed = |channel: &Channel| forge(1, 1, "production", channel, nonce(9).bytes(), b"payload");
    frames.bad(
        "reserved epoch",
        (&[1], &udp),
        &forge(1, 1, "production", &udp, [0; 12], b"x"),
        "ReservedEpoch",
    );
    let mut nonce_of_zeros_but_one = [0; 12];
    nonce_of_zeros_but_one[11] = 1;
    let reserved = forge(1, 1, "production", &udp, nonce_of_zeros_but_one, b"x");
    frames.bad("reserved epoch, later counter", (&[1], &udp), &reserved, "ReservedEpoch");
    let other = forge(1, 1, "Production", &udp, nonce(9).bytes(), b"payload");
    frames.bad("another cluster", (&[1], &udp), &other, "NotAuthentic");
    let other = unsealed(0, "Production", &udp, b"payload");
    frames.bad("another cluster, unsealed", (&[], &udp), &other, "BadChecksum");
    frames.bad("from UDP to TCP", (&[1], &mine), &sealed(&udp), "NotAuthentic");
    frames.bad("from TCP to UDP", (&[1], &udp), &sealed(&mine), "NotAuthentic");
    frames.bad("sent back", (&[1], &stream(ConnectionSide::Acceptor, 5)), &sealed(&mine), "NotAuthentic");
    frames.bad("sent again", (&[1], &after), &sealed(&mine), "NotAuthentic");
    frames.bad("one left out", (&[1], &mine), &sealed(&after), "NotAuthentic");
    let elsewhere = Channel::Stream {
        initiator: common::A,
        acceptor: common::I,
        from: ConnectionSide::Initiator,
        number: 5,
    };
    frames.bad("another connection", (&[1], &elsewhere), &sealed(&mine), "NotAuthentic");
    let valid = sealed(&udp);
    for at in [2, 4, 11, 12, 15, 16, 22, 23, valid.len() - 1] {
        let mut flipped = valid.clone();
        flipped[at] ^= 1;
        frames.bad(
            "a flipped bit",
            (&[1], &udp),
            &flipped,
            if at == 2 { "UnknownKey" } else { "NotAuthentic" },
        );
    }
    bad_compressions(frames, valid);
}

fn bad_compressions(frames: &mut Frames, valid: Vec<u8>) {
    let udp = Channel::Datagram;
    let text = |flags, text: &[u8]| forge(flags, 1, "production", &udp, nonce(9).bytes(), text);
    // Only the flag: the header is authenticated, so nothing is decompressed.
    let mut flagged = valid.clone();
    flagged[1] |= 2;
    frames.bad("the flag of compression set on the way", (&[1], &udp), &flagged, "NotAuthentic");

    for (what, block, error) in [
        ("compressed, no block", vec![], "BadCompression"),
        ("compressed, a length cut short", vec![0x80], "BadCompression"),
        ("compressed, a length with a zero too many", vec![0x80, 0x00, 0x00], "BadCompression"),
        ("compressed, 16 MiB and 1 byte announced", vec![0x81, 0x80, 0x80, 0x08, 0, 0], "PayloadTooLong"),
        ("compressed, 2^64 - 1 announced", [vec![0xff; 9], vec![1]].concat(), "PayloadTooLong"),
        (
            "compressed, more announced than snappy can make",
            vec![0x80, 0x80, 0x80, 0x08, 0, 0],
            "BadCompression",
        ),
        ("compressed to its own size", vec![0x03, 0x04, b'a'], "NotSmaller"),
        ("compressed, empty", vec![0x00], "NotSmaller"),
        ("compressed, a literal longer than the block", vec![0x10, 0xf0, 0x20, b'a'], "BadCompression"),
        (
            "compressed, a copy from before the start",
            vec![0x10, 0x00, b'a', 0x3a, 0x09, 0x00],
            "BadCompression",
        ),
        ("compressed, less made than announced", vec![0x20, 0x00, b'a', 0x3a, 0x01, 0x00], "BadCompression"),
        ("compressed, more made than announced", vec![0x07, 0x00, b'a', 0x3a, 0x01, 0x00], "BadCompression"),
    ] {
        frames.bad(what, (&[1], &udp), &text(3, &block), error);
        let mut frame = unsealed(2, "production", &udp, &block);
        frames.bad(&format!("{what}, unsealed"), (&[], &udp), &frame, error);
        *frame.last_mut().expect("some bytes") ^= 1;
        frames.bad(&format!("{what}, unsealed, wrong sum"), (&[], &udp), &frame, "BadChecksum");
    }
}

fn reader(vector: &Value) -> FrameCodec {
    let secrets = vector["keys"].as_array().expect("a list");
    let mut keys = secrets
        .iter()
        .map(|secret| Key::new(unhex(secret.as_str().expect("hex")).try_into().expect("32 bytes")));
    let cluster = vector["cluster"].as_str().expect("a name").parse().expect("a good name");
    match keys.next() {
        None => FrameCodec::insecure(cluster, Limits::default()),
        Some(first) => {
            let ring = keys.fold(Keyring::new(first), |ring, key| ring.with(key).expect("another"));
            FrameCodec::new(cluster, ring, Limits::default())
        }
    }
    .expect("in range")
}

#[test]
fn frames() {
    let mut frames = Frames(Vec::new());
    good_frames(&mut frames);
    bad_headers(&mut frames);
    first_frames(&mut frames);
    bad_insides(&mut frames);
    bad_addressees(&mut frames);
    let note = "A frame, the keys (the first seals) and the cluster of its reader and where the reader meets it; then the payload, \
                or the error. No keys: a reader of unsealed frames. `exact`: whether the frame is exact to decode only, because it \
                is compressed, or to encode too. All with the default limits.";
    let vectors = committed("frames", note, frames.0);
    assert!(vectors.len() >= 100, "{} vectors", vectors.len());
    for vector in vectors {
        let channel = channel_of(&vector["channel"]);
        let frame = unhex(vector["frame"].as_str().expect("hex"));
        for aead in common::backends() {
            let mut codec = reader(&vector).with_aead(aead);
            let (mut copy, mut scratch) = (frame.clone(), Vec::new());
            match (codec.open(&channel, &mut copy, &mut scratch), vector["error"].as_str()) {
                (Ok(opened), None) => {
                    assert_eq!(hex(opened.payload), vector["payload"], "{vector}");
                    assert_eq!(opened.compressed, vector["exact"] == "decode", "{vector}");
                    let nonce = match opened.seal {
                        Some(seal) => {
                            assert_eq!(
                                (json!(seal.epoch.to_string()), json!(seal.counter)),
                                (vector["epoch"].clone(), vector["counter"].clone())
                            );
                            assert_eq!(seal.key_id, frame[2]);
                            Nonce::from_parts(seal.epoch, seal.counter)
                        }
                        None => nonce(0),
                    };
                    let mut again = b"before".to_vec();
                    codec.seal(&channel, nonce, opened.payload, &mut again).expect("within the limits");
                    assert_eq!(hex(&again[6..]), hex(&frame), "{aead:?} {vector}");
                }
                (Err(error), Some(name)) => assert_eq!(error.name(), name, "{aead:?} {vector}"),
                (actual, _) => panic!("{aead:?} {vector}: {actual:?}"),
            }
        }
    }
}

/// Two keys with the same id and small numbers, found by trying; the vectors contain them.
fn keys_with_equal_ids() -> (u8, u8) {
    let pairs = (1..=255_u8).flat_map(|one| (1..one).map(move |other| (other, one)));
    pairs.into_iter().find(|(one, other)| key(*one).id() == key(*other).id()).expect("255 keys, 256 ids")
}

#[test]
fn keyring() {
    let (one, twin) = keys_with_equal_ids();
    let mut vectors: Vec<Value> =
        (0..12).map(|number| json!({ "key": hex(&secret(number)), "id": key(number).id() })).collect();
    for bytes in [[0; 32], [0xff; 32]] {
        vectors.push(json!({ "key": hex(&bytes), "id": Key::new(bytes).id() }));
    }
    let udp = Channel::Datagram;
    let frame = |number| forge(1, number, "production", &udp, nonce(1).bytes(), b"payload");
    let mut case = |what: &str, keys: &[u8], frame: &[u8], error: Option<&str>| {
        let mut vector = Frames::json(what, keys, "production", &udp, frame);
        let end = error.map_or(("payload", hex(b"payload")), |error| ("error", error.to_owned()));
        vector[end.0] = json!(end.1);
        vectors.push(vector);
    };
    case("the key that seals", &[1, 2, 3], &frame(1), None);
    case("the last of three", &[1, 2, 3], &frame(3), None);
    case("a key that was dropped", &[2, 3], &frame(1), Some("UnknownKey"));
    case("two keys of one id, the first", &[one, twin], &frame(one), None);
    case("two keys of one id, the second", &[one, twin], &frame(twin), None);
    case("two keys of one id with one between", &[one, 100, twin], &frame(twin), None);
    case("another key of that id", &[twin], &frame(one), Some("NotAuthentic"));
    let sixteen: Vec<u8> = (1..=16).collect();
    case("the last of sixteen", &sixteen, &frame(16), None);
    let seventeen: Vec<u8> = (1..=17).collect();
    case("seventeen keys", &seventeen, &frame(1), Some("Full"));
    case("a key twice", &[1, 2, 1], &frame(1), Some("Duplicate"));

    let note = "Key ids; then keyrings (the first key seals), with a frame and what it gives, or the error of the keyring itself.";
    for vector in committed("keyring", note, vectors) {
        let Some(keys) = vector["keys"].as_array() else {
            let key: [u8; 32] = unhex(vector["key"].as_str().expect("hex")).try_into().expect("32 bytes");
            for aead in common::backends() {
                let tag = aead.seal(&key, &[0; 12], b"gm key id", &mut []).expect("short");
                assert_eq!(
                    (json!(Key::new(key).id()), json!(tag[0])),
                    (vector["id"].clone(), vector["id"].clone())
                );
            }
            continue;
        };
        let keys = keys.iter().map(|hex| Key::new(unhex(hex.as_str().expect("hex")).try_into().expect("32")));
        let mut keys = keys.collect::<Vec<_>>().into_iter();
        let first = Keyring::new(keys.next().expect("one"));
        let actual = match keys.try_fold(first, Keyring::with) {
            Err(error @ (KeyringError::Full | KeyringError::Duplicate { .. })) => Err(error.name()),
            Ok(_) => {
                for aead in common::backends() {
                    let mut frame = unhex(vector["frame"].as_str().expect("hex"));
                    let mut scratch = Vec::new();
                    let opened =
                        reader(&vector).with_aead(aead).open(&udp, &mut frame, &mut scratch).map(|_| ());
                    assert_eq!(opened.err().map(FrameError::name), vector["error"].as_str(), "{vector}");
                }
                Ok(())
            }
        };
        if actual.is_err() || ["Full", "Duplicate"].iter().any(|name| vector["error"] == **name) {
            assert_eq!(actual.err(), vector["error"].as_str(), "{vector}");
        }
    }
}
