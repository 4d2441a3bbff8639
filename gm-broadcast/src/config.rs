//! Configuration of a broadcaster: its NetId, path costs, limits and timings, each with its
//! default.
//! Every limit bounds memory or work that peers or strangers could cause.

use std::sync::Arc;
use std::time::Duration;

use gm_clock::NetId;
use gm_codec::{Handshake, Limits};
use thiserror::Error;

use crate::latency_class::{LatencyClass, PathCosts};
use crate::peers::Directory;
use crate::plan::TreeShape;

/// Configuration of a [`Broadcaster`](crate::Broadcaster). [`BroadcasterConfig::new`] has the
/// defaults, which suit up to some thousand nodes; most programs change only `seeds`.
#[derive(Clone, Debug)]
pub struct BroadcasterConfig {
    /// NetId of this node: the address that peers dial, and the sender in its frames.
    pub me: NetId,
    /// Whether this node multicasts. Default true. Without it, it still receives the multicasts of
    /// others, but all of its own broadcasts go over TCP.
    pub multicast: bool,
    /// Whether subtrees that fit go by datagrams with acknowledgements. Default true. Without it,
    /// all go by connections: each node then has one to some of the others most of the time, and a
    /// broadcast over paths without one waits for dials.
    pub datagram_hops: bool,
    /// Nodes that are dialed again and again, until the end. Empty by default: then this node finds
    /// others only by multicast or by [`AddNodes`](crate::BroadcastCommand::AddNodes). This node
    /// itself in the list is ignored.
    pub seeds: Vec<NetId>,
    /// Nodes known from the start. Empty by default; one directory may be shared by many machines
    /// of a simulation.
    #[doc(hidden)]
    pub directory: Arc<Directory>,
    /// Estimated cost of a send in each latency class. Estimates that are wrong by a factor of two
    /// make broadcasts later by a fifth as a rule, and never incomplete.
    pub path_costs: PathCosts,
    /// Greatest time of a connection setup to a node that counts as
    /// [`LatencyClass::Lan`](crate::LatencyClass::Lan); slower ones are
    /// [`LatencyClass::Wan`](crate::LatencyClass::Wan). Default 10 ms. Too high, distant sites are
    /// treated as local, and broadcasts to them start late.
    pub lan_within: Duration,
    /// Division of targets among relays. Default postal; the others exist for measurements.
    #[doc(hidden)]
    pub tree_shape: TreeShape,
    /// Limits of memory and work.
    pub limits: BroadcasterLimits,
    /// Intervals and timeouts.
    pub timings: BroadcasterTimings,
}

