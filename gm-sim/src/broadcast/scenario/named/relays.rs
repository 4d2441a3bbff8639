//! Next hops that are dead, die with a share in their hands, sleep, or read slowly.

use std::time::Duration;

use gm_broadcast::{RequestedAcks, Rng, Time, TreeShape};

use super::super::Plan;
use super::super::layout::{idle_plan, islands, ms, seconds};
use crate::active_faults::{Effect, Fault, Nodes, Scope};
use crate::fault::FaultClass;
use crate::node::{Location, NodeIndex};
use crate::world::Action;

/// Nodes that hear nobody: everything goes by the tree.
fn single_node_islands(nodes: u32) -> Vec<Location> {
    islands(&vec![1; usize::try_from(nodes).unwrap_or(0)], nodes)
}

/// In a tree of 60 a node is struck while a broadcast with receipts is on its way, once the
/// connections are there. `long`: until then the rest must have it.
fn relay_fault(
    seed: u64,
    rng: &mut Rng,
    long: Duration,
    strike: impl Fn(&mut Plan, &mut Rng, Time, NodeIndex),
) -> Plan {
    let mut plan = idle_plan("", seed, single_node_islands(60));
    plan.shape = TreeShape::Halving;
    for way in [&mut plan.network.island, &mut plan.network.lan] {
        way.latency = ms(10);
    }
    let mut at = seconds(1);
    for _ in 0..8 {
        let from = plan.random_node(rng);
        // So that there are connections.
        for _ in 0..4 {
            let _ = plan.add_send(at, from);
            at = at + ms(300);
        }
        let victim = plan.nodes().filter(|node| *node != from).nth(rng.index(59)).unwrap_or(from);
        let say = plan.add_send(at, from);
        (say.deliver_within, say.excused, say.exact_acks) = (Some(long), vec![victim], true);
        say.acks = Some(RequestedAcks { within: long, durable: true });
        // Before it has the share, before it has passed it on, or when it waits for others.
        let span = if rng.ratio(2, 3) { ms(60) } else { ms(600) };
        let when = at + rng.duration_up_to(span);
        strike(&mut plan, rng, when, victim);
        at = at + long + ms(8_000);
    }
    plan.heal_at = at;
    plan
}

/// One host dies with a share in its hands: its share is given again, and all who are up have it
/// before the deadline.
pub(super) fn relay_death(seed: u64, rng: &mut Rng) -> Plan {
    relay_fault(seed, rng, ms(8_000), |plan, _, at, victim| {
        plan.extra_actions.push((at, Action::KillHost(victim)));
        // Back in time for the next round, under a new epoch.
        plan.extra_actions.push((at + ms(9_000), Action::Start(victim)));
    })
}

/// One process sleeps with a share in its hands, and goes on when its share was given again.
pub(super) fn relay_pause(seed: u64, rng: &mut Rng) -> Plan {
    let mut plan = relay_fault(seed, rng, ms(8_000), |plan, rng, at, victim| {
        plan.extra_actions.push((at, Action::Pause(victim)));
        plan.extra_actions.push((at + ms(350) + rng.duration_up_to(ms(400)), Action::Resume(victim)));
    });
    // Who was thought dead and is not may be counted by nobody.
    plan.sends.iter_mut().for_each(|say| say.exact_acks = false);
    plan
}

/// A quarter is dead: hops are replaced, and who lives gets everything.
pub(super) fn dead_relays(seed: u64, rng: &mut Rng) -> Plan {
    let mut plan = idle_plan("", seed, single_node_islands(40));
    let mut nodes: Vec<NodeIndex> = plan.nodes().collect();
    rng.shuffle(&mut nodes);
    let (dead, up) = nodes.split_at(10);
    for (place, node) in dead.iter().enumerate() {
        let action = if place % 2 == 0 { Action::KillHost(*node) } else { Action::Crash(*node) };
        plan.extra_actions.push((seconds(2), action));
    }
    for node in up {
        let at = seconds(1) + rng.duration_up_to(ms(500));
        let _ = plan.add_send(at, *node);
    }
    plan.heal_at = seconds(2);
    let within = plan.delivery_bound(dead.len());
    let mut at = plan.heal_at + plan.settle_time();
    for node in up {
        plan.add_send(at, *node).deliver_within = Some(within);
        at = at + rng.duration_up_to(ms(3_000));
    }
    // Back again: nobody has given them up.
    for node in dead {
        plan.extra_actions.push((at, Action::Start(*node)));
    }
    let mut at = at + plan.settle_time();
    for node in up {
        plan.add_send(at, *node).deliver_within = Some(within);
        at = at + rng.duration_up_to(ms(500));
    }
    plan
}

/// One reads two hundred bytes a second: its queue is bounded, and receipts cover those whose
/// shares it holds.
pub(super) fn slow_reader(seed: u64, rng: &mut Rng) -> Plan {
    let mut plan = idle_plan("", seed, single_node_islands(10));
    plan.bounds.in_flight = 2_000;
    plan.bounds.outbox = 8;
    let slow = NodeIndex(1);
    let scope = Scope { from: Nodes::All, to: Nodes::One(slow), bidirectional: false };
    let fault = Fault { class: FaultClass::SlowReader, scope, effect: Effect::SlowReader(200) };
    plan.extra_actions.push((seconds(1), Action::BeginFault(fault, Time::NEVER)));
    plan.heal_at = seconds(1);
    let mut at = seconds(2);
    for _ in 0..60 {
        let node = NodeIndex(u32::try_from([0, 2, 3][rng.index(3)]).unwrap_or(0));
        let say = plan.add_send(at, node);
        (say.length, say.deliver_within, say.excused) = (1_500, Some(ms(8_000)), vec![slow]);
        say.acks = Some(RequestedAcks { within: ms(8_000), durable: false });
        at = at + rng.duration_up_to(ms(120));
    }
    plan
}

/// One takes nothing, so what it should pass on waits for it; then it dies, and the others get what
/// waited.
pub(super) fn stalled_relay(seed: u64, rng: &mut Rng) -> Plan {
    let mut plan = idle_plan("", seed, single_node_islands(40));
    plan.bounds.in_flight = 2_000;
    let (from, stuck) = (NodeIndex(0), NodeIndex(1));
    plan.claims.except_accepted_by = Some(stuck);
    let _ = plan.add_send(seconds(1), from);
    let _ = plan.add_send(seconds(1) + ms(200), stuck);
    let fault = Fault { class: FaultClass::Stall, scope: Scope::around(stuck), effect: Effect::Stall };
    plan.extra_actions.push((seconds(2), Action::BeginFault(fault, seconds(4))));
    plan.extra_actions.push((seconds(4), Action::Crash(stuck)));
    plan.heal_at = seconds(4);
    let mut at = seconds(2) + ms(100);
    for _ in 0..16 {
        let say = plan.add_send(at, from);
        (say.length, say.deliver_within, say.excused) = (1_500, Some(ms(12_000)), vec![stuck]);
        at = at + rng.duration_up_to(ms(100));
    }
    plan
}
