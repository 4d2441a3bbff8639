//! Restarts of nodes: with their disk, without it, with an old one, or under another address; and
//! two nodes with one address.

use std::time::Duration;

use gm_node::store::memory::SimulatedDisk;
use gm_node::{NodeEvent, Wait, WriteKind};
use gm_sim::NodeIndex;

use crate::cluster::{disks, group, id, in_sync, millis, new_cluster, serve, settle, write};

#[test]
fn with_its_disk_the_first_write_starts_an_incarnation() {
    let disks = disks(2);
    let (mut cluster, log) = new_cluster(2, &disks, |_| {});
    settle(&mut cluster, 2);
    let version = |cluster: &crate::cluster::Cluster, node| {
        cluster.machine(NodeIndex(node)).unwrap().view(&group()).unwrap().record(id(0)).unwrap().version()
    };
    let before = version(&cluster, 1);
    cluster.crash(NodeIndex(0));
    disks[0].crash(0);
    cluster.start(NodeIndex(0));
    cluster.run_for(Duration::from_secs(3));
    assert_eq!(version(&cluster, 0), before, "the record is unchanged");
    cluster.command(NodeIndex(0), write(1, serve(50_000, 60_000), Wait::NONE));
    cluster.run_for(Duration::from_secs(1));
    let after = version(&cluster, 1);
    assert!(log.answer(1).unwrap().1.is_ok());
    assert!(after.incarnation > before.incarnation && after.clock == before.clock + 1);
    assert!(in_sync(&cluster, 2));
}

#[test]
fn without_its_disk_it_refutes_its_old_record() {
    let disks = disks(2);
    let (mut cluster, log) = new_cluster(2, &disks, |_| {});
    settle(&mut cluster, 2);
    cluster.crash(NodeIndex(0));
    disks[0].wipe();
    cluster.start(NodeIndex(0));
    cluster.command(NodeIndex(0), write(1, serve(50_000, 60_000), Wait::NONE));
    cluster.run_for(Duration::from_secs(5));
    assert!(log.answer(1).unwrap().1.is_ok());
    let view = cluster.machine(NodeIndex(1)).unwrap().view(&group()).unwrap();
    let items: Vec<_> = view.record(id(0)).unwrap().items().map(|item| item.range().start()).collect();
    assert_eq!(items, [50_000]);
    assert!(in_sync(&cluster, 2));
}

/// The version of the first node's record, as `holder` has it.
fn version(cluster: &crate::cluster::Cluster, holder: u32) -> gm_data::Version {
    cluster.machine(NodeIndex(holder)).unwrap().view(&group()).unwrap().record(id(0)).unwrap().version()
}

/// Two nodes are in sync; then the first loses its last write, and its store detects that or not.
fn loses_its_last_write(
    is_suspect: bool,
) -> (crate::cluster::Cluster, crate::cluster::EventLog, Vec<SimulatedDisk>) {
    let disks = disks(2);
    let (mut cluster, log) = new_cluster(2, &disks, |_| {});
    settle(&mut cluster, 2);
    let before = disks[0].snapshot();
    cluster.command(NodeIndex(0), write(1, serve(50_000, 60_000), Wait::NONE));
    cluster.run_for(Duration::from_secs(2));
    assert!(log.answer(1).unwrap().1.is_ok() && in_sync(&cluster, 2));
    cluster.crash(NodeIndex(0));
    disks[0].restore(before);
    disks[0].set_loss_suspected(is_suspect);
    cluster.start(NodeIndex(0));
    cluster.command(NodeIndex(0), write(2, serve(70_000, 80_000), Wait::NONE));
    (cluster, log, disks)
}

#[test]
fn a_suspected_loss_is_probed_before_the_first_write() {
    let (mut cluster, log, disks) = loses_its_last_write(true);
    cluster.run_for(Duration::from_secs(3));
    let at = |what: &str, wanted: fn(&NodeEvent) -> bool| {
        let log = log.0.borrow();
        log.iter().position(|(_, node, event)| *node == NodeIndex(0) && wanted(event)).expect(what)
    };
    let suspected = at("doubted", |event| matches!(event, NodeEvent::StoreLossSuspected { groups: 1, .. }));
    let confirmed = at(
        "lacked",
        |event| matches!(event, NodeEvent::StoreLossConfirmed { stored: Some(stored), known, .. } if stored < known),
    );
    let answered = at("answered", |event| matches!(event, NodeEvent::Answered { tag: 2, result: Ok(_), .. }));
    let excluded = at("trusted", |event| matches!(event, NodeEvent::StoreLossExcluded));
    assert!(suspected < confirmed && confirmed < answered && suspected < excluded, "{:?}", log.0.borrow());
    assert!(in_sync(&cluster, 2));
    // The suspicion is cleared, also for the next start.
    cluster.crash(NodeIndex(0));
    assert_eq!(disks[0].open().1.suspected_loss, None);
}

/// The same store without the suspicion: the node writes at once, over the greater version that the
/// peer has.
#[test]
fn a_store_without_suspected_loss_is_written_at_once() {
    let (mut cluster, log, _disks) = loses_its_last_write(false);
    cluster.run_for(millis(20));
    assert!(log.answer(2).unwrap().1.is_ok());
    cluster.run_for(Duration::from_secs(3));
    assert!(!log.any(|event| matches!(
        event,
        NodeEvent::StoreLossSuspected { .. } | NodeEvent::StoreLossConfirmed { .. }
    )));
    assert!(in_sync(&cluster, 2));
}

