//! Waits for members that do not answer: dead, paused, removed, or nonexistent.

use std::time::Duration;

use gm_node::{AckCount, Forget, NodeCommand, Wait, WaitOutcome, WriteKind};
use gm_sim::NodeIndex;

use crate::cluster::{disks, group, id, in_sync, millis, new_cluster, serve, settle, write};
use crate::waits::{apart, wait_outcome};

#[test]
fn with_a_dead_member_all_settles_and_names_it() {
    let (mut cluster, log) = new_cluster(3, &disks(3), |_| {});
    settle(&mut cluster, 3);
    cluster.crash(NodeIndex(2));
    cluster.command(NodeIndex(0), write(1, serve(0, u32::MAX), Wait::all(Duration::from_secs(10))));
    cluster.run_for(Duration::from_secs(10));
    let waited = log.waited(1);
    assert_eq!((waited.outcome, waited.acknowledged, waited.unreachable), (WaitOutcome::Settled, 1, 1));
    assert_eq!((waited.members, waited.refused, waited.unanswered), (2, 0, 0));
    assert_eq!(waited.unreachable_members, [id(2)]);
}

/// A process pauses for a moment, by a signal, load or garbage collection, while its host accepts
/// connections.
#[test]
fn a_member_that_stops_for_a_moment_is_waited_for() {
    for nodes in [2, 3, 9] {
        for (multicast, paused) in [(true, 1), (false, 1), (false, u32::from(nodes) - 1)] {
            let set = move |config: &mut gm_node::NodeConfig| config.broadcast.multicast = multicast;
            let (mut cluster, log) = new_cluster(nodes, &disks(nodes.into()), set);
            settle(&mut cluster, nodes);
            cluster.pause(NodeIndex(paused));
            let began = cluster.now();
            let all = Wait::all(Duration::from_secs(5));
            cluster.command(NodeIndex(0), write(1, serve(0, u32::MAX), all));
            cluster.run_for(millis(600));
            assert!(log.answer(1).is_none(), "{nodes} nodes: {:?}", log.answer(1));
            cluster.resume(NodeIndex(paused));
            cluster.run_for(Duration::from_secs(2));
            let (at, _) = log.answer(1).unwrap();
            assert_eq!(wait_outcome(&log, 1), (WaitOutcome::Satisfied, u64::from(nodes) - 1));
            assert!(at.since(began) < millis(1_500), "{nodes} nodes, {multicast}: {:?}", at.since(began));
        }
    }
}

#[test]
fn a_silent_member_is_waited_for_to_the_end() {
    let (mut cluster, log) = new_cluster(3, &disks(3), |_| {});
    settle(&mut cluster, 3);
    cluster.pause(NodeIndex(2));
    cluster.command(NodeIndex(0), write(1, serve(0, u32::MAX), Wait::all(Duration::from_secs(4))));
    cluster.run_for(millis(3_900));
    assert!(log.answer(1).is_none());
    cluster.run_for(millis(200));
    let waited = log.waited(1);
    assert_eq!((waited.outcome, waited.members, waited.acknowledged), (WaitOutcome::TimedOut, 2, 1));
    assert_eq!((waited.refused, waited.unreachable, waited.unanswered), (0, 0, 1));
    assert_eq!(waited.unanswered_members, [id(2)]);
}

/// Of five other members, one acknowledges from disk, one has no disk, one is dead on a live host,
/// one is paused, and one is on a dead host.
#[test]
fn the_report_counts_each_kind_of_answer() {
    let disks = disks(5);
    let (mut cluster, log) = new_cluster(6, &disks, |_| {});
    settle(&mut cluster, 6);
    cluster.crash(NodeIndex(2));
    cluster.pause(NodeIndex(3));
    cluster.kill_host(NodeIndex(4));
    // Connections to it are given up, so it is dialed.
    cluster.run_for(Duration::from_secs(90));
    let wait = Wait { count: AckCount::All, on_disk: true, timeout: Duration::from_secs(10) };
    cluster.command(NodeIndex(0), write(1, serve(0, u32::MAX), wait));
    cluster.run_for(Duration::from_secs(11));
    let waited = log.waited(1);
    assert_eq!(
        (waited.outcome, waited.members, waited.acknowledged),
        (WaitOutcome::TimedOut, 5, 1),
        "{waited:?}"
    );
    // The dead host is unreachable if a dial to it failed lately, else it does not answer.
    let dialed = waited.unreachable_members.contains(&id(4));
    let expected = if dialed { (1, 2, 1) } else { (1, 1, 2) };
    assert_eq!((waited.refused, waited.unreachable, waited.unanswered), expected, "{waited:?}");
    let (mut unreachable, mut unanswered) = (vec![id(2)], vec![id(3)]);
    if dialed { &mut unreachable } else { &mut unanswered }.push(id(4));
    assert_eq!((waited.unreachable_members, waited.unanswered_members), (unreachable, unanswered));
}

