//! Dissemination: the receivers of a write, and the end of a wait.

use gm_broadcast::BroadcastRequest;

use super::*;
use crate::command::{AckCount, Wait, WaitOutcome};
use crate::node::action::Action;
use crate::node::test_context::{context, group, node, record};

fn broadcasts(cx: &mut Context) -> Vec<(BroadcastRequest, Option<u64>)> {
    let requests = cx.take_actions().into_iter().filter_map(|action| match action {
        Action::Broadcast { request, wait, .. } => Some((request, wait)),
        _ => None,
    });
    requests.collect()
}

fn answer(members: u64) -> PendingAnswer {
    let wait = Wait { count: AckCount::Some(members), on_disk: false, timeout: Duration::from_secs(5) };
    PendingAnswer::new(7, wait, true, record(1, (0, 9)).version())
}

/// Writes the record of this node in a group with members 2 and 3.
fn write(answers: Vec<PendingAnswer>) -> (Dissemination, Context, Vec<(BroadcastRequest, Option<u64>)>) {
    let (mut dissemination, mut cx) = (Dissemination::default(), context());
    cx.host_with(&[1, 2, 3]);
    let own = record(1, (0, u32::MAX));
    let change = OwnChange { previous: None, own: &own, former: None, changed: true };
    dissemination.disseminate(&mut cx, &group(), change, answers);
    let sent = broadcasts(&mut cx);
    (dissemination, cx, sent)
}

fn outcomes(cx: &mut Context) -> Vec<WaitOutcome> {
    let outcomes = cx.take_events().into_iter().filter_map(|event| match event {
        NodeEvent::Answered { result: Ok(write), .. } => Some(write.wait.outcome),
        _ => None,
    });
    outcomes.collect()
}

#[test]
fn a_write_goes_to_the_affected_members_without_acks() {
    let (dissemination, _, sent) = write(vec![]);
    let [(request, None)] = &sent[..] else { panic!("{sent:?}") };
    assert_eq!(
        format!("{:?}", request.to),
        format!("{:?}", gm_broadcast::Targets::Nodes(vec![node(2), node(3)]))
    );
    assert_eq!((request.acks.is_some(), dissemination.open_waits()), (false, 0));
}

#[test]
fn a_wait_ends_with_the_acks_of_its_broadcast() {
    let (mut dissemination, mut cx, sent) = write(vec![answer(2)]);
    let tag = sent[0].0.tag;
    assert!(sent[0].0.acks.is_some() && dissemination.is_waiting_in(&group()));
    let one = AckReport { delivered: 1, unknown: 1, ..AckReport::default() };
    dissemination.on_acks(&mut cx, tag, one, vec![]);
    assert_eq!(outcomes(&mut cx), []);
    let both = AckReport { delivered: 2, ..AckReport::default() };
    dissemination.on_acks(&mut cx, tag, both, vec![]);
    assert_eq!((outcomes(&mut cx), dissemination.open_waits()), (vec![WaitOutcome::Satisfied], 0));
}

#[test]
fn a_rejected_broadcast_ends_its_wait() {
    let (mut dissemination, mut cx, sent) = write(vec![answer(2)]);
    let (tag, wait) = (sent[0].0.tag, sent[0].1);
    dissemination.on_rejected(&mut cx, tag, wait);
    assert_eq!(outcomes(&mut cx), [WaitOutcome::Settled]);
}

#[test]
fn a_shutdown_ends_all_waits() {
    let (mut dissemination, mut cx, _) = write(vec![answer(2)]);
    dissemination.end_waits(&mut cx);
    assert_eq!((outcomes(&mut cx), dissemination.open_waits()), (vec![WaitOutcome::TimedOut], 0));
}

#[test]
fn silent_members_are_asked_again() {
    let (mut dissemination, mut cx, sent) = write(vec![answer(2)]);
    let (tag, wait) = (sent[0].0.tag, sent[0].1.unwrap());
    let silent = AckReport { unknown: 2, settled: true, ..AckReport::default() };
    dissemination.on_acks(&mut cx, tag, silent, vec![]);
    cx.take_actions();
    cx.now = cx.timers.get(&NodeTimer::Wait(wait)).unwrap();
    dissemination.on_wait_due(&mut cx, wait);
    assert_eq!(broadcasts(&mut cx).len(), 1);
    assert!(dissemination.waits_are_scheduled(&cx));
}

#[test]
fn a_forgotten_member_may_refute_but_is_not_waited_for() {
    let (mut dissemination, mut cx) = (Dissemination::default(), context());
    cx.host_with(&[1, 2, 3]);
    dissemination.broadcast_forget(&mut cx, &group(), record(3, (0, 9)), answer(1));
    let actions = format!("{:?}", cx.actions);
    assert!(actions.contains("Command(Send"), "{actions}");
    let sent = broadcasts(&mut cx);
    assert_eq!(format!("{:?}", sent[0].0.to), format!("{:?}", gm_broadcast::Targets::Nodes(vec![node(2)])));
}

#[test]
fn a_newcomer_announces_itself_to_later_members() {
    let (mut dissemination, mut cx, _) = write(vec![]);
    dissemination.schedule_announcement(&mut cx, &group());
    assert!(cx.timers.is_set(&NodeTimer::Announcement(group())));
    dissemination.announce(&mut cx, &group());
    assert_eq!(broadcasts(&mut cx).len(), 0, "both members have its record");
    cx.host_with(&[4]);
    dissemination.announce(&mut cx, &group());
    assert_eq!(broadcasts(&mut cx).len(), 1);
}
