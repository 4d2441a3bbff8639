//! Payloads that cannot be encoded: each is refused with the name of its error, and nothing is
//! written.

mod payloads;

use gm_clock::{CEILING, Incarnation};
use gm_codec::{
    Ack, AckStatus, AckSummary, ApplicationPayload, Body, BroadcastId, Buckets, Extension, Fingerprints,
    GroupEntry, GroupUpdate, Header, KnownVersion, Limits, MemberUpdate, MissedMulticasts, Nack,
    ParentBucket, Payload, PeerExchange, PeerIsland, RecordRequests, Root, Versions,
};
use gm_data::{Eviction, Version};
use payloads::limits;
use payloads::samples::{broadcast, direct, name, v4, v6};

/// The name of the error; checks that nothing was written.
fn encode_error(payload: &Payload, limits: &Limits) -> Option<&'static str> {
    let mut out = vec![7];
    let error = payload.encode(limits, &mut out).err()?;
    assert_eq!(out, [7], "{error}");
    Some(error.name())
}

#[track_caller]
fn refused(body: Body, error: &str) {
    let payload = direct(body);
    assert_eq!(encode_error(&payload, &limits()), Some(error), "{payload:?}");
}

#[track_caller]
fn header_refused(header: Header, error: &str) {
    assert_eq!(encode_error(&Payload { header, body: Body::HeaderOnly }, &limits()), Some(error));
}

#[test]
fn headers() {
    let unsorted = vec![v4(2), v4(1)];
    header_refused(Header { neighbors_gained: unsorted.clone(), ..Header::direct(v4(1)) }, "Unsorted");
    header_refused(Header { neighbors_lost: vec![v4(2), v4(2)], ..Header::direct(v4(1)) }, "Unsorted");
    header_refused(broadcast(|broadcast| broadcast.targets = unsorted), "Unsorted");
    let extensions = |kinds: &[(u64, usize)]| {
        let extension = |(kind, bytes): &(u64, usize)| Extension { kind: *kind, bytes: vec![0; *bytes] };
        Header { extensions: kinds.iter().map(extension).collect(), ..Header::direct(v4(1)) }
    };
    header_refused(extensions(&(0..17).map(|kind| (kind, 0)).collect::<Vec<_>>()), "TooMany");
    header_refused(extensions(&[(1, 1_000), (2, 25)]), "TooMany");
    header_refused(extensions(&[(1, 0), (1, 0)]), "Unsorted");
    header_refused(extensions(&[(2, 0), (1, 0)]), "Unsorted");
}

#[test]
fn direct_only_bodies() {
    let payload = Payload {
        header: Header::own_broadcast(v4(1), 1),
        body: Body::Root(Root { answer: false, root: 0 }),
    };
    assert_eq!(encode_error(&payload, &limits()), Some("NotDirect"));
    // The check precedes all checks of the body.
    let payload = Payload { body: Body::Nack(Nack { missed: Vec::new() }), ..payload };
    assert_eq!(encode_error(&payload, &limits()), Some("NotDirect"));
}

#[test]
fn application_names() {
    let application = |name: &str| {
        Body::Application(ApplicationPayload { name: name.to_owned(), bytes: Vec::new().into() })
    };
    for (name, error) in [
        (String::new(), "BadName"),
        ("a\nb".to_owned(), "BadName"),
        ("\u{85}".to_owned(), "BadName"),
        ("a".repeat(65), "TooMany"),
    ] {
        refused(application(&name), error);
    }
}

#[test]
fn peers() {
    let peers = |islands, others| {
        Body::PeerExchange(PeerExchange { reply_requested: false, islands, without_island: others })
    };
    let island = |id, nodes| PeerIsland { id, nodes };
    refused(peers(vec![island(v4(2), vec![]), island(v4(1), vec![])], vec![]), "Unsorted");
    refused(peers(vec![island(v4(2), vec![v4(3), v4(1)])], vec![]), "Unsorted");
    refused(peers(vec![], vec![v6(1), v4(1)]), "Unsorted");
    refused(peers(vec![island(v4(2), vec![v4(1), v4(2)])], vec![]), "NotCanonical");
}

