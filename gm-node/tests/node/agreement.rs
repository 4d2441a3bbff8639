//! Conditions under which a node counts as in sync with another in a group.

use std::time::Duration;

use gm_node::{NodeEvent, Wait, WriteKind};
use gm_sim::NodeIndex;

use crate::cluster::{disks, group, new_cluster, serve, settle, write};

fn agreed(cluster: &crate::cluster::Cluster, node: u32) -> bool {
    cluster.machine(NodeIndex(node)).unwrap().status(cluster.now(), &group()).unwrap().in_sync
}

/// The only member of a group compares with a node that does not host it: that does not count as in
/// sync.
#[test]
fn a_node_that_does_not_host_the_group_is_not_in_sync() {
    let (mut cluster, log) = new_cluster(3, &disks(3), |_| {});
    cluster.command(NodeIndex(0), write(1, serve(0, 9), Wait::NONE));
    cluster.run_for(Duration::from_secs(60));
    assert!(!agreed(&cluster, 0));
    cluster.command(NodeIndex(1), write(2, serve(0, 9), Wait::NONE));
    cluster.run_for(Duration::from_secs(10));
    assert!(agreed(&cluster, 0) && agreed(&cluster, 1));
    assert!(log.any(|event| matches!(event, NodeEvent::InSync { .. })));
}

/// A member lost its disk and does not join again: it hosts nothing, although all others take it
/// for a member.
#[test]
fn a_member_that_lost_the_group_is_not_in_sync() {
    let disks = disks(3);
    let (mut cluster, _) = new_cluster(3, &disks, |_| {});
    settle(&mut cluster, 3);
    for node in 0..3 {
        cluster.crash(NodeIndex(node));
    }
    disks[1].wipe();
    cluster.start(NodeIndex(0));
    cluster.start(NodeIndex(1));
    cluster.run_for(Duration::from_secs(60));
    assert!(!agreed(&cluster, 0), "with a node that hosts no group");
    cluster.start(NodeIndex(2));
    cluster.run_for(Duration::from_secs(20));
    assert!(agreed(&cluster, 0) && agreed(&cluster, 2));
}

/// After a peer was asked, a group without other members is released as soon as it is left.
#[test]
fn a_sole_member_that_leaves_releases_the_group() {
    let (mut cluster, log) = new_cluster(2, &disks(2), |_| {});
    cluster.command(NodeIndex(0), write(1, serve(0, 9), Wait::NONE));
    cluster.run_for(Duration::from_secs(20));
    cluster.command(NodeIndex(0), write(2, WriteKind::Leave, Wait::NONE));
    cluster.run_for(Duration::from_secs(1));
    assert!(log.answer(2).unwrap().1.is_ok());
    assert!(cluster.machine(NodeIndex(0)).unwrap().view(&group()).is_none());
}
