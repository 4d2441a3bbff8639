//! Unreliable paths: nodes converge by another transport if one fails. Datagrams are lost, all or
//! large ones, in one direction or both; address families differ; an address is unreachable.

use std::time::Duration;

use gm_broadcast::{DatagramReachability, Time};
use gm_node::{NodeCommand, NodeConfig, Wait};
use gm_sim::{Action, Effect, Fault, FaultClass, NodeIndex, Nodes, Scope};

use crate::cluster::{Cluster, group, id, in_sync, new_cluster, new_cluster_of, serve, settle, write};

fn no_multicast(config: &mut NodeConfig) {
    config.broadcast.multicast = false;
}

/// Adds a fault to what these nodes send and, with `both`, to what they receive.
fn wrong(cluster: &mut Cluster, from: Nodes, both: bool, effect: Effect) {
    let scope = Scope { from, to: Nodes::All, bidirectional: both };
    cluster.apply(Action::BeginFault(Fault { class: FaultClass::UdpBlocked, scope, effect }, Time::NEVER));
}

fn all_serve(cluster: &mut Cluster, nodes: u32) {
    for node in 0..nodes {
        cluster
            .command(NodeIndex(node), write(u64::from(node), serve(node * 100, node * 100 + 9), Wait::NONE));
    }
}

/// A write whose record is longer than any datagram.
fn large_write() -> NodeCommand {
    let changes = (0..3_000_u32).map(|at| gm_data::Change::Serve {
        range: crate::cluster::range(at * 1_000, at * 1_000 + at % 900),
        port: Some(5432),
        priority: 1,
    });
    write(7, gm_node::WriteKind::Change(changes.collect()), Wait::NONE)
}

/// Reachability by datagrams from a node to another, as the first knows it.
fn datagrams(cluster: &Cluster, node: u32, of: u8) -> DatagramReachability {
    let broadcaster = cluster.machine(NodeIndex(node)).unwrap().broadcaster();
    broadcaster.peer_status(cluster.now(), id(of)).unwrap().datagrams
}

/// Time until all are in sync, up to a limit.
fn time_to_sync(cluster: &mut Cluster, members: usize, max: Duration) -> Duration {
    let began = cluster.now();
    cluster.run_for(Duration::from_millis(20));
    while !in_sync(cluster, members) {
        assert!(cluster.now().since(began) < max, "not in sync after {max:?}");
        cluster.run_for(Duration::from_millis(50));
    }
    cluster.now().since(began)
}

#[test]
fn groups_converge_where_no_datagram_gets_through() {
    let (mut cluster, _) = new_cluster(4, &[], no_multicast);
    wrong(&mut cluster, Nodes::All, false, Effect::UdpBlocked);
    all_serve(&mut cluster, 4);
    let took = time_to_sync(&mut cluster, 4, Duration::from_secs(10));
    println!("no datagrams: in sync after {took:?}");
    cluster.run_for(Duration::from_secs(30));
    let lost = (1..4).filter(|of| datagrams(&cluster, 0, *of) == DatagramReachability::Lost).count();
    assert!(lost >= 1, "and the loss is detected");
    // A write that affects no other member is not broadcast to far nodes: the next exchanges carry
    // it.
    cluster.command(NodeIndex(1), write(99, serve(50_000, 50_001), Wait::NONE));
    let took = time_to_sync(&mut cluster, 4, Duration::from_secs(10));
    println!("a write that affects no other member: in sync after {took:?}");
}

#[test]
fn groups_converge_with_one_way_datagrams() {
    let (mut cluster, _) = new_cluster(3, &[], no_multicast);
    wrong(&mut cluster, Nodes::One(NodeIndex(0)), false, Effect::UdpBlocked);
    all_serve(&mut cluster, 3);
    let took = time_to_sync(&mut cluster, 3, Duration::from_secs(10));
    println!("one direction: in sync after {took:?}");
    for turn in 0..10 {
        cluster.command(
            NodeIndex(turn % 3),
            write(100 + u64::from(turn), serve(70_000 + turn, 70_000 + turn), Wait::NONE),
        );
        time_to_sync(&mut cluster, 3, Duration::from_secs(15));
    }
}

#[test]
fn connections_are_used_while_datagrams_are_lost() {
    let (mut cluster, _) = new_cluster(3, &[], no_multicast);
    settle(&mut cluster, 3);
    cluster.run_for(Duration::from_secs(60));
    wrong(&mut cluster, Nodes::All, false, Effect::UdpBlocked);
    for turn in 0..20 {
        cluster.command(
            NodeIndex(turn % 3),
            write(100 + u64::from(turn), serve(70_000 + turn, 70_000 + turn), Wait::NONE),
        );
        time_to_sync(&mut cluster, 3, Duration::from_secs(15));
    }
    let lost = |cluster: &Cluster| {
        let pairs = (0..3).flat_map(|node| (0..3).filter(move |of| *of != node).map(move |of| (node, of)));
        pairs
            .filter(|(node, of)| datagrams(cluster, u32::from(*node), *of) == DatagramReachability::Lost)
            .count()
    };
    assert!(lost(&cluster) > 0);
    cluster.heal(false);
    cluster.run_for(Duration::from_secs(180));
    assert_eq!(lost(&cluster), 0, "datagrams work again, and that is detected");
}

