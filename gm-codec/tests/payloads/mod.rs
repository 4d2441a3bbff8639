//! Generated payloads: the header and the state of groups. The other bodies are in `bodies.rs`.
#![allow(dead_code)] // Every test uses a part of it.

pub(crate) mod bodies;
pub(crate) mod malformed;
pub(crate) mod malformed_bodies;
pub(crate) mod meaning;
pub(crate) mod shapes;

use std::collections::{BTreeMap, BTreeSet};

use gm_clock::{Incarnation, NetId};
use gm_codec::{
    Body, Broadcast, Group, Header, Kind, Limits, Origin, Part, Payload, PayloadError, Receipts, Section,
};
use gm_data::{Eviction, Increment, Item, KeyRange, Op, Predecessor, Record, StampedItem, Version};
use proptest::collection::{btree_map, btree_set, vec};
use proptest::prelude::*;

pub(crate) fn limits() -> Limits {
    Limits::default()
}

/// Nodes of both families, close together and far apart.
pub(crate) fn node() -> impl Strategy<Value = NetId> {
    prop_oneof![
        6 => (1..9_u8, 0..3_u16).prop_map(|(host, port)| format!("10.0.0.{host}:{}", 29_999 + port)),
        1 => (1..u32::MAX, 1..=u16::MAX).prop_map(|(ip, port)| format!("{}:{port}", std::net::Ipv4Addr::from(ip))),
        3 => (1..9_u8, 0..2_u16).prop_map(|(host, port)| format!("[2001:db8::{host}]:{}", 29_999 + port)),
        1 => (1..u128::MAX, 1..=u16::MAX).prop_map(|(ip, port)| format!("[{}]:{port}", std::net::Ipv6Addr::from(ip))),
    ]
    .prop_filter_map("an address of a node", |text| text.parse().ok())
}

pub(crate) fn nodes() -> impl Strategy<Value = Vec<NetId>> {
    prop_oneof![2 => Just(Vec::new()), 1 => btree_set(node(), 0..6).prop_map(BTreeSet::into_iter).prop_map(Iterator::collect)]
}

/// Small ones, and any.
pub(crate) fn number() -> impl Strategy<Value = u64> {
    prop_oneof![0..300_u64, any::<u64>()]
}

fn sections() -> impl Strategy<Value = Vec<Section>> {
    let some = btree_map(number(), vec(any::<u8>(), 0..9), 1..4);
    let some = some.prop_map(|all| all.into_iter().map(|(kind, bytes)| Section { kind, bytes }).collect());
    prop_oneof![5 => Just(Vec::new()), 1 => some]
}

prop_compose! {
    fn broadcast()(
        origin in prop::option::of((node(), any::<[u8; 8]>())),
        sequence in number(),
        list in nodes(),
        receipts in prop::option::of((any::<u32>(), 0..5_000_u32, any::<bool>(), any::<bool>(), any::<bool>())),
    ) -> Kind {
        let origin = origin.map(|(node, epoch)| Origin { node, epoch });
        let receipts = receipts.map(|(long, short, is_long, durable, again)| {
            Receipts { within_millis: if is_long { long } else { short }, durable, again }
        });
        Kind::Broadcast(Broadcast { origin, sequence, list, receipts })
    }
}

prop_compose! {
    fn header(kind: BoxedStrategy<Kind>)(
        sender in node(),
        kind in kind,
        multicast in prop::option::of(any::<u64>()),
        island in prop::option::of(node()),
        heard in nodes(),
        lost in nodes(),
        sections in sections(),
    ) -> Header {
        Header { sender, kind, multicast, island, heard, lost, sections }
    }
}

type Said = (u8, u16, u16, u64);

fn items() -> impl Strategy<Value = BTreeMap<(u32, u32), Said>> {
    let key = || prop_oneof![4 => 0..40_u32, 1 => any::<u32>(), 1 => Just(u32::MAX)];
    let number = || prop_oneof![3 => 1..3_u16, 1 => 1..=u16::MAX];
    let range = (key(), prop_oneof![3 => 0..4_u32, 1 => any::<u32>()]);
    let range = range.prop_map(|(start, width)| (start, start.saturating_add(width)));
    btree_map(range, (0..3_u8, number(), number(), prop_oneof![3 => 0..4_u64, 1 => any::<u64>()]), 0..12)
}

