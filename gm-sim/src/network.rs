//! What ways cost, and how the systems of the hosts behave, when nothing is wrong. Knows no faults.

use std::time::Duration;

use gm_broadcast::{LatencyClass, PathCost, PathCosts, Time};

use crate::node::Location;

/// A kind of way between two nodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PathProfile {
    /// From the beginning of a send to that of the next one of the same node.
    pub gap: Duration,
    /// From the beginning of a send to its arrival.
    pub latency: Duration,
    /// Added to each arrival: anything below it.
    pub jitter: Duration,
    /// Bytes a second; 0 if as many as one likes. A frame keeps its sender busy, and comes later,
    /// by its length over this.
    pub bytes_per_second: u64,
}

impl PathProfile {
    /// No jitter, any number of bytes.
    #[must_use]
    pub const fn new(cost: PathCost) -> PathProfile {
        PathProfile { gap: cost.gap, latency: cost.latency, jitter: Duration::ZERO, bytes_per_second: 0 }
    }

    /// How long so many bytes take besides.
    pub(crate) fn transmission_time(&self, bytes: usize) -> Duration {
        match self.bytes_per_second {
            0 => Duration::ZERO,
            rate => Duration::from_nanos((bytes as u64).saturating_mul(1_000_000_000) / rate),
        }
    }
}

/// How the kernels' TCP behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TcpModel {
    /// Bytes that are on their way or unread, at most, per connection and direction; what is more
    /// waits with the sender.
    pub window: usize,
    /// After this a dial is silent.
    pub connect_timeout: Duration,
    /// What does not come through is tried again after this, then after twice as long, and so on.
    pub retry_min: Duration,
    /// The longest time between two tries.
    pub retry_max: Duration,
    /// Who has sent bytes that nobody took for so long gives the connection up.
    pub user_timeout: Duration,
    /// Connections that the kernel of a paused process accepts.
    pub backlog: usize,
    /// Whether connections are as if they had been made before: the handshake, and so many first
    /// bytes of each end (what a protocol opens with), take no time and keep nobody busy. Nothing:
    /// all takes its time.
    pub pre_opened: Option<usize>,
}

/// A network without faults.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    /// Within an island, multicast and TCP.
    pub island: PathProfile,
    /// Between islands of a site.
    pub lan: PathProfile,
    /// Between sites.
    pub wan: PathProfile,
    /// Bytes of a datagram, at most; longer ones vanish.
    pub mtu: usize,
    /// Bytes of datagrams that wait for a paused process, at most; what comes besides is lost.
    pub udp_buffer: usize,
    /// Connections.
    pub tcp: TcpModel,
}

impl Network {
    /// Ways that cost what a plan thinks they cost.
    #[must_use]
    pub const fn new(classes: &PathCosts) -> Network {
        Network {
            island: PathProfile::new(classes.island),
            lan: PathProfile::new(classes.lan),
            wan: PathProfile::new(classes.wan),
            mtu: 65_507,
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

    /// The class of a way. A node's way to itself is one within its island.
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

    /// What it costs.
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

/// A send that begins not before `now`: when it begins, and until when its sender is busy.
pub(crate) fn schedule_send(busy_until: &mut Time, now: Time, way: &PathProfile, bytes: usize) -> Time {
    let begin = now.max(*busy_until);
    *busy_until = begin + way.gap + way.transmission_time(bytes);
    begin
}