#[test]
fn a_suspected_loss_is_excluded_by_peers() {
    let disks = disks(2);
    let (mut cluster, log) = new_cluster(2, &disks, |_| {});
    settle(&mut cluster, 2);
    let before = version(&cluster, 0);
    cluster.crash(NodeIndex(0));
    disks[0].set_loss_suspected(true);
    cluster.start(NodeIndex(0));
    cluster.run_for(Duration::from_secs(5));
    assert!(log.any(|event| matches!(event, NodeEvent::StoreLossExcluded)));
    assert!(!log.any(|event| matches!(event, NodeEvent::StoreLossConfirmed { .. })));
    assert_eq!(version(&cluster, 1), before, "it needed no write");
}

#[test]
fn a_suspected_loss_does_not_delay_a_single_node() {
    let disks = disks(1);
    let (mut cluster, log) = new_cluster(1, &disks, |_| {});
    settle(&mut cluster, 1);
    cluster.crash(NodeIndex(0));
    disks[0].set_loss_suspected(true);
    cluster.start(NodeIndex(0));
    cluster.command(NodeIndex(0), write(1, serve(70_000, 80_000), Wait::NONE));
    cluster.run_for(millis(400));
    assert!(log.answer(1).is_none(), "it waits for peers");
    cluster.run_for(millis(400));
    assert!(log.answer(1).unwrap().1.is_ok());
    assert!(log.any(|event| matches!(event, NodeEvent::StoreLossExcluded)));
}

#[test]
fn after_an_address_change_the_ranges_move() {
    let disks = disks(3);
    let (mut cluster, _) = new_cluster(3, &disks, |_| {});
    cluster.crash(NodeIndex(2));
    settle_two(&mut cluster);
    cluster.crash(NodeIndex(1));
    disks[1].crash(0);
    // The third node starts with the disk of the second.
    cluster.set_param(NodeIndex(2), 2);
    cluster.start(NodeIndex(2));
    cluster.run_for(Duration::from_secs(5));
    let view = cluster.machine(NodeIndex(0)).unwrap().view(&group()).unwrap();
    assert!(view.members().eq([id(0), id(2)]));
    assert_eq!(view.first_owner(2_000).unwrap().member, id(2));
}

fn settle_two(cluster: &mut crate::cluster::Cluster) {
    for node in [0, 1_u32] {
        let write = write(node.into(), serve(node * 1_000, node * 1_000 + 1_500), Wait::NONE);
        cluster.command(NodeIndex(node), write);
    }
    cluster.run_for(Duration::from_secs(5));
    assert!(in_sync(cluster, 2));
}

#[test]
fn two_live_nodes_with_one_address_are_noticed() {
    let disks = disks(3);
    // The third node claims the identity of the second.
    let (mut cluster, log) = new_cluster(3, &disks, |config| {
        if config.broadcast.me == id(2) {
            config.broadcast.me = id(1);
        }
    });
    for round in 0..8_u32 {
        for node in 0..3 {
            let start = (round * 3 + node) * 1_000;
            cluster.command(NodeIndex(node), write(u64::from(start), serve(start, start + 10), Wait::NONE));
        }
        cluster.run_for(Duration::from_secs(3));
    }
    assert!(log.any(|event| matches!(event, NodeEvent::DuplicateAddress)));
}

#[test]
fn a_leave_is_acknowledged_and_own_record_kept() {
    let disks = disks(3);
    let (mut cluster, _) = new_cluster(3, &disks, |_| {});
    settle(&mut cluster, 3);
    cluster.command(NodeIndex(2), write(1, WriteKind::Leave, Wait::NONE));
    cluster.run_for(Duration::from_secs(120));
    assert!(in_sync(&cluster, 2));
    let left = cluster.machine(NodeIndex(2)).unwrap();
    assert!(left.view(&group()).is_none() && left.own_record(&group()).is_some());
    assert_eq!(left.contacts().count(), 1);
    let clock = left.own_record(&group()).unwrap().version().clock;
    cluster.command(NodeIndex(2), write(2, serve(0, 9), Wait::NONE));
    cluster.run_for(Duration::from_secs(20));
    assert!(in_sync(&cluster, 3));
    assert_eq!(
        cluster.machine(NodeIndex(2)).unwrap().own_record(&group()).unwrap().version().clock,
        clock + 1
    );
}

/// The last member leaves and writes again while its store is slow: the records of others are kept.
#[test]
fn a_group_with_a_queued_write_is_not_released() {
    let disks = disks(2);
    let (mut cluster, log) = new_cluster(2, &disks, |_| {});
    settle(&mut cluster, 2);
    cluster.command(NodeIndex(1), write(1, WriteKind::Leave, Wait::NONE));
    cluster.run_for(Duration::from_secs(10));
    cluster.crash(NodeIndex(1));
    disks[0].set_latency(millis(500));
    cluster.command(NodeIndex(0), write(2, WriteKind::Leave, Wait::NONE));
    cluster.run_for(millis(100));
    cluster.command(NodeIndex(0), write(3, serve(0, 9), Wait::NONE));
    cluster.run_for(Duration::from_secs(2));
    assert!((2..=3).all(|tag| log.answer(tag).unwrap().1.is_ok()));
    let view = cluster.machine(NodeIndex(0)).unwrap().view(&group()).unwrap();
    assert!(view.is_member(id(0)) && view.record(id(1)).is_some());
    // After the last write nothing is waited for: no member needs the leave, and the group is
    // released.
    cluster.command(NodeIndex(0), write(4, WriteKind::Leave, Wait::NONE));
    cluster.run_for(Duration::from_secs(2));
    assert!(cluster.machine(NodeIndex(0)).unwrap().view(&group()).is_none());
}
