//! Multicasts that do not arrive: without a word, to all, to one, once, or often.

use gm_broadcast::{AckRequest, Rng, Time};

use super::super::Plan;
use super::super::layout::{islands, ms, quiet, seconds};
use crate::fault::FaultClass;
use crate::node::NodeIndex;
use crate::rules::{Effect, Fault, Nodes, Rates, Scope};
use crate::world::Action;

/// By then everybody has said that it hears everybody.
const WARM: u64 = 15;

fn blocked(scope: Scope) -> Fault {
    Fault { class: FaultClass::MulticastBlocked, scope, effect: Effect::MulticastBlocked }
}

/// Every node says something now and then, so that everybody goes on saying whom he hears.
fn chat(plan: &mut Plan, chance: &mut Rng, from: Time, until: Time) {
    let mut at = from;
    while at < until {
        for node in plan.nodes() {
            let _ = plan.say(at + chance.duration_up_to(ms(1_000)), node);
        }
        at = at + ms(2_000);
    }
}

/// Multicast works, and then it works no longer, and nobody is told: who said that it hears us does not.
pub(super) fn blocked_multicast(seed: u64, chance: &mut Rng) -> Plan {
    let mut plan = quiet("", seed, islands(&[4 + u32::try_from(chance.below(6)).unwrap_or(0)], 1));
    chat(&mut plan, chance, seconds(1), seconds(WARM - 1));
    plan.besides.push((seconds(WARM), Action::Begin(blocked(Scope::ALL), Time::NEVER)));
    plan.heal_at = seconds(WARM);
    // The doubt, and what follows from it, is one more level.
    let within = plan.bound(0) + ms(1_000);
    let mut at = seconds(WARM) + ms(10);
    for _ in 0..10 {
        let node = plan.some_node(chance);
        plan.say(at, node).within = Some(within);
        at = at + chance.duration_up_to(ms(3_000));
    }
    plan
}

/// One does not hear one other any longer: for as long as a confirmation holds it may miss something, and nothing after that.
pub(super) fn deaf_pair(seed: u64, chance: &mut Rng) -> Plan {
    let mut plan = quiet("", seed, islands(&[6], 1));
    let within = plan.bound(0);
    let begin = seconds(WARM) + plan.times.confirmation + plan.times.multicast_keepalive;
    // Each so long after the one before that nothing of it helps.
    let says = 6;
    let end = begin + (within + ms(2_000)) * says;
    chat(&mut plan, chance, seconds(1), begin);
    let from = plan.some_node(chance);
    let to = NodeIndex((from.0 + 1) % 6);
    let scope = Scope { from: Nodes::One(from), to: Nodes::One(to), both: false };
    plan.besides.push((seconds(WARM), Action::Begin(blocked(scope), Time::NEVER)));
    plan.heal_at = end;
    for turn in 0..says {
        let at = begin + (within + ms(2_000)) * turn + chance.duration_up_to(ms(1_000));
        plan.say(at, from).within = Some(within);
    }
    plan
}

/// One multicast is lost on its way to one: it asks when it hears the echo of it.
pub(super) fn one_lost(seed: u64, chance: &mut Rng) -> Plan {
    let nodes = 3 + u32::try_from(chance.below(5)).unwrap_or(0);
    let mut plan = quiet("", seed, islands(&[nodes], 1));
    let within = plan.times.beacon + plan.times.nack_jitter + plan.times.nack_retry * 8;
    let mut at = seconds(WARM);
    for _ in 0..4 {
        chat(&mut plan, chance, at - ms(4_000), at - ms(2_000));
        let (from, to) = (plan.some_node(chance), plan.some_node(chance));
        let scope = Scope { from: Nodes::One(from), to: Nodes::One(to), both: false };
        plan.besides.push((at, Action::Begin(blocked(scope), at + ms(1))));
        plan.say(at, from).within = Some(within);
        at = at + ms(6_000);
    }
    plan.heal_at = at;
    plan
}

/// A quarter of all datagrams is lost, all the time: receipts are as exact as ever.
pub(super) fn loss_25(seed: u64, chance: &mut Rng) -> Plan {
    let mut plan = quiet("", seed, islands(&[5, 4, 3], 2));
    let effect = Effect::Udp(Rates { loss: 250_000, ..Rates::default() });
    let loss = Fault { class: FaultClass::Loss, scope: Scope::ALL, effect };
    plan.besides.push((Time::ZERO, Action::Begin(loss, Time::NEVER)));
    let within = plan.bound(0);
    let mut at = seconds(5);
    for turn in 0..30 {
        let node = NodeIndex(turn % 12);
        let asked = chance.ratio(2, 3);
        let say = plan.say(at, node);
        if asked {
            say.within = Some(within);
            say.exact = true;
            say.wanted = Some(AckRequest { within: within + ms(2_000), durable: turn % 2 == 0 });
        }
        at = at + chance.duration_up_to(ms(600));
    }
    plan
}
