//! Watchers: each is notified once of a change, and reads the difference from its cursor to the
//! current state when it is ready. So a slow watcher costs only a cursor, and the memory that all
//! cursors retain together is limited.
//!
//! `watchers/table.rs` tracks the watchers and the memory that they retain; `watchers/cursor.rs` is
//! the position of one watcher.

mod cursor;
mod table;

use gm_data::{GroupName, GroupState, Replica};

use super::context::Context;
use crate::counter::NodeCounter;
use crate::event::NodeEvent;
use table::WatcherTable;

pub use cursor::{Cursor, Difference, DifferencePart};

/// The watchers of a node.
#[derive(Debug, Default)]
pub(super) struct Watchers(WatcherTable);

impl Watchers {
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// Approximate number of bytes that are retained only for watchers.
    pub(super) const fn retained_bytes(&self) -> u64 {
        self.0.retained_bytes()
    }

    /// The difference that a watcher has not read yet; `None` if there is no such watcher.
    pub(super) fn difference(&self, tag: u64) -> Option<Difference> {
        self.0.difference(tag)
    }

    /// Adds a watcher; the current state is its first difference.
    pub(super) fn add(&mut self, cx: &mut Context, tag: u64, group: GroupName) {
        let max = cx.config.limits.watchers;
        if !self.0.contains(tag) && self.0.len() >= max {
            return cx.emit(NodeEvent::WatchRefused { tag, group, max });
        }
        self.0.insert(tag, &group, watched_state(cx, &group));
        cx.groups.changed_groups.insert(group);
    }

    /// Moves a watcher to the position up to which it has read.
    pub(super) fn advance(&mut self, cx: &mut Context, tag: u64, until: Cursor) {
        let Some(group) = self.0.group(tag).cloned() else { return };
        self.0.advance(tag, Some(until));
        cx.groups.changed_groups.insert(group);
    }

    /// Removes a watcher.
    pub(super) fn remove(&mut self, tag: u64) {
        self.0.remove(tag);
    }

    /// Notifies watchers that are idle, and resets those that retain too much memory.
    pub(super) fn notify(&mut self, cx: &mut Context) {
        for group in std::mem::take(&mut cx.groups.changed_groups) {
            if !self.0.is_watched(&group) {
                continue;
            }
            for tag in self.0.update(&group, watched_state(cx, &group)) {
                cx.emit(NodeEvent::Changed { tag, group: group.clone() });
            }
        }
        let max = u64::try_from(cx.config.limits.watch_bytes).unwrap_or(u64::MAX);
        for _ in 0..self.0.limit_retained(max) {
            cx.count(NodeCounter::WatchersReset);
        }
    }
}

/// The state of a group for watchers, without its index.
fn watched_state(cx: &Context, group: &GroupName) -> GroupState {
    let state = cx.groups.replica(group).map(Replica::state);
    state.map_or_else(|| GroupState::new(group.clone()), GroupState::unindexed)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic)]
mod tests;
