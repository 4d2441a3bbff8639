//! Plan of a run as a value: the nodes, the operations of their owners, and the faults. It is a
//! function of a seed: a random plan ([`random()`]) or one of a named scenario ([`named()`]).
//!
//! A run has two phases. Until [`Plan::heal_at`] there are faults, and only safety is checked. Then
//! all faults end, and within [`Plan::convergence_bound`] all hosts of a group must hold the same
//! state.

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

pub(crate) use named::{named, names};
pub(crate) use random::random;

/// Name of the random scenario.
pub(crate) const RANDOM: &str = "random";

/// The plan of this scenario, if the name is known.
pub(crate) fn plan(name: &str, seed: u64) -> Option<Plan> {
    if name == RANDOM { Some(random(seed)) } else { named(name, seed) }
}

/// The plan of a run.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    /// Name of the scenario.
    pub(crate) name: String,
    /// Seed of all random choices.
    pub(crate) seed: u64,
    /// Locations of nodes, followed by spare ones at which processes may start later.
    pub(crate) locations: Vec<Location>,
    /// Number of nodes at the beginning.
    pub(crate) nodes: u32,
    /// Network without faults.
    pub(crate) network: Network,
    /// Nodes that do not multicast.
    pub(crate) mute: Vec<NodeIndex>,
    /// Seeds of every node.
    pub(crate) seeds: Vec<NodeIndex>,
    /// Names of the groups.
    pub(crate) groups: Vec<GroupName>,
    /// Nodes that host every group they learn of.
    pub(crate) observers: Vec<NodeIndex>,
    /// Nodes without a disk.
    pub(crate) diskless: Vec<NodeIndex>,
    /// Latency of every disk.
    pub(crate) disk_latency: Duration,
    /// Records on disks before the start, in states that only a fault can produce.
    pub(crate) preloaded: Vec<(NodeIndex, Record)>,
    /// Fault classes in the schedule.
    pub(crate) classes: Vec<FaultClass>,
    /// Faults of the first phase.
    pub(crate) schedule: Schedule,
    /// Operations of owners, and faults of whole nodes.
    pub(crate) operations: Vec<(Time, Operation)>,
    /// Time at which all faults end.
    pub(crate) heal_at: Time,
    /// Maximum time from the last operation to convergence.
    pub(crate) convergence_bound: Duration,
    /// Limits of every node.
    pub(crate) bounds: NodeLimits,
    /// Timings of every node.
    pub(crate) times: NodeTiming,
    /// Timings of every node's broadcaster.
    pub(crate) broadcast_times: gm_broadcast::BroadcasterTimings,
    /// Purge policy of every node.
    pub(crate) purge: PurgePolicy,
    /// Properties of this plan in addition to those of all plans.
    pub(crate) claims: NodeClaims,
}

/// Properties of a plan in addition to those of all plans.
#[derive(Clone, Debug, Default)]
pub(crate) struct NodeClaims {
    /// Required outcome of waits for all.
    pub(crate) waits: Option<ExpectedEnd>,
    /// Nodes that must have a contact of every group that they do not host.
    pub(crate) contacts: Vec<NodeIndex>,
    /// After convergence, traffic is measured for this time; the limit is in bytes per second and
    /// node, headers included.
    pub(crate) idle_limit: Option<(Duration, u64)>,
    /// Exact members of groups at the end.
    pub(crate) members: Option<Vec<(usize, Vec<NodeIndex>)>>,
    /// Minimum number of writes that must be refused because of a limit.
    pub(crate) min_refused_writes: u64,
    /// Whether every received increment must apply.
    pub(crate) all_increments_fit: bool,
    /// Whether states may differ at the end, because a limit excludes records.
    pub(crate) may_differ: bool,
}

/// Required outcome of a wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ExpectedEnd {
    /// Every member acknowledges.
    Satisfied,
    /// Not all members acknowledge, and the wait ends before its deadline.
    Settled,
}

