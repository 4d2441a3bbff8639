//! Cost model of a network without faults: paths between nodes, and TCP of the hosts' kernels.

use std::time::Duration;

use gm_broadcast::{LatencyClass, PathCost, PathCosts, Time};

use crate::node::Location;

/// Cost of a path between two nodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PathProfile {
    /// Time from the beginning of a send to that of the next send of the same node.
    pub gap: Duration,
    /// Time from the beginning of a send to its arrival.
    pub latency: Duration,
    /// Upper bound of a random delay that is added to each arrival.
    pub jitter: Duration,
    /// Bandwidth in bytes per second; 0 means unlimited. The length of a frame divided by this
    /// keeps the sender busy and delays the arrival.
    pub bytes_per_second: u64,
}

impl PathProfile {
    /// A profile without jitter and with unlimited bandwidth.
    #[must_use]
    pub const fn new(cost: PathCost) -> PathProfile {
        PathProfile { gap: cost.gap, latency: cost.latency, jitter: Duration::ZERO, bytes_per_second: 0 }
    }

    /// Time to transmit this number of bytes, in addition to gap and latency.
    pub(crate) fn transmission_time(&self, bytes: usize) -> Duration {
        match self.bytes_per_second {
            0 => Duration::ZERO,
            rate => Duration::from_nanos((bytes as u64).saturating_mul(1_000_000_000) / rate),
        }
    }
}

/// Behaviour of the kernels' TCP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TcpModel {
    /// Maximum number of bytes in flight or unread, per connection and direction; further bytes
    /// wait at the sender.
    pub window: usize,
    /// Time until an unanswered dial fails.
    pub connect_timeout: Duration,
    /// Time until the first retransmission; it doubles with each one.
    pub retry_min: Duration,
    /// Maximum time between two retransmissions.
    pub retry_max: Duration,
    /// Time without an acknowledgement of sent bytes after which the sender gives up the
    /// connection.
    pub user_timeout: Duration,
    /// Number of connections that the kernel of a paused process accepts.
    pub backlog: usize,
    /// If set, connections behave as if they had been opened before: the handshake and this number
    /// of first bytes of each end (the protocol's opening) take no time and keep no node busy. If
    /// not, everything takes its time.
    pub pre_opened: Option<usize>,
}

/// A network without faults.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    /// Paths within an island, by multicast and TCP.
    pub island: PathProfile,
    /// Paths between islands of one site.
    pub lan: PathProfile,
    /// Paths between sites.
    pub wan: PathProfile,
    /// Maximum length of a datagram in bytes; longer ones are lost.
    pub mtu: usize,
    /// Whether a node receives its own multicasts too, as sockets with `IP_MULTICAST_LOOP` do.
    pub multicast_loops: bool,
    /// Maximum number of datagram bytes that wait for a paused process; further datagrams are lost.
    pub udp_buffer: usize,
    /// Behaviour of connections.
    pub tcp: TcpModel,
}

impl Network {
    /// A network whose paths cost exactly what a broadcast plan assumes.
    #[must_use]
    pub const fn new(classes: &PathCosts) -> Network {
        Network {
            island: PathProfile::new(classes.island),
            lan: PathProfile::new(classes.lan),
            wan: PathProfile::new(classes.wan),
            mtu: 65_507,
            multicast_loops: false,
            udp_buffer: 212_992,
            tcp: TcpModel {
                window: 256 << 10,
                connect_timeout: Duration::from_secs(3),
                retry_min: Duration::from_millis(200),
                retry_max: Duration::from_secs(2),
                user_timeout: gm_broadcast::STALL_TIMEOUT,
                backlog: 128,
                pre_opened: None,
            },
        }
    }

    /// Latency class of a path. The path of a node to itself is one within its island.
    #[must_use]
    pub const fn class(from: &Location, to: &Location) -> LatencyClass {
        if from.island == to.island {
            LatencyClass::Island
        } else if from.site == to.site {
            LatencyClass::Lan
        } else {
            LatencyClass::Wan
        }
    }

    /// Cost of a path of this class.
    #[must_use]
    pub const fn path(&self, class: LatencyClass) -> &PathProfile {
        match class {
            LatencyClass::Island => &self.island,
            LatencyClass::Lan => &self.lan,
            LatencyClass::Wan => &self.wan,
        }
    }
}

impl Default for Network {
    fn default() -> Network {
        Network::new(&PathCosts::DEFAULT)
    }
}

/// Time at which a send begins, not before `now`; updates the time until which its sender is busy.
pub(crate) fn schedule_send(busy_until: &mut Time, now: Time, path: &PathProfile, bytes: usize) -> Time {
    let begin = now.max(*busy_until);
    *busy_until = begin + path.gap + path.transmission_time(bytes);
    begin
}