#[test]
fn acks() {
    let broadcast = BroadcastId { origin: v4(1), epoch: [1; 8], sequence: 1 };
    let sum = |missing, names| {
        Body::Ack(Ack {
            broadcast,
            status: AckStatus::Summary(AckSummary {
                missing,
                missing_sample: names,
                ..AckSummary::default()
            }),
        })
    };
    refused(sum(1, vec![v4(1), v4(2)]), "TooMany");
    refused(sum(99, (1..=17).map(v4).collect()), "TooMany");
    refused(sum(99, vec![v4(2), v4(1)]), "Unsorted");
}

#[test]
fn nack() {
    let missed = |node, runs| MissedMulticasts { node, epoch: [1; 8], runs };
    let nack = |nodes| Body::Nack(Nack { missed: nodes });
    let runs = |runs| nack(vec![missed(v4(1), runs)]);
    refused(nack(vec![]), "NotCanonical");
    refused(nack(vec![missed(v4(2), vec![(1, 1)]), missed(v4(1), vec![(1, 1)])]), "Unsorted");
    refused(runs(vec![]), "NotCanonical");
    refused(runs((0..65).map(|run| (2 * run, 2 * run)).collect()), "TooMany");
    refused(runs(vec![(2, 1)]), "OutOfRange");
    refused(runs(vec![(1, 2), (3, 4)]), "Unsorted");
    refused(runs(vec![(1, 2), (2, 4)]), "Unsorted");
    refused(runs(vec![(5, 6), (1, 2)]), "Unsorted");
    refused(runs(vec![(5, u64::MAX), (0, 0)]), "Unsorted");
}

#[test]
fn fingerprints() {
    let fingerprints = |after: Option<&str>, until: Option<&str>, groups: &[&str]| {
        let groups = groups.iter().map(|group| (name(group), GroupEntry::Hosted(1))).collect();
        let (after, until) = (after.map(name), until.map(name));
        Body::Fingerprints(Fingerprints { answer: false, after, until, groups })
    };
    refused(fingerprints(Some("B"), Some("B"), &[]), "Unsorted");
    refused(fingerprints(Some("B"), Some("A"), &[]), "Unsorted");
    refused(fingerprints(None, None, &["B", "A"]), "Unsorted");
    refused(fingerprints(None, None, &["A", "A"]), "Unsorted");
    refused(fingerprints(Some("A"), None, &["A"]), "Unsorted");
    refused(fingerprints(None, Some("A"), &["A", "B"]), "Unsorted");
}

#[test]
fn buckets() {
    let buckets = |level, indexes: &[u64]| {
        let parents =
            indexes.iter().map(|index| ParentBucket { index: *index, children: [None; 16] }).collect();
        Body::Buckets(Buckets { name: name("G"), level, parents })
    };
    refused(buckets(16, &[0]), "OutOfRange");
    refused(buckets(0, &[1]), "OutOfRange");
    refused(buckets(15, &[1 << 60]), "OutOfRange");
    refused(buckets(0, &[]), "NotCanonical");
    refused(buckets(1, &[1, 1]), "Unsorted");
}

#[test]
fn versions() {
    let known = |forgotten, clock, digest| {
        Some(KnownVersion { version: Version { incarnation: Incarnation::MAX, forgotten, clock }, digest })
    };
    let versions =
        |digests, buckets, versions| Body::Versions(Versions { name: name("G"), digests, buckets, versions });
    let of = |digests, known| versions(digests, None, vec![(v4(1), known)]);
    refused(of(true, known(false, 1, None)), "NotCanonical");
    refused(of(true, known(true, 1, Some(1))), "NotCanonical");
    refused(of(false, known(false, 1, Some(1))), "NotCanonical");
    refused(of(false, known(false, CEILING + 1, None)), "OutOfRange");
    refused(versions(false, None, vec![(v4(2), None), (v4(1), None)]), "Unsorted");
    refused(versions(false, Some((0, vec![0])), vec![(v4(1), None)]), "UnknownCode");
    refused(versions(false, Some((0, vec![])), vec![]), "NotCanonical");
    refused(versions(false, Some((16, vec![0])), vec![]), "OutOfRange");
    refused(versions(false, Some((1, vec![16])), vec![]), "OutOfRange");
    refused(versions(false, Some((1, vec![2, 1])), vec![]), "Unsorted");
}

