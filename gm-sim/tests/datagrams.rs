//! Tests of datagrams, clocks and restarts in the world.

mod toys;

use std::time::Duration;

use gm_broadcast::{Input, Output, Time, Via};
use gm_sim::{
    Action, Attack, ByteConservation, Effect, Fault, FaultClass, Location, Network, NodeIndex, Nodes, Rates,
    Scope, StartContext, TrafficKind, World,
};
use toys::{MS, Orders, Probe, ProbeCommand, at, id, locations, plain, probes};

fn begin(world: &mut World<Probe>, class: FaultClass, scope: Scope, effect: Effect) {
    world.apply(Action::BeginFault(Fault { class, scope, effect }, Time::NEVER));
}

fn datagram(to: u32, bytes: &[u8]) -> Output<(), ()> {
    Output::Datagram { to: id(to), bytes: bytes.to_vec().into() }
}

#[test]
fn a_multicast_reaches_its_island_and_costs_one_send() {
    let mut network = plain();
    network.island.gap = MS * 4;
    let mut world = probes(6, 3, network);
    world.order(0, Output::Multicast(vec![1, 2, 3].into()));
    world.order(0, Output::Multicast(vec![4].into()));
    world.run_until(at(100));
    for (node, count) in [(0, 0), (1, 2), (2, 2), (3, 0), (4, 0), (5, 0)] {
        assert_eq!(world.probe(node).log.len(), count);
    }
    let (from, via) = (id(0).socket_addr(), Via::Multicast);
    assert_eq!(world.probe(1).when(&Input::Datagram { from, via, bytes: vec![1, 2, 3].into() }), Some(at(1)));
    assert_eq!(world.probe(2).when(&Input::Datagram { from, via, bytes: vec![4].into() }), Some(at(5)));
    assert_eq!(
        (
            world.traffic().get(TrafficKind::Multicast).sent,
            world.traffic().get(TrafficKind::Multicast).arrived
        ),
        (2, 4)
    );
}

#[test]
fn sends_of_a_node_are_serialized_and_bytes_take_time() {
    let mut network = plain();
    network.lan.gap = MS;
    network.lan.bytes_per_second = 1_000;
    let mut world = probes(4, 2, network);
    world.order(0, datagram(2, &[0; 10]));
    world.order(0, datagram(2, &[1; 20]));
    world.run_until(at(1_000));
    let times: Vec<Time> = world.probe(2).log.iter().map(|(at, _)| *at).collect();
    assert_eq!(times, [at(20), at(41)]);
}

#[test]
fn datagram_faults_happen_and_are_counted() {
    let rates = Rates { delay: MS * 50, ..Rates::default() };
    let all = 1_000_000;
    for (class, rates, count) in [
        (FaultClass::Loss, Rates { loss: all, ..rates }, 0),
        (FaultClass::Duplication, Rates { duplicate: all, ..rates }, 200),
        (FaultClass::Reordering, Rates { reorder: all, ..rates }, 100),
        (FaultClass::Truncation, Rates { truncate: all, ..rates }, 100),
        (FaultClass::BitFlip, Rates { flip: all, ..rates }, 100),
    ] {
        let mut world = probes(2, 2, plain());
        begin(&mut world, class, Scope::ALL, Effect::Udp(rates));
        for number in 0..100 {
            world.order(0, datagram(1, &[number; 9]));
        }
        world.run_until(at(1_000));
        let bytes = |(_, input): &(Time, Input<()>)| match input {
            Input::Datagram { bytes, .. } => bytes.to_vec(),
            _ => Vec::new(),
        };
        let received: Vec<Vec<u8>> = world.probe(1).log.iter().map(bytes).collect();
        assert_eq!((received.len(), world.tally().get(class)), (count, 100), "{class}");
        let ordered = received.iter().map(|bytes| bytes.first()).is_sorted();
        let whole =
            received.iter().all(|bytes| bytes.len() == 9 && bytes.iter().all(|byte| *byte == bytes[0]));
        if class == FaultClass::Reordering {
            assert!(!ordered);
        }
        assert_eq!(whole, !matches!(class, FaultClass::Truncation | FaultClass::BitFlip), "{class}");
    }
}

