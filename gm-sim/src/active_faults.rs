//! Lasting faults: an effect on the paths from some nodes to others, from one time to another.

use std::time::Duration;

use gm_broadcast::Time;

use crate::fault::FaultClass;
use crate::node::{Location, NodeIndex};

/// A set of nodes, as the source or destination of a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Nodes {
    /// Every node, and the outsider.
    All,
    /// A single node.
    One(NodeIndex),
    /// The nodes of one island.
    Island(u32),
    /// The nodes of a set.
    Set(NodeSet),
}

impl Nodes {
    fn contains(&self, node: NodeIndex, location: Option<&Location>) -> bool {
        match self {
            Nodes::All => true,
            Nodes::One(one) => *one == node,
            Nodes::Island(island) => location.is_some_and(|location| location.island == *island),
            Nodes::Set(set) => set.contains(node),
        }
    }
}

/// A set of nodes, one bit for each.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NodeSet(Vec<u64>);

impl NodeSet {
    /// Adds a node.
    pub fn insert(&mut self, node: NodeIndex) {
        let word = node.index() / 64;
        if self.0.len() <= word {
            self.0.resize(word + 1, 0);
        }
        self.0[word] |= 1 << (node.0 % 64);
    }

    /// Whether the node is in the set.
    #[must_use]
    pub fn contains(&self, node: NodeIndex) -> bool {
        self.0.get(node.index() / 64).is_some_and(|word| word >> (node.0 % 64) & 1 == 1)
    }
}

impl FromIterator<NodeIndex> for NodeSet {
    fn from_iter<I: IntoIterator<Item = NodeIndex>>(nodes: I) -> NodeSet {
        let mut set = NodeSet::default();
        nodes.into_iter().for_each(|node| set.insert(node));
        set
    }
}

/// The paths that a fault affects.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scope {
    /// Source nodes.
    pub from: Nodes,
    /// Destination nodes.
    pub to: Nodes,
    /// Whether the opposite direction is affected too.
    pub bidirectional: bool,
}

impl Scope {
    /// Every path.
    pub const ALL: Scope = Scope { from: Nodes::All, to: Nodes::All, bidirectional: false };

    /// Every path from and to one node.
    #[must_use]
    pub const fn around(node: NodeIndex) -> Scope {
        Scope { from: Nodes::One(node), to: Nodes::All, bidirectional: true }
    }

    fn matches(&self, path: &PathEnds<'_>) -> bool {
        self.from.contains(path.from, path.from_location) && self.to.contains(path.to, path.to_location)
            || self.bidirectional
                && self.from.contains(path.to, path.to_location)
                && self.to.contains(path.from, path.from_location)
    }
}

/// Sender and receiver of a path; the outsider has no location.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PathEnds<'a> {
    pub(crate) from: NodeIndex,
    pub(crate) from_location: Option<&'a Location>,
    pub(crate) to: NodeIndex,
    pub(crate) to_location: Option<&'a Location>,
}

/// Probabilities of datagram faults, in parts per million.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rates {
    /// Lost.
    pub loss: u32,
    /// Delivered twice.
    pub duplicate: u32,
    /// Delayed by a random time below `delay`.
    pub reorder: u32,
    /// Truncated at a random length.
    pub truncate: u32,
    /// Damaged: one bit is flipped.
    pub flip: u32,
    /// Upper bound of the delays of reordered and duplicated datagrams.
    pub delay: Duration,
}

/// Effect of a fault on a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Random datagram faults.
    Udp(Rates),
    /// Loses datagrams longer than this, in bytes.
    Mtu(usize),
    /// Loses datagrams longer than this, in bytes, and blocks longer segments of connections,
    /// except of those that were dialled with small segments.
    MtuBlackHole(usize),
    /// Loses every datagram; connections work.
    UdpBlocked,
    /// Loses every multicast.
    MulticastBlocked,
    /// Blocks datagrams and connections.
    Block,
    /// Blocks the path for this time, opens it for as long, and repeats.
    FlipFlop(Duration),
    /// Refuses dials.
    Refuse,
    /// Leaves dials unanswered.
    Silent,
    /// Blocks connections; datagrams pass.
    Stall,
    /// Resets a connection on a send, with this probability in parts per million.
    Reset(u32),
    /// Delivers bytes in several pieces, with this probability in parts per million.
    Chunk(u32),
    /// Delivers bytes in pieces of at most this length.
    Pieces(usize),
    /// Limits the receiver's reads of each connection to this number of bytes per second.
    SlowReader(u64),
}

/// A lasting fault.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Class under which each occurrence is counted.
    pub class: FaultClass,
    /// Affected paths.
    pub scope: Scope,
    /// Effect on these paths.
    pub effect: Effect,
}

/// The lasting faults of a world, with start and end.
#[derive(Debug, Default)]
pub(crate) struct ActiveFaults(Vec<(Fault, Time, Time)>);

impl ActiveFaults {
    pub(crate) fn begin(&mut self, fault: Fault, now: Time, until: Time) {
        self.0.retain(|(_, _, until)| *until > now);
        self.0.push((fault, now, until));
    }

    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }

    /// Whether there is no fault at all: the usual case, checked first because it is cheap.
    pub(crate) const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn matching<'a>(&'a self, now: Time, path: &'a PathEnds<'_>) -> impl Iterator<Item = (&'a Fault, Time)> {
        self.0
            .iter()
            .filter(move |(fault, _, until)| now < *until && fault.scope.matches(path))
            .map(|(fault, since, _)| (fault, *since))
    }

    /// Passes each effect on a path to `each`, with the class under which it counts.
    pub(crate) fn effects(&self, now: Time, path: &PathEnds<'_>, mut each: impl FnMut(FaultClass, &Effect)) {
        self.matching(now, path).for_each(|(fault, _)| each(fault.class, &fault.effect));
    }

    /// The value that `pick` extracts from the first matching effect on a path.
    pub(crate) fn first_effect<T>(
        &self,
        now: Time,
        path: &PathEnds<'_>,
        pick: impl Fn(&Effect) -> Option<T>,
    ) -> Option<(FaultClass, T)> {
        self.matching(now, path).find_map(|(fault, _)| pick(&fault.effect).map(|value| (fault.class, value)))
    }

    /// Class of the fault that blocks a datagram, if one does.
    pub(crate) fn blocks_datagram(&self, now: Time, path: &PathEnds<'_>) -> Option<FaultClass> {
        self.blocked_by(now, path, |_| false)
    }

    /// Class of the fault that blocks a connection's segment, if one does. `packet` is the length
    /// of its longest packet in bytes.
    pub(crate) fn blocks_segment(&self, now: Time, path: &PathEnds<'_>, packet: usize) -> Option<FaultClass> {
        self.blocked_by(now, path, |effect| match effect {
            Effect::Stall => true,
            Effect::MtuBlackHole(limit) => packet > *limit,
            _ => false,
        })
    }

    fn blocked_by(
        &self,
        now: Time,
        path: &PathEnds<'_>,
        also: impl Fn(&Effect) -> bool,
    ) -> Option<FaultClass> {
        self.matching(now, path).find_map(|(fault, since)| {
            let blocks = match fault.effect {
                Effect::Block => true,
                Effect::FlipFlop(turn) => {
                    (now.since(since).as_nanos() / turn.as_nanos().max(1)).is_multiple_of(2)
                }
                _ => also(&fault.effect),
            };
            blocks.then_some(fault.class)
        })
    }
}
