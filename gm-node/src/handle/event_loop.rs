//! Dispatch of the node's events: answers to their callers, changes to their watchers, all other
//! events to the subscribers. It never waits for a receiver, so it runs in the task that drives the
//! node's machine.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use gm_broadcast::BroadcastEvent;
use gm_broadcast::runtime::{MachineOutput, RuntimeHandle, Stopped};
use tokio::sync::{Notify, mpsc, oneshot, watch};

use super::BoxedNodeMachine;
use super::event_feed::EventFeed;
use super::health::Health;
use crate::command::{CommittedWrite, NodeCommand, WriteError};
use crate::event::NodeEvent;

type Answer = Result<CommittedWrite, WriteError>;

/// State shared by the dispatcher and the handles.
#[derive(Debug)]
pub(super) struct LoopState {
    tags: AtomicU64,
    answers: Mutex<BTreeMap<u64, oneshot::Sender<Answer>>>,
    /// Notified when the last waiting write is answered.
    all_answered: Notify,
    /// Whether new writes are refused, because the node is about to end.
    closing: AtomicBool,
    /// Channels of the watchers, for the tag of one whose group changed.
    watchers: Mutex<BTreeMap<u64, mpsc::UnboundedSender<u64>>>,
    /// Marked as changed when the node hosts other groups than before.
    hosted_groups: watch::Sender<()>,
    /// Marked as changed when a peer is found, unlisted, near or far.
    peers: watch::Sender<()>,
    health: Mutex<Health>,
    event_feed: EventFeed,
    /// Sends the tags of dropped watchers.
    dropped_watchers: mpsc::UnboundedSender<u64>,
    ended: watch::Sender<bool>,
}

