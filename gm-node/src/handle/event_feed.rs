//! Queue of the node's events, which every watcher reads at its own position. It has memory only
//! for events that a watcher has still to read, and keeps a limited number of them.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use crate::event::NodeEvent;

/// Maximum number of kept events; slower watchers lose the oldest ones.
const MAX_EVENTS: usize = 1_024;
/// The same before the first watcher. A large cluster has an event for each peer, and most programs
/// have no watcher.
const MAX_EARLY_EVENTS: usize = 64;

/// The queue.
#[derive(Debug)]
pub(super) struct EventFeed {
    queue: Mutex<EventQueue>,
    published: Notify,
}

#[derive(Debug)]
struct EventQueue {
    events: VecDeque<NodeEvent>,
    /// Number of the oldest kept event; each has a number one greater than the one before.
    first: u64,
    /// The number of the next event of each watcher.
    watchers: BTreeMap<u64, u64>,
    last_watcher: u64,
    ended: bool,
}

/// An item that a watcher receives.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum FeedItem {
    Event(NodeEvent),
    /// This many events were lost.
    Missed(u64),
    Ended,
}

/// The place of the watcher that comes first: events are kept for it from the start.
const FIRST_WATCHER: u64 = 0;

impl Default for EventFeed {
    fn default() -> EventFeed {
        let queue = EventQueue {
            events: VecDeque::new(),
            first: 0,
            watchers: BTreeMap::from([(FIRST_WATCHER, 0)]),
            last_watcher: FIRST_WATCHER,
            ended: false,
        };
        EventFeed { queue: Mutex::new(queue), published: Notify::new() }
    }
}

impl EventFeed {
    /// The queue. Poisoning is ignored: it is valid after every step of a change.
    fn lock(&self) -> MutexGuard<'_, EventQueue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds an event.
    pub(super) fn publish(&self, event: NodeEvent) {
        self.lock().push(event);
        self.published.notify_waiters();
    }

    /// Ends the feed: after the kept events, watchers receive no more.
    pub(super) fn end(&self) {
        self.lock().ended = true;
        self.published.notify_waiters();
    }

    /// Adds a watcher. The first one also receives earlier events.
    pub(super) fn watch(&self) -> u64 {
        let mut queue = self.lock();
        let next = match queue.watchers.remove(&FIRST_WATCHER) {
            Some(next) => next,
            None => queue.first + queue.events.len() as u64,
        };
        queue.last_watcher += 1;
        let watcher = queue.last_watcher;
        queue.watchers.insert(watcher, next);
        watcher
    }

    /// Removes a watcher.
    pub(super) fn unwatch(&self, watcher: u64) {
        let mut queue = self.lock();
        queue.watchers.remove(&watcher);
        queue.drop_read();
    }

    /// Waits for the next item of a watcher. It is cancel safe.
    pub(super) async fn next(&self, watcher: u64) -> FeedItem {
        loop {
            // A notification after this line is received, so none is lost.
            let published = self.published.notified();
            if let Some(item) = self.lock().take(watcher) {
                return item;
            }
            published.await;
        }
    }
}

impl EventQueue {
    fn push(&mut self, event: NodeEvent) {
        if self.watchers.is_empty() {
            self.first += 1;
            return;
        }
        let is_early = self.watchers.contains_key(&FIRST_WATCHER);
        if self.events.len() >= if is_early { MAX_EARLY_EVENTS } else { MAX_EVENTS } {
            self.events.pop_front();
            self.first += 1;
        }
        self.events.push_back(event);
    }

    fn take(&mut self, watcher: u64) -> Option<FeedItem> {
        let (first, ended) = (self.first, self.ended);
        let Some(next) = self.watchers.get_mut(&watcher) else { return Some(FeedItem::Ended) };
        if let Some(missed) = first.checked_sub(*next).filter(|missed| *missed > 0) {
            *next = first;
            return Some(FeedItem::Missed(missed));
        }
        let at = usize::try_from(*next - first).unwrap_or(usize::MAX);
        let Some(event) = self.events.get(at).cloned() else { return ended.then_some(FeedItem::Ended) };
        *next += 1;
        self.drop_read();
        Some(FeedItem::Event(event))
    }

    /// Drops the events that all watchers have read. An empty queue has no buffer.
    fn drop_read(&mut self) {
        let end = self.first + self.events.len() as u64;
        let slowest = self.watchers.values().copied().min().unwrap_or(end);
        while self.first < slowest && self.events.pop_front().is_some() {
            self.first += 1;
        }
        if self.events.is_empty() {
            self.events = VecDeque::new();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(number: u8) -> NodeEvent {
        NodeEvent::PeerUnlisted(format!("10.0.0.{number}:1").parse().unwrap())
    }

    fn publish(feed: &EventFeed, numbers: impl IntoIterator<Item = u8>) {
        numbers.into_iter().for_each(|number| feed.publish(found(number)));
    }

    /// Takes all present items of a watcher.
    fn items(feed: &EventFeed, watcher: u64) -> Vec<FeedItem> {
        std::iter::from_fn(|| feed.lock().take(watcher)).take_while(|item| *item != FeedItem::Ended).collect()
    }

    fn events(numbers: impl IntoIterator<Item = u8>) -> Vec<FeedItem> {
        numbers.into_iter().map(|number| FeedItem::Event(found(number))).collect()
    }

    #[test]
    fn the_first_watcher_also_gets_earlier_events() {
        let feed = EventFeed::default();
        publish(&feed, [1, 2]);
        let (first, second) = (feed.watch(), feed.watch());
        publish(&feed, [3]);
        assert_eq!(items(&feed, first), events([1, 2, 3]));
        assert_eq!(items(&feed, second), events([3]));
    }

    #[test]
    fn few_events_are_kept_before_the_first_watcher() {
        let feed = EventFeed::default();
        publish(&feed, 0..100);
        let items = items(&feed, feed.watch());
        assert_eq!(items[..2], [FeedItem::Missed(36), FeedItem::Event(found(36))]);
        assert_eq!(items.len(), MAX_EARLY_EVENTS + 1);
    }

    #[test]
    fn a_slow_watcher_loses_the_oldest_events() {
        let feed = EventFeed::default();
        let slow = feed.watch();
        publish(&feed, (0..1_030_u16).map(|number| number.to_be_bytes()[1]));
        let items = items(&feed, slow);
        assert_eq!(items[..2], [FeedItem::Missed(6), FeedItem::Event(found(6))]);
        assert_eq!(items.len(), MAX_EVENTS + 1);
    }

    #[test]
    fn events_that_all_have_read_take_no_memory() {
        let feed = EventFeed::default();
        let (first, second) = (feed.watch(), feed.watch());
        publish(&feed, [1, 2, 3]);
        items(&feed, first);
        assert_eq!(feed.lock().events.len(), 3);
        feed.unwatch(second);
        assert_eq!(feed.lock().events.capacity(), 0);
        feed.unwatch(first);
        publish(&feed, [4]);
        assert_eq!(feed.lock().events.capacity(), 0, "without a watcher, no event is kept");
        assert_eq!(items(&feed, feed.watch()), []);
    }

    #[test]
    fn a_watcher_gets_what_came_before_the_end() {
        let feed = EventFeed::default();
        let watcher = feed.watch();
        publish(&feed, [1]);
        feed.end();
        assert_eq!(feed.lock().take(watcher), Some(FeedItem::Event(found(1))));
        assert_eq!(feed.lock().take(watcher), Some(FeedItem::Ended));
    }
}
