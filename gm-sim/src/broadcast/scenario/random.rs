//! The random scenario: any number of nodes, islands and faults.

use std::time::Duration;

use gm_broadcast::{BroadcasterLimits, RequestedAcks, Rng, Time, Transport, TreeShape};

use super::layout::{idle_plan, random_length};
use super::{InitialPeers, Plan, RANDOM, Recipients};
use crate::fault::FaultClass;
use crate::layout::{below, ms, random_islands};
use crate::node::NodeIndex;
use crate::schedule::{self, Schedule};
use crate::world::{Action, derive_seed};

/// Number of seeds of which one has [`LARGE`] nodes.
const LARGE_ONE_IN: u64 = 20;
const LARGE: u32 = 300;
/// Number of seeds of which one has no faults.
const CALM_ONE_IN: u64 = 10;

/// The random plan of a seed.
#[must_use]
pub fn random(seed: u64) -> Plan {
    let mut rng = Rng::new(derive_seed(seed, u64::MAX - 1, 0));
    let large = rng.ratio(1, LARGE_ONE_IN);
    let nodes = if large { LARGE } else { 3 + below(&mut rng, 28) };
    let islands = 1 + below(&mut rng, 6);
    let mut plan = idle_plan(RANDOM, seed, random_islands(&mut rng, nodes, islands));
    network(&mut plan, &mut rng);
    initial_peers(&mut plan, &mut rng, large);
    bounds(&mut plan, &mut rng);

    let start = Time::ZERO + rng.duration_up_to(ms(4_000));
    plan.heal_at = start + ms(6_000) + rng.duration_up_to(ms(if large { 4_000 } else { 14_000 }));
    let calm = rng.ratio(1, CALM_ONE_IN);
    let classes = Schedule::choose(seed, &FaultClass::ALL, 9, 26);
    plan.classes = if calm { Vec::new() } else { classes };
    let revive = rng.ratio(4, 5);
    let bounds = schedule::ScheduleBounds {
        nodes,
        start,
        heal_at: plan.heal_at,
        restart_dead: revive,
        spared: Vec::new(),
    };
    plan.schedule = Schedule::draw(seed, &plan.classes, &bounds);

    add_unrequired_sends(&mut plan, &mut rng, if large { 8 } else { 40 });
    let dead = |action: &Action| matches!(action, Action::Crash(_) | Action::KillHost(_));
    let dead =
        if revive { 0 } else { plan.schedule.actions.iter().filter(|(_, action)| dead(action)).count() };
    // Large islands need longer than the settle time until all receptions are known.
    if calm
        && !large
        && plan.mute.is_empty()
        && plan.initial_peers == (InitialPeers::Everybody { labels: true })
    {
        plan.claims.calm_from = Some(plan.heal_at + plan.settle_time());
    }
    add_required_sends(&mut plan, &mut rng, if large { 5 } else { usize::MAX }, dead);
    plan.finish()
}

fn network(plan: &mut Plan, rng: &mut Rng) {
    let network = &mut plan.network;
    network.wan.latency = ms(5 + rng.below(95));
    for path in [&mut network.island, &mut network.lan, &mut network.wan] {
        if rng.ratio(1, 2) {
            path.jitter = rng.duration_up_to(path.latency / 2);
        }
        if rng.ratio(1, 2) {
            path.bytes_per_second = 12_500_000 + rng.below(112_500_000);
        }
    }
}

fn initial_peers(plan: &mut Plan, rng: &mut Rng, large: bool) {
    if rng.ratio(1, 3) {
        plan.mute = plan.nodes().filter(|_| rng.ratio(1, 4)).collect();
    }
    if !large && rng.ratio(1, 3) {
        let seeds = 1 + rng.index(3);
        plan.initial_peers = InitialPeers::Seeds(plan.nodes().take(seeds).collect());
    } else {
        plan.initial_peers = InitialPeers::Everybody { labels: rng.ratio(1, 2) };
    }
}

/// A random tree shape; and small limits, as far as they lose no delivery after the faults.
fn bounds(plan: &mut Plan, rng: &mut Rng) {
    plan.shape = match rng.below(6) {
        0..4 => TreeShape::Postal,
        4 => TreeShape::Halving,
        _ => TreeShape::Star,
    };
    if rng.ratio(1, 2) {
        return;
    }
    let mut some = |min: usize, max: usize| min + rng.index(max - min);
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

/// Adds sends during the faults: no delivery is required, only safety is checked.
fn add_unrequired_sends(plan: &mut Plan, rng: &mut Rng, max: u64) {
    for _ in 0..5 + rng.below(max) {
        let at = Time::ZERO + rng.duration_up_to(plan.heal_at.since(Time::ZERO));
        let node = plan.random_node(rng);
        let to = match rng.below(10) {
            0..7 => Recipients::All,
            7 | 8 => Recipients::Nodes(
                plan.locations.iter().map(|location| location.id).filter(|_| rng.ratio(1, 2)).collect(),
            ),
            _ => {
                let to = plan.random_node(rng);
                let by = if rng.ratio(1, 2) { Transport::Tcp } else { Transport::Udp };
                Recipients::One(plan.locations[to.index()].id, by)
            }
        };
        let within = ms(200 + rng.below(4_800));
        let wanted = random_acks(rng, within);
        let send = plan.add_send(at, node);
        (send.length, send.to, send.acks) = (random_length(rng, 250_000), to, wanted);
    }
}

fn random_acks(rng: &mut Rng, within: Duration) -> Option<RequestedAcks> {
    let durable = rng.ratio(1, 2);
    rng.ratio(1, 2).then_some(RequestedAcks { within, durable })
}

/// Adds sends after the faults, by every node or by some, with and without acks.
fn add_required_sends(plan: &mut Plan, rng: &mut Rng, max: usize, dead: usize) {
    let mut speakers: Vec<NodeIndex> = plan.nodes().collect();
    rng.shuffle(&mut speakers);
    let mut at = plan.heal_at + plan.settle_time();
    let within = plan.delivery_bound(dead);
    for node in speakers.into_iter().take(max) {
        let wanted = random_acks(rng, within + ms(2_000));
        // Among hundreds of nodes, two large broadcasts at one time delay the signs of life of
        // relays; then acks may report `unknown`.
        let length = random_length(rng, 250_000).min(if max == usize::MAX { usize::MAX } else { 3_000 });
        let send = plan.add_send(at, node);
        (send.length, send.acks, send.deliver_within, send.exact_acks) = (length, wanted, Some(within), true);
        at = at + rng.duration_up_to(ms(400));
    }
}
