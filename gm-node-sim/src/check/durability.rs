//! Checks durability: acknowledged writes are on the owner's disk when it restarts, unless the disk
//! lost them.

use gm_data::GroupState;
use gm_sim::{Checker, NodeIndex, Observation, ObservationContext, Violation};

use crate::environment::SimNode;
use crate::history::{ForgottenMember, NodeHistory, SharedHistory};
use crate::writer_model::items_of;

/// Checks the disk whenever a process starts.
#[derive(Debug)]
pub(crate) struct DurabilityChecker {
    history: SharedHistory,
}

impl DurabilityChecker {
    /// A checker with this history.
    pub(crate) fn new(history: &SharedHistory) -> DurabilityChecker {
        DurabilityChecker { history: SharedHistory::clone(history) }
    }
}

/// Compares the disk with the acknowledged writes. The model of the owner continues with the disk's
/// content.
fn check_start(history: &mut NodeHistory, node: NodeIndex) -> Result<(), String> {
    let stored = history.disk(node).map(gm_node::store::memory::SimulatedDisk::stored).unwrap_or_default();
    let me = history.identity[node.0 as usize];
    let former = stored.me.filter(|former| *former != me);
    history.former_ids.extend(former.map(|former| (node, former)));
    let unreliable_disks = history.unreliable_disks.remove(&node);
    for (group, name) in history.plan.groups.clone().iter().enumerate() {
        let unanswered = history.unanswered.remove(&(node, group));
        let state = stored.groups.iter().find(|state| state.name() == name);
        let record = state.and_then(|state| state.record(me));
        let version = record.map(gm_data::Record::version);
        let mut items = record.map(items_of).unwrap_or_default();
        let owner = history.writers.entry((node, group)).or_default();
        if !unreliable_disks {
            if owner.version() > version {
                return Err(format!(
                    "{node} starts with {version:?}, but {:?} was acknowledged",
                    owner.version()
                ));
            }
            if !unanswered && owner.items() != items {
                return Err(format!("{node} starts with {items:?} instead of {:?}", owner.items()));
            }
            if !unanswered {
                check_forgotten(history, node, group, state)?;
            }
        }
        let moves = former.and_then(|former| state?.record(former)).filter(|record| record.is_member());
        if let Some(record) = moves {
            items.extend(items_of(record));
            history.moved.insert(record.member(), node);
        }
        history.writers.entry((node, group)).or_default().restart_from(items, version);
    }
    Ok(())
}

/// Checks that members forgotten in the previous life are still forgotten.
fn check_forgotten(
    history: &NodeHistory,
    node: NodeIndex,
    group: usize,
    state: Option<&GroupState>,
) -> Result<(), String> {
    let before = Some((node, history.starts[node.0 as usize] - 1));
    for ForgottenMember { member, version, .. } in
        history.forgotten.iter().filter(|of| of.group == group && of.by == before)
    {
        let record = state.and_then(|state| state.record(history.identity[member.0 as usize]));
        let held = record.map(gm_data::Record::version);
        if held < Some(*version) {
            return Err(format!("{node} starts with {held:?} of {member}, which it forgot at {version:?}"));
        }
    }
    Ok(())
}

impl Checker<SimNode> for DurabilityChecker {
    fn name(&self) -> &'static str {
        "durability"
    }

    fn observe(
        &mut self,
        context: ObservationContext,
        seen: &Observation<'_, SimNode>,
    ) -> Result<(), Violation> {
        if let Observation::Started { .. } = seen {
            check_start(&mut self.history.borrow_mut(), context.node)
                .map_err(|what| Violation::safety("durability", context.at, what))?;
        }
        Ok(())
    }
}
