//! Anti-entropy: what a message causes, without a second node.

use gm_data::Replica;

use super::*;
use crate::node::test_context::{context, context_with, group, node, record};

/// A context that shares the group with node 2.
fn shared() -> (AntiEntropy, Context) {
    let mut cx = context();
    cx.host_with(&[1, 2]);
    (AntiEntropy::new(&cx, vec![]), cx)
}

fn sent(cx: &mut Context) -> Vec<Body> {
    let bodies = cx.take_actions().into_iter().filter_map(|action| match action {
        Action::Command(BroadcastCommand::Send { body, .. }) => Some(body),
        _ => None,
    });
    bodies.collect()
}

fn root(cx: &Context, change: u128) -> Body {
    Body::Root(Root { answer: false, root: shared_groups::root_with(cx, node(2)) ^ change })
}

#[test]
fn an_equal_root_is_confirmed_and_the_group_is_in_sync() {
    let (mut anti_entropy, mut cx) = shared();
    let equal = root(&cx, 0);
    anti_entropy.on_message(&mut cx, node(2), Path::Datagram, equal);
    let actions = cx.take_actions();
    let in_sync =
        |action: &Action| matches!(action, Action::InSync { with, first: true, .. } if *with == node(2));
    assert!(actions.iter().any(in_sync), "{actions:?}");
    assert!(cx.groups.hosted[&group()].in_sync);
}

#[test]
fn a_different_root_starts_the_descent() {
    let (mut anti_entropy, mut cx) = shared();
    let different = root(&cx, 1);
    anti_entropy.on_message(&mut cx, node(2), Path::Datagram, different);
    let [Body::Fingerprints(list)] = &sent(&mut cx)[..] else { panic!("no list of groups") };
    assert!(list.groups.iter().any(|(name, _)| *name == group()));
    assert!(!cx.groups.hosted[&group()].in_sync);
}

#[test]
fn messages_beyond_the_rate_limit_are_dropped() {
    let mut cx = context_with(|config| config.limits.exchange_replies_per_second = 1);
    cx.host_with(&[1, 2]);
    let mut anti_entropy = AntiEntropy::new(&cx, vec![]);
    for _ in 0..20 {
        let different = root(&cx, 1);
        anti_entropy.on_message(&mut cx, node(2), Path::Datagram, different);
    }
    assert!(cx.groups.counters.get(NodeCounter::ExchangeMessagesRateLimited) > 0);
}

#[test]
fn a_requested_record_is_sent_and_an_unknown_one_is_not() {
    let (mut anti_entropy, mut cx) = shared();
    let requests = vec![(node(2), None), (node(9), None)];
    let body = Body::RecordRequests(gm_codec::RecordRequests { name: group(), requests });
    anti_entropy.on_message(&mut cx, node(3), Path::Datagram, body);
    let [Body::GroupUpdate(update)] = &sent(&mut cx)[..] else { panic!("no records") };
    assert_eq!(update.updates, [gm_codec::MemberUpdate::Record(record(2, (0, u32::MAX)))]);
}

#[test]
fn a_peer_with_a_later_version_is_asked_for_it() {
    let (mut anti_entropy, mut cx) = shared();
    let version = record(3, (0, 9)).version();
    let versions = vec![(node(3), Some(gm_codec::KnownVersion { version, digest: None }))];
    let body = Body::Versions(Versions { name: group(), digests: false, buckets: None, versions });
    anti_entropy.on_message(&mut cx, node(2), Path::Datagram, body);
    let [Body::RecordRequests(requests)] = &sent(&mut cx)[..] else { panic!("no request") };
    assert_eq!(requests.requests, [(node(3), None)]);
}

#[test]
fn without_peers_only_the_next_exchange_is_scheduled() {
    let mut cx = context();
    let mut anti_entropy = AntiEntropy::new(&cx, vec![]);
    assert_eq!(anti_entropy.end_exchange(&mut cx), None);
    anti_entropy.start_exchange(&mut cx, None);
    assert!(cx.actions.is_empty());
    assert!(cx.timers.is_set(&crate::node::timers::NodeTimer::Exchange));
}

#[test]
fn an_unanswered_exchange_is_reported_to_the_broadcaster() {
    let mut cx = context();
    let mut anti_entropy = AntiEntropy::new(&cx, vec![node(2)]);
    anti_entropy.start_exchange(&mut cx, None);
    cx.take_actions();
    assert!(matches!(anti_entropy.end_exchange(&mut cx), Some((peer, _)) if peer == node(2)));
    let reported = format!("{:?}", cx.take_actions());
    assert!(reported.contains("Unanswered"), "{reported}");
}

/// Merges the record of node 2 as a broadcast of it; returns whether it follows on the known one.
fn follows(cx: &mut Context, record: gm_data::Record) -> bool {
    let id = gm_codec::BroadcastId { origin: node(2), epoch: [1; 8], sequence: 1 };
    let update =
        gm_codec::GroupUpdate { name: group(), updates: vec![gm_codec::MemberUpdate::Record(record)] };
    cx.groups.merge(cx.now, (node(2), Path::Multicast), Some(id), &update);
    let merged = cx.groups.effects.drain(..).find_map(|effect| match effect {
        crate::groups::Effect::Merged { by: Some(by), follows, .. } if by == id => Some(follows),
        _ => None,
    });
    merged.unwrap()
}

/// A node that took a broadcast compares if the broadcast shows that an earlier one is missing.
#[test]
fn a_record_follows_if_it_is_the_next_version() {
    let mut cx = context();
    cx.host_with(&[1]);
    let context = gm_data::WriteContext { unix_seconds: 1_700_000_000, entropy: 1, millis: 0 };
    let mut writer = Replica::new(node(2), group());
    let mut next = |start: u32| {
        let range = gm_data::KeyRange::new(start, start).unwrap();
        writer
            .change(&[gm_data::Change::Serve { range, port: Some(1), priority: 1 }], context)
            .map(|_| writer.own_record().unwrap().clone())
            .unwrap()
    };
    assert!(!follows(&mut cx, next(1)), "the member was unknown");
    assert!(follows(&mut cx, next(2)));
    next(3);
    assert!(!follows(&mut cx, next(4)), "a version was missed");
    assert!(follows(&mut cx, next(5)));
}

/// A root covers the groups of which both are members, so an observer names those that it hosts.
#[test]
fn an_observer_names_the_groups_of_its_partner() {
    let mut cx = context();
    cx.host_with(&[2]);
    assert_eq!(group_names::groups_to_name(&cx, node(2), false), [group()]);
    assert!(group_names::groups_to_name(&cx, node(3), false).is_empty(), "it is no member");
    let (_, cx) = shared();
    assert!(group_names::groups_to_name(&cx, node(2), false).is_empty(), "the root covers it");
}
