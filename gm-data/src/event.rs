//! What an observer of a group wants to be told: the difference of two states as events. Knows
//! nothing of how the states came to be.

use alloc::vec::Vec;
use core::ops::ControlFlow;

use gm_clock::NetId;

use crate::group_state::RecordEntry;
use crate::packed_item::PackedItem;
use crate::planted_bugs::{Bug, planted};
use crate::tree::{Entry as _, Tree};
use crate::{GroupState, Item, Record};

/// One thing that changed between two states of a group. Kept removals, stamps and versions alone
/// are no events.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum GroupEvent {
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

/// How far a difference of two states was told, see [`GroupState::events_from`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EventCursor {
    /// The member whose events come next.
    member: NetId,
    /// The last of its slots that was told; if there is none, nothing was told of the member.
    item: Option<u64>,
}

impl GroupState {
    /// What changed from `before` to this state, member by member in their order; of one member
    /// first that it joined, then its ranges in their order, and last that it left. Costs what the
    /// two states do not share.
    pub fn events_since(&self, before: &GroupState) -> Vec<GroupEvent> {
        self.events_from(before, None, usize::MAX).0
    }

    /// A part of [`events_since`](GroupState::events_since): about `most` of the events, at least
    /// one if there is one, and how far they go; nothing if that is to the end. The next part
    /// begins there, if it is asked for with the same two states. Costs what the two do not share,
    /// up to its end, and a logarithm.
    pub fn events_from(
        &self,
        before: &GroupState,
        cursor: Option<EventCursor>,
        limit: usize,
    ) -> (Vec<GroupEvent>, Option<EventCursor>) {
        let (limit, mut events, mut reached) = (limit.max(1), Vec::new(), None);
        before.records.walk_differences(&self.records, cursor.map(|cursor| cursor.member), |old, new| {
            let Some(member) = new.or(old).map(|entry| entry.record().member()) else {
                return ControlFlow::Continue(());
            };
            if events.len() >= limit {
                reached = Some(EventCursor { member, item: None });
                return ControlFlow::Break(());
            }
            let packed = cursor.filter(|cursor| cursor.member == member).and_then(|cursor| cursor.item);
            let (old, new) = (old.map(RecordEntry::record), new.map(RecordEntry::record));
            reached = record_events(old, new, packed, limit, &mut events)
                .map(|packed| EventCursor { member, item: packed });
            if reached.is_some() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        });
        (events, reached)
    }

    /// The bytes that this state holds and `after` does not share, or a little more: what is kept
    /// in memory only because of this one, once `after` has taken its place. What a
    /// [`View`](crate::View) adds is not counted. Costs what the two do not share.
    pub fn unshared_bytes(&self, after: &GroupState) -> usize {
        let mut bytes = 0;
        let mut visit = |old: Option<&RecordEntry>, new: Option<&RecordEntry>| {
            if let Some(old) = old.map(RecordEntry::record)
                && new.is_none_or(|new| !core::ptr::eq(old, new.record()))
            {
                bytes += size_of::<Record>() + 2 * size_of::<usize>();
                let empty = Tree::new();
                let items = new.map_or(&empty, |new| &new.record().items);
                bytes += old.items.walk_differences(items, None, |_, _| ControlFlow::Continue(()));
            }
            ControlFlow::Continue(())
        };
        let nodes = self.records.walk_differences(&after.records, None, &mut visit);
        nodes + bytes
    }

    /// Calls `see` with the records of every member whose version or digest differs, first as
    /// `before` has it, in the order of the members. Costs what the two states do not share.
    pub fn each_changed_record<'a>(
        &'a self,
        before: &'a GroupState,
        mut visit: impl FnMut(Option<&'a Record>, Option<&'a Record>),
    ) {
        before.records.each_difference(&self.records, |old, new| {
            let (old, new) = (old.map(RecordEntry::record), new.map(RecordEntry::record));
            if old.map(Record::version_digest) != new.map(Record::version_digest) {
                visit(old, new);
            }
        });
    }
}

/// The events of one member, after the slot `told` if something was told of it; and, if they are
/// too many, the last slot that they tell of.
fn record_events(
    old: Option<&Record>,
    new: Option<&Record>,
    cursor: Option<u64>,
    limit: usize,
    events: &mut Vec<GroupEvent>,
) -> Option<Option<u64>> {
    let member = new.or(old).map(Record::member)?;
    // Equal versions and digests, equal live items: nothing to look for.
    if old.map(Record::version_digest) == new.map(Record::version_digest) {
        return None;
    }
    let was = old.is_some_and(Record::is_member);
    let is = new.is_some_and(Record::is_member);
    if is && !was && cursor.is_none() {
        events.push(GroupEvent::Joined(member));
    }
    let item = |packed: Option<PackedItem>| {
        packed.filter(|packed| packed.is_live()).map(|packed| packed.item(member))
    };
    let (mut last, mut reached) = (cursor, None);
    if old.is_some() || !planted(Bug::NewcomerWithoutRanges) {
        walk_item_changes(old, new, cursor, |key, old, new| {
            if Some(key) == cursor {
                return ControlFlow::Continue(());
            }
            // That it joined is told with its first range: so there is always a slot to go on from.
            if events.len() >= limit && last.is_some() {
                reached = Some(last);
                return ControlFlow::Break(());
            }
            events.extend(item_event(item(old), item(new)));
            last = Some(key);
            ControlFlow::Continue(())
        });
    }
    if was && !is && reached.is_none() {
        events.push(GroupEvent::Left(member));
    }
    reached
}

/// Calls `see` for every slot on which the two records differ, be it in its stamp or in a kept
/// removal only.
pub(crate) fn each_item_change(
    old: Option<&Record>,
    new: Option<&Record>,
    mut visit: impl FnMut(Option<PackedItem>, Option<PackedItem>),
) {
    walk_item_changes(old, new, None, |_, old, new| {
        visit(old, new);
        ControlFlow::Continue(())
    });
}

/// The same from the slot `first` on, with the key of each, until `see` breaks off.
fn walk_item_changes(
    old: Option<&Record>,
    new: Option<&Record>,
    first: Option<u64>,
    mut visit: impl FnMut(u64, Option<PackedItem>, Option<PackedItem>) -> ControlFlow<()>,
) {
    let empty = Tree::new();
    let old = old.map_or(&empty, |record| &record.items);
    let new = new.map_or(&empty, |record| &record.items);
    old.walk_differences(new, first, |old, new| match new.or(old) {
        Some(either) if old != new => visit(either.key(), old.copied(), new.copied()),
        _ => ControlFlow::Continue(()),
    });
}

fn item_event(from: Option<Item>, to: Option<Item>) -> Option<GroupEvent> {
    match (from, to) {
        (None, Some(item)) => Some(GroupEvent::RangeAdded(item)),
        (Some(item), None) => Some(GroupEvent::RangeRemoved(item)),
        (Some(from), Some(to)) if from != to => Some(GroupEvent::RangeChanged { from, to }),
        (Some(_), Some(_)) | (None, None) => None,
    }
}