#[test]
fn evictions() {
    let version = |incarnation, clock| Version {
        incarnation: Incarnation::new(incarnation).expect("in range"),
        forgotten: false,
        clock,
    };
    let of = |least, greatest| {
        let updates = vec![MemberUpdate::Eviction(Eviction { member: v4(1), least, greatest })];
        Body::GroupUpdate(GroupUpdate { name: name("G"), updates })
    };
    refused(of(version(1, CEILING + 1), version(2, 1)), "OutOfRange");
    refused(of(version(1, 1), version(2, CEILING + 1)), "OutOfRange");
    refused(of(version(2, 1), version(1, 1)), "OutOfRange");
    refused(of(version(1, 2), version(1, 1)), "OutOfRange");
}

#[test]
fn requests() {
    let requests = |requests| Body::RecordRequests(RecordRequests { name: name("G"), requests });
    refused(requests(vec![]), "NotCanonical");
    refused(requests(vec![(v4(2), None), (v4(1), None)]), "Unsorted");
    refused(requests(vec![(v4(2), Some((Incarnation::MAX, CEILING + 1)))]), "OutOfRange");
}

/// More elements than the limit, for each limit.
#[test]
fn exceeding_the_limits() {
    let limits = Limits { nodes: 2, ..limits() };
    let three = || vec![v4(1), v4(2), v4(3)];
    let group = || name("G");
    let versions = |buckets, nodes: usize| {
        let versions = three().into_iter().take(nodes).map(|node| (node, None)).collect();
        Body::Versions(Versions { name: group(), digests: false, buckets, versions })
    };
    let bodies = [
        Body::PeerExchange(PeerExchange { without_island: three(), ..PeerExchange::default() }),
        Body::PeerExchange(PeerExchange {
            islands: vec![PeerIsland { id: v4(4), nodes: three() }],
            ..PeerExchange::default()
        }),
        Body::PeerExchange(PeerExchange {
            islands: three().into_iter().map(|id| PeerIsland { id, nodes: Vec::new() }).collect(),
            ..PeerExchange::default()
        }),
        Body::Nack(Nack {
            missed: three()
                .into_iter()
                .map(|node| MissedMulticasts { node, epoch: [0; 8], runs: vec![(1, 1)] })
                .collect(),
        }),
        Body::Fingerprints(Fingerprints {
            answer: false,
            after: None,
            until: None,
            groups: ["A", "B", "C"].map(|group| (name(group), GroupEntry::Hosted(0))).to_vec(),
        }),
        Body::Buckets(Buckets {
            name: group(),
            level: 1,
            parents: (0..3).map(|index| ParentBucket { index, children: [None; 16] }).collect(),
        }),
        versions(None, 3),
        versions(Some((1, vec![0, 1, 2])), 0),
        Body::RecordRequests(RecordRequests {
            name: group(),
            requests: three().into_iter().map(|node| (node, None)).collect(),
        }),
    ];
    for body in bodies {
        assert_eq!(encode_error(&direct(body.clone()), &limits), Some("TooMany"), "{body:?}");
    }
    // Only the table is too long: two nodes besides the sender.
    let few =
        Body::PeerExchange(PeerExchange { without_island: vec![v4(2), v4(3)], ..PeerExchange::default() });
    assert_eq!(encode_error(&direct(few), &limits), Some("TooMany"));
    let none = Body::GroupUpdate(GroupUpdate { name: group(), updates: Vec::new() });
    assert_eq!(encode_error(&direct(none), &limits), None);
}