#[test]
fn mtu_blocked_multicast_one_way_and_flip_flop_faults() {
    let mut world = probes(4, 4, plain());
    let to = |node| Scope { from: Nodes::All, to: Nodes::One(NodeIndex(node)), bidirectional: false };
    begin(&mut world, FaultClass::SmallMtu, to(1), Effect::Mtu(10));
    begin(&mut world, FaultClass::MulticastBlocked, to(2), Effect::MulticastBlocked);
    begin(&mut world, FaultClass::OneWay, to(3), Effect::Block);
    world.order(0, Output::Multicast(vec![0; 11].into()));
    for node in 1..4 {
        world.order(0, datagram(node, &[0; 10]));
        world.order(node, datagram(0, &[0; 10]));
    }
    world.run_until(at(10));
    let logs = (0..4).map(|node| world.probe(node).log.len()).collect::<Vec<_>>();
    assert_eq!(logs, [3, 1, 1, 0]);
    world.heal(false);
    begin(&mut world, FaultClass::FlipFlop, to(1), Effect::FlipFlop(MS * 10));
    for step in 1..8 {
        world.order(0, datagram(1, &[0; 1]));
        world.run_until(at(10 + step * 5));
    }
    assert_eq!((world.probe(1).log.len(), world.tally().get(FaultClass::FlipFlop)), (1 + 3, 4));
}

#[test]
fn clocks_jump_and_drift_and_wakes_follow_them() {
    let mut world = probes(2, 2, plain());
    let alarm = ProbeCommand::Alarm(at(10_000));
    world.command(NodeIndex(0), alarm.clone());
    world.command(NodeIndex(1), alarm);
    world.apply(Action::DriftClock(NodeIndex(1), 250_000_000));
    world.run_until(at(1_000));
    world.apply(Action::JumpClock(NodeIndex(0), Duration::from_secs(5)));
    world.run_until(at(4_999));
    assert_eq!(world.probe(0).when(&Input::Wake), None);
    world.run_until(at(7_999));
    assert_eq!(world.probe(0).when(&Input::Wake), Some(at(10_000)), "by the node's own clock");
    assert_eq!(world.probe(1).when(&Input::Wake), None);
    world.run_until(at(8_000));
    assert_eq!(world.probe(1).when(&Input::Wake), Some(at(10_000)));
    assert!(matches!(world.probe(0).log[0], (now, Input::Entropy(_)) if now == at(6_000)));
}

#[test]
fn each_start_has_its_own_seed() {
    let mut world = probes(3, 3, plain());
    let first = |world: &World<Probe>| -> Vec<StartContext> {
        (0..3).map(|node| world.probe(node).context).collect()
    };
    let contexts = first(&world);
    world.set_param(NodeIndex(1), 42);
    world.apply(Action::Restart(NodeIndex(1), Duration::ZERO));
    world.apply(Action::Rekey(NodeIndex(2), true));
    world.run_until(at(1));
    let again = first(&world);
    assert_eq!(contexts[0].seed, again[0].seed);
    let mut seeds: Vec<[u8; 32]> = contexts.iter().chain(&again[1..]).map(|context| context.seed).collect();
    seeds.sort_unstable();
    seeds.dedup();
    assert_eq!(seeds.len(), 5);
    assert_eq!((again[1].param, again[1].restarts, again[1].wrong_key), (42, 1, false));
    assert!(again[2].wrong_key);
    world.apply(Action::Heal { revive: true });
    assert!(!world.probe(2).context.wrong_key);
    // Equal worlds draw equal seeds.
    assert_eq!(first(&probes(3, 3, plain()))[2].seed, contexts[2].seed);
}

