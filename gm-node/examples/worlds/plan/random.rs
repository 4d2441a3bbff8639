//! The drawn plan: any size, any islands, any faults, any deeds. Knows no names.

use gm_broadcast::{Rng, Time};
use gm_data::PurgePolicy;
use gm_node::{Wait, WriteKind};
use gm_sim::{Bounds, FaultClass, Place, Schedule, spread};

use super::layout::{BROADCAST, groups, id, ms, quiet, some_wait};
use super::{Deed, Intent, Plan, RANDOM};

/// One seed in so many has [`LARGE`] nodes.
const LARGE_ONE_IN: u64 = 20;
const LARGE: u32 = 300;
/// One seed in so many has no faults.
const CALM_ONE_IN: u64 = 10;

/// The plan of a seed.
pub(crate) fn random(seed: u64) -> Plan {
    let mut chance = Rng::new(spread(seed, u64::MAX - 1, 1));
    let large = chance.ratio(1, LARGE_ONE_IN);
    let nodes = if large { LARGE } else { 3 + below(&mut chance, 28) };
    let mut plan = quiet(RANDOM, seed, places(&mut chance, nodes));
    plan.groups = groups(1 + chance.index(2));
    network(&mut plan, &mut chance);
    if chance.ratio(1, 3) {
        plan.mute = plan.nodes().filter(|_| chance.ratio(1, 4)).collect();
    }
    plan.latency = ms(1 + chance.below(20));
    if chance.ratio(1, 4) {
        plan.purge = PurgePolicy { keep: chance.index(4), max_age: 20 };
    }
    if chance.ratio(1, 4) {
        plan.observers = plan.nodes().filter(|_| chance.ratio(1, 5)).collect();
    }
    if chance.ratio(1, 4) {
        plan.diskless = plan.nodes().filter(|_| chance.ratio(1, 5)).collect();
    }
    // Hundreds do in a short time as much as a few do in a long one.
    let start = Time::ZERO + ms(1_000) + chance.duration_up_to(ms(if large { 1_000 } else { 4_000 }));
    plan.heal_at = start + if large { ms(4_000) } else { ms(10_000) + chance.duration_up_to(ms(25_000)) };
    if large {
        // Among hundreds the defaults are lively enough.
        plan.broadcast_times = gm_broadcast::BroadcasterTimings {
            reception_report: ms(1_000),
            multicast_keepalive: ms(10_000),
            ..BROADCAST
        };
    }
    life(&mut plan, &mut chance, large);

    if !chance.ratio(1, CALM_ONE_IN) {
        plan.classes = Schedule::some(seed, &FaultClass::ALL, 8, 26);
        // A flood that each of hundreds sees costs the time of fifty seeds, and finds what it finds among a few.
        plan.classes.retain(|class| !(large && *class == FaultClass::OutsiderFlood));
        let bounds =
            Bounds { nodes, start, heal_at: plan.heal_at, revive: chance.ratio(4, 5), spared: Vec::new() };
        plan.schedule = Schedule::draw(seed, &plan.classes, &bounds);
        for class in FaultClass::OF_NODES {
            // Each of its own chance: a kind more does not move the others.
            let mut chance = Rng::new(spread(seed, u64::MAX - 4, class as u64));
            if chance.ratio(3, 10) {
                super::mishap::draw(&mut plan, &mut chance, class, start);
                plan.classes.push(class);
            }
        }
    } else {
        let bounds = Bounds { nodes, start, heal_at: plan.heal_at, revive: true, spared: Vec::new() };
        plan.schedule = Schedule::draw(seed, &[], &bounds);
    }
    // When all is well again, owners still write, and are heard.
    for _ in 0..3 {
        let node = plan.some_node(&mut chance);
        let group = chance.index(plan.groups.len());
        let at = plan.heal_at + chance.duration_up_to(ms(2_000));
        plan.deed(at, Deed::Write { node, group, intent: Intent::Batch, wait: some_wait(&mut chance) });
    }
    // Whose identity another had may not write for ten minutes.
    let clash = plan.classes.contains(&FaultClass::IdentityClash);
    plan.bound = ms(if clash { 720_000 } else { 60_000 });
    plan.close()
}

fn below(chance: &mut Rng, end: u32) -> u32 {
    u32::try_from(chance.below(u64::from(end))).unwrap_or(0)
}

/// One to six islands on one to three sites, of any sizes.
fn places(chance: &mut Rng, nodes: u32) -> Vec<Place> {
    // A multicast comes to a whole island: hundreds of nodes on one are for the worlds of the broadcast.
    let islands = if nodes == LARGE { 10 + below(chance, 10) } else { 1 + below(chance, 6) };
    let sites = 1 + below(chance, 3);
    let site_of: Vec<u32> = (0..islands).map(|_| below(chance, sites)).collect();
    let mut place = |node| {
        let island = below(chance, islands);
        Place { id: id(node), island, site: site_of[island as usize] }
    };
    (0..nodes).map(&mut place).collect()
}

fn network(plan: &mut Plan, chance: &mut Rng) {
    let network = &mut plan.network;
    network.wan.latency = ms(5 + chance.below(95));
    for way in [&mut network.island, &mut network.lan, &mut network.wan] {
        if chance.ratio(1, 2) {
            way.jitter = chance.duration_up_to(way.latency / 2);
        }
    }
}

/// Owners join, serve, change, unserve, leave, forget; some watch.
fn life(plan: &mut Plan, chance: &mut Rng, large: bool) {
    let span = plan.heal_at.since(Time::ZERO);
    let groups = plan.groups.len();
    for node in plan.nodes() {
        let at = Time::ZERO + chance.duration_up_to(ms(if large { 2_000 } else { 5_000 }));
        let group = chance.index(groups);
        let join = chance.ratio(1, 3);
        let intent = if join { Intent::Exactly(WriteKind::Join(vec![])) } else { Intent::Serve };
        // Among hundreds most wait for nobody: each who does is told of by all whom it told.
        let wait = if large && chance.ratio(9, 10) { Wait::NONE } else { some_wait(chance) };
        plan.deed(at, Deed::Write { node, group, intent, wait });
        if groups > 1 && chance.ratio(1, 3) {
            plan.write(at + ms(50), node, 1 - group, Intent::Serve);
        }
    }
    for _ in 0..if large { 60 } else { 10 + chance.below(120) } {
        let at = Time::ZERO + chance.duration_up_to(span);
        let node = plan.some_node(chance);
        let group = chance.index(groups);
        let intent = match chance.below(20) {
            0..6 => Intent::Serve,
            6..11 => Intent::Unserve,
            11..16 => Intent::Batch,
            16..18 => Intent::Exactly(WriteKind::Leave),
            _ => Intent::Exactly(WriteKind::Join(vec![])),
        };
        let wait = if large && chance.ratio(9, 10) { Wait::NONE } else { some_wait(chance) };
        plan.deed(at, Deed::Write { node, group, intent, wait });
    }
    for _ in 0..chance.below(5) {
        let node = plan.some_node(chance);
        let at = Time::ZERO + chance.duration_up_to(span);
        let group = chance.index(groups);
        plan.deed(at, Deed::Watch { node, group, pace: chance.duration_up_to(ms(900)) });
    }
}
