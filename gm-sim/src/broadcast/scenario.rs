//! A run as a value: who stands where, what is said when, what is wrong when, and what is demanded.
//! A function of a seed, drawn ([`random`]) or of a name ([`named`]). Knows nothing of machines and
//! checkers.
//!
//! A run has two phases. Until [`Plan::heal_at`] there are faults, and only safety counts. Then all
//! is well again, and after [`Plan::settle`] what is said is demanded to arrive in a stated time.

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

pub use named::{named, names};
pub use random::random;

/// A run, before it runs.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The scenario.
    pub name: String,
    /// All its chance.
    pub seed: u64,
    /// Who stands where.
    pub locations: Vec<Location>,
    /// What is between them.
    pub network: Network,
    /// Who does not multicast.
    pub mute: Vec<NodeIndex>,
    /// Whom nodes know at their start.
    pub initial_peers: InitialPeers,
    /// How every node cuts its lists.
    pub shape: TreeShape,
    /// The bounds of every node.
    pub bounds: BroadcasterLimits,
    /// The times of every node.
    pub times: BroadcasterTimings,
    /// Kinds of faults that are in the timetable.
    pub classes: Vec<FaultClass>,
    /// What is done to the world in the first phase.
    pub schedule: Schedule,
    /// What is done to it besides, at any time.
    pub extra_actions: Vec<(Time, Action)>,
    /// From here on nothing of the timetable is wrong.
    pub heal_at: Time,
    /// What is said.
    pub sends: Vec<PlannedSend>,
    /// The run ends.
    pub end: Time,
    /// What holds in this world beyond what holds in all.
    pub claims: BroadcastClaims,
}

/// Whom a node knows when it starts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum InitialPeers {
    /// Everybody, and, if so said, who stands on which island.
    Everybody {
        /// Whether islands are known.
        labels: bool,
    },
    /// These, which it calls.
    Seeds(Vec<NodeIndex>),
}

/// One thing that a node is told to say.
#[derive(Clone, Debug)]
pub struct PlannedSend {
    /// When.
    pub at: Time,
    /// Who.
    pub node: NodeIndex,
    /// What the world calls it: no two of a run have one number.
    pub number: u64,
    /// Bytes of it.
    pub length: usize,
    /// To whom.
    pub to: Recipients,
    /// Whether receipts are gathered.
    pub acks: Option<RequestedAcks>,
    /// Within what time every target must have it that is up all the while; nothing if nothing is
    /// demanded.
    pub deliver_within: Option<Duration>,
    /// Of whom it is not demanded.
    pub excused: Vec<NodeIndex>,
    /// Whether the receipts must tell exactly who is up.
    pub exact_acks: bool,
}

/// Whom it is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Recipients {
    /// Everybody whom the node knows.
    All,
    /// These.
    Nodes(Vec<NetId>),
    /// One, not as a broadcast.
    One(NetId, Transport),
}

/// What holds in a world beyond what holds in all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BroadcastClaims {
    /// From then on nobody fails and nothing is lost, and islands are known: what costs count is
    /// bounded.
    pub calm_from: Option<Time>,
    /// In the end everybody knows everybody.
    pub all_peers_known: bool,
    /// Only what no connection to this one took is demanded: what it took is gone with it.
    pub except_accepted_by: Option<NodeIndex>,
}

impl Plan {
    /// From the end of the faults to the first demand: by then everybody has closed idle
    /// connections (those to nodes that died unseen are idle), given up dials, waited out pauses
    /// after failures, forgotten confirmations, and asked around.
    #[must_use]
    pub fn settle_time(&self) -> Duration {
        let BroadcasterTimings { idle, backoff_max: backoff_most, confirmation, exchange, .. } = self.times;
        let links = idle * 2 + self.network.tcp.retry_max;
        let pauses = self.network.tcp.connect_timeout + backoff_most * 3 / 2;
        links.max(pauses).max(confirmation) + exchange
    }

    /// Within what time a broadcast is everywhere when nothing is wrong but that `dead` nodes are:
    /// at each of the levels of its tree a dial, a send, a multicast that may not be heard and is
    /// asked for again; and per level, if all that are tried at one time are dead, the time after
    /// which a dial is silent.
    #[must_use]
    pub fn delivery_bound(&self, dead: usize) -> Duration {
        let levels = u32::try_from(self.locations.len()).unwrap_or(u32::MAX).ilog2() + 2;
        let way = self.network.wan.latency + self.network.wan.jitter;
        let asked = self.times.ack_interval * 6 + self.times.content_wait;
        let silent = u32::try_from(dead.div_ceil(self.bounds.dials_per_subtree)).unwrap_or(u32::MAX);
        let hedges = (way * 4 + self.times.hedge)
            * u32::try_from(dead.min(self.bounds.dials_per_subtree)).unwrap_or(1);
        (way * 6 + asked) * levels
            + (self.network.tcp.connect_timeout * silent + hedges) * levels.min(silent * levels)
    }

    /// The command that runs it again.
    #[must_use]
    pub fn replay(&self) -> String {
        let Plan { name, seed, .. } = self;
        if name == RANDOM {
            format!("cargo xtask sim --seed {seed}")
        } else {
            format!("cargo xtask sim --scenario {name} --seed {seed}")
        }
    }

    /// All nodes.
    pub fn nodes(&self) -> impl Iterator<Item = NodeIndex> + use<> {
        (0..u32::try_from(self.locations.len()).unwrap_or(u32::MAX)).map(NodeIndex)
    }
}

impl fmt::Display for Plan {
    /// What is drawn, in a few lines.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let islands: BTreeSet<u32> = self.locations.iter().map(|place| place.island).collect();
        let sites: BTreeSet<u32> = self.locations.iter().map(|place| place.site).collect();
        let (nodes, mute) = (self.locations.len(), self.mute.len());
        writeln!(f, "{}, seed {}: {nodes} nodes, {mute} of them mute", self.name, self.seed)?;
        writeln!(f, "{} islands, {} sites, {:?}", islands.len(), sites.len(), self.initial_peers)?;
        writeln!(f, "{:?}, {:?}", self.shape, self.bounds)?;
        let classes: Vec<&str> = self.classes.iter().map(|class| class.name()).collect();
        writeln!(f, "faults until {}: {}", self.heal_at, classes.join(" "))?;
        let demanded = self.sends.iter().filter(|say| say.deliver_within.is_some()).count();
        write!(
            f,
            "{} says, {demanded} of them demanded, settle {:?}, end {}",
            self.sends.len(),
            self.settle_time(),
            self.end
        )
    }
}

/// What the drawn one is called.
pub const RANDOM: &str = "random";

/// The plan of that name, if there is one.
#[must_use]
pub fn plan(name: &str, seed: u64) -> Option<Plan> {
    if name == RANDOM { Some(random(seed)) } else { named(name, seed) }
}
