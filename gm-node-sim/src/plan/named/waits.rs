//! Scenarios of waits: for one member, for some, for all, in memory and on disk, and with dead
//! members.

use gm_broadcast::Rng;
use gm_node::{AckCount, Wait, WriteKind};
use gm_sim::layout::{below, islands, ms, seconds};
use gm_sim::{Action, NodeIndex};

use crate::plan::layout::idle_plan;
use crate::plan::{DiskOutcome, ExpectedEnd, Intent, Operation, Plan};

fn add_waits(plan: &mut Plan, rng: &mut Rng) {
    for at in 8..20 {
        let node = NodeIndex(below(rng, 3));
        let count = match rng.below(4) {
            0 => AckCount::Some(1),
            1 => AckCount::Some(2),
            _ => AckCount::All,
        };
        let wait = Wait { count, on_disk: rng.ratio(1, 2), timeout: ms(8_000) };
        plan.add_operation(seconds(at), Operation::Write { node, group: 0, intent: Intent::Batch, wait });
    }
    plan.heal_at = seconds(20);
}

/// Every node lives: every wait is satisfied.
pub(crate) fn wait(seed: u64, rng: &mut Rng) -> Plan {
    let mut plan = idle_plan("", seed, islands(&[4, 3], 1));
    for node in plan.nodes() {
        let wait = Wait { count: AckCount::All, on_disk: false, timeout: ms(3_000) };
        let at = seconds(1) + rng.duration_up_to(ms(1_500));
        plan.add_operation(
            at,
            Operation::Write { node, group: 0, intent: Intent::Exact(WriteKind::Join(vec![])), wait },
        );
    }
    add_waits(&mut plan, rng);
    plan.claims.waits = Some(ExpectedEnd::Satisfied);
    plan
}

/// A member is dead: a wait for all settles, and is not satisfied.
pub(crate) fn wait_dead(seed: u64, rng: &mut Rng) -> Plan {
    let mut plan = idle_plan("", seed, islands(&[4, 3], 1));
    for node in plan.nodes() {
        plan.add_write(seconds(1) + ms(50) * node.0, node, 0, Intent::Exact(WriteKind::Join(vec![])));
    }
    let node = NodeIndex(3 + below(rng, 4));
    plan.add_operation(seconds(5), Operation::Crash { node, disk_outcome: DiskOutcome::Kept, gap: None });
    add_waits(&mut plan, rng);
    plan.claims.waits = Some(ExpectedEnd::Settled);
    plan
}

/// Each node serves its own keys, so that no write affects another member; a wait for a number
/// counts any members.
pub(crate) fn wait_unconcerned(seed: u64, rng: &mut Rng) -> Plan {
    let mut plan = idle_plan("", seed, islands(&[3, 2], 1));
    let range = |node: NodeIndex, part: u32| gm_data::KeyRange::new(node.0 << 16, node.0 << 16 | part).ok();
    let serve = |node: NodeIndex, part: u32| {
        let serve = |range| gm_data::Change::Serve { range, port: Some(1), priority: 1 };
        Intent::Exact(WriteKind::Change(range(node, part).map(serve).into_iter().collect()))
    };
    // The first writers know no members, and find them in time.
    for node in plan.nodes() {
        let wait = Wait { count: AckCount::Some(1 + rng.below(3)), on_disk: false, timeout: ms(8_000) };
        let at = seconds(1) + rng.duration_up_to(ms(1_500));
        plan.add_operation(at, Operation::Write { node, group: 0, intent: serve(node, 9), wait });
    }
    for at in 8..20 {
        let node = plan.random_node(rng);
        let count = if rng.ratio(1, 3) { AckCount::All } else { AckCount::Some(1 + rng.below(4)) };
        let wait = Wait { count, on_disk: rng.ratio(1, 2), timeout: ms(3_000) };
        let part = 10 + below(rng, 1 << 15);
        plan.add_operation(seconds(at), Operation::Write { node, group: 0, intent: serve(node, part), wait });
    }
    plan.heal_at = seconds(20);
    plan.claims.waits = Some(ExpectedEnd::Satisfied);
    plan
}

/// Members pause for a moment, again and again, and other members' waits wait for them.
pub(crate) fn wait_pause(seed: u64, rng: &mut Rng) -> Plan {
    let mut plan = idle_plan("", seed, islands(&[4, 3, 1], 2));
    for node in plan.nodes() {
        plan.add_write(seconds(1) + ms(50) * node.0, node, 0, Intent::Exact(WriteKind::Join(vec![])));
    }
    for at in 8..20 {
        let node = NodeIndex(below(rng, 3));
        let paused = NodeIndex(3 + below(rng, 5));
        let duration = ms(300 + rng.below(500));
        let wait = Wait { count: AckCount::All, on_disk: rng.ratio(1, 2), timeout: ms(3_000) };
        plan.add_operation(seconds(at), Operation::World(Action::Pause(paused)));
        plan.add_operation(
            seconds(at) + rng.duration_up_to(ms(200)),
            Operation::Write { node, group: 0, intent: Intent::Batch, wait },
        );
        plan.add_operation(seconds(at) + duration, Operation::World(Action::Resume(paused)));
    }
    plan.heal_at = seconds(21);
    plan.claims.waits = Some(ExpectedEnd::Satisfied);
    plan
}
