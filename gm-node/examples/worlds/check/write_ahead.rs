//! What a node says of itself is on its disk first. Knows nothing of what others hold.

use std::collections::BTreeMap;

use gm_data::Version;
use gm_sim::{Checker, NodeIndex, Observation, ObservationContext, Violation};

use crate::environment::SimNode;
use crate::history::SharedHistory;

/// Looks at a disk whenever the node on it shows a new version of its record.
#[derive(Debug)]
pub(crate) struct WriteAheadChecker {
    history: SharedHistory,
    shown: BTreeMap<(NodeIndex, usize), Version>,
}

impl WriteAheadChecker {
    /// Of that book.
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
        place: ObservationContext,
        seen: &Observation<'_, SimNode>,
    ) -> Result<(), Violation> {
        if let Observation::Ended = seen {
            self.shown.retain(|(node, _), _| *node != place.node);
        }
        Ok(())
    }

    fn after_input(&mut self, place: ObservationContext, machine: &SimNode) -> Result<(), Violation> {
        let history = self.history.borrow();
        let Some(disk) = history.disk(place.node) else { return Ok(()) };
        for (group, name) in history.plan.groups.iter().enumerate() {
            let Some(own) = machine.own_record(name) else { continue };
            let version = own.version();
            if self.shown.insert((place.node, group), version) == Some(version) {
                continue;
            }
            let stored = disk.stored();
            let state = stored.groups.iter().find(|state| state.name() == name);
            let on_disk =
                state.and_then(|state| state.record(machine.me())).map(gm_data::Record::version_digest);
            let promised = disk.promised(name, machine.me());
            if on_disk != Some(own.version_digest()) || promised < Some(version) {
                let shown = own.version_digest();
                let what =
                    format!("{} shows {shown:?}, its disk has {on_disk:?}, safe {promised:?}", place.node);
                return Err(Violation::safety("write-ahead", place.at, what));
            }
        }
        Ok(())
    }
}
