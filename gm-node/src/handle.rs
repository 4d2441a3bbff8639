//! Handle of a node on sockets, for programs that embed one.
//!
//! A [`Node`] is cheap to clone. The node ends when the last clone is dropped, or when it is
//! [stopped](Node::stop); it remains a member of its groups. Reads return snapshots from memory. A
//! write returns when it is stored and as many members have acknowledged it as its
//! [`Wait`](crate::Wait) requests.
//!
//! ```no_run
//! use gm_broadcast::runtime::{Sockets, RuntimeSettings};
//! use gm_codec::{FrameCodec, Key, Keyring, Limits};
//! use gm_data::{GroupName, KeyRange};
//! use gm_node::store::memory::MemoryStore;
//! use gm_node::{Node, NodeConfig, StoredState, Wait};
//!
//! # async fn embed(key: [u8; 32]) -> Result<(), Box<dyn std::error::Error>> {
//! // The address of the default route, port 29999, multicast on.
//! let sockets = Sockets::open(&RuntimeSettings::default())?;
//! let keyring = Keyring::new(Key::new(key));
//! let codec = FrameCodec::new("production".parse()?, keyring, Limits::default())?;
//! let config = NodeConfig::for_sockets(&sockets);
//! let store = MemoryStore::ephemeral();
//! let node = Node::start(config, codec, store, StoredState::default(), sockets)?;
//! let customers: GroupName = "Customers".parse()?;
//! node.serve(&customers, KeyRange::new(0, 0x7fff_ffff)?, 5432, 1, Wait::NONE).await?;
//! let owner = node.view(&customers).await?.and_then(|view| view.first_owner(4711));
//! println!("{owner:?}");
//! let mut watch = node.watch(&customers).await?;
//! while let Ok(changes) = watch.next().await { println!("{changes:?}"); }
//! # Ok(())
//! # }
//! ```
//!
//! `handle/read.rs`, `handle/write.rs`, `handle/watch.rs`: the calls; `handle/event_loop.rs`: the
//! task that dispatches the node's events; `handle/health.rs`: problems that the events reported;
//! `handle/network.rs`: the state of the network.

mod event_loop;
mod health;
mod network;
mod read;
#[cfg(test)]
mod tests;
mod watch;
mod write;

use std::sync::Arc;
use std::time::Instant;

use gm_broadcast::Time;
use gm_broadcast::runtime::{
    RuntimeError, RuntimeHandle, RuntimeMachine, Seed, Sockets, Stopped, entropy, start, unix_seconds,
};
use gm_clock::NetId;
use gm_codec::{FrameCodec, Keyring};
use thiserror::Error;
use tokio::sync::{Notify, broadcast};
use tokio::task::AbortHandle;

use crate::command::{NodeCommand, WriteError};
use crate::config::{ConfigError, NodeConfig};
use crate::event::NodeEvent;
use crate::node::NodeMachine;
use crate::store::{Store, StoredState};

pub use health::Health;
pub use network::{NetworkStatus, SeedStatus};
pub use read::NodeStatus;
pub use watch::{Changes, Watcher};

/// The node's state machine with any storage.
pub type BoxedNodeMachine = NodeMachine<Box<dyn Store + Send>>;

/// Length of the queue of events. Slower receivers lose the oldest ones.
const EVENT_QUEUE: usize = 1_024;

impl<S: Store> RuntimeMachine for NodeMachine<S> {
    fn seeds(seeds: Vec<NetId>) -> NodeCommand {
        NodeCommand::Seeds(seeds)
    }

    fn close() -> NodeCommand {
        NodeCommand::Close
    }
}

impl NodeConfig {
    /// Defaults for a node on these sockets: its NetId, whether it multicasts, and the wall clock.
    #[must_use]
    pub fn for_sockets(sockets: &Sockets) -> NodeConfig {
        NodeConfig {
            broadcast: sockets.config(),
            unix_seconds: unix_seconds(),
            ..NodeConfig::new(sockets.me())
        }
    }
}

