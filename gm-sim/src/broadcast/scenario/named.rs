//! The plans with names: each one subject, at any seed. Knows no machine.

mod calm;
mod hops;
mod island;
mod trouble;

use gm_broadcast::Rng;

use super::Plan;
use crate::world::spread;

/// Makes a plan of a seed and its chance.
type Draw = fn(u64, &mut Rng) -> Plan;

/// All of them.
const PLANS: [(&str, Draw); 17] = [
    ("one-island", calm::one_island),
    ("two-islands", calm::two_islands),
    ("wan", calm::wan),
    ("cold-start", calm::cold_start),
    ("big-payload", calm::big_payload),
    ("blocked-multicast", island::blocked_multicast),
    ("deaf-pair", island::deaf_pair),
    ("one-lost", island::one_lost),
    ("loss-25", island::loss_25),
    ("relay-death", hops::relay_death),
    ("relay-pause", hops::relay_pause),
    ("dead-hops", hops::dead_hops),
    ("slow-reader", hops::slow_reader),
    ("stuck-outbox", hops::stuck_outbox),
    ("partition-heal", trouble::partition_heal),
    ("restart-storm", trouble::restart_storm),
    ("hostile-outsider", trouble::hostile_outsider),
];

/// Their names.
pub fn names() -> impl Iterator<Item = &'static str> {
    PLANS.iter().map(|(name, _)| *name)
}

/// The plan of a name, if there is one.
#[must_use]
pub fn named(name: &str, seed: u64) -> Option<Plan> {
    let (name, draw) = PLANS.iter().find(|(of, _)| *of == name)?;
    let mut chance = Rng::new(spread(seed, u64::MAX - 3, 0));
    let mut plan = draw(seed, &mut chance);
    (*name).clone_into(&mut plan.name);
    Some(plan.close())
}
