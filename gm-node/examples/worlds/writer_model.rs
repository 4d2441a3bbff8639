//! What an owner may rely on: its acknowledged writes, one after the other, on what its disk held
//! at the start. A slow, obvious twin of what the machine does with changes; shares no code with
//! it.

use std::collections::BTreeMap;

use gm_data::{Change, Item, KeyRange, Op, Record, Version};
use gm_node::WriteKind;

/// What is said of ranges: the operation, the port, the priority.
pub(crate) type Items = BTreeMap<KeyRange, (Op, u16, u16)>;

/// The live items of a record.
pub(crate) fn items_of(record: &Record) -> Items {
    record.items().filter(|item| item.op().is_live()).map(|item| entry_of(&item)).collect()
}

/// What an item says.
pub(crate) fn entry_of(item: &Item) -> (KeyRange, (Op, u16, u16)) {
    (item.range(), (item.op(), item.port(), item.priority()))
}

/// An owner in a group.
#[derive(Clone, Debug, Default)]
pub(crate) struct WriterModel {
    /// What it had when it was started last.
    base: Items,
    base_version: Option<Version>,
    /// What was acknowledged since, by the version that it was written as.
    log: BTreeMap<Version, WriteKind>,
}

impl WriterModel {
    /// It begins with what its disk holds.
    pub(crate) fn restart_from(&mut self, base: Items, version: Option<Version>) {
        *self = WriterModel { base, base_version: version, log: BTreeMap::new() };
    }

    /// Something was acknowledged.
    pub(crate) fn acknowledge(&mut self, version: Version, what: WriteKind) {
        self.log.insert(version, what);
    }

    /// The highest version that was acknowledged.
    pub(crate) fn version(&self) -> Option<Version> {
        self.log.last_key_value().map(|(version, _)| *version).max(self.base_version)
    }

    /// What it serves.
    pub(crate) fn items(&self) -> Items {
        let mut items = self.base.clone();
        self.log.values().for_each(|what| replay(&mut items, what));
        items
    }
}

/// One write.
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
                    // Owners of these worlds write nothing else.
                    Change::Raise { .. } | Change::Lower { .. } | Change::Put(_) => {}
                }
            }
            if let Some(range) = last.filter(|_| was_member && items.is_empty()) {
                items.insert(range, interest);
            }
        }
    }
}
