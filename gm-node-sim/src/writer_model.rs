//! Reference model of an owner: its acknowledged writes, replayed one after the other on the
//! content of its disk at the start. Simple and slow, it shares no code with the machine.

use std::collections::BTreeMap;

use gm_data::{Change, Item, KeyRange, Op, Record, Version};
use gm_node::WriteKind;

/// The items of an owner: operation, port and priority of each range.
pub(crate) type Items = BTreeMap<KeyRange, (Op, u16, u16)>;

/// The live items of a record.
pub(crate) fn items_of(record: &Record) -> Items {
    record.items().filter(|item| item.op().is_live()).map(|item| entry_of(&item)).collect()
}

/// Range and content of an item.
pub(crate) fn entry_of(item: &Item) -> (KeyRange, (Op, u16, u16)) {
    (item.range(), (item.op(), item.port(), item.priority()))
}

/// An owner in a group.
#[derive(Clone, Debug, Default)]
pub(crate) struct WriterModel {
    /// Items at the last start.
    base: Items,
    base_version: Option<Version>,
    /// Writes acknowledged since, by the version that they made.
    log: BTreeMap<Version, WriteKind>,
}

impl WriterModel {
    /// Restarts with the content of the disk.
    pub(crate) fn restart_from(&mut self, base: Items, version: Option<Version>) {
        *self = WriterModel { base, base_version: version, log: BTreeMap::new() };
    }

    /// Records an acknowledged write.
    pub(crate) fn acknowledge(&mut self, version: Version, what: WriteKind) {
        self.log.insert(version, what);
    }

    /// The highest acknowledged version.
    pub(crate) fn version(&self) -> Option<Version> {
        self.log.last_key_value().map(|(version, _)| *version).max(self.base_version)
    }

    /// The current items.
    pub(crate) fn items(&self) -> Items {
        let mut items = self.base.clone();
        self.log.values().for_each(|what| replay(&mut items, what));
        items
    }
}

/// Applies one write.
fn replay(items: &mut Items, what: &WriteKind) {
    let interest = (Op::Get, 0, 1);
    match what {
        WriteKind::Leave => items.clear(),
        WriteKind::Resume => {}
        WriteKind::Join(ranges) => {
            let whole = [KeyRange::WHOLE];
            let ranges = if ranges.is_empty() && items.is_empty() { whole.as_slice() } else { ranges };
            for range in ranges {
                items.entry(*range).or_insert(interest);
            }
        }
        WriteKind::Change(batch) => {
            let (was_member, mut last) = (!items.is_empty(), None);
            for change in batch {
                match *change {
                    Change::Serve { range, port, priority } => {
                        items.insert(range, (Op::Add, port.unwrap_or(0), priority));
                    }
                    Change::Unserve(range) => {
                        items.remove(&range);
                        last = Some(range);
                    }
                    Change::Interest(range) => {
                        items.insert(range, interest);
                    }
                    Change::Priority { range, priority } => {
                        if let Some(item) = items.get_mut(&range) {
                            item.2 = priority;
                        }
                    }
                    // Owners of these worlds make no other changes.
                    Change::Raise { .. } | Change::Lower { .. } | Change::Put(_) => {}
                }
            }
            if let Some(range) = last.filter(|_| was_member && items.is_empty()) {
                items.insert(range, interest);
            }
        }
    }
}
