//! What the world keeps of a node, as little as can be: worlds have a hundred thousand of them.
//! Knows nothing of the network.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::time::Duration;

use gm_broadcast::{ConnectionId, Input, Machine, Time};
use gm_clock::NetId;

use crate::conn::{ConnKey, Segment};

/// A node's place in its world, from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeIndex(pub u32);

impl NodeIndex {
    /// The stranger who is no node: see `outsider.rs`.
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

/// Where a node stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Location {
    /// Its identity and address; no other node of the world has it.
    pub id: NetId,
    /// Nodes of one number hear each other's multicast.
    pub island: u32,
    /// Nodes of one number, but of different islands, are a LAN apart; all others a WAN.
    pub site: u32,
}

/// What the factory makes a machine of.
#[derive(Clone, Copy, Debug)]
pub struct StartContext {
    /// Who.
    pub node: NodeIndex,
    /// Where.
    pub location: Location,
    /// How often the node was started before.
    pub restarts: u32,
    /// All the machine's chance; another one at every start.
    pub seed: [u8; 32],
    /// By the node's own clock.
    pub now: Time,
    /// What [`World::set_param`](crate::World::set_param) said last; 0 at first.
    pub param: u64,
    /// Whether this start is one of a fault: the machine has to seal with a key that nobody else
    /// has.
    pub wrong_key: bool,
}

/// A machine, and what of the world is about it alone.
#[derive(Debug)]
pub(crate) struct NodeState<M: Machine> {
    /// Nothing while the process is dead.
    pub(crate) machine: Option<M>,
    pub(crate) location: Location,
    pub(crate) param: u64,
    /// Its sends go one after the other: the next not before this.
    pub(crate) busy_until: Time,
    /// The time of the wake in the queue that counts; others are stale.
    pub(crate) next_wake: Time,
    /// Starts so far: what is of an earlier life is not of this one.
    pub(crate) life: u32,
    /// Connections that were accepted so far.
    pub(crate) accepted: u64,
    pub(crate) conns: BTreeMap<ConnectionId, (ConnKey, u8)>,
    /// The host answers, if only with a refusal.
    pub(crate) host_up: bool,
    pub(crate) wrong_key: bool,
    pub(crate) clock: Option<Box<SkewedClock>>,
    /// There while it is paused.
    pub(crate) paused: Option<Box<PausedInputs<M::Command>>>,
}

impl<M: Machine> NodeState<M> {
    pub(crate) const fn new(place: Location) -> NodeState<M> {
        NodeState {
            machine: None,
            location: place,
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

    /// What its clock shows at a time of the world.
    pub(crate) fn local_time(&self, now: Time) -> Time {
        self.clock.as_ref().map_or(now, |clock| clock.to_local(now))
    }

    /// When its clock will show that.
    pub(crate) fn world_time(&self, local: Time) -> Time {
        self.clock.as_ref().map_or(local, |clock| clock.to_world(local))
    }
}

/// What waits while a process is paused; its kernel still takes what comes.
#[derive(Debug)]
pub(crate) struct PausedInputs<C> {
    pub(crate) queue: VecDeque<PendingInput<C>>,
    /// Bytes of datagrams among them.
    pub(crate) datagram_bytes: usize,
    /// Connections that its kernel accepted meanwhile.
    pub(crate) accepted: usize,
}

/// One thing that waits.
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

/// A clock that is not the world's: it never runs back.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct SkewedClock {
    /// From here on, of the world's time and its own.
    world: Time,
    local: Time,
    /// Parts in 10^9 that it is too fast.
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

    /// The clock that shows `ahead` more than this one from now on, and drifts so.
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
