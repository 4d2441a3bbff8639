//! Helpers of the tests: frames assembled by hand, from `docs/WIRE.md` and not with the crate, and
//! files of vectors.

#![allow(clippy::cast_possible_truncation, dead_code, unreachable_pub, missing_docs)]

use std::net::IpAddr;
use std::path::Path;

use gm_codec::{Aead, Channel, ConnectionSide, Epoch, FrameCodec, Key, Keyring, Limits, Nonce, Portable};
use serde_json::{Value, json};

pub const I: [u8; 16] = *b"initiator opens.";
pub const A: [u8; 16] = *b"acceptor answers";

/// Every implementation of the cipher in this build.
pub fn backends() -> Vec<&'static dyn Aead> {
    vec![
        &Portable,
        #[cfg(feature = "ring")]
        &gm_codec::Ring,
    ]
}

pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

pub fn unhex(text: &str) -> Vec<u8> {
    let digit = |at| u8::from_str_radix(&text[at..at + 2], 16).expect("hex");
    (0..text.len()).step_by(2).map(digit).collect()
}

/// A key of given bytes, and its id.
pub fn key(number: u8) -> Key {
    Key::new(secret(number))
}

pub fn secret(number: u8) -> [u8; 32] {
    std::array::from_fn(|at| number.wrapping_mul(31).wrapping_add(at as u8))
}

pub fn epoch(number: u64) -> Epoch {
    Epoch::new(number.to_be_bytes()).expect("not zero")
}

pub fn nonce(counter: u32) -> Nonce {
    Nonce::from_parts(epoch(0x0102_0304_0506_0708), counter)
}

pub fn stream(from: ConnectionSide, number: u64) -> Channel {
    Channel::Stream { initiator: I, acceptor: A, from, number }
}

pub fn codec(keys: &[u8], cluster: &str) -> FrameCodec {
    let mut keys = keys.iter().map(|number| key(*number));
    let keyring = Keyring::new(keys.next().expect("a key"));
    let keyring = keys.fold(keyring, |ring, key| ring.with(key).expect("another key"));
    FrameCodec::new(cluster.parse().expect("a name"), keyring, Limits::default()).expect("in range")
}

pub fn insecure(cluster: &str) -> FrameCodec {
    FrameCodec::insecure(cluster.parse().expect("a name"), Limits::default()).expect("in range")
}

pub fn varint(mut number: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    while number > 127 {
        bytes.push((number % 128) as u8 + 128);
        number /= 128;
    }
    bytes.push(number as u8);
    bytes
}

pub fn associated(header: &[u8], cluster: &str, channel: &Channel) -> Vec<u8> {
    let mut bytes = header.to_vec();
    bytes.push(cluster.len() as u8);
    bytes.extend(cluster.as_bytes());
    match channel {
        Channel::Datagram => bytes.push(0),
        Channel::DatagramTo(node) => {
            match node.ip() {
                IpAddr::V4(ip) => bytes.extend([[3, 4].as_slice(), &ip.octets()].concat()),
                IpAddr::V6(ip) => bytes.extend([[3, 6].as_slice(), &ip.octets()].concat()),
            }
            bytes.extend(node.port().to_be_bytes());
        }
        Channel::Stream { initiator, acceptor, from, number } => {
            bytes.push(if *from == ConnectionSide::Initiator { 1 } else { 2 });
            bytes.extend(initiator);
            bytes.extend(acceptor);
            bytes.extend(number.to_be_bytes());
        }
    }
    bytes
}

/// Incompressible bytes.
pub fn noise(bytes: usize) -> Vec<u8> {
    let mut state = 1_u32;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    };
    (0..bytes).map(|_| next()).collect()
}

