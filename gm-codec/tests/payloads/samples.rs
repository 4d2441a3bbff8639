//! Payloads written by hand: each shape of a body and a header, the smallest and the largest
//! numbers.

use gm_clock::{CEILING, Incarnation, NetId};
use gm_codec::{
    Ack, AckRequest, AckStatus, AckSummary, ApplicationPayload, Body, BroadcastHeader, BroadcastId, Buckets,
    Extension, Fingerprints, GroupEntry, GroupUpdate, Header, KnownVersion, MemberUpdate, MissedMulticasts,
    Nack, Origin, ParentBucket, Payload, PeerExchange, PeerIsland, RecordRequests, Retransmission, Root,
    Routing, Versions,
};
use gm_data::{Eviction, GroupName, Item, KeyRange, Record, StampedItem, Version};

/// 10.0.0.n:29999.
pub(crate) fn v4(n: u8) -> NetId {
    NetId::new(std::net::Ipv4Addr::new(10, 0, 0, n).into(), 29_999).expect("an ordinary address")
}

/// [2001:db8::n]:29999.
pub(crate) fn v6(n: u16) -> NetId {
    NetId::new(std::net::Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, n).into(), 29_999)
        .expect("an ordinary address")
}

pub(crate) fn name(name: &str) -> GroupName {
    GroupName::new(name).expect("a name")
}

const EPOCH: [u8; 8] = *b"an epoch";

/// A payload for the receiver only.
pub(crate) fn direct(body: Body) -> Payload {
    Payload { header: Header::direct(v4(1)), body }
}

fn header_only(header: Header) -> Payload {
    Payload { header, body: Body::HeaderOnly }
}

/// A broadcast header, modified by `change`.
pub(crate) fn broadcast(change: impl FnOnce(&mut BroadcastHeader)) -> Header {
    let mut broadcast = BroadcastHeader { origin: None, sequence: 1, targets: Vec::new(), ack_request: None };
    change(&mut broadcast);
    Header { routing: Routing::Broadcast(broadcast), ..Header::direct(v4(1)) }
}

/// Every shape, with its description.
pub(crate) fn samples() -> Vec<(&'static str, Payload)> {
    headers()
        .into_iter()
        .chain(of_groups())
        .chain(of_multicast())
        .chain(of_sync())
        .chain(of_members())
        .collect()
}

fn headers() -> Vec<(&'static str, Payload)> {
    let ack_request = |within_millis, durable, reassigned| {
        header_only(broadcast(|broadcast| {
            broadcast.ack_request = Some(AckRequest { within_millis, durable, reassigned })
        }))
    };
    let extension = |kind, bytes: &[u8]| Extension { kind, bytes: bytes.to_vec() };
    let extensions = |extensions| header_only(Header { extensions, ..Header::direct(v4(1)) });
    let all = Header {
        multicast_sequence: Some(7),
        island: Some(v6(1)),
        neighbors_gained: vec![v4(2), v6(2)],
        neighbors_lost: vec![v4(3)],
        extensions: vec![extension(3, b"abc")],
        ..broadcast(|broadcast| {
            broadcast.origin = Some(Origin { node: v4(9), epoch: EPOCH });
            broadcast.targets = (1..=12).map(v6).collect();
            broadcast.ack_request =
                Some(AckRequest { within_millis: 2_500, durable: true, reassigned: true });
        })
    };
    let without = |kind| Header { routing: kind, ..all.clone() };
    vec![
        (
            "a broadcast of the sender's own, with the greatest sequence",
            header_only(Header::own_broadcast(v4(1), u64::MAX)),
        ),
        ("a direct payload with nothing besides", header_only(Header::direct(v4(1)))),
        ("a header with everything", header_only(all.clone())),
        ("a direct header with everything that it can have", header_only(without(Routing::Direct))),
        (
            "a broadcast of the sender's own in an older epoch",
            header_only(broadcast(|broadcast| broadcast.origin = Some(Origin { node: v4(1), epoch: EPOCH }))),
        ),
        ("receipts at once", ack_request(0, false, false)),
        ("receipts, on disk", ack_request(1, true, false)),
        ("receipts of another's share", ack_request(31, false, true)),
        ("receipts as late as can be", ack_request(u32::MAX, true, true)),
        ("a section without bytes", extensions(vec![extension(0, &[])])),
        ("sixteen sections", extensions((0..16).map(|kind| extension(kind * kind, &[7])).collect())),
        (
            "sections of 1,024 bytes",
            extensions(vec![extension(1, &[0; 1_000]), extension(u64::MAX, &[1; 24])]),
        ),
    ]
}

