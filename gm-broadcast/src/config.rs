//! Everything that a broadcaster can be told before it begins: who it is, what ways cost, and every
//! bound. Knows no file and no flag.

use std::sync::Arc;
use std::time::Duration;

use gm_clock::NetId;
use gm_codec::{Handshake, Limits};
use thiserror::Error;

use crate::latency_class::{LatencyClass, PathCosts};
use crate::peers::Directory;
use crate::plan::TreeShape;

/// A broadcaster's configuration. All bounds are of memory or work that others could cause.
#[derive(Clone, Debug)]
pub struct BroadcasterConfig {
    /// Who we are: what others dial, and what stands in our frames.
    pub me: NetId,
    /// Whether we multicast. If not, we still take what others multicast to us.
    pub multicast: bool,
    /// Nodes that we call until they answer, for ever. Ourselves among them is ignored.
    pub seeds: Vec<NetId>,
    /// Nodes that are known from the start; one table may serve many machines of a simulated world.
    pub directory: Arc<Directory>,
    /// What ways cost.
    pub path_costs: PathCosts,
    /// A node whose connection is there within this time is nearby
    /// ([`LatencyClass::Lan`](crate::LatencyClass::Lan)), else far away. Default 10 ms.
    pub lan_within: Duration,
    /// How lists are split. Default postal.
    pub tree_shape: TreeShape,
    /// The bounds.
    pub limits: BroadcasterLimits,
    /// The times.
    pub timings: BroadcasterTimings,
}

/// What a broadcaster holds at most.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BroadcasterLimits {
    /// Nodes that are remembered besides the directory; beyond it the one that was silent the
    /// longest is forgotten. Default 100,000.
    pub peers: usize,
    /// Nodes that are called for ever, those of the configuration among them; beyond it one more is
    /// not taken, and counted. Default 1,024.
    pub seeds: usize,
    /// Connections at one time; beyond it an idle one is closed, or nothing is dialled. Default
    /// 1,024.
    pub connections: usize,
    /// Connections that were accepted and have not shown a frame yet; beyond it the oldest is
    /// closed. Default 64.
    pub unauthenticated: usize,
    /// Bytes of memory for frames that come by proven connections and are not whole yet, of all
    /// connections together, besides the [`Limits::FIRST_FRAME`] that each of them may keep; beyond
    /// it the connection of another such frame is closed, that which was silent the longest, but
    /// never that of the frame that began first. At least the limit `frame`, whatever is set.
    /// Default 64 MiB.
    pub partial_frame_bytes: usize,
    /// Shares of one broadcast, hence connections that it can open at once. Default 512.
    pub fan_out: usize,
    /// Shares, of all broadcasts, that nobody has taken yet; beyond it a share is given up, and its
    /// nodes are missing. Default 16,384.
    pub open_subtrees: usize,
    /// Broadcasts and messages that wait for one connection; beyond it the oldest is dropped.
    /// Default 256.
    pub outbox: usize,
    /// Bytes of one connection that are with the driver and not with the system yet. Default 256
    /// KiB.
    pub in_flight: usize,
    /// Frames a second that are taken of one node, by whatever way, and as many at once; what is
    /// beyond is dropped, and a connection by which it came is closed. Default 5,000.
    pub frames_per_second: u32,
    /// Datagrams a second that may fail to open; beyond it only those from addresses of known nodes
    /// are tried. Default 10,000.
    pub unopened_datagrams_per_second: u32,
    /// Answers to datagrams of one node a second. Default 100.
    pub answers_per_second: u32,
    /// Broadcasts whose content is kept for who asks, ours and others', and multicasts for who
    /// missed them. Default 256.
    pub cached_broadcasts: usize,
    /// Bytes of that content, as payloads; the newest alone may have more. Default 4 MiB.
    pub cached_bytes: usize,
    /// (origin, epoch) pairs whose broadcasts are told apart; beyond it the one unused the longest
    /// is forgotten. Default 4,096.
    pub origins: usize,
    /// Broadcasts whose receipts are gathered at one time. Default 1,024.
    pub ack_aggregations: usize,
    /// Numbers that are missed of one node's multicasts; beyond it the lowest is given up. Default
    /// 64.
    pub missing_per_node: usize,
    /// Attempts to reach a hop that one share makes at one time. Default 8.
    pub dials_per_subtree: usize,
}

