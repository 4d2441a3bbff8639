//! Scenarios of failing relays: dead, dying with a subtree, paused, or reading slowly.

use std::time::Duration;

use gm_broadcast::{RequestedAcks, Rng, Time, TreeShape};

use super::super::Plan;
use super::super::layout::idle_plan;
use crate::active_faults::{Effect, Fault, Nodes, Scope};
use crate::fault::FaultClass;
use crate::layout::{islands, ms, seconds};
use crate::node::{Location, NodeIndex};
use crate::world::Action;

/// An island per node: all broadcasts go by the tree.
fn single_node_islands(nodes: u32) -> Vec<Location> {
    islands(&vec![1; usize::try_from(nodes).unwrap_or(0)], nodes)
}

/// A plan of 60 nodes in which one node fails during a broadcast with acks, once connections are
/// open. `within`: the time within which the other nodes must have the broadcast.
fn relay_fault(
    seed: u64,
    rng: &mut Rng,
    within: Duration,
    inject: impl Fn(&mut Plan, &mut Rng, Time, NodeIndex),
) -> Plan {
    let mut plan = idle_plan("", seed, single_node_islands(60));
    plan.shape = TreeShape::Halving;
    for path in [&mut plan.network.island, &mut plan.network.lan] {
        path.latency = ms(10);
    }
    let mut at = seconds(1);
    for _ in 0..8 {
        let from = plan.random_node(rng);
        // Opens the connections.
        for _ in 0..4 {
            let _ = plan.add_send(at, from);
            at = at + ms(300);
        }
        let victim = plan.nodes().filter(|node| *node != from).nth(rng.index(59)).unwrap_or(from);
        let send = plan.add_send(at, from);
        (send.deliver_within, send.excused, send.exact_acks) = (Some(within), vec![victim], true);
        send.acks = Some(RequestedAcks { within, durable: true });
        // Before it has the subtree, before it has forwarded it, or while it waits for acks.
        let span = if rng.ratio(2, 3) { ms(60) } else { ms(600) };
        let when = at + rng.duration_up_to(span);
        inject(&mut plan, rng, when, victim);
        at = at + within + ms(8_000);
    }
    plan.heal_at = at;
    plan
}

/// A host dies with a subtree: the subtree is reassigned, and all nodes that are up have the
/// broadcast before the deadline.
pub(super) fn relay_death(seed: u64, rng: &mut Rng) -> Plan {
    relay_fault(seed, rng, ms(8_000), |plan, _, at, victim| {
        plan.extra_actions.push((at, Action::KillHost(victim)));
        // Restarted before the next round, with a new epoch.
        plan.extra_actions.push((at + ms(9_000), Action::Start(victim)));
    })
}

/// A process is paused with a subtree, and resumes after the subtree was reassigned.
pub(super) fn relay_pause(seed: u64, rng: &mut Rng) -> Plan {
    let mut plan = relay_fault(seed, rng, ms(8_000), |plan, rng, at, victim| {
        plan.extra_actions.push((at, Action::Pause(victim)));
        plan.extra_actions.push((at + ms(350) + rng.duration_up_to(ms(400)), Action::Resume(victim)));
    });
    // A node that was taken for dead may not be counted.
    plan.sends.iter_mut().for_each(|send| send.exact_acks = false);
    plan
}

/// A quarter of the nodes is dead: relays are replaced, and all live nodes receive everything.
pub(super) fn dead_relays(seed: u64, rng: &mut Rng) -> Plan {
    let mut plan = idle_plan("", seed, single_node_islands(40));
    let mut nodes: Vec<NodeIndex> = plan.nodes().collect();
    rng.shuffle(&mut nodes);
    let (dead, up) = nodes.split_at(10);
    for (index, node) in dead.iter().enumerate() {
        let action = if index % 2 == 0 { Action::KillHost(*node) } else { Action::Crash(*node) };
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
    // Restarted: the others still try to reach them.
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

/// A node reads two hundred bytes per second: its outbox is bounded, and acks cover the nodes of
/// its subtrees.
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
        let send = plan.add_send(at, node);
        (send.length, send.deliver_within, send.excused) = (1_500, Some(ms(8_000)), vec![slow]);
        send.acks = Some(RequestedAcks { within: ms(8_000), durable: false });
        at = at + rng.duration_up_to(ms(120));
    }
    plan
}

/// A relay reads nothing, so that subtrees wait in its outbox; then it dies, and the subtrees are
/// reassigned.
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
        let send = plan.add_send(at, from);
        (send.length, send.deliver_within, send.excused) = (1_500, Some(ms(12_000)), vec![stuck]);
        at = at + rng.duration_up_to(ms(100));
    }
    plan
}
