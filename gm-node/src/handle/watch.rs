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
    subscription: Subscription,
    notified: mpsc::UnboundedReceiver<u64>,
    /// Whether the node reported a change that was not acknowledged yet.
    is_pending: bool,
}

impl Node {
    /// Watches a group. A group that is not hosted has no members until it is joined.
    ///
    /// # Errors
    /// [`NodeError::Stopped`]; [`WriteError::LimitReached`] if there are too many watchers.
    pub async fn watch(&self, group: &GroupName) -> Result<Watcher, NodeError> {
        let (notify, notified) = mpsc::unbounded_channel();
        let subscription = Subscription::new(&self.inner, group, notify).await?;
        Ok(Watcher { subscription, notified, is_pending: false })
    }
}

impl Watcher {
    /// Returns when the node has accepted the watcher: it handles requests in order.
    pub(super) async fn accepted(&self) -> Result<(), NodeError> {
        let Subscription { inner, tag } = &self.subscription;
        let tag = *tag;
        let is_known = inner.runtime.with_machine(move |node| node.difference(tag).is_some()).await?;
        if is_known { Ok(()) } else { Err(too_many_watchers(inner.max_watchers).into()) }
    }

    /// Waits for changes since the last call. It is cancel safe: an aborted call loses nothing.
    ///
    /// # Errors
    /// [`NodeError::Stopped`]; [`WriteError::LimitReached`] if there are too many watchers,
    /// including those that were dropped a moment ago.
    pub async fn next(&mut self) -> Result<Changes, NodeError> {
        let max = self.subscription.inner.max_events;
        self.next_with(|difference| whole_difference(difference, max)).await
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
                self.is_pending = self.notified.recv().await.is_some();
            }
            if !self.is_pending {
                return Err(self.subscription.end_reason());
            }
            let changes = self.subscription.read(&part).await?;
            self.is_pending = false;
            if let Some(changes) = changes {
                return Ok(changes);
            }
        }
    }
}

/// A watcher of a group in the node, until it is dropped.
pub(super) struct Subscription {
    inner: Arc<Inner>,
    tag: u64,
}

impl Subscription {
    /// Adds a watcher to the node, which sends the watcher's tag to `notify` when the group
    /// changed.
    pub(super) async fn new(
        inner: &Arc<Inner>,
        group: &GroupName,
        notify: mpsc::UnboundedSender<u64>,
    ) -> Result<Subscription, NodeError> {
        let max = inner.max_watchers;
        let tag = inner.shared.register_watcher(max, notify).ok_or_else(|| too_many_watchers(max))?;
        let subscription = Subscription { inner: Arc::clone(inner), tag };
        inner.runtime.send(NodeCommand::Watch { tag, group: group.clone() }).await?;
        Ok(subscription)
    }

    /// The number that the node sends when the group changed.
    pub(super) const fn tag(&self) -> u64 {
        self.tag
    }

    /// Reads all changes, and acknowledges them. Returns `None` if they have no events, such as a
    /// new version only.
    pub(super) async fn read_all(&self) -> Result<Option<Changes>, NodeError> {
        let max = self.inner.max_events;
        self.read(|difference| whole_difference(difference, max)).await
    }

    async fn read(&self, part: impl Fn(Difference) -> DifferencePart) -> Result<Option<Changes>, NodeError> {
        let tag = self.tag;
        let difference = self.inner.runtime.with_machine(move |node| node.difference(tag)).await?;
        let DifferencePart { events, cursor, .. } = part(difference.ok_or_else(|| self.end_reason())?);
        self.inner.runtime.send(NodeCommand::AdvanceWatch { tag, cursor: Box::new(cursor) }).await?;
        Ok(match events {
            None => Some(Changes::Resync),
            Some(events) => (!events.is_empty()).then_some(Changes::Events(events)),
        })
    }

    /// The reason why the node does not have the watcher.
    fn end_reason(&self) -> NodeError {
        if self.inner.shared.has_ended() {
            NodeError::Stopped
        } else {
            too_many_watchers(self.inner.max_watchers).into()
        }
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        self.inner.shared.unregister_watcher(self.tag);
    }
}

/// A whole difference, or a reset if it has more than `max` events.
fn whole_difference(difference: Difference, max: usize) -> DifferencePart {
    let part = difference.clone().part(max.saturating_add(1));
    let fits = part.is_last && part.events.as_ref().is_none_or(|events| events.len() <= max);
    if fits { part } else { difference.skip() }
}

pub(super) const fn too_many_watchers(max: usize) -> WriteError {
    WriteError::LimitReached { what: "watchers", max, limit: "watchers", remedy: "end some watchers" }
}

impl fmt::Debug for Watcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watcher").field("tag", &self.subscription.tag).finish_non_exhaustive()
    }
}
