//! Disks that lose, refuse, or bring back: what is on them is what the owner goes on with. Knows nothing of ways.

use std::time::Duration;

use gm_broadcast::Rng;
use gm_node::{NodeTiming, Wait};
use gm_sim::NodeIndex;

use crate::plan::layout::{TIMES, islands, ms, quiet, seconds};
use crate::plan::{Deed, DiskDeed, Fate, Intent, Plan};

/// Five to twelve nodes on two islands; each serves something, and some write more.
fn lively(seed: u64, chance: &mut Rng) -> Plan {
    let size = 3 + u32::try_from(chance.below(4)).unwrap_or(0);
    let mut plan = quiet("", seed, islands(&[size, 3], 1));
    plan.all_serve(seconds(1), ms(50), 0);
    plan.heal_at = seconds(14);
    for _ in 0..20 {
        let (at, node) = (seconds(3) + chance.duration_up_to(ms(9_000)), plan.some_node(chance));
        plan.write(at, node, 0, Intent::Batch);
    }
    plan
}

fn victim(plan: &Plan, chance: &mut Rng) -> NodeIndex {
    plan.some_node(chance)
}

/// Nodes die and are started again with their disks.
pub(crate) fn restart(seed: u64, chance: &mut Rng) -> Plan {
    let mut plan = lively(seed, chance);
    for at in [5, 7, 9] {
        let node = victim(&plan, chance);
        let fate = if chance.ratio(1, 3) { Fate::Clean } else { Fate::Kept };
        plan.deed(seconds(at), Deed::Die { node, fate, gap: Some(chance.duration_up_to(ms(2_000))) });
    }
    plan
}

/// A node comes back without its disk, and writes or not.
pub(crate) fn lost_disk(seed: u64, chance: &mut Rng) -> Plan {
    let mut plan = lively(seed, chance);
    for at in [5, 9] {
        let node = victim(&plan, chance);
        plan.deed(
            seconds(at),
            Deed::Die { node, fate: Fate::Lost, gap: Some(chance.duration_up_to(ms(2_000))) },
        );
    }
    plan
}

/// A node comes back with what its disk had held some writes ago.
pub(crate) fn stale_disk(seed: u64, chance: &mut Rng) -> Plan {
    let mut plan = lively(seed, chance);
    let node = victim(&plan, chance);
    plan.deed(seconds(4), Deed::Disk(node, DiskDeed::Snapshot));
    for _ in 0..5 {
        plan.write(seconds(5) + chance.duration_up_to(ms(2_000)), node, 0, Intent::Batch);
    }
    plan.deed(seconds(8), Deed::Die { node, fate: Fate::Stale, gap: Some(ms(500)) });
    plan
}

/// Nodes die while they write.
pub(crate) fn torn_write(seed: u64, chance: &mut Rng) -> Plan {
    let mut plan = lively(seed, chance);
    for at in [5, 7, 9, 11] {
        let node = victim(&plan, chance);
        plan.deed(seconds(at), Deed::Tear { node, group: 0, gap: ms(700) });
    }
    plan
}

/// A disk says that it has what it has not.
pub(crate) fn lost_sync(seed: u64, chance: &mut Rng) -> Plan {
    let mut plan = lively(seed, chance);
    let node = victim(&plan, chance);
    plan.deed(seconds(4), Deed::Disk(node, DiskDeed::Lies(true)));
    for _ in 0..5 {
        plan.write(seconds(5) + chance.duration_up_to(ms(2_000)), node, 0, Intent::Batch);
    }
    let at = seconds(8) + chance.duration_up_to(ms(2_000));
    plan.deed(at, Deed::Die { node, fate: Fate::Kept, gap: Some(ms(500)) });
    plan.deed(at, Deed::Disk(node, DiskDeed::Lies(false)));
    plan
}

/// A disk is full for a while: what is refused is not told to anybody, and what comes after is.
pub(crate) fn full_disk(seed: u64, chance: &mut Rng) -> Plan {
    let mut plan = lively(seed, chance);
    let node = victim(&plan, chance);
    plan.deed(seconds(4), Deed::Disk(node, DiskDeed::Full(true)));
    for _ in 0..5 {
        plan.write(seconds(5) + chance.duration_up_to(ms(3_000)), node, 0, Intent::Batch);
    }
    plan.deed(seconds(9), Deed::Disk(node, DiskDeed::Full(false)));
    plan.write(seconds(12), node, 0, Intent::Batch);
    plan
}

/// What others wrote reaches disks late; who waits for disks does not wait for that.
pub(crate) fn late_notes(seed: u64, chance: &mut Rng) -> Plan {
    let mut plan = lively(seed, chance);
    plan.times = NodeTiming { write_back_delay: Duration::from_secs(3), ..TIMES };
    for at in 6..12 {
        let (node, count) = (plan.some_node(chance), gm_node::AckCount::Some(2));
        let wait = Wait { count, on_disk: true, timeout: ms(2_000) };
        plan.deed(seconds(at), Deed::Write { node, group: 0, intent: Intent::Batch, wait });
    }
    plan
}
