//! Nodes between which one way does not work converge by another: datagrams that are lost, small or all, in one direction or both; two
//! families of addresses; an address where nobody is reached.

use std::time::Duration;

use gm_broadcast::{DatagramReachability, Time};
use gm_node::{Config, Wait};
use gm_sim::{Action, Effect, Fault, FaultClass, NodeIndex, Nodes, Scope};

use crate::town::{Town, agree, group, id, serve, settle, town, town_of, write};

fn no_multicast(config: &mut Config) {
    config.broadcast.multicast = false;
}

/// Something is wrong with what these send, and what is sent to them if so said.
fn wrong(town: &mut Town, from: Nodes, both: bool, effect: Effect) {
    let scope = Scope { from, to: Nodes::All, both };
    town.act(Action::Begin(Fault { class: FaultClass::UdpBlocked, scope, effect }, Time::NEVER));
}

fn all_serve(town: &mut Town, nodes: u32) {
    for node in 0..nodes {
        town.command(NodeIndex(node), write(u64::from(node), serve(node * 100, node * 100 + 9), Wait::NONE));
    }
}

/// The state between a node and another, as the first knows it.
fn datagrams(town: &Town, node: u32, of: u8) -> DatagramReachability {
    let caster = town.machine(NodeIndex(node)).unwrap().broadcaster();
    caster.peer_status(town.now(), id(of)).unwrap().datagrams
}

/// How long it takes until all agree, up to a bound.
fn time_to_agree(town: &mut Town, members: usize, most: Duration) -> Duration {
    let began = town.now();
    town.run_for(Duration::from_millis(20));
    while !agree(town, members) {
        assert!(town.now().since(began) < most, "not equal after {most:?}");
        town.run_for(Duration::from_millis(50));
    }
    town.now().since(began)
}

#[test]
fn groups_converge_where_no_datagram_gets_through() {
    let (mut town, _) = town(4, &[], no_multicast);
    wrong(&mut town, Nodes::All, false, Effect::UdpBlocked);
    all_serve(&mut town, 4);
    let took = time_to_agree(&mut town, 4, Duration::from_secs(10));
    println!("no datagrams: equal after {took:?}");
    town.run_for(Duration::from_secs(30));
    let lost = (1..4).filter(|of| datagrams(&town, 0, *of) == DatagramReachability::Lost).count();
    assert!(lost >= 1, "and it is known that they are lost");
    // A write that concerns nobody else's range is told to nobody at once: the next comparisons bring it.
    town.command(NodeIndex(1), write(99, serve(50_000, 50_001), Wait::NONE));
    let took = time_to_agree(&mut town, 4, Duration::from_secs(10));
    println!("a write that concerns nobody else: equal after {took:?}");
}

#[test]
fn groups_converge_where_datagrams_get_through_in_one_direction_only() {
    let (mut town, _) = town(3, &[], no_multicast);
    wrong(&mut town, Nodes::One(NodeIndex(0)), false, Effect::UdpBlocked);
    all_serve(&mut town, 3);
    let took = time_to_agree(&mut town, 3, Duration::from_secs(10));
    println!("one direction: equal after {took:?}");
    for turn in 0..10 {
        town.command(
            NodeIndex(turn % 3),
            write(100 + u64::from(turn), serve(70_000 + turn, 70_000 + turn), Wait::NONE),
        );
        time_to_agree(&mut town, 3, Duration::from_secs(15));
    }
}

