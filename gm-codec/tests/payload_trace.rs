//! The trace of a payload: each number with several meanings, in words.

mod payloads;

use gm_clock::Incarnation;
use gm_codec::{AckRequest, Body, GroupUpdate, Header, KnownVersion, MemberUpdate, Payload, Versions};
use gm_data::{Eviction, Item, KeyRange, Op, Predecessor, Record, StampedItem, Version};
use payloads::samples::{broadcast, direct, name, v4};
use payloads::{encoded, limits};

/// The traced values of the fields with this name.
fn traced(payload: &Payload, name: &str) -> Vec<String> {
    let mut values = Vec::new();
    let read = Payload::decode_traced(&encoded(payload), &limits(), &mut |field| {
        if field.name == name {
            values.push(field.value);
        }
    });
    assert_eq!(read.as_ref(), Ok(payload));
    values
}

fn incarnation(number: u64) -> Incarnation {
    Incarnation::new(number).expect("in range")
}

#[test]
fn ack_requests() {
    for (durable, reassigned, words) in [
        (false, false, "within 2500 ms"),
        (true, false, "within 2500 ms, on disk"),
        (false, true, "within 2500 ms, reassigned"),
        (true, true, "within 2500 ms, on disk, reassigned"),
    ] {
        let ack_request = AckRequest { within_millis: 2_500, durable, reassigned };
        let header: Header = broadcast(|broadcast| broadcast.ack_request = Some(ack_request));
        assert_eq!(traced(&Payload { header, body: Body::HeaderOnly }, "ack_request"), [words]);
    }
}

#[test]
fn versions() {
    let version = |forgotten| Version { incarnation: incarnation(1), forgotten, clock: 2 };
    let known = |forgotten| Some(KnownVersion { version: version(forgotten), digest: None });
    let versions = vec![(v4(1), known(false)), (v4(2), known(true)), (v4(4), None)];
    let body = Body::Versions(Versions { name: name("G"), digests: false, buckets: None, versions });
    assert_eq!(
        traced(&direct(body), "version"),
        [
            "a living record of 10.0.0.1:29999, entry 0",
            "a forgotten record of 10.0.0.2:29999, entry 1",
            "no record of 10.0.0.4:29999, entry 2",
        ]
    );
}

fn update(member: u8, forgotten: bool, opened: bool, items: Vec<StampedItem>) -> MemberUpdate {
    let version = Version::new(incarnation(5), forgotten, 9).expect("in range");
    let opened = opened.then(|| Predecessor { incarnation: incarnation(3), clock: 4 });
    MemberUpdate::Record(Record::from_parts(v4(member), version, opened, 0, items).expect("valid"))
}

#[test]
fn member_updates() {
    let updates =
        vec![update(1, false, false, vec![]), update(2, false, true, vec![]), update(3, true, false, vec![])];
    let payload = direct(Body::GroupUpdate(GroupUpdate { name: name("G"), updates }));
    assert_eq!(
        traced(&payload, "update"),
        [
            "record of 10.0.0.1:29999, entry 0",
            "record, opened of 10.0.0.2:29999, entry 1",
            "record of a forgotten member of 10.0.0.3:29999, entry 2",
        ]
    );
    assert_eq!(traced(&payload, "opened.incarnation"), ["3"]);
    assert_eq!(traced(&payload, "opened.clock"), ["4"]);
}

#[test]
fn items() {
    let item = |start, end, op, port, time| {
        let range = KeyRange::new(start, end).expect("in order");
        StampedItem { item: Item::new(v4(1), range, op, port, 100).expect("a priority"), stamp: time }
    };
    let items = vec![
        item(10, 19, Op::Add, 80, 7),
        item(20, 29, Op::Add, 80, 7),
        item(40, 49, Op::Rmv, 80, 6),
        item(50, 50, Op::Get, 81, 6),
    ];
    let payload = direct(Body::GroupUpdate(GroupUpdate {
        name: name("G"),
        updates: vec![update(1, false, false, items)],
    }));
    assert_eq!(
        traced(&payload, "item"),
        [
            "add",
            "add, adjoins, same width, same port, same priority, same age",
            "rmv, same width, same port, same priority",
            "get, adjoins, same priority, same age",
        ]
    );
    assert_eq!(traced(&payload, "start"), ["10", "40"]);
}

#[test]
fn evictions() {
    let eviction = |member, forgotten| {
        let greatest = Version { incarnation: incarnation(5), forgotten, clock: 9 };
        let least = Version { incarnation: incarnation(3), forgotten: !forgotten, clock: 4 };
        MemberUpdate::Eviction(Eviction { member: v4(member), least, greatest })
    };
    let updates = vec![eviction(2, false), eviction(3, true)];
    let payload = direct(Body::GroupUpdate(GroupUpdate { name: name("G"), updates }));
    assert_eq!(
        traced(&payload, "update"),
        [
            "eviction of 10.0.0.2:29999, entry 1",
            "eviction up to a forgotten record of 10.0.0.3:29999, entry 2",
        ]
    );
    assert_eq!(traced(&payload, "least.incarnation"), ["3", "3"]);
    assert_eq!(traced(&payload, "least.clock"), ["4, of a forgotten record", "4"]);
}
