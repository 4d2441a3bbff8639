//! Owners wait: for one, for some, for all, in memory and on disk, and with dead members. Knows nothing of disks that fail.

use gm_broadcast::Chance;
use gm_node::{Count, Wait};
use gm_sim::NodeIndex;

use crate::plan::layout::{islands, ms, quiet, seconds};
use crate::plan::{Deed, Ending, Fate, Intent, Plan};

fn waiting(plan: &mut Plan, chance: &mut Chance) {
    for at in 8..20 {
        let node = NodeIndex(u32::try_from(chance.below(3)).unwrap_or(0));
        let count = match chance.below(4) {
            0 => Count::Some(1),
            1 => Count::Some(2),
            _ => Count::All,
        };
        let wait = Wait { count, disk: chance.happens(1, 2), within: ms(8_000) };
        plan.deed(seconds(at), Deed::Write { node, group: 0, intent: Intent::Batch, wait });
    }
    plan.heal_at = seconds(20);
}

/// Everybody lives: every wait is satisfied.
pub(crate) fn wait(seed: u64, chance: &mut Chance) -> Plan {
    let mut plan = quiet("", seed, islands(&[4, 3], 1));
    for node in plan.nodes() {
        let wait = Wait { count: Count::All, disk: false, within: ms(3_000) };
        let at = seconds(1) + chance.within(ms(1_500));
        plan.deed(
            at,
            Deed::Write { node, group: 0, intent: Intent::Exactly(gm_node::What::Join(vec![])), wait },
        );
    }
    waiting(&mut plan, chance);
    plan.claims.waits = Some(Ending::Satisfied);
    plan
}

/// A member is dead: a wait for all settles, and is not satisfied.
pub(crate) fn wait_dead(seed: u64, chance: &mut Chance) -> Plan {
    let mut plan = quiet("", seed, islands(&[4, 3], 1));
    for node in plan.nodes() {
        plan.write(seconds(1) + ms(50) * node.0, node, 0, Intent::Exactly(gm_node::What::Join(vec![])));
    }
    let node = NodeIndex(3 + u32::try_from(chance.below(4)).unwrap_or(0));
    plan.deed(seconds(5), Deed::Die { node, fate: Fate::Kept, gap: None });
    waiting(&mut plan, chance);
    plan.claims.waits = Some(Ending::Settled);
    plan
}
