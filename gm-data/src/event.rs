//! What an observer of a group wants to be told: the difference of two states as events. Knows nothing of how the states
//! came to be.

use alloc::vec::Vec;

use gm_clock::NetId;

use crate::message::Held;
use crate::plant::{Bug, planted};
use crate::slot::Slot;
use crate::tree::Tree;
use crate::{Item, Message, Record};

/// One thing that changed between two states of a group. Kept removals, stamps and versions alone are no events.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Event {
    /// The member had no live item, and now has.
    Joined(NetId),
    /// A range is served, or of interest, that was neither.
    RangeAdded(Item),
    /// The member's item on this range has another op, port or priority.
    RangeChanged {
        /// The item as it was.
        from: Item,
        /// The item as it is.
        to: Item,
    },
    /// A range is no longer served, or of interest: the item as it was.
    RangeRemoved(Item),
    /// The member has no live item any more: it left, or was forgotten.
    Left(NetId),
}

impl Message {
    /// What changed from `before` to this state, member by member in their order; of one member first that it joined, then
    /// its ranges in their order, and last that it left. Costs what the two states do not share.
    pub fn events_since(&self, before: &Message) -> Vec<Event> {
        let mut events = Vec::new();
        before.records.each_difference(&self.records, |old, new| {
            record_events(old.map(Held::record), new.map(Held::record), &mut events);
        });
        events
    }

    /// Calls `see` with the records of every member whose version or digest differs, first as `before` has it, in the order of the members.
    /// Costs what the two states do not share.
    pub fn each_record_since<'a>(
        &'a self,
        before: &'a Message,
        mut see: impl FnMut(Option<&'a Record>, Option<&'a Record>),
    ) {
        before.records.each_difference(&self.records, |old, new| {
            let (old, new) = (old.map(Held::record), new.map(Held::record));
            if old.map(Record::stamp) != new.map(Record::stamp) {
                see(old, new);
            }
        });
    }
}

fn record_events(old: Option<&Record>, new: Option<&Record>, events: &mut Vec<Event>) {
    let Some(member) = new.or(old).map(Record::member) else { return };
    // Equal versions and digests, equal live items: nothing to look for.
    if old.map(Record::stamp) == new.map(Record::stamp) {
        return;
    }
    let was = old.is_some_and(Record::is_member);
    let is = new.is_some_and(Record::is_member);
    if is && !was {
        events.push(Event::Joined(member));
    }
    let item = |slot: Option<Slot>| slot.filter(|slot| slot.is_live()).map(|slot| slot.item(member));
    if old.is_some() || !planted(Bug::NewcomerWithoutRanges) {
        each_slot_change(old, new, |old, new| events.extend(item_event(item(old), item(new))));
    }
    if was && !is {
        events.push(Event::Left(member));
    }
}

/// Calls `see` for every slot on which the two records differ, be it in its stamp or in a kept removal only.
pub(crate) fn each_slot_change(
    old: Option<&Record>,
    new: Option<&Record>,
    mut see: impl FnMut(Option<Slot>, Option<Slot>),
) {
    let empty = Tree::new();
    let old = old.map_or(&empty, |record| &record.items);
    let new = new.map_or(&empty, |record| &record.items);
    old.each_difference(new, |old, new| {
        if old != new {
            see(old.copied(), new.copied());
        }
    });
}

fn item_event(from: Option<Item>, to: Option<Item>) -> Option<Event> {
    match (from, to) {
        (None, Some(item)) => Some(Event::RangeAdded(item)),
        (Some(item), None) => Some(Event::RangeRemoved(item)),
        (Some(from), Some(to)) if from != to => Some(Event::RangeChanged { from, to }),
        (Some(_), Some(_)) | (None, None) => None,
    }
}
