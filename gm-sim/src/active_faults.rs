//! Faults that last: what is wrong on which ways until when. Knows neither datagrams nor
//! connections, only who asks.

use std::time::Duration;

use gm_broadcast::Time;

use crate::fault::FaultClass;
use crate::node::{Location, NodeIndex};

/// Some nodes of a world.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Nodes {
    /// Every one, and the outsider.
    All,
    /// One.
    One(NodeIndex),
    /// Those of an island.
    Island(u32),
    /// Those of a list.
    Set(NodeSet),
}

impl Nodes {
    fn contains(&self, node: NodeIndex, place: Option<&Location>) -> bool {
        match self {
            Nodes::All => true,
            Nodes::One(one) => *one == node,
            Nodes::Island(island) => place.is_some_and(|place| place.island == *island),
            Nodes::Set(set) => set.contains(node),
        }
    }
}

/// A set of nodes, a bit for each.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NodeSet(Vec<u64>);

impl NodeSet {
    /// Puts one in.
    pub fn insert(&mut self, node: NodeIndex) {
        let word = node.index() / 64;
        if self.0.len() <= word {
            self.0.resize(word + 1, 0);
        }
        self.0[word] |= 1 << (node.0 % 64);
    }

    /// Whether it is in.
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

/// On which ways.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scope {
    /// From these nodes.
    pub from: Nodes,
    /// To these.
    pub to: Nodes,
    /// And back.
    pub bidirectional: bool,
}

impl Scope {
    /// Everywhere.
    pub const ALL: Scope = Scope { from: Nodes::All, to: Nodes::All, bidirectional: false };

    /// From and to one node.
    #[must_use]
    pub const fn around(node: NodeIndex) -> Scope {
        Scope { from: Nodes::One(node), to: Nodes::All, bidirectional: true }
    }

    fn matches(&self, way: &PathEnds<'_>) -> bool {
        self.from.contains(way.from, way.from_location) && self.to.contains(way.to, way.to_location)
            || self.bidirectional
                && self.from.contains(way.to, way.to_location)
                && self.to.contains(way.from, way.from_location)
    }
}

/// Who sends to whom; the outsider has no place.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PathEnds<'a> {
    pub(crate) from: NodeIndex,
    pub(crate) from_location: Option<&'a Location>,
    pub(crate) to: NodeIndex,
    pub(crate) to_location: Option<&'a Location>,
}

/// What can happen to datagrams, in parts of a million.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rates {
    /// Vanishes.
    pub loss: u32,
    /// Comes twice.
    pub duplicate: u32,
    /// Comes later by anything below `delay`.
    pub reorder: u32,
    /// The end is missing.
    pub truncate: u32,
    /// One bit is another.
    pub flip: u32,
    /// How late at most.
    pub delay: Duration,
}

/// What is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Datagrams suffer.
    Udp(Rates),
    /// Longer datagrams vanish.
    Mtu(usize),
    /// Every datagram vanishes; connections work.
    UdpBlocked,
    /// Multicasts vanish.
    MulticastBlocked,
    /// Nothing comes through.
    Block,
    /// Nothing comes through for so long, then everything for as long, and so on.
    FlipFlop(Duration),
    /// Dials are refused.
    Refuse,
    /// Dials are not answered.
    Silent,
    /// Nothing of a connection comes through; datagrams do.
    Stall,
    /// Connections end when bytes are sent: parts of a million.
    Reset(u32),
    /// Bytes come in pieces: parts of a million.
    Chunk(u32),
    /// Of each connection so many bytes a second are read at the end of the way.
    SlowReader(u64),
}

/// A fault that lasts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// As what it is counted when it bites.
    pub class: FaultClass,
    /// On which ways.
    pub scope: Scope,
    /// What is wrong.
    pub effect: Effect,
}

/// The faults that last.
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

    /// Nothing is wrong anywhere: the usual case, to be asked first.
    pub(crate) const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn matching<'a>(&'a self, now: Time, way: &'a PathEnds<'_>) -> impl Iterator<Item = (&'a Fault, Time)> {
        self.0
            .iter()
            .filter(move |(fault, _, until)| now < *until && fault.scope.matches(way))
            .map(|(fault, since, _)| (fault, *since))
    }

    /// What is wrong on a way, and as what it counts.
    pub(crate) fn effects(&self, now: Time, way: &PathEnds<'_>, mut each: impl FnMut(FaultClass, &Effect)) {
        self.matching(now, way).for_each(|(fault, _)| each(fault.class, &fault.effect));
    }

    /// Of the effects of one kind on a way, what the first says.
    pub(crate) fn first_effect<T>(
        &self,
        now: Time,
        way: &PathEnds<'_>,
        pick: impl Fn(&Effect) -> Option<T>,
    ) -> Option<(FaultClass, T)> {
        self.matching(now, way).find_map(|(fault, _)| pick(&fault.effect).map(|value| (fault.class, value)))
    }

    /// Whether nothing comes through, and why; `stalls` says whether a stall is such a case.
    pub(crate) fn blocked_by(&self, now: Time, way: &PathEnds<'_>, stalls: bool) -> Option<FaultClass> {
        self.matching(now, way).find_map(|(fault, since)| {
            let blocks = match fault.effect {
                Effect::Block => true,
                Effect::Stall => stalls,
                Effect::FlipFlop(turn) => {
                    (now.since(since).as_nanos() / turn.as_nanos().max(1)).is_multiple_of(2)
                }
                _ => false,
            };
            blocks.then_some(fault.class)
        })
    }
}
