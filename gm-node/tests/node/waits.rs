//! Waits: for none, some or all members; in memory and on disk; for members that are known, or
//! discovered later.

use std::time::Duration;

use gm_node::{AckCount, Forget, NodeCommand, Wait, WaitOutcome, WriteKind};
use gm_sim::NodeIndex;

use crate::cluster::{disks, group, id, in_sync, millis, new_cluster, range, serve, settle, write};

#[test]
fn a_wait_for_all_has_all_affected_members() {
    let (mut cluster, log) = new_cluster(4, &disks(4), |_| {});
    settle(&mut cluster, 4);
    // Of the four nodes, 0 and 1 overlap this range; the writer is not counted.
    cluster.command(NodeIndex(3), write(1, serve(0, 1_400), Wait::all(Duration::from_secs(2))));
    cluster.run_for(Duration::from_secs(2));
    let waited = log.waited(1);
    assert_eq!((waited.outcome, waited.acknowledged), (WaitOutcome::Satisfied, 2));
}

/// Another member may join in time.
#[test]
fn a_wait_for_more_members_than_there_are_uses_its_time() {
    let (mut cluster, log) = new_cluster(4, &disks(4), |_| {});
    settle(&mut cluster, 3);
    cluster.command(NodeIndex(0), write(1, serve(0, u32::MAX), Wait::some(2, Duration::from_secs(2))));
    cluster.command(NodeIndex(1), write(2, serve(0, u32::MAX), Wait::some(3, Duration::from_secs(2))));
    cluster.run_for(millis(1_900));
    assert_eq!(log.waited(1).outcome, WaitOutcome::Satisfied);
    assert!(log.answer(2).is_none());
    cluster.run_for(millis(200));
    let waited = log.waited(2);
    assert_eq!((waited.outcome, waited.members, waited.acknowledged), (WaitOutcome::TimedOut, 2, 2));
    cluster.command(NodeIndex(1), write(3, serve(0, u32::MAX - 1), Wait::some(3, Duration::from_secs(10))));
    cluster.run_for(Duration::from_secs(1));
    cluster.command(NodeIndex(3), write(4, serve(5, 9), Wait::NONE));
    cluster.run_for(Duration::from_secs(3));
    let waited = log.waited(3);
    assert_eq!((waited.outcome, waited.members, waited.acknowledged), (WaitOutcome::Satisfied, 3, 3));
}

#[test]
fn only_members_with_a_disk_count_as_on_disk() {
    let disks = disks(2);
    let (mut cluster, log) = new_cluster(3, &disks, |_| {});
    settle(&mut cluster, 3);
    disks[1].set_latency(millis(400));
    let wait = |count| Wait { count, on_disk: true, timeout: Duration::from_secs(5) };
    let began = cluster.now();
    cluster.command(NodeIndex(0), write(1, serve(0, u32::MAX), wait(AckCount::Some(1))));
    cluster.run_for(Duration::from_secs(3));
    let (at, _) = log.answer(1).unwrap();
    assert!(at.since(began) >= millis(400), "answered after {:?}", at.since(began));
    cluster.command(NodeIndex(0), write(2, serve(1, u32::MAX), wait(AckCount::All)));
    cluster.run_for(Duration::from_secs(3));
    // The third node stores nothing on disk.
    let waited = log.waited(2);
    assert_eq!((waited.outcome, waited.acknowledged, waited.refused), (WaitOutcome::Settled, 1, 1));
    assert_eq!((waited.unreachable, waited.unanswered), (0, 0));
}

#[test]
fn ending_waits_answers_stored_writes_only() {
    let disks = disks(2);
    let (mut cluster, log) = new_cluster(2, &disks, |_| {});
    settle(&mut cluster, 2);
    cluster.pause(NodeIndex(1));
    let long = |tag, start| write(tag, serve(start, u32::MAX), Wait::all(Duration::from_secs(600)));
    cluster.command(NodeIndex(0), long(1, 0));
    cluster.run_for(millis(100));
    disks[0].set_latency(millis(500));
    cluster.command(NodeIndex(0), long(2, 1));
    cluster.run_for(millis(100));
    cluster.command(NodeIndex(0), NodeCommand::EndWaits);
    cluster.run_for(millis(1));
    let waited = log.waited(1);
    assert_eq!((waited.outcome, waited.acknowledged), (WaitOutcome::TimedOut, 0));
    assert!(log.answer(2).is_none(), "it is with the store");
}

