//! Handle of a node on sockets, for programs that embed one.
//!
//! [`Node::builder`] starts a node. A [`Node`] is cheap to clone, and so is the [`Group`] of
//! [`Node::group`]. The node ends when the last handle is dropped, or when it is [shut
//! down](Node::shutdown); it remains a member of its groups. Reads return snapshots from memory. A
//! write returns when it is stored and as many members have acknowledged it as it [waits
//! for](WaitFor).
//!
//! ```
//! # #[tokio::main]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use gm_node::{Multicast, Node, keys};
//!
//! let node = Node::builder("example", keys::generate()?)
//!     .ephemeral()
//!     .address([127, 0, 0, 1]) // a node of this machine only, at any port
//!     .port(0)
//!     .multicast(Multicast::Off)
//!     .single_node()
//!     .start()
//!     .await?;
//! let customers = node.group("Customers")?;
//! customers.serve(..).port(5432).await?;
//! let owners = customers.locate(b"customer:4711").await?;
//! assert_eq!(owners.first().map(|owner| owner.member), Some(node.my_id()));
//! node.shutdown().await;
//! # Ok(())
//! # }
//! ```
//!
//! `handle/builder.rs`, `handle/group.rs`, `handle/request.rs`, `handle/leave_all.rs`,
//! `handle/stream.rs`, `handle/watch_all.rs`, `handle/watch_peers.rs`: the API for embedding. The
//! daemon uses the plain calls below it:
//! `handle/read.rs`, `handle/write.rs`, `handle/watch.rs`: the calls; `handle/event_loop.rs`: the
//! dispatch of the node's events; `handle/event_feed.rs`: the queue of those that no caller and no
//! watcher of a group waits for; `handle/health.rs`: problems that the events reported;
//! `handle/network.rs`: the state of the network.

mod builder;
mod event_feed;
mod event_loop;
mod group;
mod health;
mod leave_all;
mod network;
mod read;
mod request;
mod stream;
#[cfg(test)]
mod tests;
mod watch;
mod watch_all;
mod watch_peers;
mod write;

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use gm_broadcast::Time;
use gm_broadcast::runtime::{
    RuntimeError, RuntimeHandle, RuntimeMachine, Seed, SeedError, Sockets, Stopped, entropy, start_with,
    unix_seconds,
};
use gm_clock::NetId;
use gm_codec::{ClusterNameError, FrameCodec, Keyring, LimitsError};
use thiserror::Error;
use tokio::runtime::Handle;
use tokio::sync::Notify;
use tokio::task::{AbortHandle, JoinHandle};
use tokio::time::timeout;

use crate::command::{NodeCommand, WriteError};
use crate::config::{ConfigError, NodeConfig};
use crate::node::NodeMachine;
use crate::store::{Store, StoredState};

pub use builder::NodeBuilder;
pub use group::Group;
pub use health::Health;
pub use leave_all::{LeaveAllRequest, LeftGroup};
pub use network::{NetworkStatus, SeedStatus};
pub use read::NodeStatus;
pub use request::{IntoKeyRange, JoinRequest, ServeRequest, WaitFor, WriteRequest};
pub use stream::{EventWatch, GroupWatch};
pub use watch::{Changes, Watcher};
pub use watch_all::{NodeChange, NodeWatch};
pub use watch_peers::{PeerChange, PeerWatch};

/// The node's state machine with any storage.
pub type BoxedNodeMachine = NodeMachine<Box<dyn Store + Send>>;

/// The future of a call. It is a boxed one, so that it is compiled here and not in the crate that
/// awaits it.
pub type NodeFuture<T, E = NodeError> = Pin<Box<dyn Future<Output = Result<T, E>> + Send>>;

