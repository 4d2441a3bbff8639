//! Watchers: each is told what changed since it was told last, and no more until it has taken that in. So a slow one costs one old state, and is told
//! the difference. Knows nothing of what a watcher does with it.

use gm_data::{GroupName, Message, Replica};

use super::Node;
use crate::event::Event;
use crate::plant::{Bug, planted};
use crate::store::Store;

/// Somebody who wants to know what changes.
#[derive(Debug)]
pub(super) struct Watcher {
    group: GroupName,
    /// What it knows.
    knows: Message,
    /// It was told something that it has not taken in yet.
    busy: bool,
}

impl<S: Store> Node<S> {
    /// From now on; what is there already comes as the first difference.
    pub(super) fn on_watch(&mut self, tag: u64, group: GroupName) {
        let most = self.config.bounds.watchers;
        if !self.watchers.contains_key(&tag) && self.watchers.len() >= most {
            return self.emit(Event::Unwatched { tag, group, most });
        }
        let knows = Message::new(group.clone());
        self.groups_mut().stirred.insert(group.clone());
        self.watchers.insert(tag, Watcher { group, knows, busy: false });
    }

    pub(super) fn on_took(&mut self, tag: u64) {
        let Some(watcher) = self.watchers.get_mut(&tag) else { return };
        watcher.busy = false;
        let group = watcher.group.clone();
        if planted(Bug::SlowWatcherMisses)
            && let Some(state) = self.groups().held(&group).map(Replica::state).cloned()
            && let Some(watcher) = self.watchers.get_mut(&tag)
        {
            watcher.knows = state;
        }
        self.groups_mut().stirred.insert(group);
    }

    /// Tells whoever is not busy what changed.
    pub(super) fn tell_watchers(&mut self) {
        let stirred = std::mem::take(&mut self.groups_mut().stirred);
        if stirred.is_empty() || self.watchers.is_empty() {
            return;
        }
        let most = self.config.bounds.events;
        let tags: Vec<u64> = self
            .watchers
            .iter()
            .filter(|(_, watcher)| !watcher.busy && stirred.contains(&watcher.group))
            .map(|(tag, _)| *tag)
            .collect();
        for tag in tags {
            let Some(group) = self.watchers.get(&tag).map(|watcher| watcher.group.clone()) else { continue };
            let state = self.groups().held(&group).map(|replica| replica.state().clone());
            let state = state.unwrap_or_else(|| Message::new(group.clone()));
            let Some(watcher) = self.watchers.get_mut(&tag) else { continue };
            let events = state.events_since(&watcher.knows);
            watcher.knows = state;
            if !events.is_empty() {
                watcher.busy = true;
                let events = (events.len() <= most).then_some(events);
                self.emit(Event::Changed { tag, group, events });
            }
        }
    }
}
