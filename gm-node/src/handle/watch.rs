//! Watches a group through the handle. A watcher receives one difference after the other; a slow
//! one receives the whole difference to the state that it saw last, and delays nothing.

use std::fmt;
use std::sync::Arc;

use gm_data::{GroupEvent, GroupName};
use tokio::sync::mpsc;

use super::{Inner, Node, NodeError};
use crate::command::{NodeCommand, WriteError};
use crate::node::{Difference, DifferencePart};

/// Changes of a group since the last call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Changes {
    /// The changes, member by member; at the first call the present state.
    Events(Vec<GroupEvent>),
    /// The difference is larger than the limit, or was dropped because the watcher was too slow:
    /// read the group again.
    Resync,
}

/// A watcher of a group, until it is dropped. Between two calls the node only keeps its cursor: see
/// [`NodeLimits::watch_bytes`](crate::NodeLimits).
pub struct Watcher {
    inner: Arc<Inner>,
    tag: u64,
    changes: mpsc::Receiver<()>,
    /// Whether the node reported a change that was not acknowledged yet.
    is_pending: bool,
}

impl Node {
    /// Watches a group. A group that is not hosted has no members until it is joined.
    ///
    /// # Errors
    /// [`NodeError::Stopped`]; [`WriteError::LimitReached`] if there are too many watchers.
    pub async fn watch(&self, group: &GroupName) -> Result<Watcher, NodeError> {
        let max = self.inner.max_watchers;
        let (tag, changes) = self.inner.shared.register_watcher(max).ok_or_else(|| too_many_watchers(max))?;
        let watch = Watcher { inner: Arc::clone(&self.inner), tag, changes, is_pending: false };
        self.inner.runtime.send(NodeCommand::Watch { tag, group: group.clone() }).await?;
        Ok(watch)
    }
}

impl Watcher {
    /// Returns when the node has accepted the watcher: it handles requests in order.
    pub(super) async fn accepted(&self) -> Result<(), NodeError> {
        let tag = self.tag;
        let is_known = self.inner.runtime.with_machine(move |node| node.difference(tag).is_some()).await?;
        if is_known { Ok(()) } else { Err(too_many_watchers(self.inner.max_watchers).into()) }
    }

    /// Waits for changes since the last call. It is cancel safe: an aborted call loses nothing.
    ///
    /// # Errors
    /// [`NodeError::Stopped`]; [`WriteError::LimitReached`] if there are too many watchers,
    /// including those that were dropped a moment ago.
    pub async fn next(&mut self) -> Result<Changes, NodeError> {
        let max = self.inner.max_events;
        self.next_with(|difference| {
            let part = difference.clone().part(max.saturating_add(1));
            let fits = part.is_last && part.events.as_ref().is_none_or(|events| events.len() <= max);
            if fits { part } else { difference.skip() }
        })
        .await
    }

    /// Returns the next part of a difference: about `max` events, the rest with the next calls,
    /// however large the difference is. The changes of one write may come in two parts.
    ///
    /// # Errors
    /// As [`next`](Watcher::next).
    pub async fn next_part(&mut self, max: usize) -> Result<Changes, NodeError> {
        self.next_with(|difference| difference.part(max)).await
    }

    async fn next_with(&mut self, part: impl Fn(Difference) -> DifferencePart) -> Result<Changes, NodeError> {
        loop {
            // After an aborted call the unacknowledged change is still pending.
            if !self.is_pending {
                self.is_pending = self.changes.recv().await.is_some();
            }
            let tag = self.tag;
            let difference = self.inner.runtime.with_machine(move |node| node.difference(tag)).await?;
            let Some(difference) = difference.filter(|_| self.is_pending) else {
                let refused = !self.inner.shared.has_ended();
                return Err(if refused {
                    too_many_watchers(self.inner.max_watchers).into()
                } else {
                    NodeError::Stopped
                });
            };
            let DifferencePart { events, cursor, .. } = part(difference);
            self.inner.runtime.send(NodeCommand::AdvanceWatch { tag, cursor: Box::new(cursor) }).await?;
            self.is_pending = false;
            match events {
                None => return Ok(Changes::Resync),
                Some(events) if !events.is_empty() => return Ok(Changes::Events(events)),
                // The change has no events, such as a new version only.
                Some(_) => {}
            }
        }
    }
}

const fn too_many_watchers(max: usize) -> WriteError {
    WriteError::LimitReached { what: "watchers", max, limit: "watchers", remedy: "end some watchers" }
}

impl fmt::Debug for Watcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watcher").field("tag", &self.tag).finish_non_exhaustive()
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        self.inner.shared.unregister_watcher(self.tag);
    }
}
