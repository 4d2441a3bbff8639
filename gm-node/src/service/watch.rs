//! Watching a group: differences, one after the other. Whoever is slow is told the difference to what it took last, and slows down nobody.

use std::sync::Arc;

use gm_data::{Event, GroupName};
use tokio::sync::mpsc;

use super::{Inner, Service, ServiceError};
use crate::command::{Command, WriteError};

/// What changed in a group since the last time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Changes {
    /// This, member by member. The first time all that is there.
    Some(Vec<Event>),
    /// More than a watcher is told at once: look at the group anew.
    TooMany,
}

/// A watcher of a group. Dropping it ends the watching.
#[derive(Debug)]
pub struct Watch {
    inner: Arc<Inner>,
    tag: u64,
    changes: mpsc::Receiver<Changes>,
    /// Something was taken, and the node does not know it yet.
    owes: bool,
}

impl Service {
    /// Watches a group. One that is not held has no members until it is joined.
    ///
    /// # Errors
    /// [`ServiceError::Stopped`]; [`WriteError::Full`] if there are too many watchers.
    pub async fn watch(&self, group: &GroupName) -> Result<Watch, ServiceError> {
        let most = self.inner.watchers;
        let (tag, changes) = self.inner.shared.watch(most).ok_or_else(|| full(most))?;
        let watch = Watch { inner: Arc::clone(&self.inner), tag, changes, owes: false };
        self.inner.shell.tell(Command::Watch { tag, group: group.clone() }).await?;
        Ok(watch)
    }
}

impl Watch {
    /// Waits for what changed since the last time. It may be given up at any time: nothing is lost.
    ///
    /// # Errors
    /// [`ServiceError::Stopped`]; [`WriteError::Full`] if there are too many watchers: those that were dropped a moment ago count.
    pub async fn next(&mut self) -> Result<Changes, ServiceError> {
        if self.owes {
            self.inner.shell.tell(Command::Took { tag: self.tag }).await?;
            self.owes = false;
        }
        let Some(changes) = self.changes.recv().await else {
            let refused = !self.inner.shared.has_ended();
            return Err(if refused { full(self.inner.watchers).into() } else { ServiceError::Stopped });
        };
        self.owes = true;
        Ok(changes)
    }
}

const fn full(most: usize) -> WriteError {
    WriteError::Full { what: "watchers", most, bound: "watchers", else_way: "end some that watch" }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.inner.shared.unwatch(self.tag);
    }
}
