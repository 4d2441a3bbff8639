//! The plans with names: each one subject, at any seed. Knows no machine.

mod disks;
mod identity;
mod members;
mod splits;
mod waits;

use gm_broadcast::Rng;
use gm_sim::spread;

use super::Plan;

/// Makes a plan of a seed and its chance.
type Draw = fn(u64, &mut Rng) -> Plan;

/// All of them.
const PLANS: [(&str, Draw); 36] = [
    ("restart", disks::restart),
    ("lost-disk", disks::lost_disk),
    ("stale-disk", disks::stale_disk),
    ("torn-write", disks::torn_write),
    ("lost-sync", disks::lost_sync),
    ("full-disk", disks::full_disk),
    ("late-notes", disks::late_notes),
    ("clash", identity::clash),
    ("address-change", identity::address_change),
    ("key-rotation", identity::key_rotation),
    ("digests", identity::digests),
    ("mass-join", members::mass_join),
    ("mass-leave", members::mass_leave),
    ("join-and-leave", members::join_and_leave),
    ("forget-living", members::forget_living),
    ("forget-dead", members::forget_dead),
    ("forget-restart", members::forget_restart),
    ("slow-watcher", members::slow_watcher),
    ("contacts", members::contacts),
    ("bounds", members::bounds),
    ("floors", members::floors),
    ("purge", members::purge),
    ("buckets", splits::buckets),
    ("split-heal", splits::split_heal),
    ("lonely", splits::lonely),
    ("newcomer", splits::newcomer),
    ("few-of-many", splits::few_of_many),
    ("pace", splits::pace),
    ("udp-blocked", splits::udp_blocked),
    ("questions", splits::questions),
    ("left-apart", splits::left_apart),
    ("quiet", splits::quiet_world),
    ("wait", waits::wait),
    ("wait-dead", waits::wait_dead),
    ("wait-apart", waits::wait_apart),
    ("wait-pause", waits::wait_pause),
];

/// Their names.
pub(crate) fn names() -> impl Iterator<Item = &'static str> {
    PLANS.iter().map(|(name, _)| *name)
}

/// The plan of a name, if there is one.
pub(crate) fn named(name: &str, seed: u64) -> Option<Plan> {
    let (name, draw) = PLANS.iter().find(|(of, _)| *of == name)?;
    let mut chance = Rng::new(spread(seed, u64::MAX - 3, 1));
    let mut plan = draw(seed, &mut chance);
    (*name).clone_into(&mut plan.name);
    Some(plan.close())
}
