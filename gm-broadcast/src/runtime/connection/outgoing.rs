//! Outgoing queue of a connection: frames from the driver to the connection's task, with its orders
//! to close the connection, and to read from an authenticated peer.
//!
//! An idle connection should cost little memory, so this is one small allocation instead of a
//! channel for each purpose, and an empty queue has no buffer.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use bytes::{Buf, Bytes, BytesMut};

/// Waiting frames are combined into one write up to this size.
const WRITE_BATCH_BYTES: usize = 64 << 10;
/// In such a write, frames of up to this size are copied into one buffer, which costs less than a
/// slice for each.
const COPIED_BYTES: usize = 2 << 10;

#[derive(Debug, Default)]
struct Shared {
    frames: VecDeque<Bytes>,
    orders: Orders,
    task: Option<Waker>,
}

/// Orders of the driver.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Orders {
    /// The peer is authenticated: everything that it sends may be read.
    pub(super) authenticated: bool,
    /// The queued frames are the last ones; then the connection is closed.
    pub(super) close: bool,
}

fn lock(shared: &Mutex<Shared>) -> MutexGuard<'_, Shared> {
    // Each change is one call, so the value is consistent after a panic.
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The driver's end. Dropped to close the connection.
#[derive(Debug, Default)]
pub(in crate::runtime) struct Outgoing(Arc<Mutex<Shared>>);

impl Outgoing {
    /// The end of the connection's task.
    pub(in crate::runtime) fn for_task(&self) -> Incoming {
        Incoming(Arc::clone(&self.0))
    }

    /// Queues a frame.
    pub(in crate::runtime) fn send(&self, frame: Bytes) {
        self.change(|shared| shared.frames.push_back(frame));
    }

    /// Reports that the peer is authenticated.
    pub(in crate::runtime) fn authenticate(&self) {
        self.change(|shared| shared.orders.authenticated = true);
    }

    fn change(&self, change: impl FnOnce(&mut Shared)) {
        let task = {
            let mut shared = lock(&self.0);
            change(&mut shared);
            shared.task.take()
        };
        if let Some(task) = task {
            task.wake();
        }
    }
}

impl Drop for Outgoing {
    fn drop(&mut self) {
        self.change(|shared| shared.orders.close = true);
    }
}

/// The end of the connection's task.
#[derive(Debug)]
pub(in crate::runtime) struct Incoming(Arc<Mutex<Shared>>);

impl Incoming {
    /// Returns the orders, and fills the batch with waiting frames if it is empty. The task is
    /// woken at the next change.
    pub(super) fn poll(&self, context: &Context<'_>, batch: Option<&mut VecDeque<Bytes>>) -> Orders {
        let mut shared = lock(&self.0);
        if let Some(batch) = batch.filter(|batch| batch.is_empty()) {
            *batch = take_batch(&mut shared.frames);
        }
        if !shared.task.as_ref().is_some_and(|task| task.will_wake(context.waker())) {
            shared.task = Some(context.waker().clone());
        }
        shared.orders
    }

    /// Returns when the connection is to be closed.
    pub(super) async fn closed(&self) {
        let ended = |close| if close { Poll::Ready(()) } else { Poll::Pending };
        poll_fn(|context| ended(self.poll(context, None).close)).await;
    }
}

/// Takes the frames of one write from the front. What is left empty has no buffer.
fn take_batch(frames: &mut VecDeque<Bytes>) -> VecDeque<Bytes> {
    if frames.len() <= 1 {
        return std::mem::take(frames);
    }
    let (mut batch, mut copied, mut length) = (VecDeque::new(), BytesMut::new(), 0);
    while length < WRITE_BATCH_BYTES
        && let Some(frame) = frames.pop_front()
    {
        length += frame.len();
        let next_too = length < WRITE_BATCH_BYTES && !frames.is_empty();
        let is_alone = !next_too && batch.is_empty() && copied.is_empty();
        if frame.len() <= COPIED_BYTES && !is_alone {
            copied.extend_from_slice(&frame);
        } else {
            if !copied.is_empty() {
                batch.push_back(copied.split().freeze());
            }
            batch.push_back(frame);
        }
    }
    if !copied.is_empty() {
        batch.push_back(copied.freeze());
    }
    if frames.is_empty() {
        *frames = VecDeque::new();
    }
    batch
}

/// Removes written bytes from the front, and empty parts before the next byte. An empty batch has
/// no buffer.
pub(super) fn remove_written(batch: &mut VecDeque<Bytes>, mut written: usize) {
    while let Some(front) = batch.front_mut() {
        if written < front.len() {
            return front.advance(written);
        }
        written -= front.len();
        batch.pop_front();
    }
    *batch = VecDeque::new();
}

#[cfg(test)]
mod tests;