fn of_groups() -> Vec<(&'static str, Payload)> {
    let group = |parts| Body::GroupUpdate(GroupUpdate { name: name("é"), updates: parts });
    let record = |member, forgotten, clock, floor, items: Vec<StampedItem>| {
        let version = Version::new(Incarnation::MAX, forgotten, clock).expect("in range");
        MemberUpdate::Record(Record::from_parts(member, version, None, floor, items).expect("valid"))
    };
    let range = KeyRange::new(u32::MAX, u32::MAX).expect("in order");
    let item = Item::serves(v4(2), range, 80, u16::MAX).expect("a priority");
    let last = record(v4(2), false, CEILING, CEILING, vec![StampedItem { item, stamp: 0 }]);
    let evicted = |least: (u64, bool, u64), greatest: (u64, bool, u64)| {
        let version = |(incarnation, forgotten, clock)| {
            Version::new(Incarnation::new(incarnation).expect("in range"), forgotten, clock)
                .expect("in range")
        };
        MemberUpdate::Eviction(Eviction { member: v4(2), least: version(least), greatest: version(greatest) })
    };
    let application = |name: &str, bytes: &[u8]| {
        Body::Application(ApplicationPayload { name: name.to_owned(), bytes: bytes.to_vec().into() })
    };
    vec![
        ("a group without parts, direct", direct(group(Vec::new()))),
        ("the last key, the greatest numbers", direct(group(vec![last]))),
        (
            "a forgotten member and one without items",
            direct(group(vec![record(v4(2), true, 5, 5, vec![]), record(v6(2), false, 0, 0, vec![])])),
        ),
        (
            "an eviction of all versions",
            direct(group(vec![evicted((0, false, 0), (CEILING, true, CEILING))])),
        ),
        (
            "an eviction from the last clock",
            direct(group(vec![evicted((7, true, CEILING), (7, true, CEILING))])),
        ),
        ("an eviction of one version", direct(group(vec![evicted((7, true, 4), (7, true, 4))]))),
        ("an eviction of a living record", direct(group(vec![evicted((7, false, 4), (8, false, 0))]))),
        ("an application that says nothing, direct", direct(application("a", b""))),
        (
            "an application's name of 64 bytes",
            Payload {
                header: Header::own_broadcast(v4(1), 0),
                body: application(&"é".repeat(32), b"\0\xff"),
            },
        ),
    ]
}

fn of_multicast() -> Vec<(&'static str, Payload)> {
    let peers = |wanted, islands, others| {
        direct(Body::PeerExchange(PeerExchange { reply_requested: wanted, islands, without_island: others }))
    };
    let island = |id, nodes| PeerIsland { id, nodes };
    let broadcast = BroadcastId { origin: v6(1), epoch: EPOCH, sequence: 300 };
    let ack = |answer| direct(Body::Ack(Ack { broadcast, status: answer }));
    let max = u64::MAX;
    let names: Vec<NetId> = (1..=16).map(v4).collect();
    let sum = AckSummary {
        is_final: true,
        reassigned: true,
        delivered: max,
        refused: max,
        missing: max,
        missing_sample: names,
    };
    let few = AckSummary { missing: 1, missing_sample: vec![v6(1)], ..AckSummary::default() };
    let missed = |node, runs| MissedMulticasts { node, epoch: EPOCH, runs };
    let nack = |nodes| direct(Body::Nack(Nack { missed: nodes }));
    let retransmission = |number, payload: &[u8]| {
        direct(Body::Retransmission(Retransmission {
            node: v4(3),
            epoch: EPOCH,
            multicast_sequence: number,
            payload: payload.to_vec().into(),
        }))
    };
    vec![
        ("peers: nobody", peers(false, vec![], vec![])),
        ("peers: nobody, and what is known is wanted", peers(true, vec![], vec![])),
        ("peers: the sender, who is alone on its island", peers(false, vec![island(v4(1), vec![])], vec![])),
        (
            "peers: islands of both families, and others",
            peers(
                true,
                vec![island(v4(2), vec![v4(1), v4(3), v6(9)]), island(v6(1), vec![v6(2)])],
                vec![v4(7), v6(7)],
            ),
        ),
        ("receipt: have", ack(AckStatus::Received)),
        ("receipt: send me", ack(AckStatus::ContentWanted)),
        ("receipt: accepted", ack(AckStatus::Accepted)),
        ("receipt: a sum of nothing", ack(AckStatus::Summary(AckSummary::default()))),
        ("receipt: a sum with all names that are missing", ack(AckStatus::Summary(few))),
        ("receipt: a last sum with everything", ack(AckStatus::Summary(sum))),
        ("gaps: number 0", nack(vec![missed(v4(1), vec![(0, 0)])])),
        ("gaps: every number", nack(vec![missed(v4(2), vec![(0, max)])])),
        ("gaps: runs that are as near as can be", nack(vec![missed(v4(2), vec![(5, 5), (7, 9), (11, 12)])])),
        ("gaps: the first number and the last", nack(vec![missed(v4(2), vec![(0, 0), (max, max)])])),
        (
            "gaps: 64 runs, and another node",
            nack(vec![
                missed(v4(2), (0..64).map(|run| (2 * run, 2 * run)).collect()),
                missed(v6(2), vec![(300, 400)]),
            ]),
        ),
        ("repeat: not there any longer", retransmission(0, b"")),
        (
            "repeat: the payload of a notice",
            retransmission(max, &super::encoded(&header_only(Header::own_broadcast(v4(3), 7)))),
        ),
    ]
}

