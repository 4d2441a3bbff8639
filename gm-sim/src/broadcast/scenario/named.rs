//! The named scenarios, each about one subject, for any seed.

mod fault_free;
mod many_faults;
mod multicast;
mod relays;

use gm_broadcast::Rng;

use super::Plan;
use crate::world::derive_seed;

/// Draws a plan from a seed and its generator.
type DrawPlan = fn(u64, &mut Rng) -> Plan;

/// The named scenarios.
const PLANS: [(&str, DrawPlan); 17] = [
    ("one-island", fault_free::one_island),
    ("two-islands", fault_free::two_islands),
    ("wan", fault_free::wan),
    ("cold-start", fault_free::cold_start),
    ("big-payload", fault_free::big_payload),
    ("blocked-multicast", multicast::blocked_multicast),
    ("multicast-one-way", multicast::multicast_one_way),
    ("lost-multicast", multicast::lost_multicast),
    ("loss-25", multicast::loss_25),
    ("relay-death", relays::relay_death),
    ("relay-pause", relays::relay_pause),
    ("dead-relays", relays::dead_relays),
    ("slow-reader", relays::slow_reader),
    ("stalled-relay", relays::stalled_relay),
    ("partition-heal", many_faults::partition_heal),
    ("restart-storm", many_faults::restart_storm),
    ("hostile-outsider", many_faults::hostile_outsider),
];

/// Their names.
pub fn names() -> impl Iterator<Item = &'static str> {
    PLANS.iter().map(|(name, _)| *name)
}

/// The plan of the scenario with this name, if it exists.
#[must_use]
pub fn named(name: &str, seed: u64) -> Option<Plan> {
    let (name, draw) = PLANS.iter().find(|(of, _)| *of == name)?;
    let mut rng = Rng::new(derive_seed(seed, u64::MAX - 3, 0));
    let mut plan = draw(seed, &mut rng);
    (*name).clone_into(&mut plan.name);
    Some(plan.finish())
}