/// Locks a mutex, ignoring poisoning: each change is one call, so the value is consistent after a
/// panic.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl LoopState {
    pub(super) fn new() -> (LoopState, mpsc::UnboundedReceiver<u64>) {
        let (dropped_watchers, dropped) = mpsc::unbounded_channel();
        let shared = LoopState {
            tags: AtomicU64::new(1),
            answers: Mutex::default(),
            all_answered: Notify::new(),
            closing: AtomicBool::new(false),
            watchers: Mutex::default(),
            hosted_groups: watch::Sender::new(()),
            peers: watch::Sender::new(()),
            health: Mutex::default(),
            event_feed: EventFeed::default(),
            dropped_watchers,
            ended: watch::Sender::new(false),
        };
        (shared, dropped)
    }

    /// The events other than answers and changes.
    pub(super) const fn event_feed(&self) -> &EventFeed {
        &self.event_feed
    }

    pub(super) fn health(&self) -> Health {
        lock(&self.health).clone()
    }

    /// Registers a write: returns a unique tag, and the receiver of its answer.
    pub(super) fn register_write(&self) -> (u64, oneshot::Receiver<Answer>) {
        let tag = self.tags.fetch_add(1, Ordering::Relaxed);
        let (answer, answered) = oneshot::channel();
        lock(&self.answers).insert(tag, answer);
        (tag, answered)
    }

    /// Refuses further writes.
    pub(super) fn close(&self) {
        self.closing.store(true, Ordering::Release);
    }

    pub(super) fn is_closing(&self) -> bool {
        self.closing.load(Ordering::Acquire)
    }

    /// Returns when no write waits for its answer.
    pub(super) async fn all_answered(&self) {
        loop {
            // A notification after this line is received, so none is lost.
            let notified = self.all_answered.notified();
            if lock(&self.answers).is_empty() {
                return;
            }
            notified.await;
        }
    }

    /// Registers a watcher, whose tag is sent when its group changed; `None` if there are `max`
    /// already. The queue needs no limit: the node notifies a watcher again only after it has
    /// acknowledged the last change.
    pub(super) fn register_watcher(&self, max: usize, notify: mpsc::UnboundedSender<u64>) -> Option<u64> {
        let mut watchers = lock(&self.watchers);
        if watchers.len() >= max {
            return None;
        }
        let tag = self.tags.fetch_add(1, Ordering::Relaxed);
        watchers.insert(tag, notify);
        Some(tag)
    }

    /// Subscribes to changes of the set of hosted groups.
    pub(super) fn hosted_groups(&self) -> watch::Receiver<()> {
        self.hosted_groups.subscribe()
    }

    /// Subscribes to changes of the peers.
    pub(super) fn peers(&self) -> watch::Receiver<()> {
        self.peers.subscribe()
    }

    pub(super) fn unregister_watcher(&self, tag: u64) {
        lock(&self.watchers).remove(&tag);
        // This fails if the node has ended, and the watch with it.
        let _ = self.dropped_watchers.send(tag);
    }

    /// Returns when the node has ended.
    pub(super) async fn ended(&self) {
        // This cannot fail while the sender exists.
        let _ = self.ended.subscribe().wait_for(|ended| *ended).await;
    }

    pub(super) fn has_ended(&self) -> bool {
        *self.ended.borrow()
    }

    fn on_event(&self, event: NodeEvent) {
        match event {
            NodeEvent::Answered { tag, result, .. } => {
                let (answer, is_last) = {
                    let mut answers = lock(&self.answers);
                    (answers.remove(&tag), answers.is_empty())
                };
                if let Some(answer) = answer {
                    // The caller may have given up.
                    let _ = answer.send(result);
                }
                if is_last {
                    self.all_answered.notify_waiters();
                }
            }
            NodeEvent::Changed { tag, .. } => {
                if let Some(watcher) = lock(&self.watchers).get(&tag) {
                    // The watcher may be dropped at this moment.
                    let _ = watcher.send(tag);
                }
            }
            NodeEvent::WatchRefused { tag, .. } => drop(lock(&self.watchers).remove(&tag)),
            event => {
                match event {
                    NodeEvent::Hosted { .. } | NodeEvent::Released { .. } => {
                        self.hosted_groups.send_replace(())
                    }
                    NodeEvent::PeerUnlisted(_)
                    | NodeEvent::Broadcast(
                        BroadcastEvent::NodeFound(_) | BroadcastEvent::Near(_) | BroadcastEvent::Far(_),
                    ) => self.peers.send_replace(()),
                    _ => {}
                }
                lock(&self.health).observe(&event);
                self.event_feed.publish(event);
            }
        }
    }

    /// Closes all channels, so that waiting callers return.
    fn end(&self) {
        // This comes first, so that the callers see that the node has ended.
        self.ended.send_replace(true);
        lock(&self.answers).clear();
        self.all_answered.notify_waiters();
        lock(&self.watchers).clear();
        self.event_feed.end();
    }
}

/// Dispatches the outputs of the node's machine, in the task that drives it. Marks the end when it
/// is dropped, which is when that task has ended, also after a panic.
pub(super) struct Dispatcher(pub(super) Arc<LoopState>);

impl Dispatcher {
    pub(super) fn dispatch(&self, output: MachineOutput<Infallible, NodeEvent>) {
        match output {
            MachineOutput::Event(event) => self.0.on_event(event),
            MachineOutput::Delivery(never) => match never {},
        }
    }
}

impl Drop for Dispatcher {
    fn drop(&mut self) {
        self.0.end();
    }
}

/// Passes on what the machine should know and no caller waits for, until the node has ended: that
/// the storage has a result, and which watchers were dropped.
pub(super) async fn notify_machine(
    woken: Arc<Notify>,
    mut dropped_watchers: mpsc::UnboundedReceiver<u64>,
    runtime: RuntimeHandle<BoxedNodeMachine>,
) -> Result<(), Stopped> {
    loop {
        let command = tokio::select! {
            () = woken.notified() => NodeCommand::StoreReady,
            Some(tag) = dropped_watchers.recv() => NodeCommand::Unwatch { tag },
        };
        runtime.send(command).await?;
    }
}
