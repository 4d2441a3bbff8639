//! Whether what others wrote keeps within the bounds. Knows nothing of who sent it.

use gm_data::{GroupName, GroupState, Increment, Record, Replica};

use super::{Effect, Groups};
use crate::event::NodeEvent;
use crate::plant::{Bug, planted};

/// What was let in of a message, and is not in the state yet: records and, at most, live items.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Admitted {
    records: usize,
    live: usize,
}

/// Live items of a member, and all its items.
type ItemCounts = (usize, usize);

impl Groups {
    /// Whether a record of another keeps within the bounds. Says once for each group if not.
    pub(super) fn admits_record(&mut self, group: &GroupName, record: &Record, fresh: &mut Admitted) -> bool {
        let known = self.record(group, record.member()).map(Record::item_counts);
        self.is_within_limits(group, known, record.item_counts(), fresh)
    }

    /// The same of an increment. One that does not keep within them is not taken at all; what is
    /// written after it does not fit, and its record, which is asked for then, is kept out as well.
    pub(super) fn admits_increment(
        &mut self,
        group: &GroupName,
        increment: &Increment,
        fresh: &mut Admitted,
    ) -> bool {
        let Some(known) = self.record(group, increment.member()) else { return true };
        let (live, items) = known.item_counts();
        let many = increment.items().len();
        let all = self.live_items(group) + fresh.live;
        if items + many <= self.limits.items && all + many <= self.limits.group_items {
            // Far from the bounds: what it replaces need not be looked up.
            fresh.live += many;
            return true;
        }
        let after = counts_with(known, increment);
        self.is_within_limits(group, Some((live, items)), after, fresh)
    }

    fn live_items(&self, group: &GroupName) -> usize {
        self.set.group(group).map(Replica::state).map_or(0, GroupState::live_item_count)
    }

    /// Whether a member may have these counts, beside what is held.
    fn is_within_limits(
        &mut self,
        group: &GroupName,
        before: Option<ItemCounts>,
        (live, items): ItemCounts,
        fresh: &mut Admitted,
    ) -> bool {
        let state = self.set.group(group).map(Replica::state);
        let had = before.map_or(0, |(live, _)| live);
        let own = usize::from(self.hosted.get(group).is_some_and(|hosted| hosted.joining));
        let records = state.map_or(0, |state| state.records().len()) + fresh.records + own;
        let all = self.live_items(group) + fresh.live;
        let bound = if items > self.limits.items {
            "items"
        } else if before.is_none() && records >= self.limits.records {
            "records"
        } else if live > had && all + live - had > self.limits.group_items {
            "group_items"
        } else {
            fresh.records += usize::from(before.is_none());
            fresh.live += live.saturating_sub(had);
            return true;
        };
        if planted(Bug::LimitIgnored) {
            return true;
        }
        let Some(hosted) = self.hosted.get_mut(group) else { return false };
        if !std::mem::replace(&mut hosted.limit_reported, true) {
            self.effects
                .push_back(Effect::Emit(NodeEvent::LimitReached { group: group.clone(), limit: bound }));
        }
        false
    }
}

/// The counts of a record once an increment is in it.
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
