//! Faults of whole nodes: of disks, identities, keys, members and watchers, drawn as operations.

use std::time::Duration;

use gm_broadcast::{Rng, Time};
use gm_node::{Wait, WriteKind};
use gm_sim::layout::ms;
use gm_sim::{FaultClass, NodeIndex};

use super::layout::random_wait;
use super::{DiskOperation, DiskOutcome, Intent, Operation, Plan};

/// Draws operations of one class in the first phase.
pub(crate) fn draw(plan: &mut Plan, rng: &mut Rng, class: FaultClass, start: Time) {
    for _ in 0..=rng.below(2) {
        let span = plan.heal_at.since(start);
        let at = start + rng.duration_up_to(span * 3 / 4);
        let left = plan.heal_at.since(at);
        let duration = left / 4 + rng.duration_up_to(left / 2);
        draw_one(plan, rng, class, at, duration);
    }
}

fn draw_one(plan: &mut Plan, rng: &mut Rng, class: FaultClass, at: Time, duration: Duration) {
    let node = plan.random_node(rng);
    let group = rng.index(plan.groups.len());
    let gap = Some(rng.duration_up_to(ms(4_000)));
    match class {
        FaultClass::KeptDisk => {
            plan.add_operation(at, Operation::Crash { node, disk_outcome: DiskOutcome::Kept, gap })
        }
        FaultClass::LostDisk => {
            plan.add_operation(at, Operation::Crash { node, disk_outcome: DiskOutcome::Lost, gap })
        }
        FaultClass::StaleDisk => {
            plan.add_operation(at, Operation::Disk(node, DiskOperation::Snapshot));
            draw_writes(plan, rng, node, at, duration, 4);
            plan.add_operation(
                at + duration,
                Operation::Crash { node, disk_outcome: DiskOutcome::Stale, gap },
            );
        }
        FaultClass::TornWrite => {
            // In most cases the whole batch is lost, not torn.
            for turn in 0..4 {
                let node = plan.random_node(rng);
                plan.add_operation(
                    at + duration * turn / 4,
                    Operation::TornWrite { node, group, gap: ms(500) },
                );
            }
        }
        FaultClass::LostSync => {
            plan.add_operation(at, Operation::Disk(node, DiskOperation::Lies(true)));
            draw_writes(plan, rng, node, at, duration, 4);
            plan.add_operation(
                at + duration,
                Operation::Crash { node, disk_outcome: DiskOutcome::Kept, gap },
            );
            plan.add_operation(at + duration, Operation::Disk(node, DiskOperation::Lies(false)));
        }
        FaultClass::FullDisk => {
            plan.add_operation(at, Operation::Disk(node, DiskOperation::Full(true)));
            draw_writes(plan, rng, node, at, duration, 4);
            plan.add_operation(at + duration, Operation::Disk(node, DiskOperation::Full(false)));
        }
        FaultClass::SlowDisk => {
            let latency = ms(100 + rng.below(3_000));
            plan.add_operation(at, Operation::Disk(node, DiskOperation::Slow(latency)));
            draw_writes(plan, rng, node, at, duration, 4);
            let back = plan.disk_latency;
            plan.add_operation(at + duration, Operation::Disk(node, DiskOperation::Slow(back)));
        }
        _ => draw_other(plan, rng, (class, node, group), at, duration),
    }
}

/// Draws faults that are not of disks.
fn draw_other(
    plan: &mut Plan,
    rng: &mut Rng,
    (class, node, group): (FaultClass, NodeIndex, usize),
    at: Time,
    duration: Duration,
) {
    match class {
        FaultClass::IdentityClash => {
            let (island, site) = random_island(plan, rng);
            let location = plan.add_spare_location(island, site);
            plan.add_operation(at, Operation::Clash { location, victim: node, group, duration });
        }
        FaultClass::AddressChange => {
            let (island, site) = random_island(plan, rng);
            let location = plan.add_spare_location(island, site);
            plan.add_operation(at, Operation::ChangeAddress { node, location, group });
        }
        FaultClass::KeyRotation => {
            for step in 0..3 {
                plan.add_operation(at + duration * u32::from(step) / 2, Operation::RotateKeys(step));
            }
        }
        FaultClass::MassJoin => {
            plan.add_operation(at, Operation::Mass(class));
            for node in plan.nodes() {
                let join = Intent::Exact(WriteKind::Join(vec![]));
                plan.add_write(at + rng.duration_up_to(ms(50)), node, group, join);
            }
        }
        FaultClass::MassLeave => {
            plan.add_operation(at, Operation::Mass(class));
            for node in plan.nodes() {
                if rng.ratio(4, 5) {
                    plan.add_write(
                        at + rng.duration_up_to(ms(50)),
                        node,
                        group,
                        Intent::Exact(WriteKind::Leave),
                    );
                }
            }
        }
        FaultClass::ForgetLiving => {
            let member = plan.random_node(rng);
            plan.add_operation(at, Operation::Forget { node, group, member, wait: random_wait(rng) });
        }
        FaultClass::ForgetDead => {
            let member = plan.random_node(rng);
            let gap = rng.ratio(1, 2).then_some(duration + ms(5_000));
            plan.add_operation(at, Operation::Crash { node: member, disk_outcome: DiskOutcome::Clean, gap });
            plan.add_operation(
                at + ms(1_500),
                Operation::Forget { node, group, member, wait: random_wait(rng) },
            );
        }
        FaultClass::SlowWatcher => {
            plan.add_operation(
                at,
                Operation::Watch { node, group, read_delay: ms(5_000 + rng.below(15_000)) },
            );
            let other = plan.random_node(rng);
            draw_writes(plan, rng, other, at, duration, 6);
        }
        _ => {}
    }
}

/// A random island, and its site.
fn random_island(plan: &Plan, rng: &mut Rng) -> (u32, u32) {
    let location = plan.locations[plan.random_node(rng).0 as usize];
    (location.island, location.site)
}

fn draw_writes(plan: &mut Plan, rng: &mut Rng, node: NodeIndex, at: Time, duration: Duration, count: u64) {
    for _ in 0..count {
        let at = at + rng.duration_up_to(duration);
        let group = rng.index(plan.groups.len());
        plan.add_operation(at, Operation::Write { node, group, intent: Intent::Batch, wait: Wait::NONE });
    }
}