/// A dead member restarts during the wait.
#[test]
fn a_member_that_comes_back_is_asked_again() {
    let (mut cluster, log) = new_cluster(3, &disks(3), |_| {});
    settle(&mut cluster, 3);
    cluster.kill_host(NodeIndex(2));
    cluster.command(NodeIndex(0), write(1, serve(0, u32::MAX), Wait::all(Duration::from_secs(30))));
    cluster.run_for(Duration::from_secs(5));
    assert!(log.answer(1).is_none());
    cluster.start(NodeIndex(2));
    cluster.run_for(Duration::from_secs(20));
    assert_eq!(wait_outcome(&log, 1), (WaitOutcome::Satisfied, 2));
}

#[test]
fn a_wait_without_other_members_times_out() {
    let (mut cluster, log) = new_cluster(2, &disks(2), |_| {});
    let waits = [Wait::some(1, Duration::from_secs(3)), Wait::all(Duration::from_secs(3))];
    for (tag, wait) in (1..).zip(waits) {
        cluster.command(NodeIndex(0), write(tag, serve(0, 9), wait));
    }
    cluster.run_for(millis(2_900));
    assert!(log.answer(1).is_none() && log.answer(2).is_none());
    cluster.run_for(millis(700));
    for tag in [1, 2] {
        let waited = log.waited(tag);
        assert_eq!((waited.outcome, waited.members, waited.acknowledged), (WaitOutcome::TimedOut, 0, 0));
    }
    // After a leave, no member is left to acknowledge it. The group is released when the wait ends.
    cluster.command(NodeIndex(0), write(3, WriteKind::Leave, waits[1]));
    cluster.run_for(millis(2_900));
    assert!(log.answer(3).is_none());
    cluster.run_for(millis(200));
    assert_eq!(log.waited(3).outcome, WaitOutcome::TimedOut);
    assert!(cluster.machine(NodeIndex(0)).unwrap().view(&group()).is_none());
}

#[test]
fn a_single_node_does_not_wait() {
    let (mut cluster, log) = new_cluster(1, &disks(1), |config| config.single_node = true);
    cluster.command(NodeIndex(0), write(1, serve(0, 9), Wait::all(Duration::from_secs(3))));
    cluster.command(NodeIndex(0), write(2, serve(0, 9), Wait::some(1, Duration::from_secs(3))));
    cluster.run_for(millis(100));
    assert_eq!(
        (wait_outcome(&log, 1), wait_outcome(&log, 2)),
        ((WaitOutcome::Satisfied, 0), (WaitOutcome::Settled, 0))
    );
}

/// The group is hosted until the wait ends, although a peer has the leave already.
#[test]
fn a_leave_waits_for_all_affected_members() {
    let (mut cluster, log) = new_cluster(4, &disks(4), |_| {});
    settle(&mut cluster, 4);
    cluster.pause(NodeIndex(2));
    // Of the other members, the second and third overlap its range.
    cluster.command(NodeIndex(1), write(1, WriteKind::Leave, Wait::all(Duration::from_secs(20))));
    cluster.run_for(Duration::from_secs(12));
    assert!(log.answer(1).is_none());
    cluster.resume(NodeIndex(2));
    cluster.run_for(Duration::from_secs(2));
    assert_eq!(wait_outcome(&log, 1), (WaitOutcome::Satisfied, 2));
    cluster.run_for(Duration::from_secs(20));
    assert!(cluster.machine(NodeIndex(1)).unwrap().view(&group()).is_none());
    assert!(in_sync(&cluster, 3));
}

/// A member that leaves during a wait is no longer affected by the write.
#[test]
fn a_member_that_leaves_is_not_waited_for() {
    let (mut cluster, log) = new_cluster(3, &disks(3), |_| {});
    settle(&mut cluster, 3);
    cluster.pause(NodeIndex(2));
    cluster.command(NodeIndex(2), write(1, WriteKind::Leave, Wait::NONE));
    cluster.command(NodeIndex(0), write(2, serve(0, u32::MAX), Wait::all(Duration::from_secs(20))));
    cluster.run_for(Duration::from_secs(3));
    assert!(log.answer(2).is_none());
    cluster.resume(NodeIndex(2));
    cluster.run_for(Duration::from_secs(5));
    let waited = log.waited(2);
    assert_eq!(waited.outcome, WaitOutcome::Satisfied, "{waited:?}");
}

/// The forgotten member may be dead, paused or alive: it is not waited for.
#[test]
fn a_forget_waits_for_all_others() {
    for dead in [true, false] {
        let (mut cluster, log) = new_cluster(4, &disks(4), |_| {});
        apart(&mut cluster, 4);
        if dead {
            cluster.crash(NodeIndex(3))
        } else {
            cluster.pause(NodeIndex(3))
        }
        cluster.pause(NodeIndex(2));
        let wait = Wait::all(Duration::from_secs(5));
        let forget =
            |tag, wait| NodeCommand::Forget(Forget { tag, group: Some(group()), member: id(3), wait });
        cluster.command(NodeIndex(0), forget(1, wait));
        cluster.run_for(millis(600));
        assert!(log.answer(1).is_none());
        cluster.resume(NodeIndex(2));
        cluster.run_for(Duration::from_secs(1));
        let waited = log.waited(1);
        assert_eq!((waited.outcome, waited.members, waited.acknowledged), (WaitOutcome::Satisfied, 2, 2));
    }
}
