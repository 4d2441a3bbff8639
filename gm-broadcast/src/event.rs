//! What a broadcaster is told to do, what it tells its owner, and what it counts. Knows nothing of
//! how it is done.

use std::time::Duration;

use gm_clock::NetId;
use gm_codec::{Body, BroadcastId, Keyring};

use crate::handler::Path;
use crate::peer_status::SeedTrouble;
use crate::unopened::Unopened;

/// What the owner of a broadcaster tells it.
#[derive(Clone, Debug)]
pub enum BroadcastCommand {
    /// Tell many.
    Broadcast(BroadcastRequest),
    /// Tell one.
    Send {
        /// Whom.
        to: NetId,
        /// What: anything that may be direct.
        body: Body,
        /// How.
        transport: Transport,
    },
    /// A broadcast that the handler promised to count later is safe now: see
    /// [`HandlerOutcome::stored`](crate::HandlerOutcome).
    Stored(BroadcastId),
    /// It will not be: this node does not count where only who has it on disk does.
    NotStored(BroadcastId),
    /// There are these nodes.
    AddNodes(Vec<NetId>),
    /// Tell a node that those nodes exist, with the islands that they are in as far as that is
    /// known.
    Introduce {
        /// The receiver.
        to: NetId,
        /// The nodes. Those that are not known here are left out.
        nodes: Vec<NetId>,
    },
    /// Call these until they answer, for ever, besides those configured.
    AddSeeds(Vec<NetId>),
    /// Seal with the first of these keys from now on, and open with all.
    SetKeys(Keyring),
    /// A question that the owner sent to this node was not answered in time.
    Unanswered {
        /// The node.
        node: NetId,
        /// How the question was sent.
        by: Transport,
    },
    /// A question that the owner sent to this node by datagram was answered by datagram.
    Answered(NetId),
    /// List this node no longer, and do not tell others of it, until it sends something itself. It
    /// stays connected if it is.
    Unlist(NetId),
    /// Close all connections after what was sent on them. Whatever comes later opens new ones.
    Close,
}

/// A broadcast to be made.
#[derive(Clone, Debug)]
pub struct BroadcastRequest {
    /// What the owner calls it: it comes back in [`Event::Started`] and [`Event::Acks`].
    pub tag: u64,
    /// What is told.
    pub body: Body,
    /// Whom it is meant for. Whoever hears the multicast hears it as well.
    pub to: Targets,
    /// Whether to gather who has got it.
    pub acks: Option<RequestedAcks>,
    /// A broadcast takes the place of an older one of the same topic that a slow node was not sent
    /// yet: it must say all that the older one did, to whoever knew what came before the older.
    pub topic: Option<u64>,
    /// What is told instead to who was not sent an older one of the topic.
    pub catch_up: Option<Body>,
    /// Whether it is multicast as well. If not, only the targets get it, each by a connection.
    pub multicast: bool,
}

impl BroadcastRequest {
    /// To all that we know, with no receipts.
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

/// Whom a broadcast is meant for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Targets {
    /// Every node that we know.
    All,
    /// These. Ourselves among them, and the second of two, are ignored.
    Nodes(Vec<NetId>),
}

/// Receipts that are wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RequestedAcks {
    /// Within what time.
    pub within: Duration,
    /// Whether only who has it on disk counts.
    pub durable: bool,
}

impl From<Path> for Transport {
    /// The way back: what came by a connection is answered by one.
    fn from(path: Path) -> Transport {
        match path {
            Path::Multicast | Path::Datagram => Transport::Udp,
            Path::Connection => Transport::Tcp,
        }
    }
}

/// How one node is told something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// By one datagram, which may be lost; what does not fit goes by a connection, and so does
    /// everything for a peer to which datagrams are known to be lost
    /// ([`DatagramReachability`](crate::DatagramReachability)).
    Udp,
    /// By a connection, which is opened if there is none.
    Tcp,
}

/// What a broadcaster tells its owner.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BroadcastEvent {
    /// A broadcast began.
    Started {
        /// What the owner called it.
        tag: u64,
        /// What it is called on the wire.
        id: BroadcastId,
    },
    /// It could not be said: nothing was sent.
    Rejected {
        /// What the owner called it.
        tag: u64,
        /// Why, in words for a log.
        why: String,
    },
    /// Receipts of a broadcast of ours changed.
    Acks {
        /// What the owner called it.
        tag: u64,
        /// How it stands.
        report: AckReport,
        /// Once the report is settled: the targets that its numbers stand for. Empty before.
        parts: Vec<AckPart>,
    },
    /// Whoever passed this broadcast on waits until it is on disk: answered by [`Command::Stored`]
    /// or [`Command::NotStored`].
    PersistRequested(BroadcastId),
    /// Something was heard of a node that we did not know.
    NodeFound(NetId),
    /// A node is near from now on: we hear its multicast.
    Near(NetId),
    /// We do not hear its multicast any longer.
    Far(NetId),
    /// Our island has this label from now on; none if we are alone.
    Island(Option<NetId>),
    /// Somebody else uses our NetId, or sends our payloads back to us.
    IdentityClash,
    /// Frames of an address do not open. Reported once for each cause of each address, and a few a
    /// minute at most.
    Unopened(Unopened),
    /// Whether datagrams between us and a node get through has changed.
    DatagramReachability {
        /// The node.
        node: NetId,
        /// They are lost from now on, or work again.
        lost: bool,
    },
    /// The system gave up a connection to a node that is alive: small packets arrive there, and
    /// large ones do not. The next connections to it use small segments.
    Stalled(NetId),
    /// A seed is not reached for some seconds.
    SeedTrouble {
        /// The seed.
        node: NetId,
        /// Why.
        why: SeedTrouble,
    },
    /// A seed that was reported as not reached is reached.
    SeedReached(NetId),
}

/// How far a broadcast has come, as far as receipts tell. `delivered + refused + missing + unknown`
/// is the number of targets.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AckReport {
    /// Targets that have it, and count.
    pub delivered: u64,
    /// Targets that have it and do not count.
    pub refused: u64,
    /// Targets that could not be reached.
    pub missing: u64,
    /// Targets of which nothing is known.
    pub unknown: u64,
    /// Some of the missing, sorted.
    pub missing_nodes: Vec<NetId>,
    /// Nothing more will come.
    pub settled: bool,
}

/// Some targets of a settled broadcast, with what receipts tell of them. Receipts are sums: they
/// tell how many nodes of a part acknowledged, and which ones only if all of them did. No target is
/// in two parts; nothing is known of a target that is in none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AckPart {
    /// The targets.
    pub nodes: Vec<NetId>,
    /// Of them, those that have it, and count.
    pub delivered: u64,
    /// Of them, those that have it and do not count.
    pub refused: u64,
    /// Of them, those that could not be reached.
    pub missing: u64,
    /// The part is one node that could not be reached, and whose host refused the last connections
    /// that were tried, several in a row: nothing listens there.
    pub closed: bool,
}
