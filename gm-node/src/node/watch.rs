//! Watchers: each is told that something changed, once, until it has taken in what. What that is, it asks when it is ready: the difference to what it
//! took last. So a slow one costs a cursor, and what its cursor keeps in memory is bounded for all together. Knows nothing of what a watcher does with it.
//!
//! `watch/book.rs`: who watches what, and what that keeps; `watch/cursor.rs`: how far one was told.

mod book;
mod cursor;

use gm_data::{GroupName, GroupState, Replica};

use super::Node;
use crate::event::Event;
use crate::plant::{Bug, planted};
use crate::store::Store;

pub(super) use book::Watches;
pub use cursor::{Cursor, Difference, Part};

impl<S: Store> Node<S> {
    /// What a watcher was not told yet; nothing if there is no such watcher. Constant in time: the events are found by [`Difference::part`].
    pub fn difference(&self, tag: u64) -> Option<Difference> {
        self.watches.difference(tag)
    }

    /// The state of a group, for watchers: without its index, which they need not keep.
    fn watched_state(&self, group: &GroupName) -> GroupState {
        let state = self.groups().held(group).map(Replica::state);
        state.map_or_else(|| GroupState::new(group.clone()), GroupState::unindexed)
    }

    /// From now on; what is there already comes as the first difference.
    pub(super) fn on_watch(&mut self, tag: u64, group: GroupName) {
        let most = self.config.bounds.watchers;
        if !self.watches.contains(tag) && self.watches.len() >= most {
            return self.emit(Event::Unwatched { tag, group, most });
        }
        let state = self.watched_state(&group);
        self.watches.insert(tag, &group, state);
        self.groups_mut().stirred.insert(group);
    }

    pub(super) fn on_took(&mut self, tag: u64, until: Cursor) {
        let until = if planted(Bug::SlowWatcherMisses) {
            self.watches.difference(tag).map(|difference| difference.skipped().cursor)
        } else {
            Some(until)
        };
        let Some(group) = self.watches.group(tag).cloned() else { return };
        self.watches.took(tag, until);
        self.groups_mut().stirred.insert(group);
    }

    /// Tells whoever is ready that something changed, and gives up who keeps too much.
    pub(super) fn tell_watchers(&mut self) {
        let stirred = std::mem::take(&mut self.groups_mut().stirred);
        for group in stirred {
            if !self.watches.is_watched(&group) {
                continue;
            }
            let state = self.watched_state(&group);
            for tag in self.watches.see(&group, state) {
                self.emit(Event::Changed { tag, group: group.clone() });
            }
        }
        let most = u64::try_from(self.config.bounds.watch_bytes).unwrap_or(u64::MAX);
        let lost = self.watches.keep_within(most);
        for _ in 0..lost {
            self.count("watcher", "too-far-behind");
        }
    }
}
