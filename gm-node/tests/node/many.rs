//! Clusters with many groups: how the members of a group find each other when a cluster has thousands of names.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use gm_broadcast::Time;
use gm_clock::Incarnation;
use gm_data::{GroupName, Item, KeyRange, Op, Record, StampedItem, Version};
use gm_node::store::memory::Disk;
use gm_node::{Batch, Command, Event, Store as _, Wait, What, Write};
use gm_sim::{Action, Effect, Fault, FaultClass, NodeIndex, Nodes, Scope};

use crate::town::{Town, disks, id, serve, town};

/// The record of a member that is interested in everything.
fn joined(node: u8) -> Record {
    let item = Item::new(id(node), KeyRange::WHOLE, Op::Get, 0, 1).unwrap();
    let version = Version::new(Incarnation::new(1 << 40).unwrap(), false, 1).unwrap();
    Record::from_parts(id(node), version, None, 0, [StampedItem { item, stamp: 1 }]).unwrap()
}

/// Disks on which each of so many nodes is the only member of `each` groups.
fn loners(nodes: u8, each: usize) -> Vec<Disk> {
    let disks = disks(usize::from(nodes));
    for (node, disk) in (0..nodes).zip(&disks) {
        let name = |group: usize| format!("group-{:05}", group * usize::from(nodes) + usize::from(node));
        let records = (0..each).map(|group| (name(group).parse().unwrap(), joined(node))).collect();
        let batch = Batch { me: Some(id(node)), records, durable: true, ..Batch::default() };
        disk.open().0.submit(Time::ZERO, batch);
    }
    disks
}

fn join(town: &mut Town, node: u8, group: &str) {
    let group: GroupName = group.parse().unwrap();
    let write = Write { tag: node.into(), group, what: What::Join(vec![]), wait: Wait::NONE };
    town.command(NodeIndex(node.into()), Command::Write(write));
}

/// How long it takes until each of these nodes knows exactly them as members of the group, or nothing after a time limit.
fn until_met(town: &mut Town, group: &str, nodes: &[u8], limit: Duration) -> Option<Duration> {
    let group: GroupName = group.parse().unwrap();
    let members: Vec<_> = nodes.iter().map(|node| id(*node)).collect();
    let start = town.now();
    while town.now().since(start) < limit {
        let knows = |node: &u8| {
            town.machine(NodeIndex((*node).into())).is_some_and(|node| node.members(&group) == members)
        };
        if nodes.iter().all(knows) {
            return Some(town.now().since(start));
        }
        town.run_for(Duration::from_millis(10));
    }
    None
}

/// A cluster of 3,000 names without multicast: whoever joins a new group finds the other members within seconds.
#[test]
fn members_of_a_new_group_find_each_other_among_thousands_of_names() {
    let (mut town, _) = town(12, &loners(12, 250), |config| config.broadcast.multicast = false);
    town.run_for(Duration::from_secs(60));
    for (group, nodes) in [("alpha", vec![3, 9]), ("zeta", vec![2, 5, 11])] {
        for node in &nodes {
            join(&mut town, *node, group);
        }
        let took = until_met(&mut town, group, &nodes, Duration::from_secs(120));
        assert!(took.is_some_and(|took| took < Duration::from_secs(5)), "{group} after {took:?}");
    }
}

/// The members joined on two sides of a split, of which none knew the other side's: they meet soon after it heals.
#[test]
fn members_who_joined_on_two_sides_of_a_split_meet_soon_after_it_heals() {
    let (mut town, _) = town(12, &loners(12, 250), |config| config.broadcast.multicast = false);
    town.run_for(Duration::from_secs(60));
    let set = |nodes: std::ops::Range<u32>| Nodes::Set(nodes.map(NodeIndex).collect());
    let scope = Scope { from: set(0..6), to: set(6..12), both: true };
    let heal = town.now() + Duration::from_secs(60);
    town.act(Action::Begin(Fault { class: FaultClass::Partition, scope, effect: Effect::Block }, heal));
    for node in [1, 4, 8, 10] {
        join(&mut town, node, "new");
    }
    town.run_until(heal);
    let knows =
        |town: &Town, node: u32| town.machine(NodeIndex(node)).unwrap().members(&"new".parse().unwrap());
    assert_eq!(knows(&town, 1), [id(1), id(4)]);
    assert_eq!(knows(&town, 8), [id(8), id(10)]);
    let took = until_met(&mut town, "new", &[1, 4, 8, 10], Duration::from_secs(300));
    assert!(took.is_some_and(|took| took < Duration::from_secs(60)), "after {took:?}");
}

