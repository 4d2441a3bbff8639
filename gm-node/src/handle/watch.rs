//! Watching a group: differences, one after the other. Whoever is slow is told the difference to
//! what it took last, and slows down nobody.

use std::sync::Arc;

use gm_data::{GroupEvent, GroupName};
use tokio::sync::mpsc;

use super::{Inner, Node, NodeError};
use crate::command::{NodeCommand, WriteError};
use crate::node::{Difference, DifferencePart};

/// What changed in a group since the last time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Changes {
    /// This, member by member. The first time all that is there.
    Events(Vec<GroupEvent>),
    /// More than a watcher is told at once, or more than is kept for those that do not take it:
    /// look at the group anew.
    Resync,
}

/// A watcher of a group. Dropping it ends the watching. Between two calls of it nothing is done for
/// it and nothing kept but how far it was told: see [`NodeLimits::watch_bytes`](crate::NodeLimits).
#[derive(Debug)]
pub struct Watcher {
    inner: Arc<Inner>,
    tag: u64,
    changes: mpsc::Receiver<()>,
    /// The node told that something changed, and does not know yet that it was taken.
    is_pending: bool,
}

impl Node {
    /// Watches a group. One that is not held has no members until it is joined.
    ///
    /// # Errors
    /// [`NodeError::Stopped`]; [`WriteError::LimitReached`] if there are too many watchers.
    pub async fn watch(&self, group: &GroupName) -> Result<Watcher, NodeError> {
        let most = self.inner.max_watchers;
        let (tag, changes) =
            self.inner.shared.register_watcher(most).ok_or_else(|| too_many_watchers(most))?;
        let watch = Watcher { inner: Arc::clone(&self.inner), tag, changes, is_pending: false };
        self.inner.shell.send(NodeCommand::Watch { tag, group: group.clone() }).await?;
        Ok(watch)
    }
}

impl Watcher {
    /// Waits for what changed since the last time. It may be given up at any time: nothing is lost.
    ///
    /// # Errors
    /// [`NodeError::Stopped`]; [`WriteError::LimitReached`] if there are too many watchers: those
    /// that were dropped a moment ago count.
    pub async fn next(&mut self) -> Result<Changes, NodeError> {
        let most = self.inner.max_events;
        self.next_with(|difference| {
            let part = difference.clone().part(most.saturating_add(1));
            let fits = part.is_last && part.events.as_ref().is_none_or(|events| events.len() <= most);
            if fits { part } else { difference.skip() }
        })
        .await
    }

    /// As [`next`](Watcher::next), in parts: about `most` events at once, the rest of the
    /// difference with the next calls, however large it is. What belongs to one write may come in
    /// two parts.
    ///
    /// # Errors
    /// As [`next`](Watcher::next).
    pub async fn next_part(&mut self, most: usize) -> Result<Changes, NodeError> {
        self.next_with(|difference| difference.part(most)).await
    }

    async fn next_with(&mut self, part: impl Fn(Difference) -> DifferencePart) -> Result<Changes, NodeError> {
        loop {
            // What was told and not taken is there again after a call that was given up.
            if !self.is_pending {
                self.is_pending = self.changes.recv().await.is_some();
            }
            let tag = self.tag;
            let difference = self.inner.shell.with_machine(move |node| node.difference(tag)).await?;
            let Some(difference) = difference.filter(|_| self.is_pending) else {
                let refused = !self.inner.shared.has_ended();
                return Err(if refused {
                    too_many_watchers(self.inner.max_watchers).into()
                } else {
                    NodeError::Stopped
                });
            };
            let DifferencePart { events, cursor, .. } = part(difference);
            self.inner.shell.send(NodeCommand::AdvanceWatch { tag, cursor: Box::new(cursor) }).await?;
            self.is_pending = false;
            match events {
                None => return Ok(Changes::Resync),
                Some(events) if !events.is_empty() => return Ok(Changes::Events(events)),
                // Only what is no event changed.
                Some(_) => {}
            }
        }
    }
}

const fn too_many_watchers(most: usize) -> WriteError {
    WriteError::LimitReached { what: "watchers", max: most, limit: "watchers", remedy: "end some that watch" }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        self.inner.shared.unregister_watcher(self.tag);
    }
}
