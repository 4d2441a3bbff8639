//! A record in the tree of its group, and how it is changed there in place. Knows nothing of
//! joining.

use alloc::sync::Arc;

use gm_clock::NetId;

use crate::Record;
use crate::index::{Index, MemberNumber};
use crate::packed_item::PackedItem;
use crate::planted_bugs::{Bug, planted};
use crate::tree::Entry;

/// A record in the tree of its group. The member stands beside it, so that a search does not go to
/// every record.
#[derive(Clone)]
pub(crate) struct RecordEntry {
    pub(super) member: NetId,
    /// The member's number in the index, if there is one; else 0.
    pub(super) number: MemberNumber,
    pub(super) record: Arc<Record>,
}

/// A record that is being changed in place: the index hears of it.
pub(crate) struct RecordEdit<'a> {
    pub(super) number: MemberNumber,
    pub(super) index: Option<&'a mut Index>,
}

impl RecordEdit<'_> {
    /// A slot of the record was replaced by another of the same range, or is new.
    pub(crate) fn replaced(&mut self, old: Option<PackedItem>, new: PackedItem) {
        if let Some(index) = &mut self.index
            && !planted(Bug::IndexMissesIncrements)
        {
            index.replace(self.number, old, Some(new));
        }
    }
}

impl RecordEntry {
    pub(super) fn new(record: Arc<Record>) -> RecordEntry {
        RecordEntry { member: record.member(), number: 0, record }
    }

    pub(crate) fn record(&self) -> &Record {
        &self.record
    }
}

impl Entry for RecordEntry {
    type Key = NetId;
    type Sum = ();
    const LEAF: usize = 32;

    fn key(&self) -> NetId {
        self.member
    }

    fn sum(&self) {}

    fn add((): (), (): ()) {}
}
