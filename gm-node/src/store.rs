//! Storage of a node: the trait [`Store`], and the batches that go through it.
//!
//! A node submits a [`Batch`], continues, and polls for the result later. So a slow disk delays
//! only what waits for it. No own write is sent to peers before its batch is finished.

#[cfg(feature = "disk")]
pub mod disk;
pub mod memory;

use gm_broadcast::Time;
use gm_clock::NetId;
use gm_data::{GroupName, GroupState, Record};
use thiserror::Error;

/// Changes that are stored atomically: all or, after a crash, none of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Batch {
    /// Identity of the node, if it is to be written.
    pub me: Option<NetId>,
    /// Records, own and others', each replacing the one of the same member in its group.
    pub records: Vec<(GroupName, Record)>,
    /// Records of other members to remove, because their group was released. They are removed
    /// before `records` are written.
    pub removed: Vec<(GroupName, NetId)>,
    /// The contacts, replacing the stored ones.
    pub contacts: Option<Vec<(GroupName, NetId)>>,
    /// The reached peers, replacing the stored ones.
    pub peers: Option<Vec<NetId>>,
    /// Whether the batch must survive a power loss before it is reported as finished.
    pub durable: bool,
}

impl Batch {
    /// Whether the batch contains no change.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.me.is_none()
            && self.records.is_empty()
            && self.removed.is_empty()
            && self.contacts.is_none()
            && self.peers.is_none()
    }
}

/// Content of a store when it is opened.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StoredState {
    /// Identity of the node that wrote it; `None` if the store is new.
    pub me: Option<NetId>,
    /// The groups with records, in the order of their names.
    pub groups: Vec<GroupState>,
    /// Contacts: groups of which only a member is known, in the order of their names.
    pub contacts: Vec<(GroupName, NetId)>,
    /// Peers that were reached, sorted.
    pub peers: Vec<NetId>,
    /// Reason, for an operator, to suspect that the store lacks commits that it had reported as
    /// stored; `None` if there is none. Peers may have what is missing: the node asks them before
    /// it writes.
    pub suspected_loss: Option<String>,
}

/// Reason why a batch failed. Nothing of it is stored; but after a crash before the next batch is
/// finished, all of it may be.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("storage write failed: {why}")]
pub struct StoreError {
    /// Error message of the system, for an operator.
    pub why: String,
}

/// A store for batches, which are finished in the order of submission.
pub trait Store {
    /// Whether a finished durable batch survives a power loss.
    fn is_durable(&self) -> bool {
        true
    }

    /// Submits a batch.
    fn submit(&mut self, now: Time, batch: Batch);

    /// Result of the oldest unreported batch, once it is known. Called at every input of the node.
    fn poll_finished(&mut self, now: Time) -> Option<Result<(), StoreError>>;

    /// Time of the next result, if it is known. A store that does not know it wakes the node with
    /// [`NodeCommand::StoreReady`](crate::NodeCommand::StoreReady).
    fn next_poll(&self) -> Option<Time>;

    /// Sets a function that the store calls, from any thread, when
    /// [`poll_finished`](Store::poll_finished) has a result. A store with a [next poll
    /// time](Store::next_poll) needs none.
    fn set_waker(&mut self, _waker: Box<dyn Fn() + Send + Sync>) {}

    /// Clears the [suspicion](StoredState::suspected_loss), also for later starts: peers were asked
    /// in all groups.
    fn exclude_loss(&mut self) {}
}

impl<S: Store + ?Sized> Store for Box<S> {
    fn is_durable(&self) -> bool {
        (**self).is_durable()
    }

    fn submit(&mut self, now: Time, batch: Batch) {
        (**self).submit(now, batch);
    }

    fn poll_finished(&mut self, now: Time) -> Option<Result<(), StoreError>> {
        (**self).poll_finished(now)
    }

    fn next_poll(&self) -> Option<Time> {
        (**self).next_poll()
    }

    fn set_waker(&mut self, waker: Box<dyn Fn() + Send + Sync>) {
        (**self).set_waker(waker);
    }

    fn exclude_loss(&mut self) {
        (**self).exclude_loss();
    }
}
