//! Queries of a group state: members, items and counts.

use gm_clock::NetId;

use crate::packed_item::range_key;
use crate::{GroupState, KeyRange, Op, Record, StampedItem};

impl GroupState {
    /// The members of the group, which are those with a live item, in order.
    pub fn members(&self) -> impl Iterator<Item = NetId> + '_ {
        self.records().filter(|record| record.is_member()).map(Record::member)
    }

    /// Whether the node has a live item in the group.
    pub fn is_member(&self, node: NetId) -> bool {
        self.record(node).is_some_and(Record::is_member)
    }

    /// The live items of all members: the served ranges and the ranges of interest.
    pub const fn items(&self) -> ItemSet<'_> {
        ItemSet { state: self, op: None }
    }

    /// The items of the given op. For [`Op::Rmv`] these are the kept removals.
    pub const fn items_of(&self, op: Op) -> ItemSet<'_> {
        ItemSet { state: self, op: Some(op) }
    }

    /// The number of items of the given op that the member has; 0 for an unknown member.
    pub fn item_count(&self, member: NetId, op: Op) -> usize {
        self.record(member).map_or(0, |record| record.items.iter().filter(|packed| packed.op() == op).count())
    }
}

/// The stamped items of a group, or those of one op, sorted by member, then by range. Borrows the
/// [`GroupState`] and copies nothing.
#[derive(Clone, Copy, Debug)]
pub struct ItemSet<'a> {
    state: &'a GroupState,
    op: Option<Op>,
}

impl<'a> ItemSet<'a> {
    /// Iterates over the items.
    pub fn iter(&self) -> impl Iterator<Item = StampedItem> + 'a {
        let Self { state, op } = *self;
        let items = move |record: &'a Record| {
            let wanted = move |slot_op: Op| op.map_or(slot_op.is_live(), |op| op == slot_op);
            let packed_items = record.items.iter().filter(move |packed| wanted(packed.op()));
            packed_items.map(move |packed| packed.stamped_item(record.member()))
        };
        state.records().flat_map(items)
    }

    /// The member's item on exactly the given range, if it is in the set.
    pub fn get(&self, member: NetId, range: KeyRange) -> Option<StampedItem> {
        let packed = *self.state.record(member)?.items.get(range_key(range))?;
        let wanted = self.op.map_or(packed.is_live(), |op| op == packed.op());
        wanted.then(|| packed.stamped_item(member))
    }
}
