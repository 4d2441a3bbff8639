//! The parts of plans: where nodes stand, how fast worlds go, what is said at what times. Knows no
//! faults.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use gm_broadcast::{BroadcasterLimits, BroadcasterTimings, Rng, Time, TreeShape};
use gm_clock::NetId;

use super::{BroadcastClaims, InitialPeers, Plan, PlannedSend, Recipients};
use crate::network::Network;
use crate::node::{Location, NodeIndex};
use crate::schedule::Schedule;

/// The times of nodes in these worlds: what takes minutes takes seconds, so that a run is short.
/// All else is as it is by default.
pub(super) const TIMES: BroadcasterTimings = BroadcasterTimings {
    idle: Duration::from_secs(5),
    confirmation: Duration::from_secs(10),
    reception_report: Duration::from_millis(300),
    multicast_keepalive: Duration::from_secs(2),
    backoff: Duration::from_millis(250),
    backoff_max: Duration::from_secs(4),
    exchange: Duration::from_secs(3),
    ..BroadcasterTimings::DEFAULT
};

pub(super) fn id(node: u32) -> NetId {
    let ip = IpAddr::V4(Ipv4Addr::from_bits(0x0a00_0001 + node));
    // 10.0.0.1 and those behind it may be identities.
    NetId::new(ip, 29_999).unwrap_or_else(|_| unreachable!())
}

pub(super) fn seconds(seconds: u64) -> Time {
    Time::from_nanos(seconds * 1_000_000_000)
}

pub(super) const fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// Islands of these sizes, so many of them on each site.
pub(super) fn islands(sizes: &[u32], per_site: u32) -> Vec<Location> {
    let mut locations = Vec::new();
    for (island, size) in (0..).zip(sizes) {
        for _ in 0..*size {
            let node = u32::try_from(locations.len()).unwrap_or(u32::MAX);
            locations.push(Location { id: id(node), island, site: island / per_site });
        }
    }
    locations
}

/// A world in which nothing is wrong and nobody says anything.
pub(super) fn idle_plan(name: &str, seed: u64, locations: Vec<Location>) -> Plan {
    Plan {
        name: name.to_owned(),
        seed,
        locations,
        network: Network::default(),
        mute: Vec::new(),
        initial_peers: InitialPeers::Everybody { labels: true },
        shape: TreeShape::Postal,
        bounds: BroadcasterLimits::DEFAULT,
        times: TIMES,
        classes: Vec::new(),
        schedule: Schedule { actions: Vec::new() },
        extra_actions: Vec::new(),
        heal_at: Time::ZERO,
        sends: Vec::new(),
        end: Time::ZERO,
        claims: BroadcastClaims::default(),
    }
}

impl Plan {
    /// A say of the next number, to all, with nothing demanded.
    pub(super) fn add_send(&mut self, at: Time, node: NodeIndex) -> &mut PlannedSend {
        let number = 1 + self.sends.len() as u64;
        let say = PlannedSend {
            at,
            node,
            number,
            length: 64,
            to: Recipients::All,
            acks: None,
            deliver_within: None,
            excused: Vec::new(),
            exact_acks: false,
        };
        let place = self.sends.len();
        self.sends.push(say);
        &mut self.sends[place]
    }

    /// What is demanded is over, and a little more.
    pub(super) fn finish(mut self) -> Plan {
        let ends = self.sends.iter().map(|say| {
            let receipts = say.acks.map_or(Duration::ZERO, |wanted| wanted.within * 5 / 4 + ms(2_500));
            say.at + say.deliver_within.unwrap_or_default().max(receipts)
        });
        self.end = ends.max().unwrap_or(Time::ZERO).max(self.heal_at) + ms(100);
        self
    }

    pub(super) fn random_node(&self, rng: &mut Rng) -> NodeIndex {
        NodeIndex(u32::try_from(rng.index(self.locations.len())).unwrap_or(0))
    }
}

/// A length: most often one that fits into a datagram, sometimes some thousand bytes, seldom many.
pub(super) fn random_length(rng: &mut Rng, most: u64) -> usize {
    let drawn = match rng.below(20) {
        0..12 => 8 + rng.below(800),
        12..19 => 800 + rng.below(2_300),
        _ => 50_000 + rng.below(most),
    };
    usize::try_from(drawn).unwrap_or(8)
}
