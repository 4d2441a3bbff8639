//! Scenarios of identity: impersonation, changed addresses, rotated keys, and different contents
//! under one version.

use gm_broadcast::Rng;
use gm_clock::Incarnation;
use gm_data::{Item, KeyRange, Op, Record, StampedItem, Version};
use gm_sim::layout::{below, id, islands, ms, seconds};

use crate::plan::layout::idle_plan;
use crate::plan::{Intent, Operation, Plan};

/// A second process with the identity of a node writes, and then ends.
pub(crate) fn identity_clash(seed: u64, rng: &mut Rng) -> Plan {
    let mut plan = idle_plan("", seed, islands(&[4, 3], 1));
    plan.all_serve(seconds(1), ms(50), 0);
    let (victim, location) = (plan.random_node(rng), plan.add_spare_location(1, 1));
    plan.heal_at = seconds(15);
    plan.add_operation(seconds(4), Operation::Clash { location, victim, group: 0, duration: ms(8_000) });
    for at in 5..14 {
        plan.add_write(seconds(at), victim, 0, Intent::Batch);
    }
    plan.convergence_bound = ms(700_000);
    plan
}

/// A node restarts at another location with its disk.
pub(crate) fn address_change(seed: u64, rng: &mut Rng) -> Plan {
    let mut plan = idle_plan("", seed, islands(&[4, 3], 1));
    plan.all_serve(seconds(1), ms(50), 0);
    let (node, location) = (plan.random_node(rng), plan.add_spare_location(1, 1));
    plan.heal_at = seconds(8);
    plan.add_operation(seconds(4), Operation::ChangeAddress { node, location, group: 0 });
    plan
}

/// Keys are rotated in three steps while nodes write and restart.
pub(crate) fn key_rotation(seed: u64, rng: &mut Rng) -> Plan {
    let mut plan = idle_plan("", seed, islands(&[4, 3], 1));
    plan.all_serve(seconds(1), ms(50), 0);
    for step in 0..3 {
        plan.add_operation(seconds(4 + 3 * u64::from(step)), Operation::RotateKeys(step));
    }
    for at in 4..14 {
        let node = plan.random_node(rng);
        plan.add_write(seconds(at), node, 0, Intent::Batch);
    }
    plan.heal_at = seconds(14);
    plan
}

/// Two nodes hold different items of a dead member under one version, which only a fault can
/// produce: they must agree on one of them.
pub(crate) fn digest_conflict(seed: u64, rng: &mut Rng) -> Plan {
    let mut plan = idle_plan("", seed, islands(&[2, 2], 1));
    plan.all_serve(seconds(1), ms(50), 0);
    let member = id(40);
    for node in plan.nodes() {
        let key = below(rng, 1 << 20);
        let record = KeyRange::new(key, key + 1 + node.0)
            .ok()
            .and_then(|range| Item::new(member, range, Op::Add, 7, 1).ok())
            .and_then(|item| {
                let incarnation = Incarnation::new(1 << 40).ok()?;
                let version = Version::new(incarnation, false, 5).ok()?;
                Record::from_parts(member, version, None, 0, [StampedItem { item, stamp: 5 }]).ok()
            });
        plan.preloaded.extend(record.map(|record| (node, record)));
    }
    plan.heal_at = seconds(2);
    plan.convergence_bound = ms(20_000);
    plan
}
