//! Admission control: refuses records and increments of other members that would exceed a limit.

use gm_data::{GroupName, GroupState, Increment, Record, Replica};

use super::{Effect, Groups};
use crate::event::NodeEvent;

/// Admitted parts of the current message that are not merged yet: records, and an upper bound of
/// live items.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Admitted {
    records: usize,
    live: usize,
}

/// Number of live items of a member, and of all its items.
type ItemCounts = (usize, usize);

impl Groups {
    /// Whether a record of another member is within the limits. The first refusal in a group is
    /// reported.
    pub(super) fn admits_record(
        &mut self,
        group: &GroupName,
        record: &Record,
        admitted: &mut Admitted,
    ) -> bool {
        let known = self.record(group, record.member()).map(Record::item_counts);
        self.is_within_limits(group, known, record.item_counts(), admitted)
    }

    /// The same for an increment. An increment that exceeds a limit is dropped as a whole; the next
    /// one then has an unknown base, and the record that is requested for it is refused as well.
    pub(super) fn admits_increment(
        &mut self,
        group: &GroupName,
        increment: &Increment,
        admitted: &mut Admitted,
    ) -> bool {
        let Some(known) = self.record(group, increment.member()) else { return true };
        let (live, items) = known.item_counts();
        let added = increment.items().len();
        let all = self.live_items(group) + admitted.live;
        if items + added <= self.limits.items && all + added <= self.limits.group_items {
            // Far from the limits, replaced items need not be looked up.
            admitted.live += added;
            return true;
        }
        let after = counts_with(known, increment);
        self.is_within_limits(group, Some((live, items)), after, admitted)
    }

    fn live_items(&self, group: &GroupName) -> usize {
        self.set.group(group).map(Replica::state).map_or(0, GroupState::live_item_count)
    }

    /// Whether a member may have these counts, in addition to all other members.
    fn is_within_limits(
        &mut self,
        group: &GroupName,
        before: Option<ItemCounts>,
        (live, items): ItemCounts,
        admitted: &mut Admitted,
    ) -> bool {
        let state = self.set.group(group).map(Replica::state);
        let had = before.map_or(0, |(live, _)| live);
        let own = usize::from(self.hosted.get(group).is_some_and(|hosted| hosted.joining));
        let records = state.map_or(0, |state| state.records().len()) + admitted.records + own;
        let all = self.live_items(group) + admitted.live;
        let limit = if items > self.limits.items {
            "items"
        } else if before.is_none() && records >= self.limits.records {
            "records"
        } else if live > had && all + live - had > self.limits.group_items {
            "group_items"
        } else {
            admitted.records += usize::from(before.is_none());
            admitted.live += live.saturating_sub(had);
            return true;
        };
        let Some(hosted) = self.hosted.get_mut(group) else { return false };
        if !std::mem::replace(&mut hosted.limit_reported, true) {
            self.effects.push_back(Effect::Emit(NodeEvent::LimitReached { group: group.clone(), limit }));
        }
        false
    }
}

/// The counts of a record after an increment is applied.
fn counts_with(record: &Record, increment: &Increment) -> ItemCounts {
    let (mut live, mut items) = record.item_counts();
    for timed in increment.items() {
        let before = record.get(timed.item.range());
        items += usize::from(before.is_none());
        live += usize::from(timed.item.op().is_live());
        live -= usize::from(before.is_some_and(|before| before.item.op().is_live()));
    }
    (live, items)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
