//! Fixed states whose sizes on the wire are measured.
#![allow(dead_code)] // Every test uses a part of it.

use gm_clock::{Incarnation, NetId};
use gm_codec::{
    Body, Channel, Epoch, FrameCodec, GroupUpdate, Header, Key, Keyring, Limits, MemberUpdate, Nonce, Payload,
};
use gm_data::{Increment, Item, KeyRange, StampedItem};

/// Nine bytes, as in measurements of other projects.
pub(crate) const GROUP: &str = "Customers";
pub(crate) const CLOCK: u64 = 1_000;

pub(crate) fn member(number: u32) -> NetId {
    NetId::new(std::net::Ipv4Addr::from(0xc0a8_0101 + number).into(), 29_999).expect("an ordinary address")
}

pub(crate) fn item(start: u32, end: u32, port: u16) -> StampedItem {
    let range = KeyRange::new(start, end).expect("in order");
    StampedItem { item: Item::serves(member(0), range, port, 1).expect("a priority"), stamp: CLOCK }
}

/// An incarnation that began in 2025.
pub(crate) fn incarnation() -> Incarnation {
    Incarnation::new((1_763_000_000 << 16) | 0x1234).expect("in range")
}

pub(crate) fn increment(items: Vec<StampedItem>) -> Payload {
    let span = (CLOCK - 1, CLOCK);
    let increment = Increment::from_parts(member(0), incarnation(), None, span, 0x0123_4567_89ab_cdef, items);
    let updates = vec![MemberUpdate::Increment(increment.expect("valid"))];
    let body = Body::GroupUpdate(GroupUpdate { name: GROUP.parse().expect("a name"), updates });
    Payload { header: Header::own_broadcast(member(0), 1_000), body }
}

/// Length of the payload and of the sealed frame.
pub(crate) fn sizes(payload: &Payload) -> (usize, usize) {
    let mut bytes = Vec::new();
    payload.encode(&Limits::DEFAULT, &mut bytes).expect("valid");
    let keyring = Keyring::new(Key::new([7; 32]));
    let limits = Limits { datagram: 65_507, ..Limits::DEFAULT };
    let mut codec = FrameCodec::new("production".parse().expect("a name"), keyring, limits).expect("valid");
    let nonce = Nonce::from_parts(Epoch::new([1; 8]).expect("not zero"), 1);
    let mut frame = Vec::new();
    codec.seal(&Channel::Datagram, nonce, &bytes, &mut frame).expect("short");
    (bytes.len(), frame.len())
}

/// A linear congruential generator (Knuth's MMIX): the same ranges in every run and language.
pub(crate) fn random_ranges(count: u32) -> Vec<StampedItem> {
    let mut state = 1_u64;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        u32::try_from(state >> 32).expect("32 bits")
    };
    let mut range = || {
        let (a, b) = (next(), next());
        item(a.min(b), a.max(b), 20_000)
    };
    let mut items: Vec<StampedItem> = (0..count).map(|_| range()).collect();
    items.sort_by_key(|timed| timed.item.range());
    items
}

/// Adjoining ranges of one width.
pub(crate) fn adjoining(count: u32) -> Vec<StampedItem> {
    (0..count).map(|i| item(0x4000_0000 + i * 1_000, 0x4000_0000 + i * 1_000 + 999, 20_000)).collect()
}

/// Ranges of different widths with small gaps, on this many ports in turn.
pub(crate) fn apart(count: u32, ports: u32) -> Vec<StampedItem> {
    let range = |i: u32| {
        let start = 0x4000_0000 + i * 1_000;
        item(start, start + 500 + i * 7 % 300, 20_000 + u16::try_from(i % ports).expect("small"))
    };
    (0..count).map(range).collect()
}