/// Time that [`Node::shutdown`] gives writes in progress to be acknowledged.
const WRITES_TIMEOUT: Duration = Duration::from_secs(2);
/// Time that it gives them afterwards to be stored and answered.
const ANSWERS_TIMEOUT: Duration = Duration::from_secs(1);

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
    /// Neither a directory nor the ephemeral store was chosen.
    #[error(
        "no storage is chosen: call `data_dir` with a directory, or `ephemeral` for a node that forgets its groups when it ends"
    )]
    NoStorage,
    /// The call is outside of a tokio runtime, or that runtime is shutting down.
    #[error(
        "there is no tokio runtime: await `start` within one that has I/O and time (`enable_all`), such as that of #[tokio::main]"
    )]
    NoRuntime,
    /// No cluster can have this name.
    #[error("the cluster of `builder` is invalid: {0}")]
    Cluster(#[from] ClusterNameError),
    /// A seed cannot be parsed.
    #[error("`seed`: {0}")]
    Seed(#[from] SeedError),
    /// The limits of frames are invalid.
    #[error(transparent)]
    Frames(#[from] LimitsError),
    /// The directory cannot be used.
    #[cfg(feature = "disk")]
    #[error("`data_dir`: {0}")]
    Store(#[from] crate::store::disk::OpenError),
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
#[derive(Clone)]
pub struct Node {
    inner: Arc<Inner>,
}

impl fmt::Debug for Node {
    /// The NetId only.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Node").field(&self.my_id()).finish()
    }
}

struct Inner {
    runtime: RuntimeHandle<BoxedNodeMachine>,
    shared: Arc<event_loop::LoopState>,
    /// Start of the node's time.
    started_at: Instant,
    max_watchers: usize,
    /// Maximum number of events of one difference.
    max_events: usize,
    tasks: Vec<AbortHandle>,
    tokio: Handle,
}

/// A node that is about to start: its machine and its sockets.
struct PreparedNode {
    machine: BoxedNodeMachine,
    sockets: Sockets,
    /// Notified when the storage has a result.
    woken: Arc<Notify>,
    max_watchers: usize,
    max_events: usize,
}

impl PreparedNode {
    /// Creates the machine. It may take long if the stored state is large.
    fn new(
        config: NodeConfig,
        codec: FrameCodec,
        mut store: Box<dyn Store + Send>,
        stored: StoredState,
        sockets: Sockets,
    ) -> Result<PreparedNode, StartError> {
        let woken = Arc::new(Notify::new());
        let waker = Arc::clone(&woken);
        store.set_waker(Box::new(move || waker.notify_one()));
        let (max_watchers, max_events) = (config.limits.watchers, config.limits.watch_events);
        let machine = NodeMachine::new(config, codec, store, stored, entropy()?, Time::ZERO)?;
        Ok(PreparedNode { machine, sockets, woken, max_watchers, max_events })
    }

    /// Starts the tasks in the current tokio runtime.
    fn run(self) -> Result<Node, StartError> {
        let tokio = Handle::try_current().map_err(|_| StartError::NoRuntime)?;
        let PreparedNode { machine, sockets, woken, max_watchers, max_events } = self;
        let started_at = Instant::now();
        let (shared, dropped_watchers) = event_loop::LoopState::new();
        let shared = Arc::new(shared);
        let dispatcher = event_loop::Dispatcher(Arc::clone(&shared));
        let runtime = start_with(machine, sockets, move |output| dispatcher.dispatch(output))?;
        let task = tokio::spawn(event_loop::notify_machine(woken, dropped_watchers, runtime.clone()));
        let tasks = vec![task.abort_handle()];
        Ok(Node {
            inner: Arc::new(Inner { runtime, shared, started_at, max_watchers, max_events, tasks, tokio }),
        })
    }
}

impl Node {
    /// A builder of a node in this cluster. The key may be a [`Key`](gm_codec::Key) or a
    /// [`Keyring`]; all nodes of the cluster need it.
    pub fn builder(cluster: &str, key: impl Into<Keyring>) -> NodeBuilder {
        NodeBuilder::new(cluster, key.into())
    }

    /// Starts a node from its parts, in a task of the current tokio runtime, with the state that
    /// its storage held. [`Node::builder`] makes the parts from settings.
    ///
    /// # Errors
    /// A [`StartError`], which names the setting to change.
    ///
    /// # Panics
    /// In a tokio runtime whose I/O or time is disabled.
    pub fn start(
        config: NodeConfig,
        codec: FrameCodec,
        store: impl Store + Send + 'static,
        stored: StoredState,
        sockets: Sockets,
    ) -> Result<Node, StartError> {
        PreparedNode::new(config, codec, Box::new(store), stored, sockets)?.run()
    }

    /// The node's NetId.
    #[must_use]
    pub fn my_id(&self) -> NetId {
        self.inner.runtime.me()
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

    /// Shuts the node down gracefully: refuses new writes with [`NodeError::Stopped`], gives those
    /// in progress two seconds, ends their waits, and then [stops](Node::stop). The node remains a
    /// member of its groups. An aborted call shuts down all the same.
    pub async fn shutdown(&self) {
        // It fails only with the node's runtime, and the node ends with that too.
        let _ = self.spawn_shutdown().await;
    }

    /// Starts the shutdown in a task of the node's runtime, so that the caller may run on another
    /// executor.
    fn spawn_shutdown(&self) -> JoinHandle<()> {
        self.inner.shared.close();
        let node = self.clone();
        self.inner.tokio.spawn(async move { node.finish().await })
    }

    /// Lets the writes in progress end, and stops.
    async fn finish(&self) {
        if timeout(WRITES_TIMEOUT, self.inner.shared.all_answered()).await.is_err()
            && self.end_waits().await.is_ok()
        {
            // Writes without an answer by then wait for the storage, which closes next.
            let _ = timeout(ANSWERS_TIMEOUT, self.inner.shared.all_answered()).await;
        }
        self.stop().await;
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
