//! The drawn plan: any size, any islands, any faults. Knows no names.

use std::time::Duration;

use gm_broadcast::{AckRequest, BroadcasterLimits, Rng, Time, Transport, TreeShape};

use super::layout::{id, length, ms, quiet};
use super::{Acquaintance, Plan, RANDOM, Whom};
use crate::fault::FaultClass;
use crate::node::{NodeIndex, Place};
use crate::schedule::{self, Schedule};
use crate::world::{Action, spread};

/// One seed in so many has [`LARGE`] nodes.
const LARGE_ONE_IN: u64 = 20;
const LARGE: u32 = 300;
/// One seed in so many has no faults.
const CALM_ONE_IN: u64 = 10;

/// The plan of a seed.
#[must_use]
pub fn random(seed: u64) -> Plan {
    let mut chance = Rng::new(spread(seed, u64::MAX - 1, 0));
    let large = chance.ratio(1, LARGE_ONE_IN);
    let nodes = if large { LARGE } else { 3 + below(&mut chance, 28) };
    let mut plan = quiet(RANDOM, seed, places(&mut chance, nodes));
    network(&mut plan, &mut chance);
    acquaintance(&mut plan, &mut chance, large);
    bounds(&mut plan, &mut chance);

    let start = Time::ZERO + chance.duration_up_to(ms(4_000));
    plan.heal_at = start + ms(6_000) + chance.duration_up_to(ms(if large { 4_000 } else { 14_000 }));
    let calm = chance.ratio(1, CALM_ONE_IN);
    let classes = Schedule::some(seed, &FaultClass::ALL, 9, 26);
    plan.classes = if calm { Vec::new() } else { classes };
    let revive = chance.ratio(4, 5);
    let bounds = schedule::Bounds { nodes, start, heal_at: plan.heal_at, revive, spared: Vec::new() };
    plan.schedule = Schedule::draw(seed, &plan.classes, &bounds);

    chatter(&mut plan, &mut chance, if large { 8 } else { 40 });
    let dead = |action: &Action| matches!(action, Action::Crash(_) | Action::KillHost(_));
    let dead =
        if revive { 0 } else { plan.schedule.actions.iter().filter(|(_, action)| dead(action)).count() };
    // Large islands need longer than a settle until everybody knows who hears whom.
    if calm && !large && plan.mute.is_empty() && plan.known == (Acquaintance::Everybody { labels: true }) {
        plan.claims.calm_from = Some(plan.heal_at + plan.settle());
    }
    demands(&mut plan, &mut chance, if large { 5 } else { usize::MAX }, dead);
    plan.close()
}

fn below(chance: &mut Rng, end: u32) -> u32 {
    u32::try_from(chance.below(u64::from(end))).unwrap_or(0)
}

/// One to six islands on one to three sites, of any sizes.
fn places(chance: &mut Rng, nodes: u32) -> Vec<Place> {
    let islands = 1 + below(chance, 6);
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
        if chance.ratio(1, 2) {
            way.rate = 12_500_000 + chance.below(112_500_000);
        }
    }
}

fn acquaintance(plan: &mut Plan, chance: &mut Rng, large: bool) {
    if chance.ratio(1, 3) {
        plan.mute = plan.nodes().filter(|_| chance.ratio(1, 4)).collect();
    }
    if !large && chance.ratio(1, 3) {
        let seeds = 1 + chance.index(3);
        plan.known = Acquaintance::Seeds(plan.nodes().take(seeds).collect());
    } else {
        plan.known = Acquaintance::Everybody { labels: chance.ratio(1, 2) };
    }
}

/// How lists are cut; and small bounds, where that costs no delivery once nothing is wrong.
fn bounds(plan: &mut Plan, chance: &mut Rng) {
    plan.shape = match chance.below(6) {
        0..4 => TreeShape::Postal,
        4 => TreeShape::Halving,
        _ => TreeShape::Star,
    };
    if chance.ratio(1, 2) {
        return;
    }
    let mut some = |least: usize, most: usize| least + chance.index(most - least);
    plan.bounds = BroadcasterLimits {
        unauthenticated: some(4, 64),
        fan_out: some(2, 64),
        outbox: some(16, 64),
        in_flight: some(2_000, 100_000),
        cached_broadcasts: some(128, 256),
        cached_bytes: some(1 << 20, 4 << 20),
        missing_per_node: some(2, 64),
        dials_per_subtree: some(1, 8),
        ..BroadcasterLimits::DEFAULT
    };
}

/// What is said while things are wrong: nothing is demanded of it but that nothing bad comes of it.
fn chatter(plan: &mut Plan, chance: &mut Rng, most: u64) {
    for _ in 0..5 + chance.below(most) {
        let at = Time::ZERO + chance.duration_up_to(plan.heal_at.since(Time::ZERO));
        let node = plan.some_node(chance);
        let to = match chance.below(10) {
            0..7 => Whom::All,
            7 | 8 => {
                Whom::Nodes(plan.places.iter().map(|place| place.id).filter(|_| chance.ratio(1, 2)).collect())
            }
            _ => {
                let to = plan.some_node(chance);
                let by = if chance.ratio(1, 2) { Transport::Tcp } else { Transport::Udp };
                Whom::One(plan.places[to.at()].id, by)
            }
        };
        let within = ms(200 + chance.below(4_800));
        let wanted = receipts(chance, within);
        let say = plan.say(at, node);
        (say.length, say.to, say.wanted) = (length(chance, 250_000), to, wanted);
    }
}

fn receipts(chance: &mut Rng, within: Duration) -> Option<AckRequest> {
    let durable = chance.ratio(1, 2);
    chance.ratio(1, 2).then_some(AckRequest { within, durable })
}

/// What is said when all is well again: by every node, or by some, with and without receipts.
fn demands(plan: &mut Plan, chance: &mut Rng, most: usize, dead: usize) {
    let mut speakers: Vec<NodeIndex> = plan.nodes().collect();
    chance.shuffle(&mut speakers);
    let mut at = plan.heal_at + plan.settle();
    let within = plan.bound(dead);
    for node in speakers.into_iter().take(most) {
        let wanted = receipts(chance, within + ms(2_000));
        // Two large ones at one time hold up among hundreds of nodes what says that a relay lives: then receipts may say `unknown`.
        let length = length(chance, 250_000).min(if most == usize::MAX { usize::MAX } else { 3_000 });
        let say = plan.say(at, node);
        (say.length, say.wanted, say.within, say.exact) = (length, wanted, Some(within), true);
        at = at + chance.duration_up_to(ms(400));
    }
}
