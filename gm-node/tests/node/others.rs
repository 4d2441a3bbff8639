//! Forgetting, groups that a node does not host, and partitions that heal.

use std::time::Duration;

use gm_data::{ForgetError, GroupName};
use gm_node::{Forget, NodeCommand, NodeCounter, Wait, WriteError};
use gm_sim::{Action, Effect, Fault, FaultClass, NodeIndex, Nodes, Scope};

use crate::cluster::{disks, group, id, in_sync, new_cluster, serve, settle, write};

fn forget(tag: u64, node: u8) -> NodeCommand {
    NodeCommand::Forget(Forget { tag, group: None, member: id(node), wait: Wait::NONE })
}

#[test]
fn a_dead_member_is_forgotten_and_a_living_one_comes_back() {
    let (mut cluster, log) = new_cluster(4, &disks(4), |_| {});
    settle(&mut cluster, 4);
    cluster.crash(NodeIndex(3));
    cluster.command(NodeIndex(0), forget(1, 3));
    cluster.run_for(Duration::from_secs(5));
    assert!(log.answer(1).unwrap().1.is_ok());
    assert!(in_sync(&cluster, 3));
    for node in 0..3 {
        let peers = cluster.machine(NodeIndex(node)).unwrap().peers();
        assert!(!peers.contains(&id(3)), "a forgotten member is not listed");
    }
    cluster.command(NodeIndex(0), forget(2, 2));
    cluster.run_for(Duration::from_secs(5));
    assert!(in_sync(&cluster, 3), "the living one is back, with its items");
    assert!(cluster.machine(NodeIndex(0)).unwrap().peers().contains(&id(2)), "and listed again");
    let view = cluster.machine(NodeIndex(0)).unwrap().view(&group()).unwrap();
    assert_eq!(view.record(id(2)).unwrap().items().count(), 1);
    cluster.command(NodeIndex(1), forget(3, 3));
    cluster.run_for(Duration::from_secs(1));
    assert_eq!(log.answer(3).unwrap().1, Err(WriteError::Forget(ForgetError::Unknown { member: id(3) })));
}

/// Like an own write, a forget order is stored before it is visible, or refused without effect.
#[test]
fn a_forget_is_stored_before_it_is_visible() {
    let disks = disks(3);
    let (mut cluster, log) = new_cluster(3, &disks, |_| {});
    settle(&mut cluster, 3);
    cluster.crash(NodeIndex(2));
    let is_forgotten = |cluster: &crate::cluster::Cluster, node| {
        let view = cluster.machine(NodeIndex(node)).unwrap().view(&group()).unwrap();
        view.record(id(2)).unwrap().version().forgotten
    };
    disks[0].set_full(true);
    cluster.command(NodeIndex(0), forget(1, 2));
    cluster.run_for(Duration::from_secs(1));
    assert!(matches!(log.answer(1).unwrap().1, Err(WriteError::Store(_))));
    assert!(!is_forgotten(&cluster, 0) && !is_forgotten(&cluster, 1));
    disks[0].set_full(false);
    disks[0].set_latency(Duration::from_millis(300));
    let began = cluster.now();
    cluster.command(NodeIndex(0), forget(2, 2));
    while cluster.now() < began + Duration::from_millis(299) {
        cluster.run_for(Duration::from_millis(1));
        assert!(
            !is_forgotten(&cluster, 0) && !is_forgotten(&cluster, 1) && log.answer(2).is_none(),
            "seen at {}",
            cluster.now()
        );
    }
    cluster.run_for(Duration::from_millis(100));
    assert!(is_forgotten(&cluster, 0) && is_forgotten(&cluster, 1) && log.answer(2).unwrap().1.is_ok());
}

#[test]
fn an_unknown_member_cannot_be_forgotten() {
    let (mut cluster, log) = new_cluster(1, &disks(1), |config| config.single_node = true);
    cluster.command(NodeIndex(0), forget(1, 7));
    cluster.run_for(Duration::from_millis(10));
    assert_eq!(log.answer(1).unwrap().1, Err(WriteError::Forget(ForgetError::Unknown { member: id(7) })));
}

#[test]
fn a_contact_is_known_of_groups_not_hosted() {
    let disks = disks(3);
    let (mut cluster, _) = new_cluster(3, &disks, |_| {});
    for node in [0, 1] {
        cluster.command(NodeIndex(node), write(node.into(), serve(0, 9), Wait::NONE));
    }
    cluster.run_for(Duration::from_secs(60));
    let outside = cluster.machine(NodeIndex(2)).unwrap();
    assert!(outside.view(&group()).is_none());
    let contacts: Vec<_> = outside.contacts().map(|(name, _)| name.clone()).collect();
    assert_eq!(contacts, [group()]);
    let stored = disks[2].stored();
    assert_eq!(stored.contacts.len(), 1, "although nothing else had to be stored");
    assert_eq!(stored.peers, [id(0), id(1)]);
}

