//! What was acknowledged is on the owner's disk when it starts again, unless the disk lost it. Knows nothing of what others hold.

use gm_data::GroupState;
use gm_sim::{Checker, NodeIndex, Seen, Violation, Where};

use crate::book::{Book, Forgotten, Shared};
use crate::ground::Whole;
use crate::owner::items_of;

/// Looks at disks when processes start.
#[derive(Debug)]
pub(crate) struct Acknowledged {
    book: Shared,
}

impl Acknowledged {
    /// Of that book.
    pub(crate) fn new(book: &Shared) -> Acknowledged {
        Acknowledged { book: Shared::clone(book) }
    }
}

/// What is wrong with what a disk holds, if something is; what it holds is what the owner goes on with.
fn begin(book: &mut Book, node: NodeIndex) -> Result<(), String> {
    let stored = book.disk(node).map(gm_node::store::memory::SimulatedDisk::stored).unwrap_or_default();
    let me = book.identity[node.0 as usize];
    let former = stored.me.filter(|former| *former != me);
    book.formers.extend(former.map(|former| (node, former)));
    let doubtful = book.doubtful.remove(&node);
    for (group, name) in book.plan.groups.clone().iter().enumerate() {
        let unsure = book.unsure.remove(&(node, group));
        let state = stored.groups.iter().find(|state| state.name() == name);
        let record = state.and_then(|state| state.record(me));
        let version = record.map(gm_data::Record::version);
        let mut items = record.map(items_of).unwrap_or_default();
        let owner = book.owners.entry((node, group)).or_default();
        if !doubtful {
            if owner.version() > version {
                return Err(format!(
                    "{node} starts with {version:?}, and had {:?} acknowledged",
                    owner.version()
                ));
            }
            if !unsure && owner.items() != items {
                return Err(format!("{node} starts with {items:?}, not with {:?}", owner.items()));
            }
            if !unsure {
                lacks_forgetting(book, node, group, state)?;
            }
        }
        let moves = former.and_then(|former| state?.record(former)).filter(|record| record.is_member());
        if let Some(record) = moves {
            items.extend(items_of(record));
            book.moved.insert(record.member(), node);
        }
        book.owners.entry((node, group)).or_default().begin(items, version);
    }
    Ok(())
}

/// What was forgotten in the life before is forgotten.
fn lacks_forgetting(
    book: &Book,
    node: NodeIndex,
    group: usize,
    state: Option<&GroupState>,
) -> Result<(), String> {
    let before = Some((node, book.starts[node.0 as usize] - 1));
    for Forgotten { member, version, .. } in
        book.forgotten.iter().filter(|of| of.group == group && of.by == before)
    {
        let record = state.and_then(|state| state.record(book.identity[member.0 as usize]));
        let held = record.map(gm_data::Record::version);
        if held < Some(*version) {
            return Err(format!("{node} starts with {held:?} of {member}, which it forgot as {version:?}"));
        }
    }
    Ok(())
}

impl Checker<Whole> for Acknowledged {
    fn name(&self) -> &'static str {
        "acknowledged"
    }

    fn see(&mut self, place: Where, seen: &Seen<'_, Whole>) -> Result<(), Violation> {
        if let Seen::Started { .. } = seen {
            begin(&mut self.book.borrow_mut(), place.node)
                .map_err(|what| Violation::safety("acknowledged", place.at, what))?;
        }
        Ok(())
    }
}
