//! Plan of a run as a value: the nodes, their network, the sends, the faults and the required
//! deliveries. It is a function of a seed: a random plan ([`random()`]) or one of a named scenario
//! ([`named()`]).
//!
//! A run has two phases. Until [`Plan::heal_at`] there are faults, and only safety is checked. Then
//! all faults end, and sends after [`Plan::settle_time`] must arrive within a stated time.

mod layout;
mod named;
mod random;

use std::collections::BTreeSet;
use std::fmt;
use std::time::Duration;

use gm_broadcast::{BroadcasterLimits, BroadcasterTimings, RequestedAcks, Time, Transport, TreeShape};
use gm_clock::NetId;

use crate::fault::FaultClass;
use crate::network::Network;
use crate::node::{Location, NodeIndex};
use crate::schedule::Schedule;
use crate::world::Action;

pub use layout::TIMES;
pub use named::{named, names};
pub use random::random;

/// The plan of a run.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Name of the scenario.
    pub name: String,
    /// Seed of all random choices.
    pub seed: u64,
    /// Location of each node.
    pub locations: Vec<Location>,
    /// Network without faults.
    pub network: Network,
    /// Nodes that do not multicast.
    pub mute: Vec<NodeIndex>,
    /// Peers that nodes know at their start.
    pub initial_peers: InitialPeers,
    /// Shape of the forwarding tree.
    pub shape: TreeShape,
    /// Limits of every node.
    pub bounds: BroadcasterLimits,
    /// Timings of every node.
    pub times: BroadcasterTimings,
    /// Fault classes in the schedule.
    pub classes: Vec<FaultClass>,
    /// Random faults of the first phase.
    pub schedule: Schedule,
    /// Additional actions, at any time.
    pub extra_actions: Vec<(Time, Action)>,
    /// Time at which the faults of the schedule end.
    pub heal_at: Time,
    /// Planned sends.
    pub sends: Vec<PlannedSend>,
    /// End of the run.
    pub end: Time,
    /// Properties of this plan in addition to those of all plans.
    pub claims: BroadcastClaims,
}

/// Peers that a node knows when it starts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum InitialPeers {
    /// Every node.
    Everybody {
        /// Whether their islands are known too.
        labels: bool,
    },
    /// These seeds only, which the node dials.
    Seeds(Vec<NodeIndex>),
}

/// A planned send.
#[derive(Clone, Debug)]
pub struct PlannedSend {
    /// Time of the send.
    pub at: Time,
    /// Sender.
    pub node: NodeIndex,
    /// Number that identifies the send in this run.
    pub number: u64,
    /// Length of the content in bytes.
    pub length: usize,
    /// Recipients.
    pub to: Recipients,
    /// Requested acks, if any.
    pub acks: Option<RequestedAcks>,
    /// Time within which every target that is up throughout must have it; `None` if no delivery is
    /// required.
    pub deliver_within: Option<Duration>,
    /// Targets for which delivery is not required.
    pub excused: Vec<NodeIndex>,
    /// Whether the acks must count exactly the nodes that are up.
    pub exact_acks: bool,
}

/// Recipients of a send.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Recipients {
    /// A broadcast to all peers that the node knows.
    All,
    /// A broadcast to these nodes.
    Nodes(Vec<NetId>),
    /// A message to one node, not a broadcast.
    One(NetId, Transport),
}

/// Properties of a plan in addition to those of all plans.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BroadcastClaims {
    /// Time from which no node fails, no frame is lost, and islands are known, so that cost is
    /// bounded.
    pub calm_from: Option<Time>,
    /// Whether all nodes must know each other at the end.
    pub all_peers_known: bool,
    /// Requires delivery only of broadcasts of which this node took no frame; those that it took
    /// may be lost with it.
    pub except_accepted_by: Option<NodeIndex>,
}

impl Plan {
    /// Time from the end of the faults to the first required send. By then all nodes have closed
    /// idle connections (those to nodes that died unnoticed are idle), given up dials, waited out
    /// backoffs, dropped old confirmations, and exchanged peers.
    #[must_use]
    pub fn settle_time(&self) -> Duration {
        let BroadcasterTimings { idle, backoff_max: backoff_most, confirmation, exchange, .. } = self.times;
        let links = idle * 2 + self.network.tcp.retry_max;
        let pauses = self.network.tcp.connect_timeout + backoff_most * 3 / 2;
        links.max(pauses).max(confirmation) + exchange
    }

    /// Time within which a broadcast reaches all nodes when there are no faults except `dead` dead
    /// nodes: for each level of its tree a dial, a send, and a lost multicast that is requested
    /// again; and for each level at which all parallel dials go to dead nodes, a connect timeout.
    #[must_use]
    pub fn delivery_bound(&self, dead: usize) -> Duration {
        let levels = u32::try_from(self.locations.len()).unwrap_or(u32::MAX).ilog2() + 2;
        let latency = self.network.wan.latency + self.network.wan.jitter;
        let content_request = self.times.ack_interval * 6 + self.times.content_wait;
        let silent = u32::try_from(dead.div_ceil(self.bounds.dials_per_subtree)).unwrap_or(u32::MAX);
        let hedges = (latency * 4 + self.times.hedge)
            * u32::try_from(dead.min(self.bounds.dials_per_subtree)).unwrap_or(1);
        (latency * 6 + content_request) * levels
            + (self.network.tcp.connect_timeout * silent + hedges) * levels.min(silent * levels)
    }

    /// Every node.
    pub fn nodes(&self) -> impl Iterator<Item = NodeIndex> + use<> {
        (0..u32::try_from(self.locations.len()).unwrap_or(u32::MAX)).map(NodeIndex)
    }
}

impl fmt::Display for Plan {
    /// Writes a summary of the plan in a few lines.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let islands: BTreeSet<u32> = self.locations.iter().map(|location| location.island).collect();
        let sites: BTreeSet<u32> = self.locations.iter().map(|location| location.site).collect();
        let (nodes, mute) = (self.locations.len(), self.mute.len());
        writeln!(f, "{}, seed {}: {nodes} nodes, {mute} without multicast", self.name, self.seed)?;
        writeln!(f, "{} islands, {} sites, {:?}", islands.len(), sites.len(), self.initial_peers)?;
        writeln!(f, "{:?}, {:?}", self.shape, self.bounds)?;
        let classes: Vec<&str> = self.classes.iter().map(|class| class.name()).collect();
        writeln!(f, "faults until {}: {}", self.heal_at, classes.join(" "))?;
        let demanded = self.sends.iter().filter(|send| send.deliver_within.is_some()).count();
        write!(
            f,
            "{} sends, {demanded} with required delivery, settle time {:?}, end {}",
            self.sends.len(),
            self.settle_time(),
            self.end
        )
    }
}

/// Name of the random scenario.
pub const RANDOM: &str = "random";

/// The plan of this scenario, if the name is known.
#[must_use]
pub fn plan(name: &str, seed: u64) -> Option<Plan> {
    if name == RANDOM { Some(random(seed)) } else { named(name, seed) }
}
