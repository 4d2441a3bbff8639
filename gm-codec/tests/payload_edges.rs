//! Payloads at the edges of the format: duplicates, exactly as many elements as the limits allow
//! and one more, datagrams filled to the byte.

mod payloads;

use gm_clock::{Incarnation, NetId};
use gm_codec::{
    Ack, AckStatus, AckSummary, Body, BroadcastId, Buckets, GroupUpdate, Header, Limits, MemberUpdate,
    MissedMulticasts, Nack, ParentBucket, Payload, PayloadError, PeerExchange, PeerIsland, RecordRequests,
    SplitState, Versions, split_state,
};
use gm_data::{GroupState, Increment, Item, KeyRange, Record, StampedItem, Version};
use payloads::limits;
use payloads::samples::{direct, name, v4, v6};

/// The error of encoding; the output buffer must be unchanged then.
fn encode_error(payload: &Payload, limits: &Limits) -> Option<PayloadError> {
    let mut out = vec![7];
    let error = payload.encode(limits, &mut out).err()?;
    assert_eq!(out, [7], "{error}");
    Some(error)
}

fn incarnation(number: u64) -> Incarnation {
    Incarnation::new(number).expect("in range")
}

/// A living record with this many items of one key each.
fn record(member: NetId, items: u32) -> Record {
    let version = Version::new(incarnation(1), false, 9).expect("in range");
    let item = |key| Item::serves(member, KeyRange::single(3 * key), 80, 1).expect("a priority");
    Record::from_parts(
        member,
        version,
        None,
        0,
        (0..items).map(|key| StampedItem { item: item(key), stamp: 0 }),
    )
    .expect("valid")
}

fn increment(member: NetId, items: u32) -> Increment {
    let item = |key| Item::serves(member, KeyRange::single(3 * key), 80, 1).expect("a priority");
    let items = (0..items).map(|key| StampedItem { item: item(key), stamp: 9 });
    Increment::from_parts(member, incarnation(1), None, (8, 9), 7, items).expect("valid")
}

fn group(updates: Vec<MemberUpdate>) -> Payload {
    direct(Body::GroupUpdate(GroupUpdate { name: name("g"), updates }))
}

/// A list must not contain an element twice; a duplicate is refused like a wrong order.
#[test]
fn duplicates_are_refused() {
    let broadcast = BroadcastId { origin: v4(1), epoch: [1; 8], sequence: 1 };
    let sum = AckSummary { missing: 99, missing_sample: vec![v4(2), v4(2)], ..AckSummary::default() };
    let missed = |node| MissedMulticasts { node, epoch: [1; 8], runs: vec![(1, 1)] };
    let island = |id| PeerIsland { id, nodes: Vec::new() };
    let update = || MemberUpdate::Record(record(v4(2), 0));
    let versions = |buckets, versions| Versions { name: name("G"), digests: false, buckets, versions };
    let bodies = [
        Body::Ack(Ack { broadcast, status: AckStatus::Summary(sum) }),
        Body::Nack(Nack { missed: vec![missed(v4(2)), missed(v4(2))] }),
        Body::PeerExchange(PeerExchange {
            islands: vec![island(v4(2)), island(v4(2))],
            ..PeerExchange::default()
        }),
        Body::PeerExchange(PeerExchange { without_island: vec![v4(2), v4(2)], ..PeerExchange::default() }),
        Body::PeerExchange(PeerExchange {
            islands: vec![PeerIsland { id: v4(3), nodes: vec![v4(2), v4(2)] }],
            ..PeerExchange::default()
        }),
        Body::GroupUpdate(GroupUpdate { name: name("G"), updates: vec![update(), update()] }),
        Body::Versions(versions(None, vec![(v4(2), None), (v4(2), None)])),
        Body::Versions(versions(Some((1, vec![2, 2])), vec![])),
        Body::RecordRequests(RecordRequests {
            name: name("G"),
            requests: vec![(v4(2), None), (v4(2), None)],
        }),
        Body::Buckets(Buckets {
            name: name("G"),
            level: 1,
            parents: vec![
                ParentBucket { index: 2, children: [None; 16] },
                ParentBucket { index: 2, children: [None; 16] },
            ],
        }),
    ];
    for body in bodies {
        let payload = direct(body);
        let error = encode_error(&payload, &limits());
        assert!(matches!(error, Some(PayloadError::Unsorted { .. })), "{error:?}: {payload:?}");
    }
}

#[test]
fn group_updates_are_sorted_by_member() {
    let updates =
        |members: [NetId; 2]| members.map(|member| MemberUpdate::Record(record(member, 0))).to_vec();
    assert_eq!(encode_error(&group(updates([v4(2), v6(1)])), &limits()), None);
    assert_eq!(
        encode_error(&group(updates([v6(1), v4(2)])), &limits()),
        Some(PayloadError::Unsorted { what: "updates" })
    );
}

