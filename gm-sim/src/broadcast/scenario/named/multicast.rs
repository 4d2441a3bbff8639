//! Scenarios of lost multicasts: silently, for all, for one node, once, or often.

use gm_broadcast::{RequestedAcks, Rng, Time};

use super::super::Plan;
use super::super::layout::idle_plan;
use crate::active_faults::{Effect, Fault, Nodes, Rates, Scope};
use crate::fault::FaultClass;
use crate::layout::{below, islands, ms, seconds};
use crate::node::NodeIndex;
use crate::world::Action;

/// Seconds until all nodes have confirmed each other's multicast.
const WARM_UP: u64 = 15;

fn blocked(scope: Scope) -> Fault {
    Fault { class: FaultClass::MulticastBlocked, scope, effect: Effect::MulticastBlocked }
}

/// Adds a send of every node now and then, so that confirmations are refreshed.
fn add_regular_sends(plan: &mut Plan, rng: &mut Rng, from: Time, until: Time) {
    let mut at = from;
    while at < until {
        for node in plan.nodes() {
            let _ = plan.add_send(at + rng.duration_up_to(ms(1_000)), node);
        }
        at = at + ms(2_000);
    }
}

/// Multicast works, and then stops silently: nodes that have confirmed reception no longer receive.
pub(super) fn blocked_multicast(seed: u64, rng: &mut Rng) -> Plan {
    let mut plan = idle_plan("", seed, islands(&[4 + below(rng, 6)], 1));
    add_regular_sends(&mut plan, rng, seconds(1), seconds(WARM_UP - 1));
    plan.extra_actions.push((seconds(WARM_UP), Action::BeginFault(blocked(Scope::ALL), Time::NEVER)));
    plan.heal_at = seconds(WARM_UP);
    // The suspicion and the resulting resends are one more level.
    let within = plan.delivery_bound(0) + ms(1_000);
    let mut at = seconds(WARM_UP) + ms(10);
    for _ in 0..10 {
        let node = plan.random_node(rng);
        plan.add_send(at, node).deliver_within = Some(within);
        at = at + rng.duration_up_to(ms(3_000));
    }
    plan
}

/// A node no longer receives another's multicast: it may miss broadcasts as long as its
/// confirmation is valid, but none after that.
pub(super) fn multicast_one_way(seed: u64, rng: &mut Rng) -> Plan {
    let mut plan = idle_plan("", seed, islands(&[6], 1));
    let within = plan.delivery_bound(0);
    let begin = seconds(WARM_UP) + plan.times.confirmation + plan.times.multicast_keepalive;
    // At intervals at which no earlier send helps.
    let sends = 6;
    let end = begin + (within + ms(2_000)) * sends;
    add_regular_sends(&mut plan, rng, seconds(1), begin);
    let from = plan.random_node(rng);
    let to = NodeIndex((from.0 + 1) % 6);
    let scope = Scope { from: Nodes::One(from), to: Nodes::One(to), bidirectional: false };
    plan.extra_actions.push((seconds(WARM_UP), Action::BeginFault(blocked(scope), Time::NEVER)));
    plan.heal_at = end;
    for turn in 0..sends {
        let at = begin + (within + ms(2_000)) * turn + rng.duration_up_to(ms(1_000));
        plan.add_send(at, from).deliver_within = Some(within);
    }
    plan
}

/// A multicast to a single node is lost; the node sends a nack when it receives the sequence
/// beacon.
pub(super) fn lost_multicast(seed: u64, rng: &mut Rng) -> Plan {
    let nodes = 3 + below(rng, 5);
    let mut plan = idle_plan("", seed, islands(&[nodes], 1));
    let within = plan.times.beacon + plan.times.nack_jitter + plan.times.nack_retry * 8;
    let mut at = seconds(WARM_UP);
    for _ in 0..4 {
        add_regular_sends(&mut plan, rng, at - ms(4_000), at - ms(2_000));
        let (from, to) = (plan.random_node(rng), plan.random_node(rng));
        let scope = Scope { from: Nodes::One(from), to: Nodes::One(to), bidirectional: false };
        plan.extra_actions.push((at, Action::BeginFault(blocked(scope), at + ms(1))));
        plan.add_send(at, from).deliver_within = Some(within);
        at = at + ms(6_000);
    }
    plan.heal_at = at;
    plan
}

/// A quarter of all datagrams is lost throughout; acks are as exact as ever.
pub(super) fn loss_25(seed: u64, rng: &mut Rng) -> Plan {
    let mut plan = idle_plan("", seed, islands(&[5, 4, 3], 2));
    let effect = Effect::Udp(Rates { loss: 250_000, ..Rates::default() });
    let loss = Fault { class: FaultClass::Loss, scope: Scope::ALL, effect };
    plan.extra_actions.push((Time::ZERO, Action::BeginFault(loss, Time::NEVER)));
    let within = plan.delivery_bound(0);
    let mut at = seconds(5);
    for turn in 0..30 {
        let node = NodeIndex(turn % 12);
        let with_acks = rng.ratio(2, 3);
        let send = plan.add_send(at, node);
        if with_acks {
            send.deliver_within = Some(within);
            send.exact_acks = true;
            send.acks = Some(RequestedAcks { within: within + ms(2_000), durable: turn % 2 == 0 });
        }
        at = at + rng.duration_up_to(ms(600));
    }
    plan
}
