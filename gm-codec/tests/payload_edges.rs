//! Payloads at the edges of what can be said: twice the same, exactly as many as the limits allow and one more, rooms to the byte.

mod payloads;

use gm_clock::{Incarnation, NetId};
use gm_codec::{
    Answer, Body, BroadcastId, Buckets, Gaps, Group, Header, Island, Limits, Missed, Parent, Part, Payload,
    PayloadError, Peers, Receipt, Requests, Split, Sum, Versions, split,
};
use gm_data::{GroupState, Increment, Item, KeyRange, Record, StampedItem, Version};
use payloads::limits;
use payloads::shapes::{direct, name, v4, v6};

/// The name of the error when it is written; it must be as it was then.
fn unsaid(payload: &Payload, limits: &Limits) -> Option<PayloadError> {
    let mut out = vec![7];
    let error = payload.encode(limits, &mut out).err()?;
    assert_eq!(out, [7], "{error}");
    Some(error)
}

fn life(number: u64) -> Incarnation {
    Incarnation::new(number).expect("in range")
}

/// A living record with so many items, each of one key.
fn record(member: NetId, items: u32) -> Record {
    let version = Version::new(life(1), false, 9).expect("in range");
    let item = |key| Item::serves(member, KeyRange::single(3 * key), 80, 1).expect("a priority");
    Record::from_parts(
        member,
        version,
        None,
        0,
        (0..items).map(|key| StampedItem { item: item(key), stamp: 0 }),
    )
    .expect("sound")
}

fn increment(member: NetId, items: u32) -> Increment {
    let item = |key| Item::serves(member, KeyRange::single(3 * key), 80, 1).expect("a priority");
    let items = (0..items).map(|key| StampedItem { item: item(key), stamp: 9 });
    Increment::from_parts(member, life(1), None, (8, 9), 7, items).expect("sound")
}

fn group(parts: Vec<Part>) -> Payload {
    direct(Body::Group(Group { name: name("g"), parts }))
}

/// A list has each of its things once: the same one a second time is as wrong as one in the wrong place.
#[test]
fn nothing_is_said_twice() {
    let about = BroadcastId { origin: v4(1), epoch: [1; 8], sequence: 1 };
    let sum = Sum { missing: 99, names: vec![v4(2), v4(2)], ..Sum::default() };
    let missed = |node| Missed { node, epoch: [1; 8], runs: vec![(1, 1)] };
    let island = |label| Island { label, nodes: Vec::new() };
    let part = || Part::Record(record(v4(2), 0));
    let versions = |buckets, versions| Versions { name: name("G"), digests: false, buckets, versions };
    let bodies = [
        Body::Receipt(Receipt { about, answer: Answer::Sum(sum) }),
        Body::Gaps(Gaps { nodes: vec![missed(v4(2)), missed(v4(2))] }),
        Body::Peers(Peers { islands: vec![island(v4(2)), island(v4(2))], ..Peers::default() }),
        Body::Peers(Peers { others: vec![v4(2), v4(2)], ..Peers::default() }),
        Body::Peers(Peers {
            islands: vec![Island { label: v4(3), nodes: vec![v4(2), v4(2)] }],
            ..Peers::default()
        }),
        Body::Group(Group { name: name("G"), parts: vec![part(), part()] }),
        Body::Versions(versions(None, vec![(v4(2), None), (v4(2), None)])),
        Body::Versions(versions(Some((1, vec![2, 2])), vec![])),
        Body::Requests(Requests { name: name("G"), requests: vec![(v4(2), None), (v4(2), None)] }),
        Body::Buckets(Buckets {
            name: name("G"),
            level: 1,
            parents: vec![
                Parent { index: 2, children: [None; 16] },
                Parent { index: 2, children: [None; 16] },
            ],
        }),
    ];
    for body in bodies {
        let payload = direct(body);
        let error = unsaid(&payload, &limits());
        assert!(matches!(error, Some(PayloadError::Unsorted { .. })), "{error:?}: {payload:?}");
    }
}

#[test]
fn parts_of_a_group_are_in_the_order_of_their_members() {
    let parts = |members: [NetId; 2]| members.map(|member| Part::Record(record(member, 0))).to_vec();
    assert_eq!(unsaid(&group(parts([v4(2), v6(1)])), &limits()), None);
    assert_eq!(
        unsaid(&group(parts([v6(1), v4(2)])), &limits()),
        Some(PayloadError::Unsorted { what: "parts" })
    );
}