#[test]
fn a_wait_for_all_needs_a_peer_in_sync() {
    let (mut cluster, log) = new_cluster(2, &disks(2), |_| {});
    cluster.crash(NodeIndex(0));
    cluster.crash(NodeIndex(1));
    cluster.start(NodeIndex(1));
    cluster.command(NodeIndex(1), write(1, serve(0, 9), Wait::all(Duration::from_secs(3))));
    cluster.run_for(Duration::from_secs(4));
    let waited = log.waited(1);
    assert_eq!((waited.outcome, waited.acknowledged), (WaitOutcome::TimedOut, 0));
    cluster.start(NodeIndex(0));
    cluster.run_for(Duration::from_secs(15));
    cluster.command(NodeIndex(1), write(2, serve(10, 19), Wait::all(Duration::from_secs(3))));
    cluster.run_for(Duration::from_secs(4));
    assert_eq!(
        log.waited(2).outcome,
        WaitOutcome::TimedOut,
        "the other node is up, but does not host the group"
    );
}

/// Each node serves its own keys, so that no write affects another member.
pub(crate) fn apart(cluster: &mut crate::cluster::Cluster, nodes: u32) {
    for node in 0..nodes {
        cluster.command(NodeIndex(node), write(0, serve(node * 1_000, node * 1_000 + 9), Wait::NONE));
    }
    cluster.run_for(Duration::from_secs(5));
    assert!(in_sync(cluster, nodes as usize));
}

pub(crate) fn wait_outcome(log: &crate::cluster::EventLog, tag: u64) -> (WaitOutcome, u64) {
    let waited = log.waited(tag);
    (waited.outcome, waited.acknowledged)
}

#[test]
fn unaffected_members_count_if_a_write_affects_none() {
    use gm_data::Change;
    let (mut cluster, log) = new_cluster(3, &disks(3), |_| {});
    apart(&mut cluster, 3);
    let second = Duration::from_secs(1);
    let range = range(0, 9);
    let writes = [
        (serve(50, 59), Wait::some(1, second)),
        (WriteKind::Change(vec![Change::Priority { range, priority: 7 }]), Wait::some(2, second)),
        (serve(60, 69), Wait::all(second)),
        (WriteKind::Change(vec![Change::Unserve(range)]), Wait { on_disk: true, ..Wait::some(2, second) }),
        (serve(50, 59), Wait::some(2, second)),
        (WriteKind::Leave, Wait::some(2, second)),
    ];
    for (tag, (what, wait)) in (1..).zip(writes) {
        cluster.command(NodeIndex(0), write(tag, what.clone(), wait));
        cluster.run_for(millis(900));
        let waited = log.waited(tag);
        assert_eq!((waited.outcome, waited.members), (WaitOutcome::Satisfied, 2), "{what:?}: {waited:?}");
        let least = if let AckCount::Some(count) = wait.count { count } else { 1 };
        assert!(waited.acknowledged >= least, "{what:?}: {waited:?}");
    }
    cluster.run_for(Duration::from_secs(20));
    assert!(
        cluster.machine(NodeIndex(0)).unwrap().view(&group()).is_none(),
        "it left, and released the group"
    );
    let forget = Forget { tag: 20, group: None, member: id(2), wait: Wait::some(1, second) };
    cluster.crash(NodeIndex(2));
    cluster.command(NodeIndex(0), write(21, WriteKind::Join(vec![]), Wait::some(2, second)));
    cluster.command(NodeIndex(1), NodeCommand::Forget(forget));
    cluster.run_for(Duration::from_secs(2));
    assert_eq!(log.waited(20).members, 1, "the forgotten one is not counted");
}

