//! Commands to a broadcaster and events from it, including acknowledgement reports.

use std::time::Duration;

use gm_clock::NetId;
use gm_codec::{Body, BroadcastId, Keyring};

use crate::handler::Path;
use crate::peer_status::SeedTrouble;
use crate::unopened::Unopened;

/// A command of the caller to a broadcaster.
#[derive(Clone, Debug)]
pub enum BroadcastCommand {
    /// Broadcast to many nodes.
    Broadcast(BroadcastRequest),
    /// Send a payload to one node.
    Send {
        /// The receiver.
        to: NetId,
        /// The payload: any kind that may be sent to one node.
        body: Body,
        /// The transport.
        transport: Transport,
    },
    /// A broadcast that the handler accepted is on disk now; see
    /// [`HandlerOutcome::stored`](crate::HandlerOutcome).
    Stored(BroadcastId),
    /// A broadcast will not be stored: this node then refuses a durable acknowledgement.
    NotStored(BroadcastId),
    /// Add nodes to the known peers.
    AddNodes(Vec<NetId>),
    /// Send a node a list of other nodes, with their islands as far as known.
    Introduce {
        /// The receiver.
        to: NetId,
        /// The nodes; unknown ones are left out.
        nodes: Vec<NetId>,
    },
    /// Add seeds, which are dialed until the end, like those configured.
    AddSeeds(Vec<NetId>),
    /// Replace the keyring: the first key encrypts, all decrypt.
    SetKeys(Keyring),
    /// Report that a node did not reply in time to a request of the caller.
    Unanswered {
        /// The node.
        node: NetId,
        /// The transport of the request.
        by: Transport,
    },
    /// Report that a node replied by datagram to a request of the caller by datagram.
    Answered(NetId),
    /// Remove a node from the known peers, and do not mention it to others, until it sends a
    /// message itself. An open connection stays open.
    Unlist(NetId),
    /// Close all connections once their data is sent. Later outputs open new ones.
    Close,
}

/// A broadcast to send.
#[derive(Clone, Debug)]
pub struct BroadcastRequest {
    /// Chosen by the caller; returned in [`BroadcastEvent::Started`] and [`BroadcastEvent::Acks`].
    pub tag: u64,
    /// The payload.
    pub body: Body,
    /// The targets. Neighbors outside of them receive the multicast as well.
    pub to: Targets,
    /// Acknowledgements to request, if any.
    pub acks: Option<RequestedAcks>,
    /// In the outbox of a slow peer, a broadcast replaces an older, unsent one of the same topic.
    /// It must then contain all that the older one did, for a receiver that has everything before
    /// the older.
    pub topic: Option<u64>,
    /// The payload for peers to which an older broadcast of the topic was not sent.
    pub catch_up: Option<Body>,
    /// Whether to multicast it as well. If false, only the targets receive it, each by a
    /// connection.
    pub multicast: bool,
}

impl BroadcastRequest {
    /// A broadcast to all known nodes, without acks.
    #[must_use]
    pub const fn new(body: Body) -> BroadcastRequest {
        BroadcastRequest {
            tag: 0,
            body,
            to: Targets::All,
            acks: None,
            topic: None,
            catch_up: None,
            multicast: true,
        }
    }
}

/// The targets of a broadcast.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Targets {
    /// Every known node.
    All,
    /// These nodes. This node itself and duplicates are ignored.
    Nodes(Vec<NetId>),
}

/// Acknowledgements to collect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RequestedAcks {
    /// Time after which the report is final.
    pub within: Duration,
    /// Whether nodes acknowledge only once the broadcast is on disk.
    pub durable: bool,
}

impl From<Path> for Transport {
    /// The transport of a reply: the one of the request.
    fn from(path: Path) -> Transport {
        match path {
            Path::Multicast | Path::Datagram => Transport::Udp,
            Path::Connection => Transport::Tcp,
        }
    }
}

/// Transport of a payload to one node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// By one datagram, which may be lost. Payloads that do not fit go by a connection, and so do
    /// all to a peer to which datagrams are known to be lost
    /// ([`DatagramReachability`](crate::DatagramReachability)).
    Udp,
    /// A connection, which is opened if there is none.
    Tcp,
}

/// An event of a broadcaster for its caller.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BroadcastEvent {
    /// A broadcast was started.
    Started {
        /// The tag of the request.
        tag: u64,
        /// Its id on the wire.
        id: BroadcastId,
    },
    /// A broadcast could not be encoded; nothing was sent.
    Rejected {
        /// The tag of the request.
        tag: u64,
        /// The cause, for a log.
        why: String,
    },
    /// The acknowledgements of a broadcast of this node changed.
    Acks {
        /// The tag of the request.
        tag: u64,
        /// The present totals.
        report: AckReport,
        /// Once the report is settled: the targets behind its totals. Empty before.
        parts: Vec<AckPart>,
    },
    /// A relay or the origin waits until this broadcast is on disk; the caller replies with
    /// [`BroadcastCommand::Stored`] or [`BroadcastCommand::NotStored`].
    PersistRequested(BroadcastId),
    /// A broadcast of this node or of another one may have missed nodes: a neighbor's multicast was
    /// given up, a target is not reached, or a relay that took a subtree is gone. The caller should
    /// compare its state with other nodes.
    DeliveryDoubtful,
    /// A node became known.
    NodeFound(NetId),
    /// A node became a neighbor: this node receives its multicast.
    Near(NetId),
    /// A node is no longer a neighbor.
    Far(NetId),
    /// The id of this node's island changed; `None` if it has no neighbors.
    Island(Option<NetId>),
    /// Another process uses this node's NetId, or sends its payloads back.
    IdentityClash,
    /// Frames from an address cannot be decrypted. Reported once for each cause and address, and at
    /// most a few times a minute.
    Unopened(Unopened),
    /// Datagrams to a node stopped working, or work again.
    DatagramReachability {
        /// The node.
        node: NetId,
        /// True if they are lost from now on, false if they work again.
        lost: bool,
    },
    /// The system gave up a connection to a node that is alive: small packets arrive there, large
    /// ones do not. Further connections to it use small segments.
    Stalled(NetId),
    /// A seed has been unreachable for some seconds.
    SeedTrouble {
        /// The seed.
        node: NetId,
        /// The cause.
        why: SeedTrouble,
    },
    /// A seed is reachable again, or for the first time, after it was reported as unreachable.
    SeedReached(NetId),
}

/// Totals of the acknowledgements of a broadcast. `delivered + refused + missing + unknown` is the
/// number of targets.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AckReport {
    /// Targets that acknowledged it.
    pub delivered: u64,
    /// Targets that have it and do not acknowledge it: their handler did not accept it, or it is
    /// not on disk.
    pub refused: u64,
    /// Targets that could not be reached.
    pub missing: u64,
    /// Targets without any report.
    pub unknown: u64,
    /// Some of the missing targets, at most 16, sorted.
    pub missing_nodes: Vec<NetId>,
    /// The report is final.
    pub settled: bool,
}

/// Some targets of a settled broadcast and their acknowledgements. Relays report sums: how many
/// nodes of a part acknowledged, hence which ones only if all did. Parts are disjoint; nothing is
/// known of targets in no part.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AckPart {
    /// The targets.
    pub nodes: Vec<NetId>,
    /// Number of them that acknowledged it.
    pub delivered: u64,
    /// Number of them that have it and do not acknowledge it.
    pub refused: u64,
    /// Number of them that could not be reached.
    pub missing: u64,
    /// The part is a single unreachable node whose host refused the last connections, several in a
    /// row: nothing listens there.
    pub closed: bool,
}