fn of_sync() -> Vec<(&'static str, Payload)> {
    let root = |answer, root| direct(Body::Root(Root { answer, root }));
    let fingerprints = |answer, after: Option<&str>, until: Option<&str>, groups| {
        let (after, until) = (after.map(name), until.map(name));
        direct(Body::Fingerprints(Fingerprints { answer, after, until, groups }))
    };
    let (hosted, known) = (GroupEntry::Hosted(u128::MAX), GroupEntry::Contact(v6(5)));
    let buckets = |level, parents: &[(u64, &[(usize, u64)])]| {
        let parent = |(index, fingerprints): &(u64, &[(usize, u64)])| {
            let mut children = [None; 16];
            fingerprints.iter().for_each(|(child, fingerprint)| children[*child] = Some(*fingerprint));
            ParentBucket { index: *index, children }
        };
        direct(Body::Buckets(Buckets {
            name: name("G"),
            level,
            parents: parents.iter().map(parent).collect(),
        }))
    };
    let full: [(usize, u64); 16] = std::array::from_fn(|child| (child, child as u64));
    vec![
        ("root: of nothing", root(false, 0)),
        ("root: an answer", root(true, 0x0123_4567_89ab_cdef_0123_4567_89ab_cdef)),
        ("fingerprints: all there are, and there are none", fingerprints(false, None, None, vec![])),
        (
            "fingerprints: an answer",
            fingerprints(true, None, None, vec![(name("A"), hosted), (name("B"), known)]),
        ),
        (
            "fingerprints: after a name",
            fingerprints(false, Some("A"), None, vec![(name("A\u{20}"), known), (name("é"), hosted)]),
        ),
        (
            "fingerprints: until a name, which is spoken of",
            fingerprints(true, None, Some("B"), vec![(name("A"), known), (name("B"), GroupEntry::Hosted(0))]),
        ),
        (
            "fingerprints: between two names",
            fingerprints(true, Some("A"), Some("AB"), vec![(name("AA"), hosted)]),
        ),
        ("buckets: the root, with all children", buckets(0, &[(0, &full)])),
        ("buckets: one without children", buckets(1, &[(15, &[])])),
        ("buckets: two, and a fingerprint of 0", buckets(2, &[(0, &[(0, 0)]), (255, &[(15, u64::MAX)])])),
        ("buckets: the last of the lowest level", buckets(15, &[((1 << 60) - 1, &[(8, 8)])])),
    ]
}

fn of_members() -> Vec<(&'static str, Payload)> {
    let versions = |digests, buckets, versions| {
        direct(Body::Versions(Versions { name: name("G"), digests, buckets, versions }))
    };
    let to_incarnation = |number| Incarnation::new(number).expect("in range");
    let known = |incarnation, forgotten, clock, digest| {
        Some(KnownVersion {
            version: Version { incarnation: to_incarnation(incarnation), forgotten, clock },
            digest,
        })
    };
    let requests =
        |requests| direct(Body::RecordRequests(RecordRequests { name: name(&"n".repeat(255)), requests }));
    vec![
        ("versions: of nobody", versions(false, None, vec![])),
        ("versions: of nobody, with digests", versions(true, None, vec![])),
        (
            "versions: a living record, a forgotten one, none",
            versions(
                false,
                None,
                vec![
                    (v4(1), known(1, false, 2, None)),
                    (v4(3), known(CEILING, true, CEILING, None)),
                    (v6(1), None),
                ],
            ),
        ),
        (
            "versions: with digests, which a forgotten record has not",
            versions(
                true,
                None,
                vec![(v4(2), known(0, false, 0, Some(0))), (v4(3), known(1, true, 9, None)), (v4(4), None)],
            ),
        ),
        ("versions: of a whole bucket with nobody", versions(false, Some((0, vec![0])), vec![])),
        (
            "versions: of whole buckets, with digests",
            versions(
                true,
                Some((15, vec![0, 1, (1 << 60) - 1])),
                vec![(v4(2), known(5, false, 6, Some(u64::MAX)))],
            ),
        ),
        ("requests: a whole record", requests(vec![(v4(1), None)])),
        (
            "requests: increments and a whole record",
            requests(vec![
                (v4(2), Some((to_incarnation(0), 0))),
                (v4(3), None),
                (v6(2), Some((to_incarnation(CEILING), CEILING))),
            ]),
        ),
    ]
}
