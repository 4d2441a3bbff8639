//! Watchers: each is told that something changed, once, until it has taken in what. What that is,
//! it asks when it is ready: the difference to what it took last. So a slow one costs a cursor, and
//! what its cursor keeps in memory is bounded for all together. Knows nothing of what a watcher
//! does with it.
//!
//! `watch/watchers.rs`: who watches what, and what that keeps; `watch/cursor.rs`: how far one was
//! told.

mod cursor;
mod watchers;

use gm_data::{GroupName, GroupState, Replica};

use super::NodeMachine;
use crate::event::NodeEvent;
use crate::plant::{Bug, planted};
use crate::store::Store;

pub use cursor::{Cursor, Difference, DifferencePart};
pub(super) use watchers::Watchers;

impl<S: Store> NodeMachine<S> {
    /// What a watcher was not told yet; nothing if there is no such watcher. Constant in time: the
    /// events are found by [`Difference::part`].
    pub fn difference(&self, tag: u64) -> Option<Difference> {
        self.watchers.difference(tag)
    }

    /// The state of a group, for watchers: without its index, which they need not keep.
    fn watched_state(&self, group: &GroupName) -> GroupState {
        let state = self.groups().replica(group).map(Replica::state);
        state.map_or_else(|| GroupState::new(group.clone()), GroupState::unindexed)
    }

    /// From now on; what is there already comes as the first difference.
    pub(super) fn on_watch(&mut self, tag: u64, group: GroupName) {
        let max = self.config.limits.watchers;
        if !self.watchers.contains(tag) && self.watchers.len() >= max {
            return self.emit(NodeEvent::WatchRefused { tag, group, max });
        }
        let state = self.watched_state(&group);
        self.watchers.insert(tag, &group, state);
        self.groups_mut().changed_groups.insert(group);
    }

    pub(super) fn on_advance(&mut self, tag: u64, until: Cursor) {
        let until = if planted(Bug::SlowWatcherMisses) {
            self.watchers.difference(tag).map(|difference| difference.skip().cursor)
        } else {
            Some(until)
        };
        let Some(group) = self.watchers.group(tag).cloned() else { return };
        self.watchers.advance(tag, until);
        self.groups_mut().changed_groups.insert(group);
    }

    /// Tells whoever is ready that something changed, and gives up who keeps too much.
    pub(super) fn notify_watchers(&mut self) {
        let changed = std::mem::take(&mut self.groups_mut().changed_groups);
        for group in changed {
            if !self.watchers.is_watched(&group) {
                continue;
            }
            let state = self.watched_state(&group);
            for tag in self.watchers.update(&group, state) {
                self.emit(NodeEvent::Changed { tag, group: group.clone() });
            }
        }
        let max = u64::try_from(self.config.limits.watch_bytes).unwrap_or(u64::MAX);
        let lost = self.watchers.limit_retained(max);
        for _ in 0..lost {
            self.count("watcher", "too-far-behind");
        }
    }
}