/// Small datagrams pass and large ones do not: a root fits, but not the record of 3,000 ranges or
/// the versions of many.
#[test]
fn large_records_converge_where_large_datagrams_are_lost() {
    let (mut cluster, _) = new_cluster(3, &[], no_multicast);
    wrong(&mut cluster, Nodes::All, false, Effect::Mtu(250));
    cluster.command(NodeIndex(1), large_write());
    all_serve(&mut cluster, 3);
    let took = time_to_sync(&mut cluster, 3, Duration::from_secs(20));
    println!("small datagrams only: in sync after {took:?}");
}

/// Both nodes have connections that were dialled before anything showed that the path swallows long
/// packets, and either may have dialled. After the first stalled transfer, the sender uses none of
/// them: the record arrives by a connection with small segments.
#[test]
fn large_records_converge_through_an_mtu_black_hole() {
    for quiet in [0, 900, 3_000, 7_000, 50_000, 100_000, 130_000].map(Duration::from_millis) {
        for writer in 0..2 {
            let (mut cluster, _) = new_cluster(2, &[], no_multicast);
            wrong(&mut cluster, Nodes::All, false, Effect::MtuBlackHole(600));
            // Once each knows the other, both dial at the same time.
            cluster.run_for(Duration::from_secs(2));
            all_serve(&mut cluster, 2);
            cluster.run_for(quiet);
            cluster.command(NodeIndex(writer), large_write());
            let took = time_to_sync(&mut cluster, 2, Duration::from_secs(10));
            println!("{quiet:?} after the last write, by node {writer}: in sync after {took:?}");
        }
    }
}

#[test]
fn nodes_of_both_families_are_one_cluster() {
    let ids = [id(0), "[fd00::2]:29999".parse().unwrap(), id(2), "[fd00::4]:29999".parse().unwrap()];
    let (mut cluster, _) = new_cluster_of(&ids, &[], no_multicast);
    all_serve(&mut cluster, 4);
    let took = time_to_sync(&mut cluster, 4, Duration::from_secs(10));
    println!("mixed families: in sync after {took:?}");
    let broadcaster = cluster.machine(NodeIndex(0)).unwrap().broadcaster();
    assert_eq!(
        broadcaster.peer_status(cluster.now(), ids[1]).unwrap().datagrams,
        DatagramReachability::OtherFamily
    );
}

/// The last node announces an address where neither datagrams nor dials reach it; its own dials
/// succeed.
#[test]
fn a_node_unreachable_at_its_address_takes_part() {
    for effect in [Effect::Refuse, Effect::Silent] {
        let (mut cluster, _) = new_cluster(3, &[], no_multicast);
        let to = Scope { from: Nodes::All, to: Nodes::One(NodeIndex(2)), bidirectional: false };
        for wrong in [Effect::UdpBlocked, effect] {
            let fault = Fault { class: FaultClass::DialRefused, scope: to.clone(), effect: wrong };
            cluster.apply(Action::BeginFault(fault, Time::NEVER));
        }
        all_serve(&mut cluster, 3);
        let took = time_to_sync(&mut cluster, 3, Duration::from_secs(15));
        println!("unreachable address, {effect:?}: in sync after {took:?}");
        for turn in 0..6 {
            let node = NodeIndex(turn % 3);
            cluster.run_for(Duration::from_secs(40));
            cluster
                .command(node, write(100 + u64::from(turn), serve(70_000 + turn, 70_000 + turn), Wait::NONE));
            time_to_sync(&mut cluster, 3, Duration::from_secs(20));
        }
        let unreachable = |of: &Cluster| {
            let seen =
                |node: u32| of.machine(NodeIndex(node)).unwrap().broadcaster().peer_status(of.now(), id(2));
            (0..2).filter_map(seen).any(|status| status.is_unreachable_at_its_address())
        };
        assert!(unreachable(&cluster), "a peer reports it as unreachable at its address");
        let alone = cluster.machine(NodeIndex(2)).unwrap().broadcaster();
        assert_eq!(alone.reached_by_others(cluster.now()), None, "and the node itself can see that");
        let view = cluster.machine(NodeIndex(2)).unwrap().view(&group()).unwrap();
        assert_eq!(view.member_count(), 3);
    }
}