#[test]
fn an_outsider_replays_datagrams_and_sends_garbage() {
    let mut world = probes(3, 3, plain());
    world.apply(Action::Outsider(Attack::Listen(true)));
    world.order(0, datagram(1, &[7; 40]));
    world.order(
        0,
        Output::Dial { link: gm_broadcast::ConnectionId::dialled(0), to: id(1), small_segments: false },
    );
    world.run_until(at(10));
    world.order(0, Output::Send { link: gm_broadcast::ConnectionId::dialled(0), bytes: vec![8; 30].into() });
    world.run_until(at(20));
    for attack in [Attack::Replay(NodeIndex(2), Via::Multicast), Attack::ReplayStream(NodeIndex(2))] {
        world.apply(Action::Outsider(attack));
    }
    world.apply(Action::Outsider(Attack::GarbageStream(NodeIndex(2), 3_000)));
    world.apply(Action::Outsider(Attack::Flood(NodeIndex(2), 50, 5)));
    world.run_until(at(5_000));
    let probe = world.probe(2);
    let replayed =
        Input::Datagram { from: id(0).socket_addr(), via: Via::Multicast, bytes: vec![7; 40].into() };
    assert!(probe.when(&replayed).is_some());
    let link = gm_broadcast::ConnectionId::accepted(0);
    assert_eq!(probe.bytes(link), vec![8; 30]);
    assert!(probe.when(&Input::ConnectionClosed { link, stalled: false }).is_some());
    let datagrams = probe.log.iter().filter(|(_, input)| matches!(input, Input::Datagram { .. })).count();
    let opened =
        probe.log.iter().filter(|(_, input)| matches!(input, Input::ConnectionOpened { .. })).count();
    assert_eq!((datagrams, opened), (51, 7));
    assert_eq!(world.tally().get(FaultClass::OutsiderFlood), 55);
    assert_eq!(world.links(), 1);
}

#[test]
fn commands_run_when_due_and_ids_find_nodes() {
    let mut world = World::new(3, plain(), &locations(4, 2), Probe::new);
    world.start(NodeIndex(0));
    world.start(NodeIndex(2));
    world.command_at(at(50), NodeIndex(0), ProbeCommand::Do(datagram(2, &[1])));
    world.run_until(at(200));
    assert_eq!(world.probe(2).log.first().map(|(at, _)| *at), Some(at(60)));
    assert_eq!((world.find(id(3)), world.find(id(4))), (Some(NodeIndex(3)), None));
    assert!(world.machine(NodeIndex(3)).is_none());
}

/// Multicasts follow a node to its island; with loops, the sender receives its own.
#[test]
fn a_moved_and_an_added_node_get_their_islands_multicasts() {
    let network = Network { multicast_loops: true, ..plain() };
    let mut world = World::new(1, network, &locations(3, 1), Probe::new);
    world.add_checker(ByteConservation::new());
    let added = world.add_node(Location { id: id(3), island: 0, site: 0 });
    assert_eq!((added, world.find(id(3))), (NodeIndex(3), Some(added)));
    world.start_all();
    world.move_to_island(NodeIndex(2), 0);
    world.order(0, Output::Multicast(vec![1].into()));
    world.run_until(at(10));
    let logs = (0..4).map(|node| world.probe(node).log.len()).collect::<Vec<_>>();
    assert_eq!(logs, [1, 0, 1, 1]);
    assert_eq!(world.finish().outcome, Ok(()));
}

#[test]
fn a_filter_loses_the_copies_that_it_selects() {
    let mut world = probes(3, 3, plain());
    world.add_checker(ByteConservation::new());
    world.set_datagram_filter(Some(Box::new(|copy| {
        (copy.from, copy.to, copy.via, copy.bytes) == (NodeIndex(0), NodeIndex(2), Via::Multicast, &[1])
    })));
    for bytes in [vec![1], vec![2]] {
        world.order(0, Output::Multicast(bytes.into()));
    }
    world.order(0, datagram(2, &[1]));
    world.run_until(at(10));
    assert_eq!((world.probe(1).log.len(), world.probe(2).log.len()), (2, 2));
    assert_eq!(world.tally().get(FaultClass::Loss), 1);
    world.set_datagram_filter(None);
    world.order(0, Output::Multicast(vec![1].into()));
    world.run_until(at(20));
    assert_eq!((world.probe(2).log.len(), world.finish().outcome), (3, Ok(())));
}

/// Injected inputs reach the machine although the network has no such connection; while the node is
/// paused, they wait.
#[test]
fn injected_inputs_need_no_connection() {
    let mut world = probes(1, 1, plain());
    world.add_checker(ByteConservation::new());
    let link = gm_broadcast::ConnectionId::accepted(77);
    let bytes = || Input::ConnectionBytes { link, bytes: vec![1, 2].into() };
    world.inject(NodeIndex(0), bytes());
    assert_eq!(world.probe(0).bytes(link), [1, 2]);
    world.apply(Action::Pause(NodeIndex(0)));
    world.inject(NodeIndex(0), Input::Entropy([9; 32]));
    assert_eq!(world.probe(0).log.len(), 1);
    world.apply(Action::Resume(NodeIndex(0)));
    assert_eq!(world.probe(0).log.len(), 2);
    assert_eq!(world.finish().outcome, Ok(()));
}
