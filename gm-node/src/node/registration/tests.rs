//! Registration: pages to rendezvous nodes, their answers, and replacements.

use gm_broadcast::Input;

use super::*;
use crate::node::test_context::{context, group, node};

/// A member of the group that knows these peers.
fn member(peers: &[u8]) -> (Registration, Context) {
    let mut cx = context();
    cx.host_with(&[1]);
    let known = peers.iter().map(|number| node(*number)).collect();
    cx.drive_broadcaster(Input::Command(BroadcastCommand::AddNodes(known)));
    let mut registration = Registration::new([3; 32], cx.config.timing.registration_interval);
    registration.enroll(&mut cx, &group());
    (registration, cx)
}

/// Sends what is due; returns the receivers.
fn send(registration: &mut Registration, cx: &mut Context) -> Vec<(NetId, Transport)> {
    registration.send_registrations(cx);
    let sent = cx.take_actions().into_iter().filter_map(|action| match action {
        crate::node::action::Action::Command(BroadcastCommand::Send { to, transport, .. }) => {
            Some((to, transport))
        }
        _ => None,
    });
    sent.collect()
}

/// Lets time pass until the next registration is due.
fn wait(cx: &mut Context) {
    cx.now = cx.timers.get(&NodeTimer::Registration).unwrap();
}

#[test]
fn a_member_registers_with_its_rendezvous_nodes() {
    let (mut registration, mut cx) = member(&[2, 3, 4, 5, 6]);
    assert!(send(&mut registration, &mut cx).is_empty(), "a member alone waits a moment");
    wait(&mut cx);
    let sent: Vec<NetId> = send(&mut registration, &mut cx).into_iter().map(|(to, _)| to).collect();
    let mut expected = registration.rendezvous_of(&cx, &group());
    expected.sort_unstable();
    assert_eq!(sent, expected);
}

#[test]
fn an_unanswered_page_goes_to_the_next_best_node() {
    let (mut registration, mut cx) = member(&[2, 3, 4, 5, 6]);
    send(&mut registration, &mut cx);
    wait(&mut cx);
    let first = send(&mut registration, &mut cx);
    wait(&mut cx);
    let again = send(&mut registration, &mut cx);
    assert!(first.iter().all(|(to, _)| again.contains(&(*to, Transport::Tcp))), "{first:?} {again:?}");
    wait(&mut cx);
    send(&mut registration, &mut cx);
    let replaced = registration.rendezvous_of(&cx, &group());
    assert!(first.iter().all(|(to, _)| !replaced.contains(to)), "{replaced:?}");
}

#[test]
fn an_answered_page_is_sent_again_after_minutes() {
    let (mut registration, mut cx) = member(&[2]);
    send(&mut registration, &mut cx);
    wait(&mut cx);
    assert_eq!(send(&mut registration, &mut cx), [(node(2), Transport::Udp)]);
    registration.on_registered(&mut cx, node(2), &group());
    let next = cx.timers.get(&NodeTimer::Registration).unwrap().since(cx.now);
    assert!((525..=675).contains(&next.as_secs()), "{next:?}");
}

#[test]
fn a_node_that_left_registers_no_more() {
    let (mut registration, mut cx) = member(&[2, 3]);
    send(&mut registration, &mut cx);
    registration.unenroll(&group());
    wait(&mut cx);
    assert!(send(&mut registration, &mut cx).is_empty());
}
