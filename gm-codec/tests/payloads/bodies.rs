//! Generated bodies of the tags from 2 on.

use std::collections::{BTreeMap, BTreeSet};

use gm_clock::{CEILING, Incarnation, NetId};
use gm_codec::{
    Ack, AckStatus, AckSummary, ApplicationPayload, Body, BroadcastId, Buckets, Fingerprints, GroupEntry,
    KnownVersion, MissedMulticasts, Nack, ParentBucket, PeerExchange, PeerIsland, RecordRequests,
    Retransmission, Root, Versions,
};
use gm_data::{GroupName, Version};
use proptest::collection::{btree_map, btree_set, vec};
use proptest::prelude::*;

use super::{node, nodes, number};

pub(crate) fn name() -> impl Strategy<Value = GroupName> {
    "[a-zA-Zé ]{1,12}".prop_map(|name| GroupName::new(&name).expect("a name"))
}

fn application() -> impl Strategy<Value = Body> {
    ("[a-zé]{1,9}", vec(any::<u8>(), 0..40))
        .prop_map(|(name, bytes)| Body::Application(ApplicationPayload { name, bytes: bytes.into() }))
}

fn peer_exchange() -> impl Strategy<Value = Body> {
    let islands = btree_map(node(), btree_set(node(), 0..4), 0..4);
    (any::<bool>(), islands, nodes()).prop_map(|(wanted, islands, others)| {
        let island = |(label, mut nodes): (NetId, BTreeSet<NetId>)| {
            nodes.remove(&label);
            PeerIsland { id: label, nodes: nodes.into_iter().collect() }
        };
        Body::PeerExchange(PeerExchange {
            reply_requested: wanted,
            islands: islands.into_iter().map(island).collect(),
            without_island: others,
        })
    })
}

prop_compose! {
    fn ack_summary()(
        (is_final, reassigned) in any::<(bool, bool)>(),
        delivered in number(),
        refused in number(),
        missing in number(),
        missing_sample in nodes(),
    ) -> AckStatus {
        let max = usize::try_from(missing).unwrap_or(16).min(16);
        let missing_sample = missing_sample.into_iter().take(max).collect();
        AckStatus::Summary(AckSummary { is_final, reassigned, delivered, refused, missing, missing_sample })
    }
}

fn ack() -> impl Strategy<Value = Body> {
    let answer = prop_oneof![
        1 => Just(AckStatus::Received),
        1 => Just(AckStatus::ContentWanted),
        1 => Just(AckStatus::Accepted),
        3 => ack_summary(),
    ];
    (node(), any::<[u8; 8]>(), number(), answer).prop_map(|(origin, epoch, sequence, answer)| {
        Body::Ack(Ack { broadcast: BroadcastId { origin, epoch, sequence }, status: answer })
    })
}

/// Runs, from the gaps between them and their lengths.
fn runs() -> impl Strategy<Value = Vec<(u64, u64)>> {
    let step = || prop_oneof![6 => 0..20_u64, 1 => any::<u64>()];
    vec((step(), step()), 1..6).prop_map(|steps| {
        let mut runs: Vec<(u64, u64)> = Vec::new();
        for (between, more) in steps {
            let first = match runs.last() {
                None => Some(between),
                Some((_, last)) => last.checked_add(2).and_then(|next| next.checked_add(between)),
            };
            let Some(first) = first else { break };
            runs.push((first, first.saturating_add(more)));
        }
        runs
    })
}

fn nack() -> impl Strategy<Value = Body> {
    btree_map(node(), (any::<[u8; 8]>(), runs()), 1..4).prop_map(|nodes| {
        let missed = |(node, (epoch, runs))| MissedMulticasts { node, epoch, runs };
        Body::Nack(Nack { missed: nodes.into_iter().map(missed).collect() })
    })
}

fn retransmission() -> impl Strategy<Value = Body> {
    (node(), any::<[u8; 8]>(), number(), vec(any::<u8>(), 0..30)).prop_map(
        |(node, epoch, number, payload)| {
            Body::Retransmission(Retransmission {
                node,
                epoch,
                multicast_sequence: number,
                payload: payload.into(),
            })
        },
    )
}

