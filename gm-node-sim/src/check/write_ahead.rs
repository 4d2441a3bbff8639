//! Checks the write-ahead rule: the own record of a node is on its disk before it becomes visible.

use std::collections::BTreeMap;

use gm_data::Version;
use gm_sim::{Checker, NodeIndex, Observation, ObservationContext, Violation};

use crate::environment::SimNode;
use crate::history::SharedHistory;

/// Checks the disk whenever a node shows a new version of its own record.
#[derive(Debug)]
pub(crate) struct WriteAheadChecker {
    history: SharedHistory,
    shown: BTreeMap<(NodeIndex, usize), Version>,
}

impl WriteAheadChecker {
    /// A checker with this history.
    pub(crate) fn new(history: &SharedHistory) -> WriteAheadChecker {
        WriteAheadChecker { history: SharedHistory::clone(history), shown: BTreeMap::new() }
    }
}

impl Checker<SimNode> for WriteAheadChecker {
    fn name(&self) -> &'static str {
        "write-ahead"
    }

    fn observe(
        &mut self,
        context: ObservationContext,
        seen: &Observation<'_, SimNode>,
    ) -> Result<(), Violation> {
        if let Observation::Ended = seen {
            self.shown.retain(|(node, _), _| *node != context.node);
        }
        Ok(())
    }

    fn after_input(&mut self, context: ObservationContext, machine: &SimNode) -> Result<(), Violation> {
        let history = self.history.borrow();
        let Some(disk) = history.disk(context.node) else { return Ok(()) };
        for (group, name) in history.plan.groups.iter().enumerate() {
            let Some(own) = machine.own_record(name) else { continue };
            let version = own.version();
            if self.shown.insert((context.node, group), version) == Some(version) {
                continue;
            }
            let stored = disk.stored();
            let state = stored.groups.iter().find(|state| state.name() == name);
            let on_disk =
                state.and_then(|state| state.record(machine.me())).map(gm_data::Record::version_digest);
            let promised = disk.promised(name, machine.me());
            if on_disk != Some(own.version_digest()) || promised < Some(version) {
                let shown = own.version_digest();
                let what = format!(
                    "{} shows {shown:?}, but its disk has {on_disk:?}, of which {promised:?} is synced",
                    context.node
                );
                return Err(Violation::safety("write-ahead", context.at, what));
            }
        }
        Ok(())
    }
}
