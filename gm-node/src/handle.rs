//! A node on sockets, and a handle of it: what a program that embeds one calls. Knows no file, no
//! flag and no route.
//!
//! A [`Node`] is cheap to clone; when the last clone is dropped, or [stopped](Node::stop), the node
//! ends. That is not leaving: others keep it as a member. Reads are answered from memory and give
//! snapshots. A write is answered when it stands in the storage, and as many others have it as its
//! [`Wait`](crate::Wait) says.
//!
//! ```no_run
//! use gm_broadcast::runtime::{Sockets, RuntimeSettings};
//! use gm_codec::{FrameCodec, Key, Keyring, Limits};
//! use gm_data::{GroupName, KeyRange};
//! use gm_node::handle::Node;
//! use gm_node::store::memory::MemoryStore;
//! use gm_node::{Config, Stored, Wait};
//!
//! # async fn embed(key: [u8; 32]) -> Result<(), Box<dyn std::error::Error>> {
//! let door = Sockets::open(&RuntimeSettings::default())?; // the default route's address, port 29999, multicast on
//! let codec = FrameCodec::new("production".parse()?, Keyring::new(Key::new(key)), Limits::default())?;
//! let node = Node::start(Config::for_sockets(&door), codec, MemoryStore::throw_away(), Stored::default(), door)?;
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
//! `handle/read.rs`, `handle/write.rs`, `handle/watch.rs`: what can be asked;
//! `handle/event_loop.rs`: the task that hears the node; `handle/health.rs`: what it remembers of
//! what it heard; `handle/network.rs`: how it reaches others.

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

/// The machine that is driven: a node with any storage.
pub type BoxedNodeMachine = NodeMachine<Box<dyn Store + Send>>;

/// Events that wait for who wants them, at most; who is slower misses the oldest.
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
    /// The defaults for a node behind a door: its NetId, whether it multicasts, and the wall clock.
    #[must_use]
    pub fn for_sockets(door: &Sockets) -> NodeConfig {
        NodeConfig { broadcast: door.config(), unix_seconds: unix_seconds(), ..NodeConfig::new(door.me()) }
    }
}

/// Why a service does not begin.
#[derive(Debug, Error)]
pub enum StartError {
    /// A setting of the node.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The sockets or the system.
    #[error(transparent)]
    Shell(#[from] RuntimeError),
}

/// Why something was not done, or is not known to be done.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum NodeError {
    /// The node has ended, and the call never reached it: nothing was written.
    #[error("the node has ended")]
    Stopped,
    /// The write was handed to the node, which ended before it answered: it may stand in the
    /// storage, or not.
    #[error("the node ended before it answered: it is not known whether the write stands")]
    Unknown,
    /// It was refused. Nothing was changed.
    #[error(transparent)]
    Refused(#[from] WriteError),
}

impl From<Stopped> for NodeError {
    fn from(_: Stopped) -> NodeError {
        NodeError::Stopped
    }
}

/// A handle of a running node.
#[derive(Clone, Debug)]
pub struct Node {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    shell: RuntimeHandle<BoxedNodeMachine>,
    shared: Arc<event_loop::LoopState>,
    /// When the node's time began.
    started_at: Instant,
    max_watchers: usize,
    /// Events that a watcher is told at once, at most.
    max_events: usize,
    tasks: Vec<AbortHandle>,
}

impl Node {
    /// Starts a node with what its storage held, in a task of the current runtime.
    ///
    /// # Errors
    /// A [`StartError`], which names the setting.
    ///
    /// # Panics
    /// Outside of a tokio runtime with I/O and time.
    pub fn start(
        config: NodeConfig,
        codec: FrameCodec,
        store: impl Store + Send + 'static,
        stored: StoredState,
        door: Sockets,
    ) -> Result<Node, StartError> {
        let woken = Arc::new(Notify::new());
        let mut store: Box<dyn Store + Send> = Box::new(store);
        let waker = Arc::clone(&woken);
        store.set_waker(Box::new(move || waker.notify_one()));
        let (watchers, events) = (config.limits.watchers, config.limits.watch_events);
        let node = NodeMachine::new(config, codec, store, stored, entropy()?, Time::ZERO)?;
        let born = Instant::now();
        let (shell, said) = start(node, door)?;
        let (shared, gone) = event_loop::LoopState::new(EVENT_QUEUE);
        let shared = Arc::new(shared);
        let hearing = tokio::spawn(event_loop::run(said, gone, shell.clone(), Arc::clone(&shared)));
        let for_disk = shell.clone();
        let waking = tokio::spawn(async move {
            loop {
                woken.notified().await;
                if for_disk.send(NodeCommand::StoreReady).await.is_err() {
                    return;
                }
            }
        });
        let tasks = vec![hearing.abort_handle(), waking.abort_handle()];
        Ok(Node {
            inner: Arc::new(Inner {
                shell,
                shared,
                started_at: born,
                max_watchers: watchers,
                max_events: events,
                tasks,
            }),
        })
    }

    /// Who we are.
    #[must_use]
    pub fn my_id(&self) -> NetId {
        self.inner.shell.me()
    }

    /// What the node tells besides answers and changes: agreements, conflicts, troubles of the
    /// storage, nodes found. The first who asks gets what came before too; who is slow misses the
    /// oldest.
    #[must_use]
    pub fn events(&self) -> broadcast::Receiver<NodeEvent> {
        self.inner.shared.subscribe()
    }

    /// Seals with the first of these keys from now on, and opens with all.
    ///
    /// # Errors
    /// [`NodeError::Stopped`].
    pub async fn set_keys(&self, keyring: Keyring) -> Result<(), NodeError> {
        Ok(self.inner.shell.send(NodeCommand::Keys(keyring)).await?)
    }

    /// Calls these nodes too, until they answer, for ever.
    ///
    /// # Errors
    /// [`NodeError::Stopped`].
    pub async fn add_seeds(&self, seeds: Vec<NetId>) -> Result<(), NodeError> {
        Ok(self.inner.shell.send(NodeCommand::Seeds(seeds)).await?)
    }

    /// Calls one more seed, for ever; its name is resolved again and again.
    ///
    /// # Errors
    /// [`NodeError::Stopped`].
    pub async fn add_seed(&self, seed: Seed) -> Result<(), NodeError> {
        Ok(self.inner.shell.add_seed(seed).await?)
    }

    /// Ends the waits of all writes that are stored: each is answered at once, as
    /// [`TimedOut`](crate::WaitOutcome::TimedOut) if fewer have it than were asked for. Writes that
    /// are still with the storage go on.
    ///
    /// # Errors
    /// [`NodeError::Stopped`].
    pub async fn end_waits(&self) -> Result<(), NodeError> {
        Ok(self.inner.shell.send(NodeCommand::EndWaits).await?)
    }

    /// Ends the node: sends what is queued, closes all connections, and returns when the storage is
    /// closed. Others keep it as a member. A write that was not answered by then returns
    /// [`NodeError::Unknown`].
    pub async fn stop(&self) {
        self.inner.shell.stop().await;
        self.inner.shared.ended().await;
    }

    /// Returns when the node has ended, for whatever reason.
    pub async fn ended(&self) {
        self.inner.shared.ended().await;
    }

    /// The node's time.
    fn now(&self) -> Time {
        Time::ZERO + self.inner.started_at.elapsed()
    }
}

impl Drop for Inner {
    /// The tasks hold the shell: without them it ends.
    fn drop(&mut self) {
        self.tasks.iter().for_each(AbortHandle::abort);
    }
}
