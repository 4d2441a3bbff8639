//! The task that hears the node: answers go to who waits for them, changes to their watcher,
//! everything to who wants notices. It waits for nobody.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use gm_broadcast::runtime::{MachineOutput, RuntimeHandle};
use tokio::sync::{broadcast, mpsc, oneshot, watch};

use super::BoxedNodeMachine;
use super::health::Health;
use crate::command::{CommittedWrite, NodeCommand, WriteError};
use crate::event::NodeEvent;

type Answer = Result<CommittedWrite, WriteError>;
type MachineOutputs = mpsc::Receiver<MachineOutput<std::convert::Infallible, NodeEvent>>;

/// What the task and the handles share.
#[derive(Debug)]
pub(super) struct LoopState {
    tags: AtomicU64,
    answers: Mutex<BTreeMap<u64, oneshot::Sender<Answer>>>,
    watchers: Mutex<BTreeMap<u64, mpsc::Sender<()>>>,
    health: Mutex<Health>,
    event_feed: broadcast::Sender<NodeEvent>,
    initial_events: Mutex<Option<broadcast::Receiver<NodeEvent>>>,
    /// Tags of watchers that are no more.
    dropped_watchers: mpsc::UnboundedSender<u64>,
    ended: watch::Sender<bool>,
}

/// What a panic left is still whole: every change of it is one call.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl LoopState {
    pub(super) fn new(notices: usize) -> (LoopState, mpsc::UnboundedReceiver<u64>) {
        let (notices, first) = broadcast::channel(notices);
        let (gone, is_gone) = mpsc::unbounded_channel();
        let shared = LoopState {
            tags: AtomicU64::new(1),
            answers: Mutex::default(),
            watchers: Mutex::default(),
            health: Mutex::default(),
            event_feed: notices,
            initial_events: Mutex::new(Some(first)),
            dropped_watchers: gone,
            ended: watch::Sender::new(false),
        };
        (shared, is_gone)
    }

    pub(super) fn subscribe(&self) -> broadcast::Receiver<NodeEvent> {
        lock(&self.initial_events).take().unwrap_or_else(|| self.event_feed.subscribe())
    }

    pub(super) fn health(&self) -> Health {
        lock(&self.health).clone()
    }

    /// A number that nothing else has, and what comes for it.
    pub(super) fn register_write(&self) -> (u64, oneshot::Receiver<Answer>) {
        let tag = self.tags.fetch_add(1, Ordering::Relaxed);
        let (answer, answered) = oneshot::channel();
        lock(&self.answers).insert(tag, answer);
        (tag, answered)
    }

    /// The same for a watcher; nothing if there are so many already.
    pub(super) fn register_watcher(&self, most: usize) -> Option<(u64, mpsc::Receiver<()>)> {
        let mut watchers = lock(&self.watchers);
        if watchers.len() >= most {
            return None;
        }
        let tag = self.tags.fetch_add(1, Ordering::Relaxed);
        // The node tells no more until it is told that the last was taken.
        let (changes, changed) = mpsc::channel(1);
        watchers.insert(tag, changes);
        Some((tag, changed))
    }

    pub(super) fn unregister_watcher(&self, tag: u64) {
        lock(&self.watchers).remove(&tag);
        // If the task has ended, there is nothing to end.
        let _ = self.dropped_watchers.send(tag);
    }

    /// Returns once the node is no more.
    pub(super) async fn ended(&self) {
        // It cannot fail while we hold the sender.
        let _ = self.ended.subscribe().wait_for(|ended| *ended).await;
    }

    pub(super) fn has_ended(&self) -> bool {
        *self.ended.borrow()
    }

    fn on_event(&self, event: NodeEvent) {
        match event {
            NodeEvent::Answered { tag, result, .. } => {
                if let Some(answer) = lock(&self.answers).remove(&tag) {
                    // Whoever asked may have gone.
                    let _ = answer.send(result);
                }
            }
            NodeEvent::Changed { tag, .. } => {
                let told = lock(&self.watchers).get(&tag).map(|watcher| watcher.try_send(()));
                debug_assert!(!matches!(told, Some(Err(mpsc::error::TrySendError::Full(())))));
            }
            NodeEvent::WatchRefused { tag, .. } => drop(lock(&self.watchers).remove(&tag)),
            event => {
                lock(&self.health).observe(&event);
                // Nobody need listen.
                let _ = self.event_feed.send(event);
            }
        }
    }

    /// Nothing comes any more: whoever waits is told so by the end of its channel.
    fn end(&self) {
        // First, so that whoever is woken sees why.
        self.ended.send_replace(true);
        lock(&self.answers).clear();
        lock(&self.watchers).clear();
    }
}

/// Marks the end however the task ends.
struct EndOnDrop<'a>(&'a LoopState);

impl Drop for EndOnDrop<'_> {
    fn drop(&mut self) {
        self.0.end();
    }
}

/// Hears the node until it has ended.
pub(super) async fn run(
    mut said: MachineOutputs,
    mut gone: mpsc::UnboundedReceiver<u64>,
    shell: RuntimeHandle<BoxedNodeMachine>,
    shared: std::sync::Arc<LoopState>,
) {
    let ending = EndOnDrop(&shared);
    loop {
        tokio::select! {
            said = said.recv() => match said {
                Some(MachineOutput::Event(event)) => ending.0.on_event(event),
                Some(MachineOutput::Delivery(never)) => match never {},
                None => return,
            },
            Some(tag) = gone.recv() => drop(shell.send(NodeCommand::Unwatch { tag }).await),
        }
    }
}