/// A member that lacks earlier versions refuses the increment, and merges the record.
#[test]
fn a_member_that_lacks_earlier_versions_is_asked_again() {
    let (mut cluster, log) = new_cluster(3, &disks(3), |config| config.broadcast.multicast = false);
    apart(&mut cluster, 3);
    // More items than a record may have to be sent whole to unaffected members.
    let ranges: Vec<_> = (0..100).map(|place| range(100_000 + 10 * place, 100_009 + 10 * place)).collect();
    cluster.command(NodeIndex(0), write(1, WriteKind::Join(ranges), Wait::NONE));
    cluster.run_for(millis(20));
    cluster.command(NodeIndex(0), write(2, serve(20, 29), Wait::some(2, Duration::from_secs(5))));
    cluster.run_for(Duration::from_secs(1));
    assert_eq!(wait_outcome(&log, 2), (WaitOutcome::Satisfied, 2));
}

/// A newcomer has no known member at its first write.
#[test]
fn a_first_write_waits_for_members_that_are_found_later() {
    for count in [AckCount::Some(1), AckCount::Some(2), AckCount::All] {
        for multicast in [false, true] {
            let (mut cluster, log) =
                new_cluster(3, &disks(3), move |config| config.broadcast.multicast = multicast);
            cluster.crash(NodeIndex(2));
            apart(&mut cluster, 2);
            cluster.run_for(Duration::from_secs(60));
            cluster.start(NodeIndex(2));
            let wait = Wait { count, on_disk: false, timeout: Duration::from_secs(5) };
            cluster.command(NodeIndex(2), write(1, WriteKind::Join(vec![]), wait));
            cluster.run_for(Duration::from_secs(3));
            let waited = log.waited(1);
            assert_eq!(
                waited.outcome,
                WaitOutcome::Satisfied,
                "{count:?}, multicast {multicast}: {waited:?}"
            );
            assert!(count == AckCount::Some(1) || waited.acknowledged == 2, "{waited:?}");
        }
    }
}

/// The other member starts and joins during the wait.
#[test]
fn a_wait_begins_when_a_member_is_found() {
    let (mut cluster, log) = new_cluster(2, &disks(2), |_| {});
    cluster.crash(NodeIndex(1));
    for (tag, count) in [(1, AckCount::Some(1)), (2, AckCount::All)] {
        let wait = Wait { count, on_disk: true, timeout: Duration::from_secs(20) };
        cluster.command(NodeIndex(0), write(tag, serve(0, 9), wait));
    }
    cluster.run_for(Duration::from_secs(5));
    assert!(log.answer(1).is_none() && log.answer(2).is_none());
    cluster.start(NodeIndex(1));
    cluster.command(NodeIndex(1), write(3, serve(1_000, 1_009), Wait::NONE));
    cluster.run_for(Duration::from_secs(5));
    assert_eq!(
        (wait_outcome(&log, 1), wait_outcome(&log, 2)),
        ((WaitOutcome::Satisfied, 1), (WaitOutcome::Satisfied, 1))
    );
}

/// Writes of one tick with different waits: each is answered on its own.
#[test]
fn waits_of_one_tick_are_counted_apart() {
    let (mut cluster, log) = new_cluster(3, &disks(2), |_| {});
    settle(&mut cluster, 3);
    let within = Duration::from_secs(2);
    let waits = [
        Wait::all(within),
        Wait { on_disk: true, ..Wait::all(within) },
        Wait::some(2, within),
        Wait { on_disk: true, ..Wait::some(1, within) },
    ];
    for (tag, wait) in (1..).zip(waits) {
        let start = 100_000 * u32::try_from(tag).unwrap();
        cluster.command(NodeIndex(0), write(tag, serve(0, start), wait));
    }
    cluster.run_for(Duration::from_secs(1));
    let ends: Vec<(WaitOutcome, u64)> = (1..=4).map(|tag| wait_outcome(&log, tag)).collect();
    // The third node stores nothing on disk.
    let expected = [
        (WaitOutcome::Satisfied, 2),
        (WaitOutcome::Settled, 1),
        (WaitOutcome::Satisfied, 2),
        (WaitOutcome::Satisfied, 1),
    ];
    assert_eq!(ends, expected);
}
