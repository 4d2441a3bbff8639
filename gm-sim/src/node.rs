//! State of one node in the world, kept small because worlds have up to a hundred thousand nodes.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::time::Duration;

use gm_broadcast::{ConnectionId, Input, Machine, Time};
use gm_clock::NetId;

use crate::conn::{ConnKey, Segment};

/// Index of a node in its world, from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeIndex(pub u32);

impl NodeIndex {
    /// The outsider, which is not a node: see `outsider.rs`.
    pub(crate) const OUTSIDER: NodeIndex = NodeIndex(u32::MAX);

    pub(crate) const fn index(self) -> usize {
        self.0 as usize
    }
}

impl fmt::Display for NodeIndex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if *self == NodeIndex::OUTSIDER { f.write_str("outsider") } else { write!(f, "n{}", self.0) }
    }
}

/// Location of a node in the network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Location {
    /// Identity and address, unique in the world.
    pub id: NetId,
    /// Nodes with the same number receive each other's multicast.
    pub island: u32,
    /// Islands with the same number are connected by a LAN, all others by a WAN.
    pub site: u32,
}

/// Argument of the factory that makes a machine.
#[derive(Clone, Copy, Debug)]
pub struct StartContext {
    /// Index of the node.
    pub node: NodeIndex,
    /// Location of the node.
    pub location: Location,
    /// Number of earlier starts of the node.
    pub restarts: u32,
    /// Seed of the machine's random numbers, different at every start.
    pub seed: [u8; 32],
    /// Time of the node's own clock.
    pub now: Time,
    /// Last value of [`World::set_param`](crate::World::set_param); 0 initially.
    pub param: u64,
    /// Whether the start is part of a fault: the machine must seal with a key that no other node
    /// has.
    pub wrong_key: bool,
}

/// A machine, with the state of the world that concerns it alone.
#[derive(Debug)]
pub(crate) struct NodeState<M: Machine> {
    /// `None` while the process is dead.
    pub(crate) machine: Option<M>,
    pub(crate) location: Location,
    pub(crate) param: u64,
    /// The earliest time of the next send: sends of a node are serialized.
    pub(crate) busy_until: Time,
    /// Time of the valid wake in the queue; all others are stale.
    pub(crate) next_wake: Time,
    /// Number of starts so far; connections of earlier ones are stale.
    pub(crate) life: u32,
    /// Number of connections accepted so far.
    pub(crate) accepted: u64,
    pub(crate) conns: BTreeMap<ConnectionId, (ConnKey, u8)>,
    /// Whether the host is up; it refuses dials if the process is dead.
    pub(crate) host_up: bool,
    pub(crate) wrong_key: bool,
    pub(crate) clock: Option<Box<SkewedClock>>,
    /// `Some` while the process is paused.
    pub(crate) paused: Option<Box<PausedInputs<M::Command>>>,
}

impl<M: Machine> NodeState<M> {
    pub(crate) const fn new(location: Location) -> NodeState<M> {
        NodeState {
            machine: None,
            location,
            param: 0,
            busy_until: Time::ZERO,
            next_wake: Time::NEVER,
            life: 0,
            accepted: 0,
            conns: BTreeMap::new(),
            host_up: true,
            wrong_key: false,
            clock: None,
            paused: None,
        }
    }

    /// Time of the node's clock at a time of the world.
    pub(crate) fn local_time(&self, now: Time) -> Time {
        self.clock.as_ref().map_or(now, |clock| clock.to_local(now))
    }

    /// Time of the world at which the node's clock will show this time.
    pub(crate) fn world_time(&self, local: Time) -> Time {
        self.clock.as_ref().map_or(local, |clock| clock.to_world(local))
    }
}

/// Inputs that wait while a process is paused; its kernel still receives.
#[derive(Debug)]
pub(crate) struct PausedInputs<C> {
    pub(crate) queue: VecDeque<PendingInput<C>>,
    /// Number of datagram bytes among them.
    pub(crate) datagram_bytes: usize,
    /// Number of connections that the kernel accepted during the pause.
    pub(crate) accepted: usize,
}

/// An input that waits for a paused process.
#[derive(Debug)]
pub(crate) enum PendingInput<C> {
    Input(Input<C>),
    Segment(ConnKey, u8, Segment),
    Read(ConnKey, u8),
}

impl<C> PausedInputs<C> {
    pub(crate) const fn new() -> PausedInputs<C> {
        PausedInputs { queue: VecDeque::new(), datagram_bytes: 0, accepted: 0 }
    }
}

/// A clock that differs from the world's and never runs back.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct SkewedClock {
    /// Time of the world, and of this clock, from which the rate applies.
    world: Time,
    local: Time,
    /// Drift in parts per 10^9; positive if the clock is too fast.
    drift: i32,
}

const BILLION: u128 = 1_000_000_000;

impl SkewedClock {
    fn rate(self) -> u128 {
        u128::try_from(1_000_000_000 + i64::from(self.drift.max(-900_000_000))).unwrap_or(BILLION)
    }

    fn to_local(self, now: Time) -> Time {
        self.local + nanos(now.since(self.world).as_nanos() * self.rate() / BILLION)
    }

    fn to_world(self, local: Time) -> Time {
        if local == Time::NEVER {
            return local;
        }
        self.world + nanos((local.since(self.local).as_nanos() * BILLION).div_ceil(self.rate()))
    }

    /// A clock that from now on shows `ahead` more than this one, and has this drift.
    pub(crate) fn changed(self, now: Time, ahead: Duration, drift: Option<i32>) -> SkewedClock {
        SkewedClock { world: now, local: self.to_local(now) + ahead, drift: drift.unwrap_or(self.drift) }
    }
}

fn nanos(nanos: u128) -> Duration {
    Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_is_its_own_inverse_rounded_up() {
        for drift in [-100_000_000, -3, 0, 7, 250_000_000] {
            let clock =
                SkewedClock::default().changed(Time::from_nanos(1_000), Duration::from_secs(3), Some(drift));
            for step in 0..10_000 {
                let local = clock.to_local(Time::from_nanos(1_000)) + Duration::from_nanos(step * 7);
                let world = clock.to_world(local);
                assert!(clock.to_local(world) >= local);
                assert!(clock.to_local(Time::from_nanos(world.as_nanos() - 1)) <= local);
            }
        }
    }
}
