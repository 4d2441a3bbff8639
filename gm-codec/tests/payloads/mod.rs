//! Generated payloads: headers and group updates. `bodies.rs` has the other bodies.
#![allow(dead_code)] // Every test uses a part of it.

pub(crate) mod as_json;
pub(crate) mod bodies;
pub(crate) mod malformed;
pub(crate) mod malformed_bodies;
pub(crate) mod samples;

use std::collections::{BTreeMap, BTreeSet};

use gm_clock::{Incarnation, NetId};
use gm_codec::{
    AckRequest, Body, BroadcastHeader, Extension, GroupUpdate, Header, Limits, MemberUpdate, Origin, Payload,
    PayloadError, Routing,
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

/// Small numbers, and any.
pub(crate) fn number() -> impl Strategy<Value = u64> {
    prop_oneof![0..300_u64, any::<u64>()]
}

fn extensions() -> impl Strategy<Value = Vec<Extension>> {
    let some = btree_map(number(), vec(any::<u8>(), 0..9), 1..4);
    let some = some.prop_map(|all| all.into_iter().map(|(kind, bytes)| Extension { kind, bytes }).collect());
    prop_oneof![5 => Just(Vec::new()), 1 => some]
}

prop_compose! {
    fn broadcast()(
        origin in prop::option::of((node(), any::<[u8; 8]>())),
        sequence in number(),
        targets in nodes(),
        ack_request in prop::option::of((any::<u32>(), 0..5_000_u32, any::<bool>(), any::<bool>(), any::<bool>())),
    ) -> Routing {
        let origin = origin.map(|(node, epoch)| Origin { node, epoch });
        let ack_request = ack_request.map(|(long, short, is_long, durable, reassigned)| {
            AckRequest { within_millis: if is_long { long } else { short }, durable, reassigned }
        });
        Routing::Broadcast(BroadcastHeader { origin, sequence, targets, ack_request })
    }
}

prop_compose! {
    fn header(routing: BoxedStrategy<Routing>)(
        sender in node(),
        routing in routing,
        multicast_sequence in prop::option::of(any::<u64>()),
        island in prop::option::of(node()),
        neighbors_gained in nodes(),
        neighbors_lost in nodes(),
        extensions in extensions(),
    ) -> Header {
        Header { sender, routing, multicast_sequence, island, neighbors_gained, neighbors_lost, extensions }
    }
}

type ItemFields = (u8, u16, u16, u64);

fn items() -> impl Strategy<Value = BTreeMap<(u32, u32), ItemFields>> {
    let key = || prop_oneof![4 => 0..40_u32, 1 => any::<u32>(), 1 => Just(u32::MAX)];
    let number = || prop_oneof![3 => 1..3_u16, 1 => 1..=u16::MAX];
    let range = (key(), prop_oneof![3 => 0..4_u32, 1 => any::<u32>()]);
    let range = range.prop_map(|(start, width)| (start, start.saturating_add(width)));
    btree_map(range, (0..3_u8, number(), number(), prop_oneof![3 => 0..4_u64, 1 => any::<u64>()]), 0..12)
}

fn timed(
    member: NetId,
    items: BTreeMap<(u32, u32), ItemFields>,
    oldest: u64,
    clock: u64,
) -> Vec<StampedItem> {
    let item = |((start, end), (op, port, priority, age)): ((u32, u32), ItemFields)| {
        let range = KeyRange::new(start, end).expect("in order");
        let op = [Op::Add, Op::Rmv, Op::Get][usize::from(op)];
        let item = Item::new(member, range, op, port, priority).expect("a priority");
        StampedItem { item, stamp: clock - age % (clock - oldest + 1) }
    };
    items.into_iter().map(item).collect()
}

prop_compose! {
    fn member_update()(
        member in node(),
        incarnation in prop_oneof![1..9_u64, (1 << 46)..(1_u64 << 47)],
        clock in prop_oneof![1..9_u64, 1..(1_u64 << 40)],
        floor in any::<u64>(),
        kind in 0..4_u8,
        opened in prop::option::of((any::<u64>(), any::<u64>())),
        digest in any::<u64>(),
        items in items(),
    ) -> MemberUpdate {
        let to_incarnation = |number: u64| Incarnation::new(number).expect("in range");
        let opened = opened.filter(|_| kind != 1).map(|(from, at)| Predecessor { incarnation: to_incarnation(from % incarnation), clock: at % clock });
        if kind == 2 {
            let since = floor % clock;
            let items = timed(member, items, since + 1, clock);
            let increment = Increment::from_parts(member, to_incarnation(incarnation), opened, (since, clock), digest, items);
            return MemberUpdate::Increment(increment.expect("valid"));
        }
        if kind == 3 {
            let greatest = Version::new(to_incarnation(incarnation), opened.is_some(), clock).expect("in range");
            let least = Version { incarnation: to_incarnation(floor % (incarnation + 1)), forgotten: false, clock: digest % (clock + 1) };
            return MemberUpdate::Eviction(Eviction { member, least, greatest });
        }
        let forgotten = kind == 1;
        let items = if forgotten { Vec::new() } else { timed(member, items, 0, clock) };
        let version = Version::new(to_incarnation(incarnation), forgotten, clock).expect("in range");
        MemberUpdate::Record(Record::from_parts(member, version, opened, floor % (clock + 1), items).expect("valid"))
    }
}

fn group() -> impl Strategy<Value = Body> {
    (bodies::name(), vec(member_update(), 0..6)).prop_map(|(name, updates)| {
        let updates: BTreeMap<NetId, MemberUpdate> =
            updates.into_iter().map(|part| (part.member(), part)).collect();
        Body::GroupUpdate(GroupUpdate { name, updates: updates.into_values().collect() })
    })
}

/// Payloads with any body.
pub(crate) fn payload() -> impl Strategy<Value = Payload> {
    prop_oneof![1 => group(), 2 => bodies::any_other()].prop_flat_map(|body| {
        let direct = Just(Routing::Direct).boxed();
        let kind =
            if body.must_be_direct() { direct } else { prop_oneof![1 => direct, 3 => broadcast()].boxed() };
        header(kind).prop_map(move |header| Payload { header, body: body.clone() })
    })
}

/// The name of the error if the bytes are refused.
pub(crate) fn refused(bytes: &[u8]) -> Option<&'static str> {
    Payload::decode(bytes, &limits()).err().as_ref().map(PayloadError::name)
}

pub(crate) fn encoded(payload: &Payload) -> Vec<u8> {
    let mut bytes = Vec::new();
    payload.encode(&limits(), &mut bytes).expect("a valid payload");
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
