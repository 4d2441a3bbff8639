//! Where a node keeps what it must not lose: a small trait, and what goes through it. Knows no
//! file.
//!
//! A node hands over a [`Batch`] and goes on; it asks later whether the batch is where it should
//! be. So a slow disk delays what waits for it, and nothing else. Nothing that a node writes about
//! itself is told to others before the batch that it is in is finished.

#[cfg(feature = "disk")]
pub mod disk;
pub mod memory;

use gm_broadcast::Time;
use gm_clock::NetId;
use gm_data::{GroupName, GroupState, Record};
use thiserror::Error;

/// What is to be kept together: all of it or, after a crash, none of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Batch {
    /// Whose storage it is, if that is to be written: first of all.
    pub me: Option<NetId>,
    /// Records that take the place of those of their member in their group: one's own and others'.
    pub records: Vec<(GroupName, Record)>,
    /// Records of others that are no longer kept, because their group is not.
    pub removed: Vec<(GroupName, NetId)>,
    /// Groups of which only a member is known, instead of all those before.
    pub contacts: Option<Vec<(GroupName, NetId)>>,
    /// Nodes that were reached, instead of all those before.
    pub peers: Option<Vec<NetId>>,
    /// Whether it has to survive a loss of power before it is finished.
    pub durable: bool,
}

impl Batch {
    /// Whether there is nothing in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.me.is_none()
            && self.records.is_empty()
            && self.removed.is_empty()
            && self.contacts.is_none()
            && self.peers.is_none()
    }
}

/// What a storage held when it was opened.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StoredState {
    /// Whose it is; nothing if it is new.
    pub me: Option<NetId>,
    /// The groups of which there are records, in the order of their names.
    pub groups: Vec<GroupState>,
    /// Groups of which only a member is known, in the order of their names.
    pub contacts: Vec<(GroupName, NetId)>,
    /// Nodes that were reached, sorted.
    pub peers: Vec<NetId>,
    /// Why the storage may lack what it reported as kept, in words for an operator; nothing if it
    /// has no reason to think so. What it lacks, others may have: the node asks them before it
    /// writes.
    pub suspected_loss: Option<String>,
}

/// Why a batch is not kept: as little of it as if it had never been handed over, or, if the machine
/// dies before the next batch is finished, perhaps all of it.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("the storage did not take it: {why}")]
pub struct StoreError {
    /// What the system said, in words for an operator.
    pub why: String,
}

/// Where batches go. Batches are finished in the order in which they were handed over.
pub trait Store {
    /// Whether what was finished as durable survives a loss of power.
    fn is_durable(&self) -> bool {
        true
    }

    /// Takes a batch.
    fn submit(&mut self, now: Time, batch: Batch);

    /// What became of the oldest batch that was not reported yet, once that is known. Asked at
    /// every input of the node.
    fn poll_finished(&mut self, now: Time) -> Option<Result<(), StoreError>>;

    /// When to ask again, if that is known. A storage that does not know it wakes the node by
    /// [`Command::StoreReady`](crate::Command).
    fn next_poll(&self) -> Option<Time>;

    /// What is called, from whatever thread, after there is something to ask
    /// [`poll_finished`](Store::poll_finished) for. A storage that knows when it is
    /// [due](Store::next_poll) needs none.
    fn set_waker(&mut self, _waker: Box<dyn Fn() + Send + Sync>) {}

    /// Others were asked what they know in all groups: a storage that was
    /// [doubted](StoredState::suspected_loss) is doubted no longer, not after a restart either.
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
