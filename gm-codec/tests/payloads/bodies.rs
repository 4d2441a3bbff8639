//! Generated bodies of the tags from 2 on.

use std::collections::{BTreeMap, BTreeSet};

use gm_clock::{CEILING, Incarnation, NetId};
use gm_codec::{
    Answer, Application, Body, BroadcastId, Buckets, Fingerprints, Gaps, Holding, Island, Known, Missed,
    Parent, Peers, Receipt, Repeat, Requests, Root, Sum, Versions,
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
        .prop_map(|(name, bytes)| Body::Application(Application { name, bytes }))
}

fn peers() -> impl Strategy<Value = Body> {
    let islands = btree_map(node(), btree_set(node(), 0..4), 0..4);
    (any::<bool>(), islands, nodes()).prop_map(|(wanted, islands, others)| {
        let island = |(label, mut nodes): (NetId, BTreeSet<NetId>)| {
            nodes.remove(&label);
            Island { label, nodes: nodes.into_iter().collect() }
        };
        Body::Peers(Peers { wanted, islands: islands.into_iter().map(island).collect(), others })
    })
}

prop_compose! {
    fn sum()(
        (last, again) in any::<(bool, bool)>(),
        delivered in number(),
        refused in number(),
        missing in number(),
        names in nodes(),
    ) -> Answer {
        let most = usize::try_from(missing).unwrap_or(16).min(16);
        let names = names.into_iter().take(most).collect();
        Answer::Sum(Sum { last, again, delivered, refused, missing, names })
    }
}

fn receipt() -> impl Strategy<Value = Body> {
    let answer = prop_oneof![1 => Just(Answer::Have), 1 => Just(Answer::SendMe), 3 => sum()];
    (node(), any::<[u8; 8]>(), number(), answer).prop_map(|(origin, epoch, sequence, answer)| {
        Body::Receipt(Receipt { about: BroadcastId { origin, epoch, sequence }, answer })
    })
}

/// Runs from how many numbers lie between them and how long they are.
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

fn gaps() -> impl Strategy<Value = Body> {
    btree_map(node(), (any::<[u8; 8]>(), runs()), 1..4).prop_map(|nodes| {
        let missed = |(node, (epoch, runs))| Missed { node, epoch, runs };
        Body::Gaps(Gaps { nodes: nodes.into_iter().map(missed).collect() })
    })
}

fn repeat() -> impl Strategy<Value = Body> {
    (node(), any::<[u8; 8]>(), number(), vec(any::<u8>(), 0..30))
        .prop_map(|(node, epoch, number, payload)| Body::Repeat(Repeat { node, epoch, number, payload }))
}

fn fingerprints() -> impl Strategy<Value = Body> {
    let holding = prop_oneof![any::<u128>().prop_map(Holding::Held), node().prop_map(Holding::Known)];
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
                Parent { index, children }
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

fn life() -> impl Strategy<Value = Incarnation> {
    tick().prop_map(|number| Incarnation::new(number).expect("in range"))
}

fn versions() -> impl Strategy<Value = Body> {
    let known = prop::option::of((life(), any::<bool>(), tick(), any::<u64>()));
    let buckets = prop::option::of(indexes());
    (name(), any::<bool>(), buckets, btree_map(node(), known, 0..6)).prop_map(
        |(name, digests, buckets, versions)| {
            let known = |(incarnation, gone, clock, digest)| Known {
                version: Version { incarnation, forgotten: gone, clock },
                digest: (digests && !gone).then_some(digest),
            };
            let versions = versions.into_iter().map(|(member, said)| (member, said.map(known)));
            let versions = versions.filter(|(_, known)| buckets.is_none() || known.is_some()).collect();
            Body::Versions(Versions { name, digests, buckets, versions })
        },
    )
}

fn requests() -> impl Strategy<Value = Body> {
    (name(), btree_map(node(), prop::option::of((life(), tick())), 1..6)).prop_map(
        |(name, requests): (_, BTreeMap<_, _>)| {
            Body::Requests(Requests { name, requests: requests.into_iter().collect() })
        },
    )
}

/// Any but a group.
pub(crate) fn any_other() -> impl Strategy<Value = Body> {
    let root = any::<(bool, u128)>().prop_map(|(answer, root)| Body::Root(Root { answer, root }));
    prop_oneof![
        application(),
        Just(Body::Notice),
        peers(),
        receipt(),
        gaps(),
        repeat(),
        root,
        fingerprints(),
        buckets(),
        versions(),
        requests(),
    ]
}
