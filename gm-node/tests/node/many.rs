//! Clusters with many groups: how the members of a group find each other among thousands of names.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use gm_broadcast::Time;
use gm_clock::Incarnation;
use gm_data::{GroupName, Item, KeyRange, Op, Record, StampedItem, Version};
use gm_node::store::memory::SimulatedDisk;
use gm_node::{Batch, NodeCommand, NodeEvent, Store as _, Wait, Write, WriteKind};
use gm_sim::{Action, Effect, Fault, FaultClass, NodeIndex, Nodes, Scope};

use crate::cluster::{Cluster, disks, id, new_cluster, serve};

/// The record of a member with interest in the whole key space.
fn joined(node: u8) -> Record {
    let item = Item::new(id(node), KeyRange::WHOLE, Op::Get, 0, 1).unwrap();
    let version = Version::new(Incarnation::new(1 << 40).unwrap(), false, 1).unwrap();
    Record::from_parts(id(node), version, None, 0, [StampedItem { item, stamp: 1 }]).unwrap()
}

/// Disks on which each node is the only member of `each` groups.
fn loners(nodes: u8, each: usize) -> Vec<SimulatedDisk> {
    let disks = disks(usize::from(nodes));
    for (node, disk) in (0..nodes).zip(&disks) {
        let name = |group: usize| format!("group-{:05}", group * usize::from(nodes) + usize::from(node));
        let records = (0..each).map(|group| (name(group).parse().unwrap(), joined(node))).collect();
        let batch = Batch { me: Some(id(node)), records, durable: true, ..Batch::default() };
        disk.open().0.submit(Time::ZERO, batch);
    }
    disks
}

fn join(cluster: &mut Cluster, node: u8, group: &str) {
    let group: GroupName = group.parse().unwrap();
    let write = Write { tag: node.into(), group, kind: WriteKind::Join(vec![]), wait: Wait::NONE };
    cluster.command(NodeIndex(node.into()), NodeCommand::Write(write));
}

/// Time until each of these nodes knows exactly these members of a group; `None` after the limit.
fn until_met(cluster: &mut Cluster, group: &str, nodes: &[u8], limit: Duration) -> Option<Duration> {
    let group: GroupName = group.parse().unwrap();
    let members: Vec<_> = nodes.iter().map(|node| id(*node)).collect();
    let start = cluster.now();
    while cluster.now().since(start) < limit {
        let knows = |node: &u8| {
            cluster.machine(NodeIndex((*node).into())).is_some_and(|node| node.members(&group) == members)
        };
        if nodes.iter().all(knows) {
            return Some(cluster.now().since(start));
        }
        cluster.run_for(Duration::from_millis(10));
    }
    None
}

/// In a cluster with 3,000 group names and without multicast, nodes that join a new group find the
/// other members within seconds.
#[test]
fn members_find_each_other_among_thousands_of_groups() {
    let (mut cluster, _) = new_cluster(12, &loners(12, 250), |config| config.broadcast.multicast = false);
    cluster.run_for(Duration::from_secs(60));
    for (group, nodes) in [("alpha", vec![3, 9]), ("zeta", vec![2, 5, 11])] {
        for node in &nodes {
            join(&mut cluster, *node, group);
        }
        let took = until_met(&mut cluster, group, &nodes, Duration::from_secs(120));
        assert!(took.is_some_and(|took| took < Duration::from_secs(5)), "{group} after {took:?}");
    }
}

/// Members that joined on two sides of a partition find each other soon after it heals.
#[test]
fn members_meet_soon_after_a_partition_heals() {
    let (mut cluster, _) = new_cluster(12, &loners(12, 250), |config| config.broadcast.multicast = false);
    cluster.run_for(Duration::from_secs(60));
    let set = |nodes: std::ops::Range<u32>| Nodes::Set(nodes.map(NodeIndex).collect());
    let scope = Scope { from: set(0..6), to: set(6..12), bidirectional: true };
    let heal = cluster.now() + Duration::from_secs(60);
    cluster.apply(Action::BeginFault(
        Fault { class: FaultClass::Partition, scope, effect: Effect::Block },
        heal,
    ));
    for node in [1, 4, 8, 10] {
        join(&mut cluster, node, "new");
    }
    cluster.run_until(heal);
    let knows = |cluster: &Cluster, node: u32| {
        cluster.machine(NodeIndex(node)).unwrap().members(&"new".parse().unwrap())
    };
    assert_eq!(knows(&cluster, 1), [id(1), id(4)]);
    assert_eq!(knows(&cluster, 8), [id(8), id(10)]);
    let took = until_met(&mut cluster, "new", &[1, 4, 8, 10], Duration::from_secs(300));
    assert!(took.is_some_and(|took| took < Duration::from_secs(60)), "after {took:?}");
}

