//! Bytes on the wire for fixed states, sealed, as a datagram carries them: what `docs/FIGURES.md` says.

use std::collections::BTreeSet;

use gm_clock::{Incarnation, NetId};
use gm_codec::{
    Body, Channel, Epoch, FrameCodec, Group, Header, Key, Keyring, Limits, Nonce, Part, Payload, split,
};
use gm_data::{Increment, Item, KeyRange, Message, Record, TimedItem, Version};

/// Nine bytes, as in the figures of others.
const GROUP: &str = "Customers";
const CLOCK: u64 = 1_000;

fn member(number: u32) -> NetId {
    NetId::new(std::net::Ipv4Addr::from(0xc0a8_0101 + number).into(), 29_999).expect("an ordinary address")
}

fn item(start: u32, end: u32, port: u16) -> TimedItem {
    let range = KeyRange::new(start, end).expect("in order");
    TimedItem { item: Item::serves(member(0), range, port, 1).expect("a priority"), time: CLOCK }
}

/// A life that began in 2025.
fn life() -> Incarnation {
    Incarnation::new((1_763_000_000 << 16) | 0x1234).expect("in range")
}

fn increment(items: Vec<TimedItem>) -> Payload {
    let span = (CLOCK - 1, CLOCK);
    let increment = Increment::from_parts(member(0), life(), None, span, 0x0123_4567_89ab_cdef, items);
    let parts = vec![Part::Increment(increment.expect("sound"))];
    let body = Body::Group(Group { name: GROUP.parse().expect("a name"), parts });
    Payload { header: Header::new(member(0), 1_000), body }
}

/// (bytes of the payload, bytes of the sealed frame).
fn sizes(payload: &Payload) -> (usize, usize) {
    let mut bytes = Vec::new();
    payload.encode(&Limits::DEFAULT, &mut bytes).expect("sound");
    let keyring = Keyring::new(Key::new([7; 32]));
    let limits = Limits { datagram: 65_507, ..Limits::DEFAULT };
    let mut codec = FrameCodec::new("production".parse().expect("a name"), keyring, limits).expect("sound");
    let nonce = Nonce::from_parts(Epoch::new([1; 8]).expect("not zero"), 1);
    let mut frame = Vec::new();
    codec.seal(&Channel::Datagram, nonce, &bytes, &mut frame).expect("short");
    (bytes.len(), frame.len())
}

/// A linear congruential generator (Knuth's MMIX): the same ranges in every run and language.
fn random_ranges(count: u32) -> Vec<TimedItem> {
    let mut state = 1_u64;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        u32::try_from(state >> 32).expect("32 bits")
    };
    let mut range = || {
        let (a, b) = (next(), next());
        item(a.min(b), a.max(b), 20_000)
    };
    let mut items: Vec<TimedItem> = (0..count).map(|_| range()).collect();
    items.sort_by_key(|timed| timed.item.range());
    items
}

#[test]
fn one_changed_item() {
    // Table 8, header 4, tag 1, name 10, parts 1, head 1, life 7, clock 2, span 1, digest 8, items 1, item 13.
    assert_eq!(sizes(&increment(vec![item(0x8123_4567, 0xf234_5678, 20_000)])), (57, 89), "the figure is 92");
}

#[test]
fn changed_items_together() {
    let clustered = |count: u32| {
        let ranges = (0..count).map(|i| item(0x4000_0000 + i * 1_000, 0x4000_0000 + i * 1_000 + 999, 20_000));
        sizes(&increment(ranges.collect())).1
    };
    // Apart, of other widths; on one port, or on five in turn.
    let apart = |count: u32, ports: u32| {
        let range = |i: u32| {
            let start = 0x4000_0000 + i * 1_000;
            item(start, start + 500 + i * 7 % 300, 20_000 + u16::try_from(i % ports).expect("small"))
        };
        sizes(&increment((0..count).map(range).collect())).1
    };
    let random = |count: u32| sizes(&increment(random_ranges(count))).1;
    assert_eq!([clustered(16), clustered(128)], [101, 98], "6.3 and 0.8 bytes each, thanks to snappy");
    assert_eq!([apart(16, 1), apart(128, 1)], [156, 611], "9.8 and 4.8 bytes each; the figures are 12 and 7");
    assert_eq!([apart(16, 5), apart(128, 5)], [192, 659], "12.0 and 5.1 bytes each");
    assert_eq!([random(100), random(1_000)], [1_071, 9_496], "10.7 and 9.5 bytes each; the figure is 12");
}

#[test]
fn distribution_lists() {
    let list = |count: u32| {
        let far = |i: u32| format!("10.{}.{}.{}:29999", i % 3, i / 200, i % 200 + 1);
        let nodes: BTreeSet<NetId> = (0..count).map(|i| far(i).parse().expect("an address")).collect();
        let empty = increment(vec![item(0, 9, 80)]);
        let header = Header { list: nodes.into_iter().collect(), ..empty.header.clone() };
        sizes(&Payload { header, ..empty.clone() }).0 - sizes(&empty).0
    };
    assert_eq!(
        (list(100), list(1_000)),
        (211, 2_013),
        "2.1 and 2.0 bytes a node where explicit lists are to take 4"
    );
}

#[test]
fn a_state_that_is_split_fits_its_datagrams_and_loses_nothing() {
    let record = |number: u32| {
        let items = if number == 33 { 400 } else { number % 9 };
        let items = random_ranges(items)
            .into_iter()
            .map(|timed| TimedItem { item: Item::interest(member(number), timed.item.range()), ..timed });
        let version = Version::new(life(), false, CLOCK).expect("in range");
        Record::from_parts(member(number), version, None, 0, items).expect("sound")
    };
    let state = Message::from_records(GROUP.parse().expect("a name"), (0..100).map(record));
    let pieces = split(&state, Limits::DEFAULT.room());
    assert_eq!(pieces.too_large, [member(33)], "it alone does not fit");
    let mut again = Message::new(state.name().clone());
    for group in pieces.groups {
        let records = group.parts.iter().map(|part| match part {
            Part::Record(record) => record.clone(),
            Part::Increment(_) => unreachable!("a split state has records only"),
        });
        again.merge(&Message::from_records(group.name.clone(), records)).expect("one group");
        let mut header = Header::new(member(7), u64::MAX);
        header.multicast = Some(u64::MAX);
        assert!(sizes(&Payload { header, body: Body::Group(group) }).1 <= Limits::DEFAULT.datagram);
    }
    again.merge(&state.records_for(pieces.too_large)).expect("one group");
    assert_eq!(again.fingerprint(), state.fingerprint());
}
