//! Streams of the handle: changes of a group, and events of the node.

use std::fmt;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures_core::Stream;
use tokio::sync::broadcast;
use tokio::sync::broadcast::error::RecvError;

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

/// Source of [`EventWatch`].
struct EventSource {
    events: broadcast::Receiver<NodeEvent>,
    shared: Arc<LoopState>,
}

/// Stream of the events of a node: see [`Node::watch_events`]. A slow reader loses the oldest ones.
/// The stream ends with the node, and does not keep it alive.
pub struct EventWatch {
    polling: Polling<EventSource, NodeEvent>,
}

impl Node {
    /// Watches the node as a whole: peers that are found
    /// ([`BroadcastEvent`](crate::BroadcastEvent)), groups in sync, conflicts, problems of the
    /// storage. The first watch also receives earlier events.
    #[must_use]
    pub fn watch_events(&self) -> EventWatch {
        let (events, shared) = (self.events(), Arc::clone(&self.inner.shared));
        EventWatch { polling: Polling::Idle(EventSource { events, shared }) }
    }
}

impl EventWatch {
    /// Waits for the next event; `None` if the node has ended. It is cancel safe.
    pub async fn next(&mut self) -> Option<NodeEvent> {
        poll_fn(|context| Pin::new(&mut *self).poll_next(context)).await
    }
}

impl Stream for EventWatch {
    type Item = NodeEvent;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<NodeEvent>> {
        self.get_mut().polling.poll_next(context, |mut source| {
            Box::pin(async move {
                loop {
                    tokio::select! {
                        biased;
                        event = source.events.recv() => match event {
                            Ok(event) => return (source, Some(event)),
                            Err(RecvError::Lagged(_)) => {}
                            Err(RecvError::Closed) => return (source, None),
                        },
                        () = source.shared.ended() => return (source, None),
                    }
                }
            })
        })
    }
}

impl fmt::Debug for EventWatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EventWatch").finish_non_exhaustive()
    }
}
