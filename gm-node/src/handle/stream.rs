//! Streams of the handle: changes of a group, and events of the node.

use std::fmt;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use futures_core::Stream;

use super::event_feed::FeedItem;
use super::event_loop::LoopState;
use super::{Changes, Node, NodeError, Watcher};
use crate::event::NodeEvent;

/// A future that returns its source, and the next item unless the stream has ended.
pub(super) type NextItem<S, T> = Pin<Box<dyn Future<Output = (S, Option<T>)> + Send>>;

/// A stream made of a source and an asynchronous function that takes one item from it.
pub(super) enum Polling<S, T> {
    Idle(S),
    Waiting(NextItem<S, T>),
    Ended,
}

impl<S, T> Polling<S, T> {
    /// Polls for the next item. After an aborted call the item is still in the stream.
    pub(super) fn poll_next(
        &mut self,
        context: &mut Context<'_>,
        next: impl FnOnce(S) -> NextItem<S, T>,
    ) -> Poll<Option<T>> {
        let mut waiting = match std::mem::replace(self, Polling::Ended) {
            Polling::Idle(source) => next(source),
            Polling::Waiting(waiting) => waiting,
            Polling::Ended => return Poll::Ready(None),
        };
        match waiting.as_mut().poll(context) {
            Poll::Pending => {
                *self = Polling::Waiting(waiting);
                Poll::Pending
            }
            Poll::Ready((_, None)) => Poll::Ready(None),
            Poll::Ready((source, item)) => {
                *self = Polling::Idle(source);
                Poll::Ready(item)
            }
        }
    }
}

/// Stream of the changes of a group: see [`Group::watch`](super::Group::watch). The first item is
/// the present state, unless the group is empty. A slow reader receives the difference to the state
/// that it saw last, and delays nothing. The stream ends with the node.
pub struct GroupWatch {
    polling: Polling<Watcher, Changes>,
}

impl GroupWatch {
    /// Returns when the node has accepted the watcher.
    pub(super) async fn new(watcher: Watcher) -> Result<GroupWatch, NodeError> {
        watcher.accepted().await?;
        Ok(GroupWatch { polling: Polling::Idle(watcher) })
    }

    /// Waits for the changes since the last call; `None` if the node has ended. It is cancel safe:
    /// an aborted call loses nothing.
    pub async fn next(&mut self) -> Option<Changes> {
        poll_fn(|context| Pin::new(&mut *self).poll_next(context)).await
    }
}

impl Stream for GroupWatch {
    type Item = Changes;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Changes>> {
        self.get_mut().polling.poll_next(context, |mut watcher| {
            Box::pin(async move {
                let changes = watcher.next().await.ok();
                (watcher, changes)
            })
        })
    }
}

impl fmt::Debug for GroupWatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GroupWatch").finish_non_exhaustive()
    }
}

/// Place of an [`EventWatch`] in the events, until it is dropped.
struct EventSource {
    shared: Arc<LoopState>,
    watcher: u64,
    missed: u64,
}

impl Drop for EventSource {
    fn drop(&mut self) {
        self.shared.event_feed().unwatch(self.watcher);
    }
}

/// Stream of the events of a node: see [`Node::watch_events`]. A slow reader loses the oldest ones.
/// The stream ends with the node, and does not keep it alive.
pub struct EventWatch {
    source: EventSource,
    /// The future of the next item, while it is waited for.
    next: Option<Pin<Box<dyn Future<Output = FeedItem> + Send>>>,
}

impl Node {
    /// Watches the node as a whole: peers that are found
    /// ([`BroadcastEvent`](crate::BroadcastEvent)), groups in sync, conflicts, problems of the
    /// storage. The first watch also receives the last 64 earlier events; one that is more than
    /// 1,024 events behind loses the oldest.
    #[must_use]
    pub fn watch_events(&self) -> EventWatch {
        let shared = Arc::clone(&self.inner.shared);
        let watcher = shared.event_feed().watch();
        EventWatch { source: EventSource { shared, watcher, missed: 0 }, next: None }
    }
}

impl EventWatch {
    /// Waits for the next event; `None` if the node has ended. It is cancel safe.
    pub async fn next(&mut self) -> Option<NodeEvent> {
        poll_fn(|context| Pin::new(&mut *self).poll_next(context)).await
    }

    /// Returns how many events were lost since the last call, because they came too fast.
    pub const fn take_missed(&mut self) -> u64 {
        std::mem::replace(&mut self.source.missed, 0)
    }
}

impl Stream for EventWatch {
    type Item = NodeEvent;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<NodeEvent>> {
        let EventWatch { source, next } = self.get_mut();
        loop {
            let (shared, watcher) = (Arc::clone(&source.shared), source.watcher);
            let waiting =
                next.get_or_insert_with(|| Box::pin(async move { shared.event_feed().next(watcher).await }));
            let item = ready!(waiting.as_mut().poll(context));
            *next = None;
            match item {
                FeedItem::Event(event) => return Poll::Ready(Some(event)),
                FeedItem::Missed(count) => source.missed = source.missed.saturating_add(count),
                FeedItem::Ended => return Poll::Ready(None),
            }
        }
    }
}

impl fmt::Debug for EventWatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EventWatch").finish_non_exhaustive()
    }
}
