//! Tree entry of a group state: a record with its member and its number in the index, and editing
//! of the record in place.

use alloc::sync::Arc;

use gm_clock::NetId;

use crate::Record;
use crate::index::{Index, MemberNumber};
use crate::packed_item::PackedItem;
use crate::tree::Entry;

/// A record in the tree of its group. The member is stored beside it, so that a search does not
/// dereference every record.
#[derive(Clone)]
pub(crate) struct RecordEntry {
    pub(super) member: NetId,
    /// The member's number in the index; 0 if there is no index.
    pub(super) number: MemberNumber,
    pub(super) record: Arc<Record>,
}

/// An edit in progress of a record in its tree. It updates the index.
pub(crate) struct RecordEdit<'a> {
    pub(super) number: MemberNumber,
    pub(super) index: Option<&'a mut Index>,
}

impl RecordEdit<'_> {
    /// Reports that the item `new` of the record replaced `old`, an item of the same range, or was
    /// added.
    pub(crate) fn replaced(&mut self, old: Option<PackedItem>, new: PackedItem) {
        if let Some(index) = &mut self.index {
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
