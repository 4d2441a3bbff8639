//! `docs/WIRE.md` agrees with the code: the worked payload, field by field, and its frame.

#![allow(clippy::cast_possible_truncation)]

mod common;

use common::{hex, unhex};
use gm_clock::{Incarnation, NetId};
use gm_codec::{
    Body, Channel, Epoch, FrameCodec, GroupUpdate, Header, Key, Keyring, Limits, MemberUpdate, Nonce, Payload,
};
use gm_data::{Increment, Item, KeyRange, Record, StampedItem, Version};

const PAGE: &str = include_str!("../../docs/WIRE.md");

/// The only item of a member at clock 7, in the first increment of its incarnation.
fn payload() -> Payload {
    let member: NetId = "10.0.0.1:29999".parse().expect("an address");
    let incarnation = Incarnation::new((1_763_000_000 << 16) | 0x1234).expect("in range");
    let range = KeyRange::new(1_000, 1_999).expect("in order");
    let items = [StampedItem { item: Item::serves(member, range, 8_080, 1).expect("a priority"), stamp: 7 }];
    let record =
        Record::from_parts(member, Version::new(incarnation, false, 7).expect("in range"), None, 0, items);
    let digest = record.expect("valid").digest();
    let increment = Increment::from_parts(member, incarnation, None, (6, 7), digest, items).expect("valid");
    let group = GroupUpdate {
        name: "Customers".parse().expect("a name"),
        updates: vec![MemberUpdate::Increment(increment)],
    };
    Payload { header: Header::own_broadcast(member, 3), body: Body::GroupUpdate(group) }
}

fn section() -> &'static str {
    let (_, section) = PAGE.split_once("\n### One payload\n").expect("the section is there");
    section.split("\n#").next().unwrap_or_default()
}

/// The rows of the section's table: offset and bytes.
fn rows() -> Vec<(usize, Vec<u8>)> {
    let cells = |line: &'static str| line.strip_prefix("| ")?.split_once(" | `");
    let row = |(offset, rest): (&str, &str)| {
        let (bytes, _) = rest.split_once("` | ")?;
        Some((offset.parse().ok()?, unhex(bytes)))
    };
    section().lines().filter_map(cells).filter_map(row).collect()
}

#[test]
fn worked_payload_matches_the_page() {
    let mut bytes = Vec::new();
    payload().encode(&Limits::DEFAULT, &mut bytes).expect("valid");
    let mut at = 0;
    for (offset, row) in rows() {
        assert_eq!(offset, at, "{}", hex(&row));
        assert_eq!(hex(&row), hex(&bytes[at..][..row.len()]), "at {at} of {}", hex(&bytes));
        at += row.len();
    }
    assert_eq!(at, bytes.len(), "{}", hex(&bytes));
    assert_eq!(Payload::decode(&bytes, &Limits::DEFAULT), Ok(payload()));
    assert!(section().contains(&format!("`{}`", hex(&bytes))), "{}", hex(&bytes));
}

#[test]
fn frame_of_the_worked_payload_matches_the_page() {
    let mut bytes = Vec::new();
    payload().encode(&Limits::DEFAULT, &mut bytes).expect("valid");
    let keyring = Keyring::new(Key::new(std::array::from_fn(|at| at as u8)));
    let mut codec =
        FrameCodec::new("production".parse().expect("a name"), keyring, Limits::DEFAULT).expect("in range");
    let epoch = Epoch::new([1, 2, 3, 4, 5, 6, 7, 8]).expect("not zero");
    let mut frame = Vec::new();
    codec.seal(&Channel::Datagram, Nonce::from_parts(epoch, 2), &bytes, &mut frame).expect("short");
    assert!(section().contains(&format!("`{}`", hex(&frame))), "{}", hex(&frame));
    assert!(section().contains(&format!("{} bytes", frame.len())), "{}", frame.len());
}
