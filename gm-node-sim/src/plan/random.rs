//! The random scenario: any number of nodes, islands, faults and operations.

use gm_broadcast::{Rng, Time};
use gm_data::PurgePolicy;
use gm_node::{Wait, WriteKind};
use gm_sim::broadcast::scenario::TIMES as BROADCAST_TIMES;
use gm_sim::layout::{below, ms, random_islands};
use gm_sim::{FaultClass, Schedule, ScheduleBounds, derive_seed};

use super::layout::{groups, idle_plan, random_wait};
use super::{Intent, Operation, Plan, RANDOM};

/// Number of seeds of which one has [`LARGE`] nodes.
const LARGE_ONE_IN: u64 = 20;
const LARGE: u32 = 300;
/// Number of seeds of which one has no faults.
const CALM_ONE_IN: u64 = 10;

/// The random plan of a seed.
pub(crate) fn random(seed: u64) -> Plan {
    let mut rng = Rng::new(derive_seed(seed, u64::MAX - 1, 1));
    let large = rng.ratio(1, LARGE_ONE_IN);
    let nodes = if large { LARGE } else { 3 + below(&mut rng, 28) };
    let islands = island_count(&mut rng, nodes);
    let mut plan = idle_plan(RANDOM, seed, random_islands(&mut rng, nodes, islands));
    plan.groups = groups(1 + rng.index(2));
    network(&mut plan, &mut rng);
    if rng.ratio(1, 3) {
        plan.mute = plan.nodes().filter(|_| rng.ratio(1, 4)).collect();
    }
    plan.disk_latency = ms(1 + rng.below(20));
    if rng.ratio(1, 4) {
        plan.purge = PurgePolicy { keep: rng.index(4), max_age: 20 };
    }
    if rng.ratio(1, 4) {
        plan.observers = plan.nodes().filter(|_| rng.ratio(1, 5)).collect();
    }
    if rng.ratio(1, 4) {
        plan.diskless = plan.nodes().filter(|_| rng.ratio(1, 5)).collect();
    }
    // Hundreds of nodes do as much in a short time as a few do in a long one.
    let start = Time::ZERO + ms(1_000) + rng.duration_up_to(ms(if large { 1_000 } else { 4_000 }));
    plan.heal_at = start + if large { ms(4_000) } else { ms(10_000) + rng.duration_up_to(ms(25_000)) };
    if large {
        // Among hundreds of nodes the default timings cause enough traffic.
        plan.broadcast_times = gm_broadcast::BroadcasterTimings {
            reception_report: ms(1_000),
            multicast_keepalive: ms(10_000),
            ..BROADCAST_TIMES
        };
    }
    draw_operations(&mut plan, &mut rng, large);

    if !rng.ratio(1, CALM_ONE_IN) {
        plan.classes = Schedule::choose(seed, &FaultClass::ALL, 8, 26);
        // A flood that reaches hundreds of nodes takes the time of fifty seeds, and finds no more
        // than among a few.
        plan.classes.retain(|class| !(large && *class == FaultClass::OutsiderFlood));
        let bounds = ScheduleBounds {
            nodes,
            start,
            heal_at: plan.heal_at,
            restart_dead: rng.ratio(4, 5),
            spared: Vec::new(),
        };
        plan.schedule = Schedule::draw(seed, &plan.classes, &bounds);
        for class in FaultClass::OF_NODES {
            // A generator for each class, so that an added class does not change the others.
            let mut rng = Rng::new(derive_seed(seed, u64::MAX - 4, class as u64));
            if rng.ratio(3, 10) {
                super::node_faults::draw(&mut plan, &mut rng, class, start);
                plan.classes.push(class);
            }
        }
    } else {
        let bounds =
            ScheduleBounds { nodes, start, heal_at: plan.heal_at, restart_dead: true, spared: Vec::new() };
        plan.schedule = Schedule::draw(seed, &[], &bounds);
    }
    // After the faults, owners still write.
    for _ in 0..3 {
        let node = plan.random_node(&mut rng);
        let group = rng.index(plan.groups.len());
        let at = plan.heal_at + rng.duration_up_to(ms(2_000));
        plan.add_operation(
            at,
            Operation::Write { node, group, intent: Intent::Batch, wait: random_wait(&mut rng) },
        );
    }
    // A node that was impersonated may be unable to write for ten minutes.
    let identity_clash = plan.classes.contains(&FaultClass::IdentityClash);
    plan.convergence_bound = ms(if identity_clash { 720_000 } else { 60_000 });
    plan.finish()
}

/// Number of islands: a multicast reaches a whole island, and hundreds of nodes on one are
/// simulated with broadcasters alone.
fn island_count(rng: &mut Rng, nodes: u32) -> u32 {
    if nodes == LARGE { 10 + below(rng, 10) } else { 1 + below(rng, 6) }
}

fn network(plan: &mut Plan, rng: &mut Rng) {
    let network = &mut plan.network;
    network.wan.latency = ms(5 + rng.below(95));
    for path in [&mut network.island, &mut network.lan, &mut network.wan] {
        if rng.ratio(1, 2) {
            path.jitter = rng.duration_up_to(path.latency / 2);
        }
    }
}

/// Owners join, serve, change, unserve, leave and forget; watchers subscribe.
fn draw_operations(plan: &mut Plan, rng: &mut Rng, large: bool) {
    let span = plan.heal_at.since(Time::ZERO);
    let groups = plan.groups.len();
    for node in plan.nodes() {
        let at = Time::ZERO + rng.duration_up_to(ms(if large { 2_000 } else { 5_000 }));
        let group = rng.index(groups);
        let join = rng.ratio(1, 3);
        let intent = if join { Intent::Exact(WriteKind::Join(vec![])) } else { Intent::Serve };
        // Among hundreds of nodes most writes do not wait, because every wait causes acks of all
        // targets.
        let wait = if large && rng.ratio(9, 10) { Wait::NONE } else { random_wait(rng) };
        plan.add_operation(at, Operation::Write { node, group, intent, wait });
        if groups > 1 && rng.ratio(1, 3) {
            plan.add_write(at + ms(50), node, 1 - group, Intent::Serve);
        }
    }
    for _ in 0..if large { 60 } else { 10 + rng.below(120) } {
        let at = Time::ZERO + rng.duration_up_to(span);
        let node = plan.random_node(rng);
        let group = rng.index(groups);
        let intent = match rng.below(20) {
            0..6 => Intent::Serve,
            6..11 => Intent::Unserve,
            11..16 => Intent::Batch,
            16..18 => Intent::Exact(WriteKind::Leave),
            _ => Intent::Exact(WriteKind::Join(vec![])),
        };
        let wait = if large && rng.ratio(9, 10) { Wait::NONE } else { random_wait(rng) };
        plan.add_operation(at, Operation::Write { node, group, intent, wait });
    }
    for _ in 0..rng.below(5) {
        let node = plan.random_node(rng);
        let at = Time::ZERO + rng.duration_up_to(span);
        let group = rng.index(groups);
        plan.add_operation(at, Operation::Watch { node, group, read_delay: rng.duration_up_to(ms(900)) });
    }
}
