//! A run as a value: who stands where, what owners do when, what is wrong when. A function of a
//! seed, drawn ([`random`]) or of a name ([`named`]). Knows nothing of machines and checkers.
//!
//! A run has two phases. Until [`Plan::heal_at`] there are faults, and only safety counts. Then all
//! is well again, and [`Plan::bound`] later all who hold a group hold the same of it.

mod layout;
mod named;
mod node_faults;
mod random;

use std::collections::BTreeSet;
use std::fmt;
use std::time::Duration;

use gm_broadcast::Time;
use gm_clock::NetId;
use gm_data::{GroupName, PurgePolicy, Record};
use gm_node::{NodeLimits, NodeTiming, Wait, WriteKind};
use gm_sim::{Action, FaultClass, Location, Network, NodeIndex, Schedule};

pub(crate) use layout::{id, ms};
pub(crate) use named::{named, names};
pub(crate) use random::random;

/// What the drawn one is called.
pub(crate) const RANDOM: &str = "random";

/// The plan of that name, if there is one.
pub(crate) fn plan(name: &str, seed: u64) -> Option<Plan> {
    if name == RANDOM { Some(random(seed)) } else { named(name, seed) }
}

/// A run, before it runs.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    /// The scenario.
    pub(crate) name: String,
    /// All its chance.
    pub(crate) seed: u64,
    /// Who stands where: nodes, and behind them places at which something may be started later.
    pub(crate) locations: Vec<Location>,
    /// How many of them are nodes from the beginning.
    pub(crate) nodes: u32,
    /// What is between them.
    pub(crate) network: Network,
    /// Who does not multicast.
    pub(crate) mute: Vec<NodeIndex>,
    /// Whom nodes call.
    pub(crate) seeds: Vec<NodeIndex>,
    /// The groups, by their number.
    pub(crate) groups: Vec<GroupName>,
    /// Who holds every group that it hears of.
    pub(crate) observers: Vec<NodeIndex>,
    /// Who has no disk.
    pub(crate) diskless: Vec<NodeIndex>,
    /// How long disks take.
    pub(crate) disk_latency: Duration,
    /// What is on disks before anything begins: as only a fault can have put it there.
    pub(crate) preloaded: Vec<(NodeIndex, Record)>,
    /// Kinds of faults that are in the timetable.
    pub(crate) classes: Vec<FaultClass>,
    /// What is done to the world in the first phase.
    pub(crate) schedule: Schedule,
    /// What owners do, and what is done to them.
    pub(crate) operations: Vec<(Time, Operation)>,
    /// From here on nothing is wrong.
    pub(crate) heal_at: Time,
    /// After the last deed all is equal within this time.
    pub(crate) convergence_bound: Duration,
    /// The bounds of every node.
    pub(crate) bounds: NodeLimits,
    /// The times of every node.
    pub(crate) times: NodeTiming,
    /// Those of its broadcaster.
    pub(crate) broadcast_times: gm_broadcast::BroadcasterTimings,
    /// What every node purges.
    pub(crate) purge: PurgePolicy,
    /// What holds in this world beyond what holds in all.
    pub(crate) claims: NodeClaims,
}

/// What holds in a world beyond what holds in all.
#[derive(Clone, Debug, Default)]
pub(crate) struct NodeClaims {
    /// Waits for all that are given from then on are answered so.
    pub(crate) waits: Option<ExpectedEnd>,
    /// These know the name of a group that they are not in, and a member of it.
    pub(crate) contacts: Vec<NodeIndex>,
    /// After all is equal, so many nanoseconds are watched, and a node sends at most so many bytes
    /// a second, headers included.
    pub(crate) idle_limit: Option<(Duration, u64)>,
    /// These are members in the end of these groups, and nobody else is.
    pub(crate) members: Option<Vec<(usize, Vec<NodeIndex>)>>,
    /// At least so many writes are refused because of a bound.
    pub(crate) min_refused_writes: u64,
    /// No increment came that did not fit.
    pub(crate) all_increments_fit: bool,
    /// A bound keeps records out: not all need be equal in the end.
    pub(crate) may_differ: bool,
}

/// How a wait is to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ExpectedEnd {
    /// All have it.
    Satisfied,
    /// Not all, and never will.
    Settled,
}