/// An operation of an owner, or a fault of whole nodes.
#[derive(Clone, Debug)]
pub(crate) enum Operation {
    /// An owner writes.
    Write { node: NodeIndex, group: usize, intent: Intent, wait: Wait },
    /// A node forgets another one.
    Forget { node: NodeIndex, group: usize, member: NodeIndex, wait: Wait },
    /// A watcher subscribes to a group at a node, now and after each restart; `read_delay` is the
    /// time it takes to read.
    Watch { node: NodeIndex, group: usize, read_delay: Duration },
    /// A fault of the node's disk.
    Disk(NodeIndex, DiskOperation),
    /// The process dies, and restarts after the gap, or never; the disk has this outcome.
    Crash { node: NodeIndex, disk_outcome: DiskOutcome, gap: Option<Duration> },
    /// The process dies during a disk write, and restarts after the gap.
    TornWrite { node: NodeIndex, group: usize, gap: Duration },
    /// A process with the identity of `victim` starts at a spare location, and dies after a while.
    Clash { location: NodeIndex, victim: NodeIndex, group: usize, duration: Duration },
    /// A node stops, and restarts at another location with its disk.
    ChangeAddress { node: NodeIndex, location: NodeIndex, group: usize },
    /// A step (of three) of a key rotation.
    RotateKeys(u8),
    /// An action on the world.
    World(Action),
    /// Counts a fault that consists of many operations at one time.
    Mass(FaultClass),
}

/// A write of an owner; open details are drawn when it is executed.
#[derive(Clone, Debug)]
pub(crate) enum Intent {
    /// Serves a random range.
    Serve,
    /// Applies several random changes at once.
    Batch,
    /// Stops serving a range, or serves one if there is none.
    Unserve,
    /// Applies exactly this write.
    Exact(WriteKind),
}

/// An operation on a disk.
#[derive(Clone, Copy, Debug)]
pub(crate) enum DiskOperation {
    /// Makes the disk full, or not.
    Full(bool),
    /// Sets the latency.
    Slow(Duration),
    /// Lets the disk report writes as synced that it may lose, or not.
    Lies(bool),
    /// Takes a snapshot, for [`DiskOutcome::Stale`].
    Snapshot,
}

/// Outcome for a disk when the process on it dies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DiskOutcome {
    /// A power failure: unsynced writes may be lost.
    Kept,
    /// A clean stop.
    Clean,
    /// The disk returns to its snapshot.
    Stale,
    /// The disk is empty.
    Lost,
}

impl Plan {
    /// The initial nodes.
    pub(crate) fn nodes(&self) -> impl Iterator<Item = NodeIndex> + use<> {
        (0..self.nodes).map(NodeIndex)
    }

    /// The identity of a location's own node.
    pub(crate) fn id(&self, node: NodeIndex) -> NetId {
        self.locations[node.0 as usize].id
    }

    /// Time of the last operation.
    pub(crate) fn done_at(&self) -> Time {
        self.operations.iter().map(|(at, _)| *at).max().unwrap_or(Time::ZERO).max(self.heal_at)
    }
}

impl fmt::Display for Plan {
    /// Writes a summary of the plan in a few lines.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let islands: BTreeSet<u32> = self.locations.iter().map(|location| location.island).collect();
        let sites: BTreeSet<u32> = self.locations.iter().map(|location| location.site).collect();
        let Plan { name, seed, nodes, .. } = self;
        writeln!(f, "{name}, seed {seed}: {nodes} nodes, {} without multicast", self.mute.len())?;
        writeln!(f, "{} islands, {} sites, {} groups", islands.len(), sites.len(), self.groups.len())?;
        let classes: Vec<&str> = self.classes.iter().map(|class| class.name()).collect();
        writeln!(f, "faults until {}: {}", self.heal_at, classes.join(" "))?;
        write!(
            f,
            "{} operations until {}, convergence within {:?}",
            self.operations.len(),
            self.done_at(),
            self.convergence_bound
        )
    }
}
