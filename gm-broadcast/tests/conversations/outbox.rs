//! The outbox of a slow peer: limited, and with replacement by topic.

use gm_broadcast::{BroadcastCommand, BroadcastRequest, BroadcasterConfig, Counter, Targets, Transport};
use gm_sim::Effect;
use proptest::prelude::*;

use crate::acks::with_acks;
use crate::net::Net;
use crate::station::{broadcast_of, ms, node, text};

/// Two nodes, and a stuck connection from the first to the second: only the handshake is with the
/// driver.
fn slow(change: impl Fn(&mut BroadcasterConfig)) -> Net {
    let mut net = Net::of(2, None, |config| {
        config.datagram_hops = false;
        config.limits.in_flight = 1;
        config.timings.exchange = ms(10_000_000);
        change(config);
    });
    net.send(0, 1, "first", Transport::Tcp);
    net.run(ms(100));
    net.begin((0, 1), Effect::Stall);
    // This one is with the driver: later ones wait.
    net.broadcast(0, broadcast_of("ahead"));
    net
}

fn topical(topic: u64, what: &str, instead: Option<&str>) -> BroadcastRequest {
    BroadcastRequest { topic: Some(topic), catch_up: instead.map(text), ..broadcast_of(what) }
}

fn released(mut net: Net) -> Vec<String> {
    net.heal();
    net.run(ms(1_000));
    assert_eq!(net.usage(0, "outbox"), 0);
    net.texts(1).into_iter().skip(2).map(str::to_owned).collect()
}

#[test]
fn a_newer_broadcast_of_a_topic_replaces_the_older() {
    let mut net = slow(|_| {});
    for what in ["a", "b", "c"] {
        net.broadcast(0, topical(7, what, None));
    }
    net.broadcast(0, topical(8, "other", None));
    net.broadcast(0, topical(7, "d", None));
    net.broadcast(0, broadcast_of("of none"));
    assert_eq!(net.usage(0, "outbox"), 3);
    assert_eq!(net.count(0, Counter::OutboxReplaced), 3);
    assert_eq!(released(net), ["d", "other", "of none"]);
}

/// A peer that was not sent the older broadcast gets the catch-up payload; one that was sent it
/// gets the newer broadcast only.
#[test]
fn a_node_that_missed_the_older_gets_the_catch_up() {
    let mut net = slow(|_| {});
    net.broadcast(0, topical(7, "a", Some("all up to a")));
    net.broadcast(0, topical(7, "b", Some("all up to b")));
    assert_eq!(released(net), ["all up to b"]);
    let mut net = slow(|_| {});
    net.broadcast(0, topical(7, "a", Some("all up to a")));
    assert_eq!(released(net), ["a"]);
}

/// Broadcasts with acks are not replaced.
#[test]
fn broadcasts_with_acks_are_not_replaced() {
    let mut net = slow(|_| {});
    for (tag, what) in [(1, "a"), (2, "b")] {
        net.broadcast(0, BroadcastRequest { topic: Some(7), ..with_acks(tag, what) });
    }
    assert_eq!(net.usage(0, "outbox"), 2);
    assert_eq!(released(net), ["a", "b"]);
}

#[test]
fn the_oldest_of_too_many_is_dropped() {
    let mut net = slow(|config| config.limits.outbox = 3);
    for number in 0..10 {
        net.broadcast(0, broadcast_of(&format!("{number}")));
        assert!(net.usage(0, "outbox") <= 3);
    }
    assert_eq!(net.count(0, Counter::OutboxOverflows), 7);
    assert_eq!(released(net), ["7", "8", "9"]);
}

/// The relay of a dropped entry counts as missing, and its subtree goes to the next candidate.
#[test]
fn targets_of_a_dropped_broadcast_are_missing() {
    let mut net = slow(|config| config.limits.outbox = 1);
    net.broadcast(0, with_acks(1, "a"));
    net.broadcast(0, BroadcastRequest { to: Targets::Nodes(vec![node(1)]), ..with_acks(2, "b") });
    net.run(ms(10));
    let report = net.reports(0, 1).last().copied().unwrap();
    assert_eq!((report.missing, &*report.missing_nodes, report.settled), (1, &[node(1)][..], true));
    assert_eq!(released(net), ["b"]);
}

/// Entries of a connection that ended are sent by the next one.
#[test]
fn unsent_entries_use_another_connection() {
    let mut net = slow(|_| {});
    net.broadcast(0, broadcast_of("a"));
    net.broadcast(0, broadcast_of("b"));
    net.heal();
    net.command(0, BroadcastCommand::Close);
    net.run(ms(1_000));
    let mut texts = net.texts(1);
    texts.retain(|text| ["a", "b"].contains(text));
    assert_eq!(texts, ["a", "b"]);
}

#[derive(Clone, Debug)]
enum Op {
    Broadcast(Option<u64>),
    Direct,
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    /// Compared with a plain list: a newer entry replaces the one of its topic in place, and beyond
    /// the limit the first one is dropped.
    #[test]
    fn the_outbox_equals_a_plain_list(
        most in 1..6_usize,
        ops in prop::collection::vec(
            prop_oneof![prop::option::of(0..3_u64).prop_map(Op::Broadcast), Just(Op::Direct)], 0..30),
    ) {
        let mut net = slow(|config| config.limits.outbox = most);
        let mut list: Vec<(Option<u64>, String)> = Vec::new();
        for (number, op) in ops.into_iter().enumerate() {
            let what = format!("{number}");
            let topic = match op {
                Op::Broadcast(topic) => {
                    net.broadcast(0, BroadcastRequest { topic, ..broadcast_of(&what) });
                    topic
                }
                Op::Direct => {
                    net.send(0, 1, &what, Transport::Tcp);
                    None
                }
            };
            match list.iter_mut().find(|(of, _)| topic.is_some() && *of == topic) {
                Some((_, old)) => *old = what,
                None => list.push((topic, what)),
            }
            if list.len() > most {
                list.remove(0);
            }
            prop_assert_eq!(net.usage(0, "outbox"), list.len());
        }
        prop_assert_eq!(released(net), list.into_iter().map(|(_, what)| what).collect::<Vec<_>>());
    }
}
