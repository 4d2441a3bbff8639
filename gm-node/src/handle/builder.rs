//! Builder of a node: settings as methods, each with a default except for the storage.

use std::net::IpAddr;
#[cfg(feature = "disk")]
use std::path::PathBuf;

use gm_broadcast::runtime::{Multicast, RuntimeSettings, Seed, SeedError, Sockets};
use gm_broadcast::{BroadcasterLimits, BroadcasterTimings};
use gm_codec::{ClusterName, FrameCodec, Keyring, Limits};
use tokio::runtime::Handle;

use super::{Node, NodeFuture, PreparedNode, StartError};
use crate::config::{NodeConfig, NodeLimits, NodeTiming};
#[cfg(feature = "disk")]
use crate::store::disk::DiskStore;
use crate::store::memory::MemoryStore;
use crate::store::{Store, StoredState};

/// Settings of a node that is not started yet: see [`Node::builder`].
///
/// The storage has no default: call [`data_dir`](NodeBuilder::data_dir) or
/// [`ephemeral`](NodeBuilder::ephemeral). Invalid values are reported by
/// [`start`](NodeBuilder::start).
#[derive(Clone, Debug)]
#[must_use = "a builder starts no node until `start` is called and awaited"]
pub struct NodeBuilder {
    cluster: String,
    keyring: Keyring,
    storage: Option<Storage>,
    sockets: RuntimeSettings,
    /// The first seed that cannot be parsed.
    wrong_seed: Option<SeedError>,
    service_port: Option<u16>,
    observe: bool,
    single_node: bool,
    limits: NodeLimits,
    timing: NodeTiming,
    broadcast_limits: BroadcasterLimits,
    broadcast_timings: BroadcasterTimings,
}

#[derive(Clone, Debug)]
enum Storage {
    Ephemeral,
    #[cfg(feature = "disk")]
    Directory(PathBuf),
}

impl NodeBuilder {
    pub(super) fn new(cluster: &str, keyring: Keyring) -> NodeBuilder {
        NodeBuilder {
            cluster: cluster.to_owned(),
            keyring,
            storage: None,
            sockets: RuntimeSettings::default(),
            wrong_seed: None,
            service_port: None,
            observe: false,
            single_node: false,
            limits: NodeLimits::DEFAULT,
            timing: NodeTiming::DEFAULT,
            broadcast_limits: BroadcasterLimits::DEFAULT,
            broadcast_timings: BroadcasterTimings::DEFAULT,
        }
    }

    /// Keeps the node's state in this directory, which is created if it does not exist. It belongs
    /// to one node. After a restart the node is a member of its groups again, with its ranges.
    #[cfg(feature = "disk")]
    pub fn data_dir(mut self, dir: impl Into<PathBuf>) -> NodeBuilder {
        self.storage = Some(Storage::Directory(dir.into()));
        self
    }

    /// Keeps the node's state in memory only. After a restart the node is a member of no group
    /// until it joins again.
    pub fn ephemeral(mut self) -> NodeBuilder {
        self.storage = Some(Storage::Ephemeral);
        self
    }

    /// Adds a seed, `IP:PORT` or `NAME:PORT`: any other node, which is dialed until the end. Names
    /// are resolved periodically. Not needed where multicast reaches the other nodes.
    pub fn seed(mut self, seed: &str) -> NodeBuilder {
        match seed.parse::<Seed>() {
            Ok(seed) => self.sockets.seeds.push(seed),
            Err(error) => self.wrong_seed = self.wrong_seed.or(Some(error)),
        }
        self
    }

    /// The IP address at which other nodes reach this one. Default: the address of the default
    /// route's interface.
    pub fn address(mut self, address: impl Into<IpAddr>) -> NodeBuilder {
        self.sockets.address = Some(address.into());
        self
    }

    /// The TCP and UDP port of this node. Default: [`DEFAULT_PORT`](crate::DEFAULT_PORT). 0 means
    /// any free port, which changes at each start.
    pub fn port(mut self, port: u16) -> NodeBuilder {
        self.sockets.port = port;
        self
    }

    /// The address to listen at. Default: [`address`](NodeBuilder::address). Needed where other
    /// nodes reach this one by an address that it does not have itself, such as behind NAT.
    pub fn bind(mut self, bind: impl Into<IpAddr>) -> NodeBuilder {
        self.sockets.bind = Some(bind.into());
        self
    }

