//! The exchange schedule: intervals, transports and signs of life.

use gm_broadcast::Time;

use super::*;
use crate::node::test_context::{context, node};

fn schedule(cx: &Context) -> ExchangeSchedule {
    ExchangeSchedule::new(cx.config.timing.exchange_interval_min)
}

/// Time until the next exchange, in milliseconds.
fn next(cx: &Context) -> u64 {
    let at: Time = cx.timers.get(&NodeTimer::Exchange).unwrap();
    u64::try_from(at.since(cx.now).as_millis()).unwrap()
}

#[test]
fn the_interval_backs_off_until_a_change_shortens_it() {
    let mut cx = context();
    let mut schedule = schedule(&cx);
    for _ in 0..10 {
        schedule.on_equal(&mut cx, true);
    }
    assert_eq!(schedule.interval, cx.config.timing.exchange_interval_max);
    assert!((8_750..=11_250).contains(&next(&cx)), "{}", next(&cx));
    let interval = cx.config.timing.exchange_interval_active;
    schedule.hasten(&mut cx, interval);
    assert!((500..=1_000).contains(&next(&cx)), "{}", next(&cx));
}

#[test]
fn unsettled_groups_keep_the_interval_short() {
    let mut cx = context();
    let mut schedule = schedule(&cx);
    schedule.on_equal(&mut cx, false);
    assert_eq!(schedule.interval, cx.config.timing.exchange_interval_min);
}

#[test]
fn after_many_unanswered_exchanges_the_interval_backs_off() {
    let mut cx = context();
    let mut schedule = schedule(&cx);
    for _ in 0..=MAX_UNANSWERED + 2 {
        schedule.end_exchange();
        schedule.on_started(&mut cx, Some((node(2), Transport::Udp)));
    }
    assert_eq!(schedule.unanswered(), MAX_UNANSWERED + 2);
    assert!(schedule.interval > cx.config.timing.exchange_interval_min);
}

#[test]
fn only_the_peer_that_was_asked_answers() {
    let mut cx = context();
    let mut schedule = schedule(&cx);
    schedule.on_started(&mut cx, Some((node(2), Transport::Udp)));
    assert!(!schedule.on_message(&mut cx, node(3), Path::Datagram, true));
    assert!(schedule.on_message(&mut cx, node(2), Path::Datagram, true));
    assert!(!schedule.on_message(&mut cx, node(2), Path::Datagram, true), "it has answered");
    assert_eq!(schedule.end_exchange(), None);
    assert_eq!(cx.take_actions().len(), 1, "the broadcaster learns that datagrams arrive");
}

#[test]
fn a_path_with_lasting_differences_gets_a_connection() {
    let mut cx = context();
    let mut schedule = schedule(&cx);
    for _ in 0..MAX_DIFFERING {
        assert_eq!(schedule.transport_for(node(2), Transport::Udp), Transport::Udp);
        schedule.on_difference(&mut cx, node(2));
    }
    assert_eq!(schedule.transport_for(node(2), Transport::Udp), Transport::Tcp);
    assert_eq!(schedule.transport_for(node(3), Transport::Udp), Transport::Udp);
    schedule.end_differing(node(2));
    assert_eq!(schedule.transport_for(node(2), Transport::Udp), Transport::Udp);
}

#[test]
fn a_node_that_was_cut_off_compares_all_groups_again() {
    let mut cx = context();
    cx.host_with(&[2]);
    cx.groups.hosted.values_mut().for_each(|hosted| hosted.unsettled_turns = 0);
    let mut schedule = schedule(&cx);
    schedule.unanswered = MAX_UNANSWERED + 1;
    schedule.on_message(&mut cx, node(2), Path::Datagram, false);
    assert!(cx.groups.hosted.values().all(|hosted| hosted.unsettled_turns > 0));
}

/// The node that wrote looks soon whether its broadcast arrived; while it goes on writing, it does
/// not compare more often than others do after a doubt.
#[test]
fn an_own_change_is_compared_soon_and_once() {
    let mut cx = context();
    let mut schedule = schedule(&cx);
    for _ in 0..10 {
        schedule.on_equal(&mut cx, true);
    }
    schedule.on_own_change(&mut cx);
    assert!((100..=200).contains(&next(&cx)), "{}", next(&cx));
    let active = cx.config.timing.exchange_interval_active;
    assert_eq!(schedule.interval, active);
    let mut change_after = |pause: Duration| {
        schedule.on_started(&mut cx, None);
        cx.now = cx.now + pause;
        cx.timers.cancel(&NodeTimer::Exchange);
        schedule.on_own_change(&mut cx);
        next(&cx)
    };
    assert!((500..=1_000).contains(&change_after(active)));
    assert!((500..=1_000).contains(&change_after(active * 2 - Duration::from_millis(1))));
    assert!((100..=200).contains(&change_after(active * 2)));
}
