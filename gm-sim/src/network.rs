//! What ways cost, and how the systems of the hosts behave, when nothing is wrong. Knows no faults.

use std::time::Duration;

use gm_broadcast::{LatencyClass, PathCost, PathCosts, Time};

use crate::node::Place;

/// A kind of way between two nodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Way {
    /// From the beginning of a send to that of the next one of the same node.
    pub gap: Duration,
    /// From the beginning of a send to its arrival.
    pub latency: Duration,
    /// Added to each arrival: anything below it.
    pub jitter: Duration,
    /// Bytes a second; 0 if as many as one likes. A frame keeps its sender busy, and comes later, by its length over this.
    pub rate: u64,
}

impl Way {
    /// No jitter, any number of bytes.
    #[must_use]
    pub const fn new(cost: PathCost) -> Way {
        Way { gap: cost.gap, latency: cost.latency, jitter: Duration::ZERO, rate: 0 }
    }

    /// How long so many bytes take besides.
    pub(crate) fn length(&self, bytes: usize) -> Duration {
        match self.rate {
            0 => Duration::ZERO,
            rate => Duration::from_nanos((bytes as u64).saturating_mul(1_000_000_000) / rate),
        }
    }
}

/// How the kernels' TCP behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tcp {
    /// Bytes that are on their way or unread, at most, per connection and direction; what is more waits with the sender.
    pub window: usize,
    /// After this a dial is silent.
    pub connect_timeout: Duration,
    /// What does not come through is tried again after this, then after twice as long, and so on.
    pub retry_first: Duration,
    /// The longest time between two tries.
    pub retry_most: Duration,
    /// Who has sent bytes that nobody took for so long gives the connection up.
    pub give_up: Duration,
    /// Connections that the kernel of a paused process accepts.
    pub backlog: usize,
    /// Whether connections are as if they had been made before: the handshake, and so many first bytes of each end (what a protocol
    /// opens with), take no time and keep nobody busy. Nothing: all takes its time.
    pub warm: Option<usize>,
}

/// A network without faults.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    /// Within an island, multicast and TCP.
    pub island: Way,
    /// Between islands of a site.
    pub lan: Way,
    /// Between sites.
    pub wan: Way,
    /// Bytes of a datagram, at most; longer ones vanish.
    pub mtu: usize,
    /// Bytes of datagrams that wait for a paused process, at most; what comes besides is lost.
    pub udp_buffer: usize,
    /// Connections.
    pub tcp: Tcp,
}

impl Network {
    /// Ways that cost what a plan thinks they cost.
    #[must_use]
    pub const fn new(classes: &PathCosts) -> Network {
        Network {
            island: Way::new(classes.island),
            lan: Way::new(classes.lan),
            wan: Way::new(classes.wan),
            mtu: 65_507,
            udp_buffer: 212_992,
            tcp: Tcp {
                window: 256 << 10,
                connect_timeout: Duration::from_secs(3),
                retry_first: Duration::from_millis(200),
                retry_most: Duration::from_secs(2),
                give_up: gm_broadcast::STALL_TIMEOUT,
                backlog: 128,
                warm: None,
            },
        }
    }

    /// The class of a way. A node's way to itself is one within its island.
    #[must_use]
    pub const fn class(from: &Place, to: &Place) -> LatencyClass {
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
    pub const fn way(&self, class: LatencyClass) -> &Way {
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
pub(crate) fn send(busy_until: &mut Time, now: Time, way: &Way, bytes: usize) -> Time {
    let begin = now.max(*busy_until);
    *busy_until = begin + way.gap + way.length(bytes);
    begin
}
