//! Building blocks of plans: timings and planned sends.

use std::time::Duration;

use gm_broadcast::{BroadcasterLimits, BroadcasterTimings, Rng, Time, TreeShape};

use super::{BroadcastClaims, InitialPeers, Plan, PlannedSend, Recipients};
use crate::layout::{below, ms};
use crate::network::Network;
use crate::node::{Location, NodeIndex};
use crate::schedule::Schedule;

/// Timings of nodes in these worlds: minutes are shortened to seconds, so that a run is short. All
/// others have their defaults.
pub const TIMES: BroadcasterTimings = BroadcasterTimings {
    idle: Duration::from_secs(5),
    confirmation: Duration::from_secs(10),
    reception_report: Duration::from_millis(300),
    multicast_keepalive: Duration::from_secs(2),
    backoff: Duration::from_millis(250),
    backoff_max: Duration::from_secs(4),
    exchange: Duration::from_secs(3),
    ..BroadcasterTimings::DEFAULT
};

/// A plan without faults and without sends.
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
    /// Adds a broadcast with the next number to all nodes, without required delivery.
    pub(super) fn add_send(&mut self, at: Time, node: NodeIndex) -> &mut PlannedSend {
        let number = 1 + self.sends.len() as u64;
        let send = PlannedSend {
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
        let index = self.sends.len();
        self.sends.push(send);
        &mut self.sends[index]
    }

    /// Sets the end of the run: all required deliveries and acks are due, plus a margin.
    pub(super) fn finish(mut self) -> Plan {
        let ends = self.sends.iter().map(|send| {
            let ack_time = send.acks.map_or(Duration::ZERO, |request| request.within * 5 / 4 + ms(2_500));
            send.at + send.deliver_within.unwrap_or_default().max(ack_time)
        });
        self.end = ends.max().unwrap_or(Time::ZERO).max(self.heal_at) + ms(100);
        self
    }

    pub(super) fn random_node(&self, rng: &mut Rng) -> NodeIndex {
        NodeIndex(below(rng, u32::try_from(self.locations.len()).unwrap_or(u32::MAX)))
    }
}

/// A random length: mostly fitting into a datagram, sometimes some thousand bytes, rarely more.
pub(super) fn random_length(rng: &mut Rng, max: u64) -> usize {
    let drawn = match rng.below(20) {
        0..12 => 8 + rng.below(800),
        12..19 => 800 + rng.below(2_300),
        _ => 50_000 + rng.below(max),
    };
    usize::try_from(drawn).unwrap_or(8)
}
