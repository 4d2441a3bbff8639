//! Worlds in which nothing is wrong: what they cost is bounded too.

use gm_broadcast::{AckRequest, Rng};

use super::super::layout::{islands, length, ms, quiet, seconds};
use super::super::{Acquaintance, Plan};
use crate::node::{NodeIndex, Place};

/// By then everybody has asked around, and knows who hears whom.
const WARM: u64 = 60;

/// A world in which nothing is wrong, and each of some nodes says something, with receipts and without.
fn calm(seed: u64, chance: &mut Rng, places: Vec<Place>) -> Plan {
    let mut plan = quiet("", seed, places);
    let mut at = seconds(WARM);
    plan.claims.calm_from = Some(at);
    let within = plan.bound(0);
    for _ in 0..2 * plan.places.len() {
        let node = plan.some_node(chance);
        let (receipts, durable) = (chance.ratio(1, 2), chance.ratio(1, 2));
        let small = 8 + chance.index(500);
        let say = plan.say(at, node);
        (say.length, say.within, say.exact) = (small, Some(within), true);
        say.wanted = receipts.then_some(AckRequest { within: within + ms(2_000), durable });
        at = at + chance.duration_up_to(ms(300));
    }
    plan
}

/// All hear each other.
pub(super) fn one_island(seed: u64, chance: &mut Rng) -> Plan {
    let nodes = 3 + u32::try_from(chance.below(10)).unwrap_or(0);
    calm(seed, chance, islands(&[nodes], 1))
}

/// Two islands of one site.
pub(super) fn two_islands(seed: u64, chance: &mut Rng) -> Plan {
    let sizes = [0; 2].map(|_: u32| 2 + u32::try_from(chance.below(8)).unwrap_or(0));
    calm(seed, chance, islands(&sizes, 2))
}

/// Six islands on three sites.
pub(super) fn wan(seed: u64, chance: &mut Rng) -> Plan {
    let sizes = [0; 6].map(|_: u32| 1 + u32::try_from(chance.below(6)).unwrap_or(0));
    calm(seed, chance, islands(&sizes, 2))
}

/// Nodes that know two seeds and nobody else: in the end everybody knows everybody, and hears everything.
pub(super) fn cold_start(seed: u64, chance: &mut Rng) -> Plan {
    let sizes = [0; 3].map(|_: u32| 1 + u32::try_from(chance.below(6)).unwrap_or(0));
    let mut plan = quiet("", seed, islands(&sizes, 2));
    plan.known = Acquaintance::Seeds(vec![NodeIndex(0), NodeIndex(1)]);
    plan.claims.acquainted = true;
    let within = plan.bound(0);
    for _ in 0..10 {
        let at = seconds(0) + chance.duration_up_to(ms(5_000));
        let node = plan.some_node(chance);
        let _ = plan.say(at, node);
    }
    for node in plan.nodes() {
        let at = seconds(60) + chance.duration_up_to(ms(3_000));
        plan.say(at, node).within = Some(within);
    }
    plan
}

/// Some hundred thousand bytes, which no datagram takes.
pub(super) fn big_payload(seed: u64, chance: &mut Rng) -> Plan {
    let mut plan = calm(seed, chance, islands(&[4, 3, 3], 2));
    plan.claims.calm_from = None;
    plan.says.truncate(8);
    for way in [&mut plan.network.island, &mut plan.network.lan, &mut plan.network.wan] {
        way.rate = 12_500_000;
    }
    for say in &mut plan.says {
        say.length = 50_000 + length(chance, 400_000);
        // At 100 Mbit/s a node sends two or three a second to all the others.
        say.within = say.within.map(|within| within + ms(8_000));
        say.wanted = say.wanted.map(|wanted| AckRequest { within: wanted.within + ms(8_000), ..wanted });
    }
    plan
}