/// Reason why a node does not start.
#[derive(Debug, Error)]
pub enum StartError {
    /// A setting of the node is invalid.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The sockets or the operating system failed.
    #[error(transparent)]
    Runtime(#[from] RuntimeError),
}

/// Error of a call.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum NodeError {
    /// The node has ended, and the call did not reach it: nothing was written.
    #[error("the node has ended")]
    Stopped,
    /// The node received the write and ended before it answered: the write may or may not be
    /// stored.
    #[error("the node ended before it answered: the write may or may not stand")]
    Unknown,
    /// The write was refused. Nothing was changed.
    #[error(transparent)]
    Refused(#[from] WriteError),
}

impl From<Stopped> for NodeError {
    fn from(_: Stopped) -> NodeError {
        NodeError::Stopped
    }
}

/// Handle of a running node.
#[derive(Clone, Debug)]
pub struct Node {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    runtime: RuntimeHandle<BoxedNodeMachine>,
    shared: Arc<event_loop::LoopState>,
    /// Start of the node's time.
    started_at: Instant,
    max_watchers: usize,
    /// Maximum number of events of one difference.
    max_events: usize,
    tasks: Vec<AbortHandle>,
}

impl Node {
    /// Starts a node with the state that its storage held, in a task of the current tokio runtime.
    ///
    /// # Errors
    /// A [`StartError`], which names the setting to change.
    ///
    /// # Panics
    /// If it is called outside of a tokio runtime with I/O and time enabled.
    pub fn start(
        config: NodeConfig,
        codec: FrameCodec,
        store: impl Store + Send + 'static,
        stored: StoredState,
        sockets: Sockets,
    ) -> Result<Node, StartError> {
        let woken = Arc::new(Notify::new());
        let mut store: Box<dyn Store + Send> = Box::new(store);
        let waker = Arc::clone(&woken);
        store.set_waker(Box::new(move || waker.notify_one()));
        let (watchers, events) = (config.limits.watchers, config.limits.watch_events);
        let node = NodeMachine::new(config, codec, store, stored, entropy()?, Time::ZERO)?;
        let started_at = Instant::now();
        let (runtime, outputs) = start(node, sockets)?;
        let (shared, dropped_watchers) = event_loop::LoopState::new(EVENT_QUEUE);
        let shared = Arc::new(shared);
        let event_task =
            tokio::spawn(event_loop::run(outputs, dropped_watchers, runtime.clone(), Arc::clone(&shared)));
        let store_handle = runtime.clone();
        let store_task = tokio::spawn(async move {
            loop {
                woken.notified().await;
                if store_handle.send(NodeCommand::StoreReady).await.is_err() {
                    return;
                }
            }
        });
        let tasks = vec![event_task.abort_handle(), store_task.abort_handle()];
        Ok(Node {
            inner: Arc::new(Inner {
                runtime,
                shared,
                started_at,
                max_watchers: watchers,
                max_events: events,
                tasks,
            }),
        })
    }

    /// The node's NetId.
    #[must_use]
    pub fn my_id(&self) -> NetId {
        self.inner.runtime.me()
    }

    /// Subscribes to events other than answers and changes: groups in sync, conflicts, problems of
    /// the storage, peers found. The first subscriber also receives earlier events; a slow one
    /// loses the oldest.
    #[must_use]
    pub fn events(&self) -> broadcast::Receiver<NodeEvent> {
        self.inner.shared.subscribe()
    }

    /// Replaces the keys: frames are sealed with the first one and opened with any of them.
    ///
    /// # Errors
    /// [`NodeError::Stopped`].
    pub async fn set_keys(&self, keyring: Keyring) -> Result<(), NodeError> {
        Ok(self.inner.runtime.send(NodeCommand::Keys(keyring)).await?)
    }

    /// Adds seeds: the node dials them until they answer.
    ///
    /// # Errors
    /// [`NodeError::Stopped`].
    pub async fn add_seeds(&self, seeds: Vec<NetId>) -> Result<(), NodeError> {
        Ok(self.inner.runtime.send(NodeCommand::Seeds(seeds)).await?)
    }

    /// Adds a seed: the node dials it until it answers, and resolves its name periodically.
    ///
    /// # Errors
    /// [`NodeError::Stopped`].
    pub async fn add_seed(&self, seed: Seed) -> Result<(), NodeError> {
        Ok(self.inner.runtime.add_seed(seed).await?)
    }

    /// Ends the waits of all stored writes: each is answered at once, as
    /// [`TimedOut`](crate::WaitOutcome::TimedOut) if fewer members acknowledged than requested.
    /// Writes that are not stored yet continue.
    ///
    /// # Errors
    /// [`NodeError::Stopped`].
    pub async fn end_waits(&self) -> Result<(), NodeError> {
        Ok(self.inner.runtime.send(NodeCommand::EndWaits).await?)
    }

    /// Stops the node: it sends queued messages, closes all connections, and returns when the
    /// storage is closed. The node remains a member of its groups. A write without an answer by
    /// then returns [`NodeError::Unknown`].
    pub async fn stop(&self) {
        self.inner.runtime.stop().await;
        self.inner.shared.ended().await;
    }

    /// Returns when the node has ended, for any reason.
    pub async fn ended(&self) {
        self.inner.shared.ended().await;
    }

    /// The present time of the node.
    fn now(&self) -> Time {
        Time::ZERO + self.inner.started_at.elapsed()
    }
}

impl Drop for Inner {
    /// Aborts the tasks. They hold the runtime's handle, so the runtime ends with them.
    fn drop(&mut self) {
        self.tasks.iter().for_each(AbortHandle::abort);
    }
}
