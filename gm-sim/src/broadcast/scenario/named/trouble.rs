//! Many faults of few kinds, and then none: or an outsider, who is none.

use gm_broadcast::{AckRequest, Rng};

use super::super::Plan;
use super::super::layout::{islands, ms, quiet, seconds};
use crate::fault::FaultClass;
use crate::node::NodeIndex;
use crate::schedule::{Bounds, Schedule};
use crate::world::Action;

/// Faults of these kinds until then, and chatter meanwhile.
fn faults(plan: &mut Plan, chance: &mut Rng, classes: &[FaultClass], heal_at: u64) {
    plan.heal_at = seconds(heal_at);
    plan.classes = classes.to_vec();
    let nodes = u32::try_from(plan.places.len()).unwrap_or(0);
    let bounds = Bounds { nodes, start: seconds(1), heal_at: plan.heal_at, revive: true, spared: Vec::new() };
    plan.schedule = Schedule::draw(plan.seed, classes, &bounds);
    for _ in 0..30 {
        let at = seconds(0) + chance.duration_up_to(plan.heal_at.since(seconds(0)));
        let node = plan.some_node(chance);
        let wanted = chance.ratio(1, 2).then_some(AckRequest { within: ms(3_000), durable: false });
        plan.say(at, node).wanted = wanted;
    }
}

/// Every node says something, and everybody must get it and be counted.
fn demands(plan: &mut Plan, chance: &mut Rng, at: gm_broadcast::Time) {
    let within = plan.bound(0);
    let mut at = at;
    for node in plan.nodes() {
        let receipts = chance.ratio(1, 2);
        let say = plan.say(at, node);
        (say.within, say.exact) = (Some(within), true);
        say.wanted = receipts.then_some(AckRequest { within: within + ms(2_000), durable: false });
        at = at + chance.duration_up_to(ms(300));
    }
}

/// Two halves that do not hear each other, and then do.
pub(super) fn partition_heal(seed: u64, chance: &mut Rng) -> Plan {
    let mut plan = quiet("", seed, islands(&[4, 4, 4], 2));
    faults(&mut plan, chance, &[FaultClass::Partition, FaultClass::OneWay, FaultClass::FlipFlop], 15);
    let at = plan.heal_at + plan.settle();
    demands(&mut plan, chance, at);
    plan
}

/// Nodes die and come back all the time, and begin their numbers anew.
pub(super) fn restart_storm(seed: u64, chance: &mut Rng) -> Plan {
    let mut plan = quiet("", seed, islands(&[4, 3, 3], 2));
    faults(&mut plan, chance, &[FaultClass::Restart], 15);
    for _ in 0..20 {
        let (at, node) = (seconds(1) + chance.duration_up_to(ms(13_000)), plan.some_node(chance));
        plan.besides.push((at, Action::Restart(node, chance.duration_up_to(ms(1_000)))));
    }
    let at = plan.heal_at + plan.settle();
    demands(&mut plan, chance, at);
    plan
}

/// Somebody without a key does all that he can, to the end: nothing comes of it.
pub(super) fn hostile_outsider(seed: u64, chance: &mut Rng) -> Plan {
    let mut plan = quiet("", seed, islands(&[4, 3, 3], 2));
    let classes = [FaultClass::OutsiderGarbage, FaultClass::OutsiderFlood, FaultClass::OutsiderReplay];
    faults(&mut plan, chance, &classes, 30);
    plan.says.iter_mut().for_each(|say| say.node = NodeIndex(say.node.0 % 10));
    demands(&mut plan, chance, seconds(15));
    plan
}
