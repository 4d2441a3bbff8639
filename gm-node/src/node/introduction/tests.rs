//! Introductions: the table of newcomers, and what is passed on.

use super::*;
use crate::node::test_context::{at, context, group, node, record};

#[test]
fn newcomers_are_limited_and_forgotten() {
    let (mut introductions, mut cx) = (Introductions::default(), context());
    cx.host_with(&[1]);
    let newcomer = |number: usize| -> NetId {
        format!("10.1.{}.{}:29999", number / 250, number % 250 + 1).parse().unwrap()
    };
    (0..=MAX_NEWCOMERS).for_each(|number| introductions.on_newcomer(&mut cx, &group(), newcomer(number)));
    assert_eq!(introductions.0[&group()].newcomers.len(), MAX_NEWCOMERS);
    assert!(!introductions.on_changed(&mut cx, &"other".parse().unwrap(), &[node(2)], true));
    cx.now = cx.timers.get(&NodeTimer::Introduction(group())).unwrap();
    // None of them is connected any more.
    assert!(introductions.introduce(&mut cx, &group()).is_none());
    assert!(introductions.0.is_empty() && cx.take_actions().is_empty());
}

#[test]
fn changes_are_gathered_for_a_limited_time() {
    let (mut introductions, mut cx) = (Introductions::default(), context());
    cx.host_with(&[1]);
    introductions.on_newcomer(&mut cx, &group(), node(2));
    let mut last = at(0);
    for _ in 0..100 {
        let due = cx.timers.get(&NodeTimer::Introduction(group())).unwrap();
        if due <= cx.now {
            break;
        }
        assert!(introductions.on_changed(&mut cx, &group(), &[node(3)], true));
        (cx.now, last) = (cx.now + QUIET / 2, due);
    }
    let longest = (QUIET + QUIET_PER_NEWCOMER) * MAX_QUIETS;
    assert_eq!(last, at(0) + longest, "it is not put off further");
}

#[test]
fn only_a_newcomers_own_message_is_passed_on() {
    let (mut introductions, mut cx) = (Introductions::default(), context());
    cx.host_with(&[1, 2, 3]);
    introductions.on_newcomer(&mut cx, &group(), node(3));
    introductions.on_changed(&mut cx, &group(), &[node(2)], true);
    introductions.on_changed(&mut cx, &group(), &[node(3)], false);
    assert!(introductions.0[&group()].introduced.is_empty());
    introductions.on_changed(&mut cx, &group(), &[node(3)], true);
    let (updates, to, _) = introductions.introduce(&mut cx, &group()).unwrap();
    assert_eq!(to, [node(2), node(3)], "node 3 is not connected, so it is sent nothing else");
    assert_eq!(updates.iter().map(MemberUpdate::member).collect::<Vec<_>>(), [node(3)]);
}

#[test]
fn a_large_group_is_not_given_at_once() {
    let few = [record(2, (0, 9)), record(3, (0, 9))];
    let update = small_update(&group(), few.iter().rev()).unwrap();
    assert_eq!(update.updates.iter().map(MemberUpdate::member).collect::<Vec<_>>(), [node(2), node(3)]);
    let many = MAX_BYTES / RECORD_BYTES;
    assert!(small_update(&group(), few.iter().cycle().take(many)).is_none());
    assert!(small_update(&group(), few.iter().take(0)).is_none());
}