#[test]
fn where_datagrams_are_lost_later_connections_are_used_and_given_up_again() {
    let (mut town, _) = town(3, &[], no_multicast);
    settle(&mut town, 3);
    town.run_for(Duration::from_secs(60));
    wrong(&mut town, Nodes::All, false, Effect::UdpBlocked);
    for turn in 0..20 {
        town.command(
            NodeIndex(turn % 3),
            write(100 + u64::from(turn), serve(70_000 + turn, 70_000 + turn), Wait::NONE),
        );
        time_to_agree(&mut town, 3, Duration::from_secs(15));
    }
    let lost = |town: &Town| {
        let pairs = (0..3).flat_map(|node| (0..3).filter(move |of| *of != node).map(move |of| (node, of)));
        pairs
            .filter(|(node, of)| datagrams(town, u32::from(*node), *of) == DatagramReachability::Lost)
            .count()
    };
    assert!(lost(&town) > 0);
    town.heal(false);
    town.run_for(Duration::from_secs(180));
    assert_eq!(lost(&town), 0, "they work again, and that is noticed");
}

/// What is small passes and what is large does not: a root fits, the record of 3,000 ranges and the versions of many do not.
#[test]
fn large_records_converge_where_large_datagrams_are_lost() {
    let (mut town, _) = town(3, &[], no_multicast);
    wrong(&mut town, Nodes::All, false, Effect::Mtu(250));
    let changes = (0..3_000_u32).map(|at| gm_data::Change::Serve {
        range: crate::town::range(at * 1_000, at * 1_000 + at % 900),
        port: Some(5432),
        priority: 1,
    });
    town.command(NodeIndex(1), write(7, gm_node::What::Change(changes.collect()), Wait::NONE));
    all_serve(&mut town, 3);
    let took = time_to_agree(&mut town, 3, Duration::from_secs(20));
    println!("small datagrams only: equal after {took:?}");
}

#[test]
fn nodes_of_both_families_are_one_cluster() {
    let ids = [id(0), "[fd00::2]:29999".parse().unwrap(), id(2), "[fd00::4]:29999".parse().unwrap()];
    let (mut town, _) = town_of(&ids, &[], no_multicast);
    all_serve(&mut town, 4);
    let took = time_to_agree(&mut town, 4, Duration::from_secs(10));
    println!("mixed families: equal after {took:?}");
    let caster = town.machine(NodeIndex(0)).unwrap().broadcaster();
    assert_eq!(caster.peer_status(town.now(), ids[1]).unwrap().datagrams, DatagramReachability::OtherFamily);
}

/// The last node announces an address where it is not reached, by datagrams or dials; its own dials get through.
#[test]
fn a_node_that_is_not_reached_at_its_address_takes_part() {
    for effect in [Effect::Refuse, Effect::Silent] {
        let (mut town, _) = town(3, &[], no_multicast);
        let to = Scope { from: Nodes::All, to: Nodes::One(NodeIndex(2)), both: false };
        for wrong in [Effect::UdpBlocked, effect] {
            let fault = Fault { class: FaultClass::DialRefused, scope: to.clone(), effect: wrong };
            town.act(Action::Begin(fault, Time::NEVER));
        }
        all_serve(&mut town, 3);
        let took = time_to_agree(&mut town, 3, Duration::from_secs(15));
        println!("unreachable address, {effect:?}: equal after {took:?}");
        for turn in 0..6 {
            let node = NodeIndex(turn % 3);
            town.run_for(Duration::from_secs(40));
            town.command(node, write(100 + u64::from(turn), serve(70_000 + turn, 70_000 + turn), Wait::NONE));
            time_to_agree(&mut town, 3, Duration::from_secs(20));
        }
        let unreachable = |of: &Town| {
            let seen =
                |node: u32| of.machine(NodeIndex(node)).unwrap().broadcaster().peer_status(of.now(), id(2));
            (0..2).filter_map(seen).any(|status| status.is_unreachable_at_its_address())
        };
        assert!(unreachable(&town), "somebody says that it is not reached at its address");
        let alone = town.machine(NodeIndex(2)).unwrap().broadcaster();
        assert_eq!(alone.reached_by_others(town.now()), None, "and it can know itself");
        let view = town.machine(NodeIndex(2)).unwrap().view(&group()).unwrap();
        assert_eq!(view.member_count(), 3);
    }
}