fn fingerprints() -> impl Strategy<Value = Body> {
    let holding =
        prop_oneof![any::<u128>().prop_map(GroupEntry::Hosted), node().prop_map(GroupEntry::Contact)];
    let groups = btree_map(name(), holding, 0..5);
    (any::<bool>(), prop::option::of(name()), prop::option::of(name()), groups).prop_map(
        |(answer, after, until, groups)| {
            let until = until.filter(|until| after.as_ref().is_none_or(|after| after < until));
            let within = |name: &GroupName| {
                after.as_ref().is_none_or(|after| name > after)
                    && until.as_ref().is_none_or(|until| name <= until)
            };
            let groups = groups.into_iter().filter(|(name, _)| within(name)).collect();
            Body::Fingerprints(Fingerprints { answer, after, until, groups })
        },
    )
}

/// A level, and some of its indexes.
fn indexes() -> impl Strategy<Value = (u8, Vec<u64>)> {
    (0..=15_u8, btree_set(prop_oneof![0..20_u64, any::<u64>()], 1..5)).prop_map(|(level, indexes)| {
        let indexes: BTreeSet<u64> =
            indexes.into_iter().map(|index| index & ((1_u64 << (4 * level)) - 1)).collect();
        (level, indexes.into_iter().collect())
    })
}

fn buckets() -> impl Strategy<Value = Body> {
    (name(), indexes(), vec(vec((0..16_usize, any::<u64>()), 0..4), 5)).prop_map(
        |(name, (level, indexes), fingerprints)| {
            let parent = |(index, fingerprints): (u64, Vec<(usize, u64)>)| {
                let mut children = [None; 16];
                fingerprints.into_iter().for_each(|(child, fingerprint)| children[child] = Some(fingerprint));
                ParentBucket { index, children }
            };
            let parents = indexes.into_iter().zip(fingerprints).map(parent).collect();
            Body::Buckets(Buckets { name, level, parents })
        },
    )
}

/// A clock or an incarnation.
fn tick() -> impl Strategy<Value = u64> {
    prop_oneof![3 => 0..9_u64, 1 => 0..=CEILING]
}

fn incarnation() -> impl Strategy<Value = Incarnation> {
    tick().prop_map(|number| Incarnation::new(number).expect("in range"))
}

fn versions() -> impl Strategy<Value = Body> {
    let known = prop::option::of((incarnation(), any::<bool>(), tick(), any::<u64>()));
    let buckets = prop::option::of(indexes());
    (name(), any::<bool>(), buckets, btree_map(node(), known, 0..6)).prop_map(
        |(name, digests, buckets, versions)| {
            let known = |(incarnation, gone, clock, digest)| KnownVersion {
                version: Version { incarnation, forgotten: gone, clock },
                digest: (digests && !gone).then_some(digest),
            };
            let versions =
                versions.into_iter().map(|(member, known_version)| (member, known_version.map(known)));
            let versions = versions.filter(|(_, known)| buckets.is_none() || known.is_some()).collect();
            Body::Versions(Versions { name, digests, buckets, versions })
        },
    )
}

fn record_requests() -> impl Strategy<Value = Body> {
    (name(), btree_map(node(), prop::option::of((incarnation(), tick())), 1..6)).prop_map(
        |(name, requests): (_, BTreeMap<_, _>)| {
            Body::RecordRequests(RecordRequests { name, requests: requests.into_iter().collect() })
        },
    )
}

/// A body other than a group update.
pub(crate) fn any_other() -> impl Strategy<Value = Body> {
    let root = any::<(bool, u128)>().prop_map(|(answer, root)| Body::Root(Root { answer, root }));
    prop_oneof![
        application(),
        Just(Body::HeaderOnly),
        peer_exchange(),
        ack(),
        nack(),
        retransmission(),
        root,
        fingerprints(),
        buckets(),
        versions(),
        record_requests(),
    ]
}
