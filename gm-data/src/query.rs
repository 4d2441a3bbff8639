//! The original's queries over a state: members, topology, counts. Changes nothing.

use gm_clock::NetId;

use crate::slot::slot_key;
use crate::{KeyRange, Message, Op, Record, TimedItem};

impl Message {
    /// The members of the group, in their order: who has a live item.
    pub fn members(&self) -> impl Iterator<Item = NetId> + '_ {
        self.records().filter(|record| record.is_member()).map(Record::member)
    }

    /// Whether the node has a live item in the group.
    pub fn is_member(&self, node: NetId) -> bool {
        self.record(node).is_some_and(Record::is_member)
    }

    /// All live items: who serves what, and who is interested in what.
    pub const fn topology(&self) -> TimedSet<'_> {
        TimedSet { message: self, op: None }
    }

    /// The items of that op. [`Op::Rmv`]: the removals that are still kept.
    pub const fn topology_of(&self, op: Op) -> TimedSet<'_> {
        TimedSet { message: self, op: Some(op) }
    }

    /// How many items of that op the member has. 0 for a member that is not known.
    pub fn count(&self, member: NetId, op: Op) -> usize {
        self.record(member).map_or(0, |record| record.items.iter().filter(|slot| slot.op() == op).count())
    }
}

/// The timed items of a group, or those of one op: sorted by member, then by range. A view of a [`Message`], which it does
/// not copy.
#[derive(Clone, Copy, Debug)]
pub struct TimedSet<'a> {
    message: &'a Message,
    op: Option<Op>,
}

impl<'a> TimedSet<'a> {
    /// The items.
    pub fn iter(&self) -> impl Iterator<Item = TimedItem> + 'a {
        let Self { message, op } = *self;
        let items = move |record: &'a Record| {
            let wanted = move |slot_op: Op| op.map_or(slot_op.is_live(), |op| op == slot_op);
            let slots = record.items.iter().filter(move |slot| wanted(slot.op()));
            slots.map(move |slot| slot.timed(record.member()))
        };
        message.records().flat_map(items)
    }

    /// The member's item on exactly that range, if it is in the set.
    pub fn get(&self, member: NetId, range: KeyRange) -> Option<TimedItem> {
        let slot = *self.message.record(member)?.items.get(slot_key(range))?;
        let wanted = self.op.map_or(slot.is_live(), |op| op == slot.op());
        wanted.then(|| slot.timed(member))
    }
}