/// A sealed frame with any nonce and text, and this second byte.
pub fn forge(second: u8, key: u8, cluster: &str, channel: &Channel, nonce: [u8; 12], text: &[u8]) -> Vec<u8> {
    let mut frame = vec![0x67, second, self::key(key).id()];
    frame.extend(varint(text.len() as u64 + 28));
    let associated = associated(&frame, cluster, channel);
    let mut text = text.to_vec();
    let tag = Portable.seal(&secret(key), &nonce, &associated, &mut text).expect("short");
    frame.extend(nonce);
    frame.extend(text);
    frame.extend(tag);
    frame
}

/// An unsealed frame with any text. The checksum is computed bit by bit.
pub fn unsealed(second: u8, cluster: &str, channel: &Channel, text: &[u8]) -> Vec<u8> {
    let mut frame = vec![0x67, second, 0];
    frame.extend(varint(text.len() as u64 + 4));
    let mut sum = u32::MAX;
    for byte in associated(&frame, cluster, channel).iter().chain(text) {
        sum ^= u32::from(*byte);
        for _ in 0..8 {
            sum = if sum & 1 == 1 { (sum >> 1) ^ 0xedb8_8320 } else { sum >> 1 };
        }
    }
    frame.extend(text);
    frame.extend((!sum).to_be_bytes());
    frame
}

pub fn channel_json(channel: &Channel) -> Value {
    match channel {
        Channel::Datagram => json!("datagram"),
        Channel::DatagramTo(node) => json!({ "to": node.to_string() }),
        Channel::Stream { initiator, acceptor, from, number } => json!({
            "initiator": hex(initiator), "acceptor": hex(acceptor), "number": number.to_string(),
            "from": if *from == ConnectionSide::Initiator { "initiator" } else { "acceptor" },
        }),
    }
}

pub fn channel_of(json: &Value) -> Channel {
    if json == "datagram" {
        return Channel::Datagram;
    }
    if let Some(node) = json["to"].as_str() {
        return Channel::DatagramTo(node.parse().expect("a node"));
    }
    let bytes = |name: &str| unhex(json[name].as_str().expect("hex")).try_into().expect("16 bytes");
    let from = if json["from"] == "initiator" { ConnectionSide::Initiator } else { ConnectionSide::Acceptor };
    let number = json["number"].as_str().expect("a text").parse().expect("a number");
    Channel::Stream { initiator: bytes("initiator"), acceptor: bytes("acceptor"), from, number }
}

/// Compares with the file of this name, or writes it if `GM_VECTORS=write`. Returns the committed
/// vectors.
pub fn committed(name: &str, note: &str, vectors: Vec<Value>) -> Vec<Value> {
    let lines: Vec<String> = vectors.iter().map(|vector| format!("    {vector}")).collect();
    let made =
        format!("{{\n  \"note\": {},\n  \"vectors\": [\n{}\n  ]\n}}\n", json!(note), lines.join(",\n"));
    let file: Value = serde_json::from_str(&vector_file(name, &made)).expect("they are JSON");
    let old = file["vectors"].as_array().expect("a list").clone();
    for (at, (old, new)) in old.iter().zip(&vectors).enumerate() {
        assert_eq!(old, new, "{name}, vector {at}: if the change is intended, run `cargo xtask vectors`");
    }
    assert_eq!(old.len(), vectors.len(), "{name}");
    old
}

/// The text of the file of vectors with this name, which is `made` if `GM_VECTORS=write`. The
/// folder is that of the crate, or the one with the crate's name below `GM_VECTORS_DIR`.
pub fn vector_file(name: &str, made: &str) -> String {
    let folder = match std::env::var_os("GM_VECTORS_DIR") {
        Some(folder) => Path::new(&folder).join(env!("CARGO_PKG_NAME")),
        None => Path::new(env!("CARGO_MANIFEST_DIR")).join("vectors"),
    };
    let path = folder.join(format!("{name}.json"));
    if std::env::var_os("GM_VECTORS").is_some_and(|what| what == "write") {
        std::fs::create_dir_all(&folder).expect("the folder can be created");
        std::fs::write(&path, made).expect("the folder can be written to");
    }
    std::fs::read_to_string(&path).expect("the vectors are there")
}