/// A node announces more names than others remember. New groups do not depend on that table, not
/// even after a restart with a full one.
#[test]
fn one_announcer_of_many_names_keeps_no_group_apart() {
    // At first, only the first node is in groups, which it announces.
    let disks = loners(8, 250);
    disks[1..].iter().for_each(SimulatedDisk::wipe);
    let (mut cluster, log) = new_cluster(8, &disks, |config| {
        config.broadcast.multicast = false;
        config.limits.contacts = 100;
    });
    cluster.run_for(Duration::from_secs(300));
    let names = |cluster: &Cluster, node: u32| cluster.machine(NodeIndex(node)).unwrap().contacts().count();
    assert!((1..8).all(|node| names(&cluster, node) <= 100) && names(&cluster, 5) == 100);
    assert!(log.any(|event| matches!(event, NodeEvent::ContactsFull { max: 100 })));
    for (group, nodes) in [("alpha", [2, 5]), ("zeta", [3, 6])] {
        nodes.iter().for_each(|node| join(&mut cluster, *node, group));
        let took = until_met(&mut cluster, group, &nodes, Duration::from_secs(10));
        assert!(took.is_some_and(|took| took < Duration::from_secs(5)), "{group} after {took:?}");
    }
    for node in 1..8_u8 {
        cluster.crash(NodeIndex(node.into()));
        let disk = &disks[usize::from(node)];
        disk.crash(0);
        let contacts = (0..100).map(|group| (format!("group-{group:05}").parse().unwrap(), id(0)));
        let batch = Batch { contacts: Some(contacts.collect()), durable: true, ..Batch::default() };
        disk.open().0.submit(cluster.now(), batch);
        cluster.start(NodeIndex(node.into()));
        assert_eq!(names(&cluster, node.into()), 100, "the stored contacts are loaded");
    }
    [4, 7].iter().for_each(|node| join(&mut cluster, *node, "omega"));
    let took = until_met(&mut cluster, "omega", &[4, 7], Duration::from_secs(10));
    assert!(took.is_some_and(|took| took < Duration::from_secs(5)), "after {took:?}");
}

/// The name of a group that its members left is known for a while, and then forgotten by all nodes.
#[test]
fn names_that_no_node_hosts_are_forgotten() {
    let disks = disks(6);
    let (mut cluster, _) = new_cluster(6, &disks, |config| {
        config.broadcast.multicast = false;
        config.timing.contact_ttl = Duration::from_secs(1_200);
    });
    [0, 1].iter().for_each(|node| join(&mut cluster, *node, "old"));
    [2, 3].iter().for_each(|node| join(&mut cluster, *node, "kept"));
    cluster.run_for(Duration::from_secs(300));
    let names = |cluster: &Cluster, node: u32| -> Vec<String> {
        cluster.machine(NodeIndex(node)).unwrap().contacts().map(|(name, _)| name.to_string()).collect()
    };
    assert_eq!(names(&cluster, 5), ["kept", "old"]);
    for node in [0, 1] {
        let group = "old".parse().unwrap();
        let write = Write { tag: 9, group, kind: WriteKind::Leave, wait: Wait::NONE };
        cluster.command(NodeIndex(node), NodeCommand::Write(write));
    }
    // Restarts do not renew old names.
    for _ in 0..5 {
        cluster.run_for(Duration::from_secs(900));
        cluster.crash(NodeIndex(5));
        disks[5].crash(0);
        cluster.start(NodeIndex(5));
    }
    cluster.run_for(Duration::from_secs(600));
    for node in [0, 1, 4, 5] {
        assert_eq!(names(&cluster, node), ["kept"], "of node {node}");
    }
}

/// A node that lost its disk asks the rendezvous nodes, and learns of its old record before it
/// writes.
#[test]
fn a_lost_disk_is_found_before_the_first_write() {
    let disks = loners(12, 250);
    let clock = Rc::new(Cell::new(1_700_000_000));
    let seconds = Rc::clone(&clock);
    let (mut cluster, log) = new_cluster(12, &disks, move |config| {
        config.broadcast.multicast = false;
        config.unix_seconds = seconds.get();
    });
    cluster.run_for(Duration::from_secs(30));
    [3, 9].iter().for_each(|node| join(&mut cluster, *node, "shared"));
    assert!(until_met(&mut cluster, "shared", &[3, 9], Duration::from_secs(5)).is_some());
    let group: GroupName = "shared".parse().unwrap();
    let version = |cluster: &Cluster, node: u32| {
        cluster
            .machine(NodeIndex(node))
            .unwrap()
            .view(&group)
            .and_then(|view| Some(view.record(id(9))?.version()))
    };
    let before = version(&cluster, 3).unwrap();
    cluster.crash(NodeIndex(9));
    disks[9].wipe();
    // Its clock does not help: only peers show that it had an earlier incarnation.
    clock.set(1_600_000_000);
    cluster.start(NodeIndex(9));
    let write = Write { tag: 77, group: group.clone(), kind: serve(0, 9), wait: Wait::NONE };
    cluster.command(NodeIndex(9), NodeCommand::Write(write));
    cluster.run_for(Duration::from_secs(3));
    let written = log.answer(77).unwrap().1.unwrap().version;
    assert!(written.incarnation > before.incarnation);
    assert_eq!(version(&cluster, 3), Some(written));
}
