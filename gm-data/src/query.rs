//! The original's queries over a state: members, topology, counts. Changes nothing.

use gm_clock::NetId;

use crate::packed_item::range_key;
use crate::{GroupState, KeyRange, Op, Record, StampedItem};

impl GroupState {
    /// The members of the group, in their order: who has a live item.
    pub fn members(&self) -> impl Iterator<Item = NetId> + '_ {
        self.records().filter(|record| record.is_member()).map(Record::member)
    }

    /// Whether the node has a live item in the group.
    pub fn is_member(&self, node: NetId) -> bool {
        self.record(node).is_some_and(Record::is_member)
    }

    /// All live items: who serves what, and who is interested in what.
    pub const fn items(&self) -> ItemSet<'_> {
        ItemSet { state: self, op: None }
    }

    /// The items of that op. [`Op::Rmv`]: the removals that are still kept.
    pub const fn items_of(&self, op: Op) -> ItemSet<'_> {
        ItemSet { state: self, op: Some(op) }
    }

    /// How many items of that op the member has. 0 for a member that is not known.
    pub fn item_count(&self, member: NetId, op: Op) -> usize {
        self.record(member).map_or(0, |record| record.items.iter().filter(|packed| packed.op() == op).count())
    }
}

/// The timed items of a group, or those of one op: sorted by member, then by range. A view of a
/// [`GroupState`], which it does not copy.
#[derive(Clone, Copy, Debug)]
pub struct ItemSet<'a> {
    state: &'a GroupState,
    op: Option<Op>,
}

impl<'a> ItemSet<'a> {
    /// The items.
    pub fn iter(&self) -> impl Iterator<Item = StampedItem> + 'a {
        let Self { state, op } = *self;
        let items = move |record: &'a Record| {
            let wanted = move |slot_op: Op| op.map_or(slot_op.is_live(), |op| op == slot_op);
            let packed_items = record.items.iter().filter(move |packed| wanted(packed.op()));
            packed_items.map(move |packed| packed.stamped_item(record.member()))
        };
        state.records().flat_map(items)
    }

    /// The member's item on exactly that range, if it is in the set.
    pub fn get(&self, member: NetId, range: KeyRange) -> Option<StampedItem> {
        let packed = *self.state.record(member)?.items.get(range_key(range))?;
        let wanted = self.op.map_or(packed.is_live(), |op| op == packed.op());
        wanted.then(|| packed.stamped_item(member))
    }
}
