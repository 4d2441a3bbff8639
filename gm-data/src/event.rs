//! Events for observers of a group: the difference of two states.

use alloc::vec::Vec;
use core::ops::ControlFlow;

use gm_clock::NetId;

use crate::group_state::RecordEntry;
use crate::packed_item::PackedItem;
use crate::tree::{Entry as _, Tree};
use crate::{GroupState, Item, Record};

/// A change between two states of a group. Changes of kept removals, stamps or versions alone are
/// not events.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum GroupEvent {
    /// The member had no live item and now has one.
    Joined(NetId),
    /// The range is now served or of interest, and was neither before.
    RangeAdded(Item),
    /// The op, port or priority of the member's item on this range changed.
    RangeChanged {
        /// The item before the change.
        from: Item,
        /// The item after the change.
        to: Item,
    },
    /// The range is no longer served or of interest. Contains the item as it was.
    RangeRemoved(Item),
    /// The member has no live item any more, because it left or was forgotten.
    Left(NetId),
}

/// Position in the events of a difference, see [`GroupState::events_from`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EventCursor {
    /// The member at which the next events begin.
    member: NetId,
    /// Key of the last item whose event was returned; `None` if no event of the member was.
    item: Option<u64>,
}

impl GroupState {
    /// The events from `before` to this state, in the order of the members. For each member: first
    /// that it joined, then its ranges in order, finally that it left. The cost is proportional to
    /// what the two states do not share.
    pub fn events_since(&self, before: &GroupState) -> Vec<GroupEvent> {
        self.events_from(before, None, usize::MAX).0
    }

    /// A part of [`events_since`](GroupState::events_since): about `limit` events, and at least one
    /// if there is any. Also returns a cursor, or `None` at the end. To continue, pass the cursor
    /// with the same two states. The cost is logarithmic, plus what the two states do not share
    /// within the part.
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

    /// The number of bytes that this state does not share with `after`, or slightly more: the
    /// memory that is in use only because this state is kept after `after` replaced it. The indexes
    /// of a [`View`](crate::View) are not counted. The cost is proportional to what the two states
    /// do not share.
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

    /// Calls `visit` with the record in `before` and in this state of every member whose version or
    /// digest differs, in the order of the members. The cost is proportional to what the two states
    /// do not share.
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

/// Appends the events of one member, after the item `cursor` if that is given. Returns the key of
/// the last item whose event was appended if the limit was reached.
fn record_events(
    old: Option<&Record>,
    new: Option<&Record>,
    cursor: Option<u64>,
    limit: usize,
    events: &mut Vec<GroupEvent>,
) -> Option<Option<u64>> {
    let member = new.or(old).map(Record::member)?;
    // Records with equal versions and digests have equal live items, so there are no events.
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
    walk_item_changes(old, new, cursor, |key, old, new| {
        if Some(key) == cursor {
            return ControlFlow::Continue(());
        }
        // `Joined` is emitted together with the first range, so there is always an item to
        // continue from.
        if events.len() >= limit && last.is_some() {
            reached = Some(last);
            return ControlFlow::Break(());
        }
        events.extend(item_event(item(old), item(new)));
        last = Some(key);
        ControlFlow::Continue(())
    });
    if was && !is && reached.is_none() {
        events.push(GroupEvent::Left(member));
    }
    reached
}

/// Calls `visit` for every item in which the two records differ, including differences only in
/// stamps or kept removals.
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

/// Same as `each_item_change`, from the item with the key `first` on, with the key of each item,
/// until `visit` breaks.
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
