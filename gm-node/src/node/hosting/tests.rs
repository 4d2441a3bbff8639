//! Hosting: leaves and releases.

use crate::node::test_context::{at, context, group, node};

#[test]
fn a_leave_ends_hosting_after_its_timeout() {
    let mut cx = context();
    cx.host_with(&[2]);
    assert!(!cx.has_left(&group()), "it was not left");
    cx.start_leaving(&group());
    assert!(cx.is_leaving(&group()) && !cx.has_left(&group()));
    cx.now = at(600_000);
    assert!(cx.has_left(&group()));
}

#[test]
fn the_last_member_leaves_once_the_group_was_compared() {
    let mut cx = context();
    cx.host_with(&[]);
    cx.start_leaving(&group());
    assert!(!cx.has_left(&group()), "there may be unknown members");
    cx.groups.hosted.get_mut(&group()).unwrap().is_sole = true;
    assert!(cx.has_left(&group()));
}

#[test]
fn a_release_keeps_the_own_record_and_a_contact() {
    let mut cx = context();
    cx.host_with(&[2, 3]);
    assert_eq!(cx.release(&group()), [node(2), node(3)]);
    assert!(cx.groups.record(&group(), node(2)).is_none() && !cx.groups.hosted.contains_key(&group()));
    assert_eq!(cx.groups.contacts.iter().collect::<Vec<_>>(), [(&group(), node(2))]);
}

#[test]
fn a_nearly_full_group_is_reported_once() {
    let mut cx = crate::node::test_context::context_with(|config| config.limits.records = 3);
    cx.host_with(&[2, 3]);
    cx.warn_if_near_limit(&group());
    assert_eq!(cx.take_events().len(), 0);
    cx.host_with(&[4]);
    cx.warn_if_near_limit(&group());
    cx.warn_if_near_limit(&group());
    assert_eq!(cx.take_events().len(), 1);
}
