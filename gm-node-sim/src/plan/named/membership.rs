//! Scenarios of membership: mass joins and leaves, forgotten members, contacts and watchers.

use gm_broadcast::Rng;
use gm_data::{Change, KeyRange, PurgePolicy};
use gm_node::{NodeLimits, Wait, WriteKind};
use gm_sim::layout::{below, islands, ms, seconds};
use gm_sim::{FaultClass, NodeIndex};

use crate::plan::layout::{groups, idle_plan};
use crate::plan::{DiskOutcome, Intent, Operation, Plan};

/// Every node joins at once.
pub(crate) fn mass_join(seed: u64, rng: &mut Rng) -> Plan {
    let mut plan = idle_plan("", seed, islands(&[20, 15, 5], 2));
    for node in plan.nodes() {
        plan.add_write(
            seconds(2) + rng.duration_up_to(ms(20)),
            node,
            0,
            Intent::Exact(WriteKind::Join(vec![])),
        );
    }
    plan.add_operation(seconds(2), Operation::Mass(FaultClass::MassJoin));
    plan.heal_at = seconds(3);
    plan.convergence_bound = ms(10_000);
    plan.claims.members = Some(vec![(0, plan.nodes().collect())]);
    plan
}

/// Most members leave at once.
pub(crate) fn mass_leave(seed: u64, rng: &mut Rng) -> Plan {
    let mut plan = idle_plan("", seed, islands(&[15, 10], 1));
    plan.all_serve(seconds(1), ms(20), 0);
    let stay: Vec<NodeIndex> = plan.nodes().filter(|node| node.0 % 5 == 0).collect();
    for node in plan.nodes().filter(|node| !stay.contains(node)) {
        plan.add_write(seconds(8) + rng.duration_up_to(ms(20)), node, 0, Intent::Exact(WriteKind::Leave));
    }
    plan.add_operation(seconds(8), Operation::Mass(FaultClass::MassLeave));
    plan.heal_at = seconds(9);
    plan.claims.members = Some(vec![(0, stay)]);
    plan
}

/// A node joins, leaves, and joins again.
pub(crate) fn join_and_leave(seed: u64, rng: &mut Rng) -> Plan {
    let mut plan = idle_plan("", seed, islands(&[4, 2], 1));
    plan.all_serve(seconds(1), ms(50), 0);
    let node = plan.random_node(rng);
    for turn in 0..5 {
        let what = if turn % 2 == 0 { WriteKind::Leave } else { WriteKind::Join(vec![]) };
        plan.add_write(seconds(3 + turn) + rng.duration_up_to(ms(900)), node, 0, Intent::Exact(what));
    }
    plan.heal_at = seconds(9);
    let rest = plan.nodes().filter(|other| *other != node).collect();
    plan.claims.members = Some(vec![(0, rest)]);
    plan
}

/// A live member is forgotten while it is partitioned, and the node that forgot it restarts. After
/// the partition the member writes, and learns from the answers that it must start a new
/// incarnation, since anti-entropy is rare.
pub(crate) fn forget_living(seed: u64, rng: &mut Rng) -> Plan {
    let mut plan = idle_plan("", seed, islands(&[1; 6], 6));
    plan.times = super::partitions::rare_anti_entropy();
    plan.all_join(seconds(1), ms(200), 0);
    let (node, member) = (NodeIndex(2), NodeIndex(3 + below(rng, 3)));
    super::partitions::partition(&mut plan, &[member], seconds(400), seconds(420));
    plan.add_operation(seconds(401), Operation::Forget { node, group: 0, member, wait: Wait::NONE });
    plan.add_operation(
        seconds(405),
        Operation::Crash { node, disk_outcome: DiskOutcome::Clean, gap: Some(ms(1_000)) },
    );
    plan.heal_at = seconds(420);
    plan.add_write(seconds(435), member, 0, Intent::Serve);
    plan.convergence_bound = ms(15_000);
    plan.claims.members = Some(vec![(0, plan.nodes().collect())]);
    plan
}

/// A dead member is forgotten, and stays so.
pub(crate) fn forget_dead(seed: u64, rng: &mut Rng) -> Plan {
    let mut plan = idle_plan("", seed, islands(&[4, 3], 1));
    plan.all_serve(seconds(1), ms(50), 0);
    let member = NodeIndex(2 + below(rng, 5));
    plan.add_operation(
        seconds(4),
        Operation::Crash { node: member, disk_outcome: DiskOutcome::Kept, gap: None },
    );
    plan.add_operation(
        seconds(6),
        Operation::Forget { node: NodeIndex(1), group: 0, member, wait: Wait::NONE },
    );
    for at in 6..12 {
        let node = NodeIndex(below(rng, 2));
        plan.add_write(seconds(at), node, 0, Intent::Batch);
    }
    plan.heal_at = seconds(12);
    let rest = plan.nodes().filter(|node| *node != member).collect();
    plan.claims.members = Some(vec![(0, rest)]);
    plan
}

/// A partitioned node forgets a dead member, and dies at once: the order was acknowledged, so it is
/// there after the restart.
pub(crate) fn forget_restart(seed: u64, rng: &mut Rng) -> Plan {
    let mut plan = idle_plan("", seed, islands(&[3, 2], 1));
    plan.all_serve(seconds(1), ms(50), 0);
    let (node, member) = (NodeIndex(2), NodeIndex(3 + below(rng, 2)));
    plan.add_operation(
        seconds(4),
        Operation::Crash { node: member, disk_outcome: DiskOutcome::Kept, gap: None },
    );
    super::partitions::partition(&mut plan, &[node], seconds(5), seconds(12));
    plan.add_operation(seconds(6), Operation::Forget { node, group: 0, member, wait: Wait::NONE });
    let die = Operation::Crash { node, disk_outcome: DiskOutcome::Kept, gap: Some(ms(500)) };
    plan.add_operation(seconds(6) + ms(20) + rng.duration_up_to(ms(300)), die);
    plan.heal_at = seconds(12);
    let rest = plan.nodes().filter(|node| *node != member).collect();
    plan.claims.members = Some(vec![(0, rest)]);
    plan
}