    /// The multicast group, or none. Default: the group of the address's family, or none if the
    /// system refuses it.
    pub fn multicast(mut self, multicast: Multicast) -> NodeBuilder {
        self.sockets.multicast = multicast;
        self
    }

    /// The interface for multicast, by its name or one of its addresses. Default: the interface
    /// that has the node's address.
    pub fn interface(mut self, interface: impl Into<String>) -> NodeBuilder {
        self.sockets.interface = Some(interface.into());
        self
    }

    /// Port of ranges that are served without a [port](super::ServeRequest::port). Default: none;
    /// such a request is refused.
    pub fn service_port(mut self, port: u16) -> NodeBuilder {
        self.service_port = Some(port);
        self
    }

    /// Hosts every group that the node learns of, not only those that it is a member of. Costs the
    /// memory of all groups.
    pub fn observe(mut self) -> NodeBuilder {
        self.observe = true;
        self
    }

    /// Runs the only node of a cluster: first writes and waits ask for no other node. With peers, a
    /// node whose disk was lost may overwrite its earlier record.
    pub fn single_node(mut self) -> NodeBuilder {
        self.single_node = true;
        self
    }

    /// Limits of memory and load. Default: [`NodeLimits::DEFAULT`].
    pub fn limits(mut self, limits: NodeLimits) -> NodeBuilder {
        self.limits = limits;
        self
    }

    /// Timeouts and intervals. Default: [`NodeTiming::DEFAULT`].
    pub fn timing(mut self, timing: NodeTiming) -> NodeBuilder {
        self.timing = timing;
        self
    }

    /// Limits of the broadcasts. Default: [`BroadcasterLimits::DEFAULT`].
    pub fn broadcast_limits(mut self, limits: BroadcasterLimits) -> NodeBuilder {
        self.broadcast_limits = limits;
        self
    }

    /// Intervals and timeouts of the broadcasts. Default: [`BroadcasterTimings::DEFAULT`].
    pub fn broadcast_timings(mut self, timings: BroadcasterTimings) -> NodeBuilder {
        self.broadcast_timings = timings;
        self
    }

    /// Starts the node in a task of the current tokio runtime, of either flavor. Its storage is
    /// opened on a thread for blocking work. An aborted start closes everything again.
    ///
    /// # Errors
    /// A [`StartError`], which names the method of the builder to call with another value.
    ///
    /// # Panics
    /// In a tokio runtime whose I/O or time is disabled.
    #[must_use = "a node starts when the future is awaited"]
    pub fn start(self) -> NodeFuture<Node, StartError> {
        Box::pin(async move {
            let runtime = Handle::try_current().map_err(|_| StartError::NoRuntime)?;
            let preparing = runtime.spawn_blocking(move || self.prepare()).await;
            let prepared = preparing.map_err(|error| match error.try_into_panic() {
                Ok(panic) => std::panic::resume_unwind(panic),
                // The runtime is shutting down.
                Err(_) => StartError::NoRuntime,
            })?;
            prepared?.run()
        })
    }

    /// Opens the storage and the sockets, and creates the machine. The storage comes first: its
    /// lock protects the directory from a second node. Blocks.
    fn prepare(self) -> Result<PreparedNode, StartError> {
        if let Some(error) = self.wrong_seed {
            return Err(error.into());
        }
        let storage = self.storage.ok_or(StartError::NoStorage)?;
        let codec = FrameCodec::new(ClusterName::new(&self.cluster)?, self.keyring, Limits::default())?;
        let (store, stored): (Box<dyn Store + Send>, StoredState) = match storage {
            Storage::Ephemeral => (Box::new(MemoryStore::ephemeral()), StoredState::default()),
            #[cfg(feature = "disk")]
            Storage::Directory(dir) => {
                let (store, stored) = DiskStore::open(&dir)?;
                (Box::new(store), stored)
            }
        };
        let sockets = Sockets::open(&self.sockets)?;
        let mut config = NodeConfig {
            default_port: self.service_port,
            observe: self.observe,
            single_node: self.single_node,
            limits: self.limits,
            timing: self.timing,
            ..NodeConfig::for_sockets(&sockets)
        };
        config.broadcast.limits = self.broadcast_limits;
        config.broadcast.timings = self.broadcast_timings;
        PreparedNode::new(config, codec, store, stored, sockets)
    }
}