/// Ten nodes are in one group, without multicast. Two of them join another group on two sides of a
/// partition, and find each other through non-members.
#[test]
fn members_of_a_small_group_meet_through_other_nodes() {
    let (mut cluster, _) = new_cluster(10, &disks(10), |config| config.broadcast.multicast = false);
    settle(&mut cluster, 10);
    let set = |nodes: std::ops::Range<u32>| Nodes::Set(nodes.map(NodeIndex).collect());
    let scope = Scope { from: set(0..5), to: set(5..10), bidirectional: true };
    let heal = cluster.now() + Duration::from_secs(120);
    let fault = Fault { class: FaultClass::Partition, scope, effect: Effect::Block };
    cluster.apply(Action::BeginFault(fault, heal));
    let orders: GroupName = "Orders".parse().unwrap();
    for node in [1, 8] {
        let what = serve(node * 100, node * 100 + 9);
        let write = gm_node::Write { tag: node.into(), group: orders.clone(), kind: what, wait: Wait::NONE };
        cluster.command(NodeIndex(node), NodeCommand::Write(write));
    }
    cluster.run_until(heal);
    let members =
        |cluster: &crate::cluster::Cluster, node| cluster.machine(NodeIndex(node)).unwrap().members(&orders);
    assert_eq!((members(&cluster, 1).len(), members(&cluster, 8).len()), (1, 1));
    cluster.run_for(Duration::from_secs(60));
    assert_eq!((members(&cluster, 1), members(&cluster, 8)), (vec![id(1), id(8)], vec![id(1), id(8)]));
}

/// No node writes any more, and there are more members than fit into one message.
#[test]
fn an_observer_learns_a_quiet_group_of_many() {
    let (mut cluster, _) = new_cluster(41, &disks(41), |config| {
        config.broadcast.multicast = false;
        config.observe = config.broadcast.me == id(40);
    });
    cluster.crash(NodeIndex(40));
    settle(&mut cluster, 40);
    cluster.run_for(Duration::from_secs(120));
    cluster.apply(Action::Start(NodeIndex(40)));
    cluster.run_for(Duration::from_secs(60));
    assert_eq!(cluster.machine(NodeIndex(40)).unwrap().members(&group()).len(), 40);
    assert!(in_sync(&cluster, 40));
}

#[test]
fn nodes_converge_after_a_partition() {
    let (mut cluster, _) =
        new_cluster(6, &disks(6), |config| config.broadcast.multicast = config.broadcast.me < id(4));
    settle(&mut cluster, 6);
    let set = |nodes: &[u32]| Nodes::Set(nodes.iter().map(|node| NodeIndex(*node)).collect());
    let scope = Scope { from: set(&[0, 1, 2]), to: set(&[3, 4, 5]), bidirectional: true };
    let fault = Fault { class: FaultClass::Partition, scope, effect: Effect::Block };
    let heal = cluster.now() + Duration::from_secs(300);
    cluster.apply(Action::BeginFault(fault, heal));
    cluster.run_for(Duration::from_secs(200));
    for node in [1, 4] {
        cluster
            .command(NodeIndex(node), write(node.into(), serve(node * 7_000, node * 7_000 + 9), Wait::NONE));
    }
    cluster.run_until(heal);
    assert!(!in_sync(&cluster, 6));
    cluster.run_for(Duration::from_secs(30));
    assert!(in_sync(&cluster, 6));
}

#[test]
fn the_record_limit_warns_first_and_then_refuses() {
    let (mut cluster, log) = new_cluster(4, &disks(4), |config| {
        config.limits.records = 3;
        // The last node to write knows the others.
        config.observe = config.broadcast.me == id(3);
    });
    for nodes in [0..3, 3..4] {
        for node in nodes {
            cluster.command(NodeIndex(node), write(node.into(), serve(0, 9), Wait::NONE));
        }
        cluster.run_for(Duration::from_secs(10));
    }
    let refused = |node: &u64| {
        matches!(log.answer(*node), Some((_, Err(WriteError::LimitReached { limit: "records", .. }))))
    };
    let (out, within): (Vec<u64>, Vec<u64>) = (0..4).partition(refused);
    assert_eq!(out.len(), 1, "one over the limit");
    for node in within {
        let machine = cluster.machine(NodeIndex(u32::try_from(node).unwrap())).unwrap();
        assert_eq!(machine.view(&group()).unwrap().records().len(), 3, "of node {node}");
        assert!(machine.status(cluster.now(), &group()).unwrap().is_near_limit);
    }
    assert!(log.any(|event| matches!(event, gm_node::NodeEvent::NearRecordLimit { records: 3, max: 3, .. })));
}

/// While its own first record is with the store, records of others do not take its slot.
#[test]
fn a_first_write_reserves_a_record() {
    let disks = disks(4);
    disks[3].set_latency(Duration::from_millis(300));
    let (mut cluster, log) = new_cluster(4, &disks, |config| {
        if config.broadcast.me == id(3) {
            config.limits.records = 3;
        }
    });
    for node in [3, 0, 1, 2] {
        cluster.command(NodeIndex(node), write(node.into(), serve(0, 9), Wait::NONE));
    }
    let start = cluster.now();
    while cluster.now() < start + Duration::from_secs(5) {
        cluster.run_for(Duration::from_millis(10));
        let records =
            cluster.machine(NodeIndex(3)).unwrap().view(&group()).map_or(0, |view| view.records().len());
        assert!(records <= 3, "{records} at {}", cluster.now());
    }
    assert!(log.answer(3).unwrap().1.is_ok());
}

/// Without multicast, a newcomer that knows one node announces itself to all by broadcast, as soon
/// as it knows them.
#[test]
fn a_newcomer_is_known_to_all_at_once() {
    let (mut cluster, _) = new_cluster(20, &disks(20), |config| config.broadcast.multicast = false);
    settle(&mut cluster, 19);
    cluster.run_for(Duration::from_secs(120));
    cluster.command(NodeIndex(19), write(1, gm_node::WriteKind::Join(vec![]), Wait::NONE));
    cluster.run_for(Duration::from_millis(500));
    assert!(in_sync(&cluster, 20));
    let newcomer = cluster.machine(NodeIndex(19)).unwrap();
    assert_eq!(newcomer.counters().get(NodeCounter::NewcomerAnnouncements), 1);
}
