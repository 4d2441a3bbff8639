//! Scenarios with many faults of few classes, followed by a calm phase; and one with an outsider.

use gm_broadcast::{RequestedAcks, Rng};

use super::super::Plan;
use super::super::layout::idle_plan;
use crate::fault::FaultClass;
use crate::layout::{islands, ms, seconds};
use crate::node::NodeIndex;
use crate::schedule::{Schedule, ScheduleBounds};
use crate::world::Action;

/// Adds faults of these classes until the given second, and sends meanwhile.
fn add_faults(plan: &mut Plan, rng: &mut Rng, classes: &[FaultClass], heal_at: u64) {
    plan.heal_at = seconds(heal_at);
    plan.classes = classes.to_vec();
    let nodes = u32::try_from(plan.locations.len()).unwrap_or(0);
    let bounds = ScheduleBounds {
        nodes,
        start: seconds(1),
        heal_at: plan.heal_at,
        restart_dead: true,
        spared: Vec::new(),
    };
    plan.schedule = Schedule::draw(plan.seed, classes, &bounds);
    for _ in 0..30 {
        let at = seconds(0) + rng.duration_up_to(plan.heal_at.since(seconds(0)));
        let node = plan.random_node(rng);
        let wanted = rng.ratio(1, 2).then_some(RequestedAcks { within: ms(3_000), durable: false });
        plan.add_send(at, node).acks = wanted;
    }
}

/// Adds a required broadcast of every node, with exact acks.
fn add_required_sends(plan: &mut Plan, rng: &mut Rng, at: gm_broadcast::Time) {
    let within = plan.delivery_bound(0);
    let mut at = at;
    for node in plan.nodes() {
        let with_acks = rng.ratio(1, 2);
        let send = plan.add_send(at, node);
        (send.deliver_within, send.exact_acks) = (Some(within), true);
        send.acks = with_acks.then_some(RequestedAcks { within: within + ms(2_000), durable: false });
        at = at + rng.duration_up_to(ms(300));
    }
}

/// Two halves that are partitioned, and then joined.
pub(super) fn partition_heal(seed: u64, rng: &mut Rng) -> Plan {
    let mut plan = idle_plan("", seed, islands(&[4, 4, 4], 2));
    add_faults(&mut plan, rng, &[FaultClass::Partition, FaultClass::OneWay, FaultClass::FlipFlop], 15);
    let at = plan.heal_at + plan.settle_time();
    add_required_sends(&mut plan, rng, at);
    plan
}

/// Nodes die and restart all the time, and begin their sequence numbers anew.
pub(super) fn restart_storm(seed: u64, rng: &mut Rng) -> Plan {
    let mut plan = idle_plan("", seed, islands(&[4, 3, 3], 2));
    add_faults(&mut plan, rng, &[FaultClass::Restart], 15);
    for _ in 0..20 {
        let (at, node) = (seconds(1) + rng.duration_up_to(ms(13_000)), plan.random_node(rng));
        plan.extra_actions.push((at, Action::Restart(node, rng.duration_up_to(ms(1_000)))));
    }
    let at = plan.heal_at + plan.settle_time();
    add_required_sends(&mut plan, rng, at);
    plan
}

/// An outsider without the key attacks in every way until the end, without effect.
pub(super) fn hostile_outsider(seed: u64, rng: &mut Rng) -> Plan {
    let mut plan = idle_plan("", seed, islands(&[4, 3, 3], 2));
    let classes = [FaultClass::OutsiderGarbage, FaultClass::OutsiderFlood, FaultClass::OutsiderReplay];
    add_faults(&mut plan, rng, &classes, 30);
    plan.sends.iter_mut().for_each(|send| send.node = NodeIndex(send.node.0 % 10));
    add_required_sends(&mut plan, rng, seconds(15));
    plan
}