/// How long a broadcaster waits for what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BroadcasterTimings {
    /// A connection that nothing is sent on is closed. Default 60 s.
    pub idle: Duration,
    /// A connection must show its first frame within this time. Default 5 s.
    pub opening: Duration,
    /// A frame that has begun to come must be whole within this time, and a second more for every
    /// 64 KiB of it that came. Default 60 s.
    pub frame: Duration,
    /// How long a confirmation that somebody hears our multicast holds. Default 5 min.
    pub confirmation: Duration,
    /// How long changes in whom we hear are gathered before they are multicast for their own sake.
    /// Default 1 s.
    pub reception_report: Duration,
    /// After so much silence one node of an island multicasts, in turn. Default 10 s.
    pub multicast_keepalive: Duration,
    /// So long after the last content that we multicast its number is multicast again, for those
    /// who missed it; and again after twice the time, some times. Default 100 ms.
    pub beacon: Duration,
    /// Whoever missed a multicast asks after a random time up to this, so that not all do. Default
    /// 20 ms.
    pub nack_jitter: Duration,
    /// It asks somebody else after this time. Default 100 ms.
    pub nack_retry: Duration,
    /// How long content that was multicast may come after the notice of it, before it is asked for.
    /// Default 5 ms.
    pub content_wait: Duration,
    /// A relay that gathers receipts says so at least this often, to who waits for it; thrice this
    /// time of silence is its death. Default 100 ms.
    pub ack_interval: Duration,
    /// The next node of a share is tried beside the first after four latencies of its class and
    /// this. Default 10 ms.
    pub hedge: Duration,
    /// After a failure a node is not dialled for about this time, doubled by each failure...
    /// Default 500 ms.
    pub backoff: Duration,
    /// ... up to about this. Default 60 s.
    pub backoff_max: Duration,
    /// How often one node is asked whom it knows, and seeds are tried. Default 30 s.
    pub exchange: Duration,
}

impl BroadcasterLimits {
    /// The defaults.
    pub const DEFAULT: BroadcasterLimits = BroadcasterLimits {
        peers: 100_000,
        seeds: 1_024,
        connections: 1_024,
        unauthenticated: 64,
        partial_frame_bytes: 64 << 20,
        fan_out: 512,
        open_subtrees: 16_384,
        outbox: 256,
        in_flight: 256 << 10,
        frames_per_second: 5_000,
        unopened_datagrams_per_second: 10_000,
        answers_per_second: 100,
        cached_broadcasts: 256,
        cached_bytes: 4 << 20,
        origins: 4_096,
        ack_aggregations: 1_024,
        missing_per_node: 64,
        dials_per_subtree: 8,
    };

    /// Bytes that one connection holds at most of what came by it, until the peer has proven that
    /// it has the key: its random bytes, and less than a first frame. The shell reads no more of it
    /// either.
    pub const UNAUTHENTICATED_BYTES: usize = Handshake::BYTES + Limits::FIRST_FRAME;

    /// Bytes that are held at most of what came by connections whose peers did not prove that they
    /// have the key, of all that others opened together. Default 263,168. Beside that, the shell
    /// has 256 pieces on their way at most, each of no more than
    /// [`UNAUTHENTICATED_BYTES`](Bounds::UNPROVEN) bytes of such a connection. (Connections that we
    /// dialled hold as much each, and are at most `links`: none but the addresses that we call have
    /// a part in that.)
    #[must_use]
    pub const fn max_unauthenticated_bytes(&self) -> usize {
        self.unauthenticated.saturating_mul(BroadcasterLimits::UNAUTHENTICATED_BYTES)
    }
}

