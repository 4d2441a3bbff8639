//! What an observer of a group wants to be told: the difference of two states as events. Knows nothing of how the states
//! came to be.

use alloc::vec::Vec;

use gm_clock::NetId;

use crate::plant::{Bug, planted};
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
            record_events(old.map(|held| held.record()), new.map(|held| held.record()), &mut events);
        });
        events
    }
}

fn record_events(old: Option<&Record>, new: Option<&Record>, events: &mut Vec<Event>) {
    let Some(member) = new.or(old).map(Record::member) else { return };
    let was = old.is_some_and(Record::is_member);
    let is = new.is_some_and(Record::is_member);
    if is && !was {
        events.push(Event::Joined(member));
    }
    each_change(old, new, |from, to| events.extend(item_event(from, to)));
    if was && !is {
        events.push(Event::Left(member));
    }
}

/// Calls `see` for every range on which the two records differ, with the live items on it.
pub(crate) fn each_change(
    old: Option<&Record>,
    new: Option<&Record>,
    mut see: impl FnMut(Option<Item>, Option<Item>),
) {
    let mut see = |from: Option<Item>, to: Option<Item>| {
        if from != to {
            see(from, to);
        }
    };
    match (old, new) {
        (Some(old), Some(new)) => {
            let live = |record: &Record, slot: Option<&crate::slot::Slot>| {
                slot.filter(|slot| slot.is_live()).map(|slot| slot.item(record.member()))
            };
            old.items.each_difference(&new.items, |from, to| see(live(old, from), live(new, to)));
        }
        (Some(old), None) => old.items().for_each(|item| see(Some(item), None)),
        (None, Some(new)) if !planted(Bug::NewcomerWithoutRanges) => {
            new.items().for_each(|item| see(None, Some(item)));
        }
        (None, _) => {}
    }
}

fn item_event(from: Option<Item>, to: Option<Item>) -> Option<Event> {
    match (from, to) {
        (None, Some(item)) => Some(Event::RangeAdded(item)),
        (Some(item), None) => Some(Event::RangeRemoved(item)),
        (Some(from), Some(to)) => Some(Event::RangeChanged { from, to }),
        (None, None) => None,
    }
}
