//! Pulls: requests, repetitions, and their end.

use super::*;
use crate::node::test_context::{context, group, node, record};

fn timer() -> NodeTimer {
    NodeTimer::Pull(group(), node(2))
}

/// A context with an open pull for the record of node 2, which node 3 has.
fn open() -> (Pulls, Context) {
    let (mut pulls, mut cx) = (Pulls::default(), context());
    cx.host_with(&[]);
    let version = record(2, (0, 9)).version();
    pulls.on_increment_gap(&mut cx, &group(), (node(2), version), (node(3), Path::Datagram));
    (pulls, cx)
}

#[test]
fn a_pull_is_repeated_with_backoff_then_given_up() {
    let (mut pulls, mut cx) = open();
    let mut delays = Vec::new();
    while pulls.len() > 0 {
        assert!(delays.len() <= 6, "{delays:?}");
        cx.timers.cancel(&timer());
        pulls.send(&mut cx, group(), node(2));
        delays.extend(cx.timers.get(&timer()).map(|at| at.since(cx.now).as_millis()));
    }
    assert_eq!(delays, [200, 400, 800, 1_600, 3_200, 6_400]);
}

#[test]
fn later_requests_go_by_connection() {
    let (mut pulls, mut cx) = open();
    for _ in 0..3 {
        pulls.send(&mut cx, group(), node(2));
    }
    let sent = format!("{:?}", cx.take_actions());
    assert_eq!((sent.matches("Udp").count(), sent.matches("Tcp").count()), (2, 1), "{sent}");
}

#[test]
fn the_merged_record_ends_the_pull() {
    let (mut pulls, mut cx) = open();
    pulls.settle(&mut cx, &group(), node(2));
    assert_eq!(pulls.len(), 1, "the record is not here");
    cx.host_with(&[2]);
    pulls.settle(&mut cx, &group(), node(2));
    assert_eq!((pulls.len(), cx.timers.is_set(&timer())), (0, false));
}

#[test]
fn a_released_group_has_no_pulls() {
    let (mut pulls, mut cx) = open();
    pulls.end_group(&mut cx, &"Others".parse().unwrap());
    assert_eq!(pulls.len(), 1);
    pulls.end_group(&mut cx, &group());
    assert_eq!((pulls.len(), cx.timers.is_set(&timer())), (0, false));
}