/// Limits of a broadcaster's memory and work. All are at least 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BroadcasterLimits {
    /// Peers that are remembered besides the directory; beyond it, the unconnected peer that was
    /// silent longest is forgotten. Default 100,000. Below the size of the cluster, broadcasts miss
    /// nodes; not above `connections`, it does not hold, because a connected peer is not forgotten.
    pub peers: usize,
    /// Seeds, configured and added later; beyond it, further ones are dropped and counted. Default
    /// 1,024.
    pub seeds: usize,
    /// Open connections; beyond it, an idle one is closed, or a dial does not happen. Default
    /// 1,024. Too low, connections are opened and closed all the time; each costs a file
    /// descriptor.
    pub connections: usize,
    /// Accepted connections that are not authenticated yet; beyond it, the oldest is closed.
    /// Default 512. Too low, a flood of connections keeps new peers out, and so do many nodes that
    /// start together with one seed; each costs some 4 KiB.
    pub unauthenticated: usize,
    /// Bytes of memory for partial frames of authenticated connections together, besides the
    /// [`Limits::FIRST_FRAME`] that each of them may keep. Beyond it, the connection of another
    /// partial frame is closed: the one that was silent longest, but never the one whose frame
    /// began first. At least the codec's limit `frame`, whatever is set. Default 64 MiB.
    pub partial_frame_bytes: usize,
    /// Subtrees of one broadcast, hence the connections that it can open at once. Default 512. Too
    /// low, trees become deeper and broadcasts slower.
    pub fan_out: usize,
    /// Subtrees of all broadcasts that no relay has taken yet; beyond it, a subtree is given up and
    /// its nodes are reported as missing. Default 16,384.
    pub open_subtrees: usize,
    /// Entries that wait for one connection; beyond it, the oldest is dropped. Default 256. Too
    /// low, slow peers lose broadcasts, which anti-entropy has to repair.
    pub outbox: usize,
    /// Bytes of one connection that are with the driver and not with the system yet. Default 256
    /// KiB. Too low, throughput to distant peers suffers; too high, entries in the outbox can be
    /// replaced by newer ones less often.
    pub in_flight: usize,
    /// Frames per second that are accepted of one node, and the size of a burst. Further datagrams
    /// are dropped, and a connection that exceeds the rate is closed. Default 5,000.
    pub frames_per_second: u32,
    /// Datagrams per second that may fail to decrypt; beyond it, only datagrams from addresses of
    /// known nodes are decrypted. Default 10,000. It bounds the processor time that a flood costs:
    /// one or two microseconds each.
    pub unopened_datagrams_per_second: u32,
    /// Replies to datagrams of one node per second. Default 100.
    pub answers_per_second: u32,
    /// Broadcasts whose content is cached for relays and requests, this node's and others', and
    /// multicasts cached for retransmission. Default 256. Too low, losses cannot be repaired.
    pub cached_broadcasts: usize,
    /// Bytes of that cache, as payloads; the newest entry alone may be larger. Default 4 MiB.
    pub cached_bytes: usize,
    /// Pairs of origin and epoch whose broadcasts are deduplicated; beyond it, the one unused
    /// longest is forgotten. Default 4,096. Below the number of active origins, broadcasts can be
    /// delivered twice.
    pub origins: usize,
    /// Broadcasts whose acks are aggregated at one time; beyond it, a broadcast is forwarded
    /// without acks, and its targets remain unknown to the origin. Default 1,024.
    pub ack_aggregations: usize,
    /// Missing sequence numbers of one neighbor's multicasts; beyond it, the lowest is given up.
    /// Default 64.
    pub missing_per_node: usize,
    /// Dials that one subtree has under way at one time. Default 8.
    pub dials_per_subtree: usize,
}

/// Intervals and timeouts of a broadcaster.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BroadcasterTimings {
    /// Time without use after which a connection is closed. Default 60 s. Too low, connections are
    /// set up again and again.
    pub idle: Duration,
    /// Time from the start of a connection to its first authentic frame; then it is closed. Default
    /// 5 s. Too low, distant or busy peers are cut off, and below [`STALL_TIMEOUT`] a path that
    /// drops large packets is found late; too high, strangers hold connections for longer.
    ///
    /// [`STALL_TIMEOUT`]: crate::STALL_TIMEOUT
    pub opening: Duration,
    /// Time in which a frame must be complete once it began, and a second more for each 64 KiB
    /// received. Default 60 s.
    pub frame: Duration,
    /// Validity of a peer's confirmation that it receives our multicast. Default 5 min. Shorter
    /// costs more announcements; longer, a broken multicast path is noticed later.
    pub confirmation: Duration,
    /// Delay in which changes of the set of neighbors are collected before they are multicast on
    /// their own. Default 1 s.
    pub reception_report: Duration,
    /// Silence after which the next node of an island multicasts an empty payload, in turn. Default
    /// 10 s.
    pub multicast_keepalive: Duration,
    /// Delay after the last multicast with content until its number is multicast again (the
    /// sequence beacon), doubled at each of a few repetitions. Default 8 ms.
    pub beacon: Duration,
    /// Greatest random delay of a nack, so that not all neighbors send one at the same time.
    /// Default 5 ms.
    pub nack_jitter: Duration,
    /// Delay until a nack is sent again, to another neighbor, doubled each time from the second one
    /// on. Default 15 ms: some round trips of an island. Too low, a busy neighbor answers twice.
    pub nack_retry: Duration,
    /// Delay from an announcement to the request for its content, in which the multicast may still
    /// arrive. Default 5 ms. Too low, content is sent twice.
    pub content_wait: Duration,
    /// Greatest interval between two ack summaries of a relay; a relay that is silent for three of
    /// them counts as failed, and its subtree is reassigned. Default 100 ms. Too low, slow relays
    /// are replaced although they work.
    pub ack_interval: Duration,
    /// Delay until the next candidate of a subtree is tried beside the first, in addition to four
    /// latencies of its class. Default 10 ms.
    pub hedge: Duration,
    /// Time for which a node is not dialed after a failure, doubled by each further one...  Default
    /// 500 ms.
    pub backoff: Duration,
    /// ... up to this. Default 60 s. Both are randomized by half.
    pub backoff_max: Duration,
    /// Interval in which one node is asked for the peers that it knows, and seeds are tried.
    /// Default 30 s.
    pub exchange: Duration,
}

