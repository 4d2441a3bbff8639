//! What waits for a slow node: bounded, and what is dirty, not what was said.

use gm_broadcast::{Broadcasting, By, Command, Config, Targets};
use proptest::prelude::*;

use crate::net::Net;
use crate::receipts::wanted;
use crate::station::{ms, node, say, text};

/// Two nodes, and a connection from the first to the second on which nothing moves: the opening is all that is handed over.
fn slow(change: impl Fn(&mut Config)) -> Net {
    let mut net = Net::of(2, None, |config| {
        config.bounds.in_flight = 1;
        config.times.exchange = ms(10_000_000);
        change(config);
    });
    net.tell(0, Command::Send { to: node(1), body: text("first"), by: By::Link });
    net.run(ms(100));
    net.stuck.insert((0, 1));
    // This one is with the driver: what comes behind it waits.
    net.broadcast(0, say("ahead"));
    net
}

fn topical(topic: u64, what: &str, instead: Option<&str>) -> Broadcasting {
    Broadcasting { topic: Some(topic), instead: instead.map(text), ..say(what) }
}

fn waiting(net: &Net) -> usize {
    net.stations[0].node.held().iter().find(|(what, ..)| *what == "outbox").map(|(_, held, _)| *held).unwrap()
}

fn released(mut net: Net) -> Vec<String> {
    net.release();
    net.run(ms(1_000));
    assert_eq!(waiting(&net), 0);
    net.texts(1).into_iter().skip(2).map(str::to_owned).collect()
}

#[test]
fn a_newer_one_of_a_topic_takes_the_place_of_the_older() {
    let mut net = slow(|_| {});
    for what in ["a", "b", "c"] {
        net.broadcast(0, topical(7, what, None));
    }
    net.broadcast(0, topical(8, "other", None));
    net.broadcast(0, topical(7, "d", None));
    net.broadcast(0, say("of none"));
    assert_eq!(waiting(&net), 3);
    assert_eq!(net.count(0, "outbox", "replaced by a newer one"), 3);
    assert_eq!(released(net), ["d", "other", "of none"]);
}

/// Who was not sent the older one is told what says both; who was, the newer one alone.
#[test]
fn who_missed_the_older_one_is_told_instead() {
    let mut net = slow(|_| {});
    net.broadcast(0, topical(7, "a", Some("all up to a")));
    net.broadcast(0, topical(7, "b", Some("all up to b")));
    assert_eq!(released(net), ["all up to b"]);
    let mut net = slow(|_| {});
    net.broadcast(0, topical(7, "a", Some("all up to a")));
    assert_eq!(released(net), ["a"]);
}

/// Each share says that its receipts are wanted: none takes another's place.
#[test]
fn broadcasts_with_receipts_are_not_replaced() {
    let mut net = slow(|_| {});
    for (tag, what) in [(1, "a"), (2, "b")] {
        net.broadcast(0, Broadcasting { topic: Some(7), ..wanted(tag, what) });
    }
    assert_eq!(waiting(&net), 2);
    assert_eq!(released(net), ["a", "b"]);
}

#[test]
fn the_oldest_of_too_many_is_dropped() {
    let mut net = slow(|config| config.bounds.outbox = 3);
    for number in 0..10 {
        net.broadcast(0, say(&format!("{number}")));
        assert!(waiting(&net) <= 3);
    }
    assert_eq!(net.count(0, "dropped", "outbox full"), 7);
    assert_eq!(released(net), ["7", "8", "9"]);
}

/// Who was dropped for want of room is counted missing, and the rest of his share goes to the next of it.
#[test]
fn who_was_dropped_is_missing() {
    let mut net = slow(|config| config.bounds.outbox = 1);
    net.broadcast(0, wanted(1, "a"));
    net.broadcast(0, Broadcasting { to: Targets::Nodes(vec![node(1)]), ..wanted(2, "b") });
    net.run(ms(10));
    let report = net.reports(0, 1).last().copied().unwrap();
    assert_eq!((report.missing, &*report.names, report.settled), (1, &[node(1)][..], true));
    assert_eq!(released(net), ["b"]);
}

/// What waited for a connection that ended goes by the next one.
#[test]
fn what_was_not_sent_goes_by_another_connection() {
    let mut net = slow(|_| {});
    net.broadcast(0, say("a"));
    net.broadcast(0, say("b"));
    net.stuck.clear();
    net.tell(0, Command::Close);
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

    /// Beside a plain list: a newer one replaces the one of its topic in its place, and beyond the bound the first goes.
    #[test]
    fn it_holds_what_a_list_holds(
        most in 1..6_usize,
        ops in prop::collection::vec(
            prop_oneof![prop::option::of(0..3_u64).prop_map(Op::Broadcast), Just(Op::Direct)], 0..30),
    ) {
        let mut net = slow(|config| config.bounds.outbox = most);
        let mut list: Vec<(Option<u64>, String)> = Vec::new();
        for (number, op) in ops.into_iter().enumerate() {
            let what = format!("{number}");
            let topic = match op {
                Op::Broadcast(topic) => {
                    net.broadcast(0, Broadcasting { topic, ..say(&what) });
                    topic
                }
                Op::Direct => {
                    net.tell(0, Command::Send { to: node(1), body: text(&what), by: By::Link });
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
            prop_assert_eq!(waiting(&net), list.len());
        }
        prop_assert_eq!(released(net), list.into_iter().map(|(_, what)| what).collect::<Vec<_>>());
    }
}