impl BroadcasterTimings {
    /// The defaults.
    pub const DEFAULT: BroadcasterTimings = BroadcasterTimings {
        idle: Duration::from_secs(60),
        opening: Duration::from_secs(5),
        frame: Duration::from_secs(60),
        confirmation: Duration::from_secs(300),
        reception_report: Duration::from_secs(1),
        multicast_keepalive: Duration::from_secs(10),
        beacon: Duration::from_millis(100),
        nack_jitter: Duration::from_millis(20),
        nack_retry: Duration::from_millis(100),
        content_wait: Duration::from_millis(5),
        ack_interval: Duration::from_millis(100),
        hedge: Duration::from_millis(10),
        backoff: Duration::from_millis(500),
        backoff_max: Duration::from_secs(60),
        exchange: Duration::from_secs(30),
    };
}

/// A setting that cannot be. Nothing was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("the field `{name}` of the configuration must be at least 1")]
pub struct BroadcasterConfigError {
    /// The field of [`BroadcasterLimits`] or [`BroadcasterTimings`].
    pub name: &'static str,
}

impl BroadcasterConfig {
    /// The defaults for a node.
    #[must_use]
    pub fn new(me: NetId) -> BroadcasterConfig {
        BroadcasterConfig {
            me,
            multicast: true,
            seeds: Vec::new(),
            directory: Arc::new(Directory::default()),
            path_costs: PathCosts::DEFAULT,
            lan_within: Duration::from_millis(10),
            tree_shape: TreeShape::Postal,
            limits: BroadcasterLimits::DEFAULT,
            timings: BroadcasterTimings::DEFAULT,
        }
    }

    /// The class of a node whose connection took so long to be there.
    pub(crate) fn class_of(&self, handshake: Duration) -> LatencyClass {
        if handshake <= self.lan_within { LatencyClass::Lan } else { LatencyClass::Wan }
    }

    /// Whether every bound lets something through and every time passes.
    ///
    /// # Errors
    /// The first field that is 0.
    pub fn checked(self) -> Result<BroadcasterConfig, BroadcasterConfigError> {
        let BroadcasterLimits {
            connections: links,
            unauthenticated: strangers,
            fan_out,
            outbox,
            in_flight,
            cached_broadcasts: recent,
            origins,
            ack_aggregations: aggregations,
            ..
        } = self.limits;
        let counts = [
            ("peers", self.limits.peers),
            ("seeds", self.limits.seeds),
            ("connections", links),
            ("unauthenticated", strangers),
            ("partial_frame_bytes", self.limits.partial_frame_bytes),
            ("fan_out", fan_out),
            ("outbox", outbox),
            ("in_flight", in_flight),
            ("cached_broadcasts", recent),
            ("cached_bytes", self.limits.cached_bytes),
            ("origins", origins),
            ("ack_aggregations", aggregations),
            ("missing_per_node", self.limits.missing_per_node),
            ("dials_per_subtree", self.limits.dials_per_subtree),
            ("open_subtrees", self.limits.open_subtrees),
            ("frames_per_second", self.limits.frames_per_second as usize),
            ("unopened_datagrams_per_second", self.limits.unopened_datagrams_per_second as usize),
            ("answers_per_second", self.limits.answers_per_second as usize),
        ];
        let times = [
            ("idle", self.timings.idle),
            ("opening", self.timings.opening),
            ("frame", self.timings.frame),
            ("confirmation", self.timings.confirmation),
            ("reception_report", self.timings.reception_report),
            ("multicast_keepalive", self.timings.multicast_keepalive),
            ("beacon", self.timings.beacon),
            ("nack_retry", self.timings.nack_retry),
            ("ack_interval", self.timings.ack_interval),
            ("backoff", self.timings.backoff),
            ("backoff_max", self.timings.backoff_max),
            ("exchange", self.timings.exchange),
        ];
        let zero = counts.iter().find(|(_, count)| *count == 0).map(|(name, _)| *name);
        let zero = zero.or_else(|| times.iter().find(|(_, time)| time.is_zero()).map(|(name, _)| *name));
        match zero {
            Some(name) => Err(BroadcasterConfigError { name }),
            None => Ok(self),
        }
    }
}

#[cfg(test)]
mod tests;
