//! The named scenarios, each about one subject, for any seed.

mod disks;
mod identity;
mod membership;
mod partitions;
mod waits;

use gm_broadcast::Rng;
use gm_sim::derive_seed;

use super::Plan;

/// Draws a plan from a seed and its generator.
type DrawPlan = fn(u64, &mut Rng) -> Plan;

/// The named scenarios.
const PLANS: [(&str, DrawPlan); 36] = [
    ("restart", disks::restart),
    ("lost-disk", disks::lost_disk),
    ("stale-disk", disks::stale_disk),
    ("torn-write", disks::torn_write),
    ("lost-sync", disks::lost_sync),
    ("full-disk", disks::full_disk),
    ("slow-write-back", disks::slow_write_back),
    ("identity-clash", identity::identity_clash),
    ("address-change", identity::address_change),
    ("key-rotation", identity::key_rotation),
    ("digest-conflict", identity::digest_conflict),
    ("mass-join", membership::mass_join),
    ("mass-leave", membership::mass_leave),
    ("join-and-leave", membership::join_and_leave),
    ("forget-living", membership::forget_living),
    ("forget-dead", membership::forget_dead),
    ("forget-restart", membership::forget_restart),
    ("slow-watcher", membership::slow_watcher),
    ("contacts", membership::contacts),
    ("limits", membership::bounds),
    ("purge-then-join", membership::purge_then_join),
    ("purge", membership::purge),
    ("buckets", partitions::buckets),
    ("partition-heal", partitions::partition_heal),
    ("seeds-only", partitions::seeds_only),
    ("newcomer", partitions::newcomer),
    ("small-group", partitions::small_group),
    ("sync-interval", partitions::sync_interval),
    ("udp-blocked", partitions::udp_blocked),
    ("missed-increments", partitions::missed_increments),
    ("leave-partitioned", partitions::leave_partitioned),
    ("idle", partitions::idle_world),
    ("wait", waits::wait),
    ("wait-dead", waits::wait_dead),
    ("wait-unconcerned", waits::wait_unconcerned),
    ("wait-pause", waits::wait_pause),
];

/// Their names.
pub(crate) fn names() -> impl Iterator<Item = &'static str> {
    PLANS.iter().map(|(name, _)| *name)
}

/// The plan of the scenario with this name, if it exists.
pub(crate) fn named(name: &str, seed: u64) -> Option<Plan> {
    let (name, draw) = PLANS.iter().find(|(of, _)| *of == name)?;
    let mut rng = Rng::new(derive_seed(seed, u64::MAX - 3, 1));
    let mut plan = draw(seed, &mut rng);
    (*name).clone_into(&mut plan.name);
    Some(plan.finish())
}