/// One node announces more names than another remembers. A new group does not depend on places in that table, nor after a restart with a full table.
#[test]
fn one_announcer_of_many_names_keeps_no_group_apart() {
    // All nodes but the first, which announces, are in no group at first.
    let disks = loners(8, 250);
    disks[1..].iter().for_each(Disk::wipe);
    let (mut town, told) = town(8, &disks, |config| {
        config.broadcast.multicast = false;
        config.bounds.contacts = 100;
    });
    town.run_for(Duration::from_secs(300));
    let names = |town: &Town, node: u32| town.machine(NodeIndex(node)).unwrap().contacts().count();
    assert!((1..8).all(|node| names(&town, node) <= 100) && names(&town, 5) == 100);
    assert!(told.any(|event| matches!(event, Event::ContactsFull { most: 100 })));
    for (group, nodes) in [("alpha", [2, 5]), ("zeta", [3, 6])] {
        nodes.iter().for_each(|node| join(&mut town, *node, group));
        let took = until_met(&mut town, group, &nodes, Duration::from_secs(10));
        assert!(took.is_some_and(|took| took < Duration::from_secs(5)), "{group} after {took:?}");
    }
    for node in 1..8_u8 {
        town.crash(NodeIndex(node.into()));
        let disk = &disks[usize::from(node)];
        disk.crash(0);
        let contacts = (0..100).map(|group| (format!("group-{group:05}").parse().unwrap(), id(0)));
        let batch = Batch { contacts: Some(contacts.collect()), durable: true, ..Batch::default() };
        disk.open().0.submit(town.now(), batch);
        town.start(NodeIndex(node.into()));
        assert_eq!(names(&town, node.into()), 100, "what was stored is there");
    }
    [4, 7].iter().for_each(|node| join(&mut town, *node, "omega"));
    let took = until_met(&mut town, "omega", &[4, 7], Duration::from_secs(10));
    assert!(took.is_some_and(|took| took < Duration::from_secs(5)), "after {took:?}");
}

/// A group that its members left is known by its name for a while, and then forgotten: by those that heard of it themselves and by those that heard it of them.
#[test]
fn names_that_no_node_holds_are_forgotten() {
    let disks = disks(6);
    let (mut town, _) = town(6, &disks, |config| {
        config.broadcast.multicast = false;
        config.times.contact = Duration::from_secs(1_200);
    });
    [0, 1].iter().for_each(|node| join(&mut town, *node, "old"));
    [2, 3].iter().for_each(|node| join(&mut town, *node, "kept"));
    town.run_for(Duration::from_secs(300));
    let names = |town: &Town, node: u32| -> Vec<String> {
        town.machine(NodeIndex(node)).unwrap().contacts().map(|(name, _)| name.to_string()).collect()
    };
    assert_eq!(names(&town, 5), ["kept", "old"]);
    for node in [0, 1] {
        let group = "old".parse().unwrap();
        let write = Write { tag: 9, group, what: What::Leave, wait: Wait::NONE };
        town.command(NodeIndex(node), Command::Write(write));
    }
    // Restarts do not make old names young again.
    for _ in 0..5 {
        town.run_for(Duration::from_secs(900));
        town.crash(NodeIndex(5));
        disks[5].crash(0);
        town.start(NodeIndex(5));
    }
    town.run_for(Duration::from_secs(600));
    for node in [0, 1, 4, 5] {
        assert_eq!(names(&town, node), ["kept"], "of node {node}");
    }
}

/// A node that lost its disk asks those at which the members meet, and finds out what it had written before it writes.
#[test]
fn a_lost_disk_is_noticed_before_the_first_write_among_thousands_of_names() {
    let disks = loners(12, 250);
    let clock = Rc::new(Cell::new(1_700_000_000));
    let seconds = Rc::clone(&clock);
    let (mut town, told) = town(12, &disks, move |config| {
        config.broadcast.multicast = false;
        config.unix_seconds = seconds.get();
    });
    town.run_for(Duration::from_secs(30));
    [3, 9].iter().for_each(|node| join(&mut town, *node, "shared"));
    assert!(until_met(&mut town, "shared", &[3, 9], Duration::from_secs(5)).is_some());
    let group: GroupName = "shared".parse().unwrap();
    let version = |town: &Town, node: u32| {
        town.machine(NodeIndex(node))
            .unwrap()
            .view(&group)
            .and_then(|view| Some(view.record(id(9))?.version()))
    };
    let before = version(&town, 3).unwrap();
    town.crash(NodeIndex(9));
    disks[9].wipe();
    // Its clock is of no help: only what others hold tells it that it lived before.
    clock.set(1_600_000_000);
    town.start(NodeIndex(9));
    let write = Write { tag: 77, group: group.clone(), what: serve(0, 9), wait: Wait::NONE };
    town.command(NodeIndex(9), Command::Write(write));
    town.run_for(Duration::from_secs(3));
    let written = told.answer(77).unwrap().1.unwrap().version;
    assert!(written.incarnation > before.incarnation);
    assert_eq!(version(&town, 3), Some(written));
}