/// Exactly as many items as the limit allows, in one update or in two, and one more: encoded and
/// decoded.
#[test]
fn item_limit_spans_all_members() {
    let exact = Limits { items: 5, ..limits() };
    let one_less = Limits { items: 4, ..limits() };
    for updates in [
        vec![MemberUpdate::Record(record(v4(2), 5))],
        vec![MemberUpdate::Increment(increment(v4(2), 5))],
        vec![MemberUpdate::Record(record(v4(2), 2)), MemberUpdate::Increment(increment(v4(3), 3))],
        vec![MemberUpdate::Increment(increment(v4(2), 4)), MemberUpdate::Record(record(v4(3), 1))],
    ] {
        let payload = group(updates);
        let mut bytes = Vec::new();
        payload.encode(&exact, &mut bytes).expect("as many as the limit allows");
        assert_eq!(Payload::decode(&bytes, &exact).as_ref(), Ok(&payload));
        let refused = Some(PayloadError::TooMany { what: "items", count: 5, max: 4 });
        assert_eq!(encode_error(&payload, &one_less), refused);
        // A decoder counts only up to the first element above the limit.
        assert_eq!(Payload::decode(&bytes, &one_less).err(), refused);
    }
}

/// Exactly as many nodes as the limit allows, of each family and of both, and one more.
#[test]
fn table_size_is_limited() {
    let all = [v4(1), v4(2), v4(3), v6(1), v6(2), v6(3)];
    for (from, to) in [(0, 3), (3, 6), (1, 5), (2, 6), (0, 6)] {
        let nodes: Vec<NetId> = all.into_iter().skip(from).take(to - from).collect();
        let header = Header { neighbors_gained: nodes.clone(), ..Header::direct(nodes[0]) };
        let payload = Payload { header, body: Body::HeaderOnly };
        let mut bytes = Vec::new();
        payload.encode(&limits(), &mut bytes).expect("it can be encoded");
        let exact = Limits { nodes: nodes.len(), ..limits() };
        assert_eq!(Payload::decode(&bytes, &exact).as_ref(), Ok(&payload));
        for max in 1..nodes.len() {
            let error = Payload::decode(&bytes, &Limits { nodes: max, ..limits() }).err();
            assert!(
                matches!(error, Some(PayloadError::TooMany { what: "table", max: reported, .. }) if reported == max as u64),
                "{error:?}: {max} of {nodes:?}"
            );
        }
    }
}

fn split_records(members: &[(NetId, u32)], room: usize) -> SplitState {
    let records = members.iter().map(|(member, items)| record(*member, *items));
    let state = GroupState::from_records(name("g"), records);
    split_state(&state, room)
}

/// Counts of the table, the sender's entry, flags, the sender's position, sequence and multicast
/// sequence, ack request, the tag, the name and its length, the number of updates: the maximum of
/// each.
const BESIDES: usize = (3 + 3) + 19 + 2 + 3 + (10 + 10) + 5 + 1 + (2 + 1) + 3;
/// Head, incarnation, clock, floor, number of items; and the growth of the head if its member is
/// far from the one before.
const EMPTY: usize = 5 + 4;
/// A record without items, and its member's entry in the table.
const OF_V4: usize = EMPTY + 7;
const OF_V6: usize = EMPTY + 19;

/// A record fits exactly: with one byte less of room it is reported as too large.
#[test]
fn split_uses_the_room_of_a_record_exactly() {
    // The first item has a head, start, port and age. The other items adjoin nothing, so each has a
    // head and a start.
    for (member, items, bytes) in
        [(v4(2), 0, OF_V4), (v6(2), 0, OF_V6), (v4(2), 1, OF_V4 + 5), (v4(2), 3, OF_V4 + 5 + 2 * 2)]
    {
        let whole = split_records(&[(member, items)], BESIDES + bytes);
        assert!(whole.too_large.is_empty() && whole.groups.len() == 1, "{member} {items}: {whole:?}");
        let none = split_records(&[(member, items)], BESIDES + bytes - 1);
        assert_eq!((none.groups.len(), none.too_large), (0, vec![member]), "{member} {items}");
    }
}

/// Records share a piece until the next one does not fit.
#[test]
fn split_fills_each_datagram() {
    let members = [(v4(1), 0), (v4(2), 0), (v4(3), 0), (v6(1), 0), (v6(2), 0)];
    let sizes = |room: usize| -> Vec<usize> {
        let split = split_records(&members, BESIDES + room);
        assert!(split.too_large.is_empty());
        split.groups.iter().map(|group| group.updates.len()).collect()
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
