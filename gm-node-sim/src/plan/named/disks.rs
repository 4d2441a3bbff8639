//! Scenarios of disks that lose, refuse or restore writes.

use std::time::Duration;

use gm_broadcast::Rng;
use gm_node::{NodeTiming, Wait};
use gm_sim::NodeIndex;
use gm_sim::layout::{below, islands, ms, seconds};

use crate::plan::layout::{TIMES, idle_plan};
use crate::plan::{DiskOperation, DiskOutcome, Intent, Operation, Plan};

/// Five to twelve nodes on two islands; each serves a range, and some write more.
fn active_plan(seed: u64, rng: &mut Rng) -> Plan {
    let size = 3 + below(rng, 4);
    let mut plan = idle_plan("", seed, islands(&[size, 3], 1));
    plan.all_serve(seconds(1), ms(50), 0);
    plan.heal_at = seconds(14);
    for _ in 0..20 {
        let (at, node) = (seconds(3) + rng.duration_up_to(ms(9_000)), plan.random_node(rng));
        plan.add_write(at, node, 0, Intent::Batch);
    }
    plan
}

fn victim(plan: &Plan, rng: &mut Rng) -> NodeIndex {
    plan.random_node(rng)
}

/// Nodes die and restart with their disks.
pub(crate) fn restart(seed: u64, rng: &mut Rng) -> Plan {
    let mut plan = active_plan(seed, rng);
    for at in [5, 7, 9] {
        let node = victim(&plan, rng);
        let disk_outcome = if rng.ratio(1, 3) { DiskOutcome::Clean } else { DiskOutcome::Kept };
        plan.add_operation(
            seconds(at),
            Operation::Crash { node, disk_outcome, gap: Some(rng.duration_up_to(ms(2_000))) },
        );
    }
    plan
}

/// A node restarts with an empty disk, and writes or not.
pub(crate) fn lost_disk(seed: u64, rng: &mut Rng) -> Plan {
    let mut plan = active_plan(seed, rng);
    for at in [5, 9] {
        let node = victim(&plan, rng);
        plan.add_operation(
            seconds(at),
            Operation::Crash {
                node,
                disk_outcome: DiskOutcome::Lost,
                gap: Some(rng.duration_up_to(ms(2_000))),
            },
        );
    }
    plan
}

/// A node restarts with the state that its disk had some writes ago.
pub(crate) fn stale_disk(seed: u64, rng: &mut Rng) -> Plan {
    let mut plan = active_plan(seed, rng);
    let node = victim(&plan, rng);
    plan.add_operation(seconds(4), Operation::Disk(node, DiskOperation::Snapshot));
    for _ in 0..5 {
        plan.add_write(seconds(5) + rng.duration_up_to(ms(2_000)), node, 0, Intent::Batch);
    }
    plan.add_operation(
        seconds(8),
        Operation::Crash { node, disk_outcome: DiskOutcome::Stale, gap: Some(ms(500)) },
    );
    plan
}

/// Nodes die while they write.
pub(crate) fn torn_write(seed: u64, rng: &mut Rng) -> Plan {
    let mut plan = active_plan(seed, rng);
    for at in [5, 7, 9, 11] {
        let node = victim(&plan, rng);
        plan.add_operation(seconds(at), Operation::TornWrite { node, group: 0, gap: ms(700) });
    }
    plan
}

/// A disk reports writes as synced that it loses.
pub(crate) fn lost_sync(seed: u64, rng: &mut Rng) -> Plan {
    let mut plan = active_plan(seed, rng);
    let node = victim(&plan, rng);
    plan.add_operation(seconds(4), Operation::Disk(node, DiskOperation::Lies(true)));
    for _ in 0..5 {
        plan.add_write(seconds(5) + rng.duration_up_to(ms(2_000)), node, 0, Intent::Batch);
    }
    let at = seconds(8) + rng.duration_up_to(ms(2_000));
    plan.add_operation(at, Operation::Crash { node, disk_outcome: DiskOutcome::Kept, gap: Some(ms(500)) });
    plan.add_operation(at, Operation::Disk(node, DiskOperation::Lies(false)));
    plan
}

/// A disk is full for a while: refused writes stay invisible, and later writes succeed.
pub(crate) fn full_disk(seed: u64, rng: &mut Rng) -> Plan {
    let mut plan = active_plan(seed, rng);
    let node = victim(&plan, rng);
    plan.add_operation(seconds(4), Operation::Disk(node, DiskOperation::Full(true)));
    for _ in 0..5 {
        plan.add_write(seconds(5) + rng.duration_up_to(ms(3_000)), node, 0, Intent::Batch);
    }
    plan.add_operation(seconds(9), Operation::Disk(node, DiskOperation::Full(false)));
    plan.add_write(seconds(12), node, 0, Intent::Batch);
    plan
}

/// Write-back of other members' records is slow; waits for disks are not delayed by it.
pub(crate) fn slow_write_back(seed: u64, rng: &mut Rng) -> Plan {
    let mut plan = active_plan(seed, rng);
    plan.times = NodeTiming { write_back_delay: Duration::from_secs(3), ..TIMES };
    for at in 6..12 {
        let (node, count) = (plan.random_node(rng), gm_node::AckCount::Some(2));
        let wait = Wait { count, on_disk: true, timeout: ms(2_000) };
        plan.add_operation(seconds(at), Operation::Write { node, group: 0, intent: Intent::Batch, wait });
    }
    plan
}