/// One thing that is done.
#[derive(Clone, Debug)]
pub(crate) enum Operation {
    /// An owner writes.
    Write { node: NodeIndex, group: usize, intent: Intent, wait: Wait },
    /// A node forgets another.
    Forget { node: NodeIndex, group: usize, member: NodeIndex, wait: Wait },
    /// Somebody watches a group at a node, and takes so long each time, from now on and after each
    /// start.
    Watch { node: NodeIndex, group: usize, pace: Duration },
    /// That happens to its disk.
    Disk(NodeIndex, DiskOperation),
    /// The process dies, and is started again after a while, or never; and this becomes of its
    /// disk.
    Crash { node: NodeIndex, disk_outcome: DiskOutcome, gap: Option<Duration> },
    /// It writes, and dies while that is written.
    TornWrite { node: NodeIndex, group: usize, gap: Duration },
    /// At a place that is not a node yet a process starts that says it is that node, and dies after
    /// a while.
    Clash { place: NodeIndex, victim: NodeIndex, group: usize, lasts: Duration },
    /// A node stops, and goes on at another place with its disk.
    ChangeAddress { node: NodeIndex, place: NodeIndex, group: usize },
    /// A step of a rotation of keys, of three.
    RotateKeys(u8),
    /// Something that every world knows.
    World(Action),
    /// Many nodes do something at one time: that is a fault of its own.
    Mass(FaultClass),
}

/// What an owner wants to write; what is left open is settled when it is written.
#[derive(Clone, Debug)]
pub(crate) enum Intent {
    /// Serve some range.
    Serve,
    /// Some changes at once.
    Batch,
    /// Unserve something that is served; serve something, if nothing is.
    Unserve,
    /// Just that.
    Exact(WriteKind),
}

/// What happens to a disk.
#[derive(Clone, Copy, Debug)]
pub(crate) enum DiskOperation {
    /// It is full, or no longer.
    Full(bool),
    /// It takes so long.
    Slow(Duration),
    /// It lies, or no longer.
    Lies(bool),
    /// What it holds is kept, to be brought back.
    Snapshot,
}

/// What becomes of a disk when the process on it dies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DiskOutcome {
    /// What a loss of power leaves.
    Kept,
    /// A clean stop.
    Clean,
    /// What it had held before comes back.
    Stale,
    /// Nothing is left.
    Lost,
}

impl Plan {
    /// The command that runs it again.
    pub(crate) fn replay(&self) -> String {
        let Plan { name, seed, .. } = self;
        if name == RANDOM {
            format!("cargo xtask sim --node --seed {seed}")
        } else {
            format!("cargo xtask sim --node --scenario {name} --seed {seed}")
        }
    }

    /// All nodes of the beginning.
    pub(crate) fn nodes(&self) -> impl Iterator<Item = NodeIndex> + use<> {
        (0..self.nodes).map(NodeIndex)
    }

    /// Whose identity a place has.
    pub(crate) fn id(&self, node: NodeIndex) -> NetId {
        self.locations[node.0 as usize].id
    }

    /// When the last thing is done.
    pub(crate) fn done_at(&self) -> Time {
        self.operations.iter().map(|(at, _)| *at).max().unwrap_or(Time::ZERO).max(self.heal_at)
    }
}

impl fmt::Display for Plan {
    /// What is drawn, in a few lines.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let islands: BTreeSet<u32> = self.locations.iter().map(|place| place.island).collect();
        let sites: BTreeSet<u32> = self.locations.iter().map(|place| place.site).collect();
        let Plan { name, seed, nodes, .. } = self;
        writeln!(f, "{name}, seed {seed}: {nodes} nodes, {} of them mute", self.mute.len())?;
        writeln!(f, "{} islands, {} sites, {} groups", islands.len(), sites.len(), self.groups.len())?;
        let classes: Vec<&str> = self.classes.iter().map(|class| class.name()).collect();
        writeln!(f, "faults until {}: {}", self.heal_at, classes.join(" "))?;
        write!(
            f,
            "{} deeds until {}, equal within {:?}",
            self.operations.len(),
            self.done_at(),
            self.convergence_bound
        )
    }
}