/// As many items as the limits allow, in one part or in two, and one more: written and read.
#[test]
fn items_of_all_parts_are_counted_together() {
    let exact = Limits { items: 5, ..limits() };
    let one_less = Limits { items: 4, ..limits() };
    for parts in [
        vec![Part::Record(record(v4(2), 5))],
        vec![Part::Increment(increment(v4(2), 5))],
        vec![Part::Record(record(v4(2), 2)), Part::Increment(increment(v4(3), 3))],
        vec![Part::Increment(increment(v4(2), 4)), Part::Record(record(v4(3), 1))],
    ] {
        let payload = group(parts);
        let mut bytes = Vec::new();
        payload.encode(&exact, &mut bytes).expect("as many as may be");
        assert_eq!(Payload::decode(&bytes, &exact).as_ref(), Ok(&payload));
        let refused = Some(PayloadError::TooMany { what: "items", count: 5, most: 4 });
        assert_eq!(unsaid(&payload, &one_less), refused);
        // A reader counts no further than to the first that is too many.
        assert_eq!(Payload::decode(&bytes, &one_less).err(), refused);
    }
}

/// As many nodes as the limits allow, of each family and of both, and one more.
#[test]
fn a_table_has_as_many_entries_as_the_limits_allow() {
    let all = [v4(1), v4(2), v4(3), v6(1), v6(2), v6(3)];
    for (from, to) in [(0, 3), (3, 6), (1, 5), (2, 6), (0, 6)] {
        let nodes: Vec<NetId> = all.into_iter().skip(from).take(to - from).collect();
        let header = Header { heard: nodes.clone(), ..Header::direct(nodes[0]) };
        let payload = Payload { header, body: Body::Notice };
        let mut bytes = Vec::new();
        payload.encode(&limits(), &mut bytes).expect("it can be said");
        let exact = Limits { nodes: nodes.len(), ..limits() };
        assert_eq!(Payload::decode(&bytes, &exact).as_ref(), Ok(&payload));
        for most in 1..nodes.len() {
            let error = Payload::decode(&bytes, &Limits { nodes: most, ..limits() }).err();
            assert!(
                matches!(error, Some(PayloadError::TooMany { what: "table", most: said, .. }) if said == most as u64),
                "{error:?}: {most} of {nodes:?}"
            );
        }
    }
}

fn pieces(members: &[(NetId, u32)], room: usize) -> Split {
    let records = members.iter().map(|(member, items)| record(*member, *items));
    let state = GroupState::from_records(name("g"), records);
    split(&state, room)
}

/// Counts of the table, the sender's entry, flags, the sender's position, sequence and multicast, receipts, the tag, the name and
/// its length, the number of parts: the most that each takes.
const BESIDES: usize = (3 + 3) + 19 + 2 + 3 + (10 + 10) + 5 + 1 + (2 + 1) + 3;
/// Head, life, clock, floor, how many items; and what the head takes more if its member is far from the one before.
const EMPTY: usize = 5 + 4;
/// A record without items and its member's entry in the table.
const OF_V4: usize = EMPTY + 7;
const OF_V6: usize = EMPTY + 19;

/// To the byte: with the room for a record it is there, with one byte less it goes by TCP.
#[test]
fn a_record_has_its_room_to_the_byte() {
    // The first item is its head, the start, the port, the age; each other one adjoins nothing, and is its head and the start.
    for (member, items, bytes) in
        [(v4(2), 0, OF_V4), (v6(2), 0, OF_V6), (v4(2), 1, OF_V4 + 5), (v4(2), 3, OF_V4 + 5 + 2 * 2)]
    {
        let whole = pieces(&[(member, items)], BESIDES + bytes);
        assert!(whole.too_large.is_empty() && whole.groups.len() == 1, "{member} {items}: {whole:?}");
        let none = pieces(&[(member, items)], BESIDES + bytes - 1);
        assert_eq!((none.groups.len(), none.too_large), (0, vec![member]), "{member} {items}");
    }
}

/// Records go into one piece until the next one has no room.
#[test]
fn a_piece_is_as_full_as_can_be() {
    let members = [(v4(1), 0), (v4(2), 0), (v4(3), 0), (v6(1), 0), (v6(2), 0)];
    let sizes = |room: usize| -> Vec<usize> {
        let split = pieces(&members, BESIDES + room);
        assert!(split.too_large.is_empty());
        split.groups.iter().map(|group| group.parts.len()).collect()
    };
    let all = 3 * OF_V4 + 2 * OF_V6;
    let rows: [(usize, &[usize]); 9] = [
        (all, &[5]),
        (all - 1, &[4, 1]),
        (3 * OF_V4 + OF_V6, &[4, 1]),
        (3 * OF_V4 + OF_V6 - 1, &[3, 2]),
        (2 * OF_V6, &[3, 2]),
        (2 * OF_V6 - 1, &[3, 1, 1]),
        (3 * OF_V4, &[3, 1, 1]),
        (3 * OF_V4 - 1, &[2, 2, 1]),
        (OF_V4 + OF_V6 - 1, &[2, 1, 1, 1]),
    ];
    for (room, expected) in rows {
        assert_eq!(sizes(room), expected, "{room} bytes besides");
    }
}