fn timed(member: NetId, items: BTreeMap<(u32, u32), Said>, oldest: u64, clock: u64) -> Vec<StampedItem> {
    let item = |((start, end), (op, port, priority, age)): ((u32, u32), Said)| {
        let range = KeyRange::new(start, end).expect("in order");
        let op = [Op::Add, Op::Rmv, Op::Get][usize::from(op)];
        let item = Item::new(member, range, op, port, priority).expect("a priority");
        StampedItem { item, stamp: clock - age % (clock - oldest + 1) }
    };
    items.into_iter().map(item).collect()
}

prop_compose! {
    fn part()(
        member in node(),
        incarnation in prop_oneof![1..9_u64, (1 << 46)..(1_u64 << 47)],
        clock in prop_oneof![1..9_u64, 1..(1_u64 << 40)],
        floor in any::<u64>(),
        kind in 0..4_u8,
        opened in prop::option::of((any::<u64>(), any::<u64>())),
        digest in any::<u64>(),
        items in items(),
    ) -> Part {
        let life = |number: u64| Incarnation::new(number).expect("in range");
        let opened = opened.filter(|_| kind != 1).map(|(from, at)| Predecessor { incarnation: life(from % incarnation), clock: at % clock });
        if kind == 2 {
            let since = floor % clock;
            let items = timed(member, items, since + 1, clock);
            let increment = Increment::from_parts(member, life(incarnation), opened, (since, clock), digest, items);
            return Part::Increment(increment.expect("sound"));
        }
        if kind == 3 {
            let greatest = Version::new(life(incarnation), opened.is_some(), clock).expect("in range");
            let least = Version { incarnation: life(floor % (incarnation + 1)), forgotten: false, clock: digest % (clock + 1) };
            return Part::Eviction(Eviction { member, least, greatest });
        }
        let gone = kind == 1;
        let items = if gone { Vec::new() } else { timed(member, items, 0, clock) };
        let version = Version::new(life(incarnation), gone, clock).expect("in range");
        Part::Record(Record::from_parts(member, version, opened, floor % (clock + 1), items).expect("sound"))
    }
}

fn group() -> impl Strategy<Value = Body> {
    (bodies::name(), vec(part(), 0..6)).prop_map(|(name, parts)| {
        let parts: BTreeMap<NetId, Part> = parts.into_iter().map(|part| (part.member(), part)).collect();
        Body::Group(Group { name, parts: parts.into_values().collect() })
    })
}

/// Of all bodies.
pub(crate) fn payload() -> impl Strategy<Value = Payload> {
    prop_oneof![1 => group(), 2 => bodies::any_other()].prop_flat_map(|body| {
        let direct = Just(Kind::Direct).boxed();
        let kind =
            if body.must_be_direct() { direct } else { prop_oneof![1 => direct, 3 => broadcast()].boxed() };
        header(kind).prop_map(move |header| Payload { header, body: body.clone() })
    })
}

/// What is refused, by the name of its error; nothing of what is not.
pub(crate) fn refused(bytes: &[u8]) -> Option<&'static str> {
    Payload::decode(bytes, &limits()).err().as_ref().map(PayloadError::name)
}

pub(crate) fn encoded(payload: &Payload) -> Vec<u8> {
    let mut bytes = Vec::new();
    payload.encode(&limits(), &mut bytes).expect("a sound payload");
    bytes
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

pub(crate) fn unhex(text: &str) -> Vec<u8> {
    let digits: Vec<char> = text.chars().filter(|digit| !digit.is_whitespace()).collect();
    let pairs = digits.chunks(2).map(|pair| pair.iter().collect::<String>());
    pairs.map(|pair| u8::from_str_radix(&pair, 16).expect("hex digits")).collect()
}
