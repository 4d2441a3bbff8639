//! Watchers: each is notified once of a change, and reads the difference from its cursor to the
//! current state when it is ready. So a slow watcher costs only a cursor, and the memory that all
//! cursors retain together is limited.
//!
//! `watch/watchers.rs` tracks the watchers and the memory that they retain; `watch/cursor.rs` is
//! the position of one watcher.

mod cursor;
mod watchers;

use gm_data::{GroupName, GroupState, Replica};

use super::NodeMachine;
use crate::counter::NodeCounter;
use crate::event::NodeEvent;
use crate::store::Store;

pub use cursor::{Cursor, Difference, DifferencePart};
pub(super) use watchers::Watchers;

impl<S: Store> NodeMachine<S> {
    /// The difference that a watcher has not read yet; `None` if there is no such watcher. Takes
    /// constant time: [`Difference::part`] computes the events.
    pub fn difference(&self, tag: u64) -> Option<Difference> {
        self.watchers.difference(tag)
    }

    /// The state of a group for watchers, without its index.
    fn watched_state(&self, group: &GroupName) -> GroupState {
        let state = self.groups.replica(group).map(Replica::state);
        state.map_or_else(|| GroupState::new(group.clone()), GroupState::unindexed)
    }

    /// Adds a watcher; the current state is its first difference.
    pub(super) fn on_watch(&mut self, tag: u64, group: GroupName) {
        let max = self.config.limits.watchers;
        if !self.watchers.contains(tag) && self.watchers.len() >= max {
            return self.emit(NodeEvent::WatchRefused { tag, group, max });
        }
        let state = self.watched_state(&group);
        self.watchers.insert(tag, &group, state);
        self.groups.changed_groups.insert(group);
    }

    pub(super) fn on_advance(&mut self, tag: u64, until: Cursor) {
        let Some(group) = self.watchers.group(tag).cloned() else { return };
        self.watchers.advance(tag, until);
        self.groups.changed_groups.insert(group);
    }

    /// Notifies watchers that are idle, and resets those that retain too much memory.
    pub(super) fn notify_watchers(&mut self) {
        let changed = std::mem::take(&mut self.groups.changed_groups);
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
            self.count(NodeCounter::WatchersReset);
        }
    }
}
