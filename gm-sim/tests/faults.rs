//! Tests of whole runs with faults: each class occurs, bytes are conserved, and equal seeds give
//! equal runs.

mod toys;

use std::time::Duration;

use gm_broadcast::Time;
use gm_sim::{
    Action, ByteConservation, Campaign, Effect, Fault, FaultClass, LimitChecker, Network, NodeIndex, Run,
    Schedule, ScheduleBounds, Scope, World,
};
use proptest::prelude::*;
use toys::{Chatter, Orders, at, id, locations, plain, probes};

const NODES: u32 = 8;

fn world(seed: u64, classes: &[FaultClass]) -> World<Chatter> {
    let mut network = Network::default();
    network.lan.jitter = Duration::from_micros(300);
    network.wan.jitter = Duration::from_millis(3);
    let mut world = World::new(seed, network, &locations(NODES, 3), Chatter::factory(NODES));
    world.add_checker(ByteConservation::new());
    world.start_all();
    let bounds = ScheduleBounds {
        nodes: NODES,
        start: at(1_000),
        heal_at: at(8_000),
        restart_dead: true,
        spared: vec![NodeIndex(0)],
    };
    Schedule::draw(seed, classes, &bounds).install(&mut world);
    world
}

fn run(seed: u64, classes: &[FaultClass]) -> Run {
    let mut world = world(seed, classes);
    world.run_until(at(10_000));
    world.finish()
}

#[test]
fn each_kind_of_fault_really_happens_where_it_is_enabled() {
    for class in FaultClass::ALL {
        let happened = (0..10).filter(|seed| {
            let run = run(*seed, &[class]);
            assert_eq!(run.outcome, Ok(()), "{class}, seed {seed}");
            for other in FaultClass::ALL.into_iter().filter(|other| *other != class) {
                assert_eq!(run.tally.get(other), 0, "{other} in a world with {class} only");
            }
            run.tally.get(class) > 0
        });
        let happened = happened.count();
        assert!(happened >= 9, "{class} occurred in {happened} of 10 runs");
    }
}

#[test]
fn a_campaign_with_all_faults_does_not_depend_on_threads() {
    let campaign = |threads| Campaign {
        seeds: 0..60,
        threads,
        classes: FaultClass::ALL.to_vec(),
        min_percent: 20,
        replay: "sim --seed".to_owned(),
    };
    let one = |seed| run(seed, &Schedule::choose(seed, &FaultClass::ALL, 1, 2));
    let (twice, once) = (campaign(2).run(one), campaign(1).run(one));
    assert!(twice.is_good(), "{twice}");
    assert_eq!(twice.runs, once.runs);
    assert_eq!((twice.exit_code(), twice.runs.len()), (0, 60));
    println!("{twice}");
}

#[test]
fn equal_seeds_have_equal_traces_in_every_build() {
    let classes = FaultClass::ALL;
    let traces: Vec<u64> = (0..5).map(|seed| run(seed, &classes).trace).collect();
    assert_eq!(traces, (0..5).map(|seed| run(seed, &classes).trace).collect::<Vec<_>>());
    let mut different = traces.clone();
    different.sort_unstable();
    different.dedup();
    assert_eq!(different.len(), 5);
    // Equal in debug and release builds. Changes whenever the world or the toy machine changes.
    assert_eq!(format!("{:016x}", traces[0]), "703e3152e63b1f6a");
}

#[test]
fn the_trace_is_kept_as_text_and_checkers_change_nothing() {
    let mut plain = world(7, &FaultClass::ALL);
    plain.run_until(at(10_000));
    let mut kept = world(7, &FaultClass::ALL);
    kept.keep_trace(5);
    kept.add_checker(LimitChecker::new("inputs", 1_000_000, |chatter: &Chatter| {
        usize::try_from(chatter.inputs).unwrap()
    }));
    kept.run_until(at(10_000));
    assert_eq!(plain.trace().hash(), kept.trace().hash());
    assert_eq!((plain.trace().lines().count(), kept.trace().lines().count()), (0, 5));
}

#[test]
fn healing_without_restart_leaves_dead_nodes_dead() {
    let bounds = ScheduleBounds {
        nodes: 4,
        start: at(10),
        heal_at: at(500),
        restart_dead: false,
        spared: vec![NodeIndex(2)],
    };
    let schedule = Schedule::draw(5, &[FaultClass::Crash, FaultClass::HostDeath], &bounds);
    assert!(schedule.actions.iter().all(|(when, _)| *when >= at(10) && *when <= at(500)));
    let mut world = probes(4, 2, plain());
    schedule.install(&mut world);
    world.run_until(at(1_000));
    let alive = world.indices().filter(|node| world.machine(*node).is_some()).count();
    let ended = world.tally().get(FaultClass::Crash) + world.tally().get(FaultClass::HostDeath);
    assert_eq!(alive as u64, 4 - ended);
    assert!(ended > 0 && world.machine(NodeIndex(2)).is_some());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    /// For any window, pieces, stalls and reader, the bytes arrive complete and in order, and all
    /// are acknowledged.
    #[test]
    fn a_connection_is_a_queue(
        window in 1_usize..5_000,
        chunk in 0_u32..1_000_000,
        slow in proptest::option::of(2_000_u64..100_000),
        stall in proptest::option::of(1_u64..10_000),
        parts in proptest::collection::vec(0_usize..3_000, 1..20),
    ) {
        let mut network = plain();
        network.tcp.window = window;
        network.island.jitter = Duration::from_millis(7);
        // No stall is long enough to give up the connection.
        network.tcp.user_timeout = Duration::from_secs(15);
        let mut world = probes(2, 2, network);
        world.add_checker(ByteConservation::new());
        let link = gm_broadcast::ConnectionId::dialled(0);
        world.order(0, gm_broadcast::Output::Dial { link, to: id(1), small_segments: false });
        world.run_until(at(1_000));
        let mut begin = |class, effect, until| {
            world.apply(Action::BeginFault(Fault { class, scope: Scope::ALL, effect }, until));
        };
        begin(FaultClass::Chunking, Effect::Chunk(chunk), Time::NEVER);
        if let Some(rate) = slow {
            begin(FaultClass::SlowReader, Effect::SlowReader(rate), at(9_000));
        }
        if let Some(millis) = stall {
            begin(FaultClass::Stall, Effect::Stall, at(1_000 + millis));
        }
        let mut all = Vec::new();
        for (number, length) in (0..).zip(parts) {
            let bytes: Vec<u8> = (0..length).map(|index| number ^ u8::try_from(index % 256).unwrap()).collect();
            all.extend_from_slice(&bytes);
            world.order(0, gm_broadcast::Output::Send { link, bytes: bytes.into() });
        }
        world.run_until(at(2_000_000));
        prop_assert_eq!(world.probe(0).sent(link), all.len());
        prop_assert_eq!(world.probe(1).bytes(gm_broadcast::ConnectionId::accepted(0)), all);
        prop_assert_eq!(world.finish().outcome, Ok(()));
    }
}
