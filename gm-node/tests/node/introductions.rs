//! Newcomers that join through a seed, which introduces them.

use std::time::Duration;

use gm_broadcast::Counter;
use gm_node::{AckCount, NodeCounter, Wait};
use gm_sim::NodeIndex;

use crate::cluster::{Cluster, group, id, in_sync, millis, new_cluster, serve, write};

/// A cluster without multicast in which all nodes join at the start.
fn joining(nodes: u8) -> Cluster {
    let (mut cluster, _) = new_cluster(nodes, &[], |config| config.broadcast.multicast = false);
    (0..nodes).for_each(|node| join(&mut cluster, node));
    cluster
}

fn join(cluster: &mut Cluster, node: u8) {
    let start = u32::from(node) * 1_000;
    cluster.command(NodeIndex(node.into()), write(node.into(), serve(start, start + 9), Wait::NONE));
}

/// The sum of what the nodes counted of a counter of the broadcaster, and of one of the node.
fn counted(cluster: &Cluster, broadcaster: Counter, node: NodeCounter) -> (u64, u64) {
    let machines = || cluster.indices().filter_map(|index| cluster.machine(index));
    let of_broadcaster = machines().map(|machine| machine.broadcaster().counters().get(broadcaster)).sum();
    (of_broadcaster, machines().map(|machine| machine.counters().get(node)).sum())
}

#[test]
fn nodes_that_join_together_each_dial_the_seed_alone() {
    let mut cluster = joining(24);
    cluster.run_for(millis(150));
    assert!(in_sync(&cluster, 24));
    assert_eq!(counted(&cluster, Counter::DialsStarted, NodeCounter::NewcomerAnnouncements), (23, 0));
    // Each is given all records once, and perhaps some that came later.
    let (_, given) = counted(&cluster, Counter::DialsStarted, NodeCounter::RecordsIntroduced);
    assert!((23 * 23..=2 * 24 * 24).contains(&given), "{given}");
    cluster.run_for(Duration::from_secs(5));
    assert!(in_sync(&cluster, 24));
}

/// Meanwhile the seed has named other nodes, and still it is the one to ask.
#[test]
fn nodes_that_join_a_moment_after_the_start_ask_the_seed() {
    let (mut cluster, _) = new_cluster(24, &[], |config| config.broadcast.multicast = false);
    cluster.run_for(millis(500));
    (0..24).for_each(|node| join(&mut cluster, node));
    cluster.run_for(millis(150));
    assert!(in_sync(&cluster, 24));
    assert_eq!(counted(&cluster, Counter::DialsStarted, NodeCounter::NewcomerAnnouncements), (23, 0));
}

#[test]
fn a_later_newcomer_is_introduced_to_all_members() {
    let (mut cluster, _) = new_cluster(9, &[], |config| config.broadcast.multicast = false);
    cluster.crash(NodeIndex(8));
    (0..8).for_each(|node| join(&mut cluster, node));
    cluster.run_for(Duration::from_secs(10));
    cluster.start(NodeIndex(8));
    join(&mut cluster, 8);
    cluster.run_for(millis(100));
    assert!(in_sync(&cluster, 9));
}

/// A newcomer asks one of two seeds, and one of them ends when it has answered: the other member
/// learns of the newcomer in any case.
#[test]
fn a_newcomer_whose_sponsor_dies_finds_the_members() {
    for dies in 0..2 {
        let (mut cluster, _) = new_cluster(3, &[], |config| {
            config.broadcast.multicast = false;
            config.broadcast.seeds = vec![id(0), id(1)];
        });
        cluster.crash(NodeIndex(2));
        (0..2).for_each(|node| join(&mut cluster, node));
        cluster.run_for(Duration::from_secs(10));
        cluster.start(NodeIndex(2));
        join(&mut cluster, 2);
        cluster.run_for(millis(3));
        let newcomer = cluster.machine(NodeIndex(2)).unwrap();
        assert!(newcomer.own_record(&group()).is_some(), "a seed has answered");
        cluster.crash(NodeIndex(dies));
        cluster.run_for(Duration::from_secs(6));
        let member = cluster.machine(NodeIndex(1 - dies)).unwrap();
        assert!(member.view(&group()).unwrap().is_member(id(2)), "without {dies}");
    }
}

/// The seed is in another group: it introduces no one, and the members find each other by
/// registration.
#[test]
fn a_seed_that_does_not_host_the_group_delays_no_one() {
    let (mut cluster, _) = new_cluster(4, &[], |config| config.broadcast.multicast = false);
    cluster.run_for(Duration::from_secs(3));
    (1..4).for_each(|node| join(&mut cluster, node));
    cluster.run_for(millis(500));
    let members = |node| cluster.machine(NodeIndex(node)).unwrap().members(&group());
    assert!((1..4).all(|node| members(node) == [id(1), id(2), id(3)]));
}

/// A wait of a newcomer's first write is acknowledged by the members that its sponsor names.
#[test]
fn a_first_write_that_waits_is_acknowledged() {
    let (mut cluster, log) = new_cluster(5, &[], |config| config.broadcast.multicast = false);
    cluster.crash(NodeIndex(4));
    (0..4).for_each(|node| join(&mut cluster, node));
    cluster.run_for(Duration::from_secs(10));
    cluster.start(NodeIndex(4));
    let wait = Wait { count: AckCount::Some(4), on_disk: false, timeout: Duration::from_secs(2) };
    cluster.command(NodeIndex(4), write(9, serve(0, 9), wait));
    cluster.run_for(Duration::from_secs(3));
    assert_eq!(log.waited(9).acknowledged, 4);
}
