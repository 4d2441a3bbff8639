//! What a node says of itself is on its disk first. Knows nothing of what others hold.

use std::collections::BTreeMap;

use gm_data::Version;
use gm_sim::{Checker, NodeIndex, Seen, Violation, Where};

use crate::book::Shared;
use crate::ground::Whole;

/// Looks at a disk whenever the node on it shows a new version of its record.
#[derive(Debug)]
pub(crate) struct Stored {
    book: Shared,
    shown: BTreeMap<(NodeIndex, usize), Version>,
}

impl Stored {
    /// Of that book.
    pub(crate) fn new(book: &Shared) -> Stored {
        Stored { book: Shared::clone(book), shown: BTreeMap::new() }
    }
}

impl Checker<Whole> for Stored {
    fn name(&self) -> &'static str {
        "stored"
    }

    fn see(&mut self, place: Where, seen: &Seen<'_, Whole>) -> Result<(), Violation> {
        if let Seen::Ended = seen {
            self.shown.retain(|(node, _), _| *node != place.node);
        }
        Ok(())
    }

    fn settled(&mut self, place: Where, machine: &Whole) -> Result<(), Violation> {
        let book = self.book.borrow();
        let Some(disk) = book.disk(place.node) else { return Ok(()) };
        for (group, name) in book.plan.groups.iter().enumerate() {
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
                return Err(Violation::safety("stored", place.at, what));
            }
        }
        Ok(())
    }
}