/// A slow watcher, with many changes.
pub(crate) fn slow_watcher(seed: u64, rng: &mut Rng) -> Plan {
    let mut plan = idle_plan("", seed, islands(&[4, 2], 1));
    plan.all_serve(seconds(1), ms(50), 0);
    plan.add_operation(seconds(2), Operation::Watch { node: NodeIndex(0), group: 0, read_delay: ms(4_000) });
    plan.add_operation(seconds(2), Operation::Watch { node: NodeIndex(1), group: 0, read_delay: ms(1) });
    for _ in 0..40 {
        let (at, node) = (seconds(2) + rng.duration_up_to(ms(10_000)), plan.random_node(rng));
        let intent = if rng.ratio(1, 2) { Intent::Batch } else { Intent::Unserve };
        plan.add_write(at, node, 0, intent);
    }
    plan.bounds = NodeLimits { watch_events: 2 + rng.index(40), ..NodeLimits::DEFAULT };
    plan.heal_at = seconds(12);
    plan
}

/// Two groups with different members: all nodes know the names of both, and a contact.
pub(crate) fn contacts(seed: u64, rng: &mut Rng) -> Plan {
    let mut plan = idle_plan("", seed, islands(&[4, 4], 1));
    plan.groups = groups(2);
    for node in plan.nodes() {
        let at = seconds(1) + rng.duration_up_to(ms(2_000));
        plan.add_write(at, node, (node.0 % 2) as usize, Intent::Serve);
    }
    plan.heal_at = seconds(4);
    plan.claims.contacts = plan.nodes().collect();
    plan
}

/// Limits are reached: writes are refused with a typed error, and records are excluded.
pub(crate) fn bounds(seed: u64, rng: &mut Rng) -> Plan {
    let mut plan = idle_plan("", seed, islands(&[5, 4], 1));
    plan.groups = groups(2);
    plan.bounds =
        NodeLimits { items: 6, records: 7, groups: 1, waits: 2, watchers: 1, ..NodeLimits::DEFAULT };
    plan.all_serve(seconds(1), ms(100), 0);
    let ranges = |count: u32| -> Vec<Change> {
        let range = |key| KeyRange::new(key, key).ok();
        let serve = |range| Change::Serve { range, port: Some(1), priority: 1 };
        (0..count).filter_map(range).map(serve).collect()
    };
    for at in 3..9 {
        let node = plan.random_node(rng);
        plan.add_write(seconds(at), node, 0, Intent::Exact(WriteKind::Change(ranges(20))));
        plan.add_write(seconds(at), node, 1, Intent::Serve);
        plan.add_operation(seconds(at), Operation::Watch { node, group: 0, read_delay: ms(1) });
        plan.add_operation(seconds(at), Operation::Watch { node, group: 0, read_delay: ms(1) });
    }
    plan.heal_at = seconds(9);
    plan.claims.min_refused_writes = 6;
    plan.claims.may_differ = true;
    plan
}

/// An owner's removed items are purged, and later members get its record with the floor. So a
/// member that was away gets no increment that does not apply.
pub(crate) fn purge_then_join(seed: u64, rng: &mut Rng) -> Plan {
    let mut plan = idle_plan("", seed, islands(&[1, 1, 1], 3));
    let (owner, away, late) = (NodeIndex(0), NodeIndex(1), NodeIndex(2));
    plan.seeds = vec![late];
    plan.purge = PurgePolicy::EVERYTHING;
    plan.times.purge_interval = ms(300);
    plan.all_join(seconds(1), ms(100), 0);
    plan.operations
        .retain(|(_, operation)| !matches!(operation, Operation::Write { node, .. } if *node == late));
    for _ in 0..3 {
        plan.add_write(seconds(2) + rng.duration_up_to(ms(900)), owner, 0, Intent::Serve);
    }
    plan.add_operation(
        seconds(7),
        Operation::Crash { node: away, disk_outcome: DiskOutcome::Clean, gap: Some(ms(10_000)) },
    );
    for turn in 0..2 {
        plan.add_write(seconds(8 + turn), owner, 0, Intent::Unserve);
    }
    plan.add_write(seconds(11), late, 0, Intent::Exact(WriteKind::Join(vec![])));
    plan.add_operation(
        seconds(16),
        Operation::Crash { node: owner, disk_outcome: DiskOutcome::Clean, gap: None },
    );
    plan.heal_at = seconds(17);
    plan.claims.all_increments_fit = true;
    plan
}

/// Many items are removed and purged at once: floors rise, and increments are made only from
/// versions above them.
pub(crate) fn purge(seed: u64, rng: &mut Rng) -> Plan {
    let mut plan = idle_plan("", seed, islands(&[3, 3], 1));
    plan.purge = PurgePolicy::EVERYTHING;
    plan.times.purge_interval = ms(300);
    plan.all_serve(seconds(1), ms(50), 0);
    for turn in 0..3 {
        let apart = plan.random_node(rng);
        let from = seconds(3 + 4 * turn);
        super::partitions::partition(&mut plan, &[apart], from, from + ms(3_000));
        for _ in 0..8 {
            let node = plan.random_node(rng);
            let intent = if rng.ratio(1, 2) { Intent::Unserve } else { Intent::Batch };
            plan.add_write(from + rng.duration_up_to(ms(3_500)), node, 0, intent);
        }
    }
    plan.heal_at = seconds(16);
    plan
}