impl BroadcasterLimits {
    /// The defaults.
    pub const DEFAULT: BroadcasterLimits = BroadcasterLimits {
        peers: 100_000,
        seeds: 1_024,
        connections: 1_024,
        unauthenticated: 512,
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

    /// Greatest number of bytes that are held of one unauthenticated connection: the peer's
    /// handshake and less than a first frame. The runtime reads no more of it either.
    pub const UNAUTHENTICATED_BYTES: usize = Handshake::BYTES + Limits::FIRST_FRAME;

    /// Greatest number of bytes that are held of all accepted, unauthenticated connections
    /// together. Default 2,105,344. Beside that, the runtime has at most 256 chunks under way, each
    /// of at most [`UNAUTHENTICATED_BYTES`](BroadcasterLimits::UNAUTHENTICATED_BYTES) bytes of such
    /// a connection. (Connections that this node dialed hold as much each; there are at most
    /// `connections` of them, and only to addresses that it dials.)
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
        beacon: Duration::from_millis(8),
        nack_jitter: Duration::from_millis(5),
        nack_retry: Duration::from_millis(15),
        content_wait: Duration::from_millis(5),
        ack_interval: Duration::from_millis(100),
        hedge: Duration::from_millis(10),
        backoff: Duration::from_millis(500),
        backoff_max: Duration::from_secs(60),
        exchange: Duration::from_secs(30),
    };
}

/// An invalid setting.
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
            datagram_hops: true,
            seeds: Vec::new(),
            directory: Arc::new(Directory::default()),
            path_costs: PathCosts::DEFAULT,
            lan_within: Duration::from_millis(10),
            tree_shape: TreeShape::Postal,
            limits: BroadcasterLimits::DEFAULT,
            timings: BroadcasterTimings::DEFAULT,
        }
    }

    /// The class of a node by the duration of its connection setup.
    pub(crate) fn class_of(&self, handshake: Duration) -> LatencyClass {
        if handshake <= self.lan_within { LatencyClass::Lan } else { LatencyClass::Wan }
    }

    /// Checks that no limit and no time is 0.
    pub fn checked(self) -> Result<BroadcasterConfig, BroadcasterConfigError> {
        let BroadcasterLimits {
            connections,
            unauthenticated,
            fan_out,
            outbox,
            in_flight,
            cached_broadcasts,
            origins,
            ack_aggregations,
            ..
        } = self.limits;
        let counts = [
            ("peers", self.limits.peers),
            ("seeds", self.limits.seeds),
            ("connections", connections),
            ("unauthenticated", unauthenticated),
            ("partial_frame_bytes", self.limits.partial_frame_bytes),
            ("fan_out", fan_out),
            ("outbox", outbox),
            ("in_flight", in_flight),
            ("cached_broadcasts", cached_broadcasts),
            ("cached_bytes", self.limits.cached_bytes),
            ("origins", origins),
            ("ack_aggregations", ack_aggregations),
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
