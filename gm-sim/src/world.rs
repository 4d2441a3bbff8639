//! A world: machines, what is between them, and one queue of what is to happen. Knows no protocol.
//!
//! Reading order: this file; `world/drive.rs` (a machine is given an input), `world/udp.rs`; of
//! connections `world/dial.rs`, `world/tcp.rs`, `world/read.rs`, `world/close.rs` and
//! `world/segment.rs` (what travels between the ends); `world/lifecycle.rs` (nodes die and return),
//! `world/action.rs`, `world/outsider.rs`, `world/summary.rs`.

mod action;
mod close;
mod dial;
mod drive;
mod lifecycle;
mod outsider;
mod read;
mod segment;
mod summary;
mod tcp;
mod udp;

use std::fmt;
use std::rc::Rc;
use std::time::Duration;

use gm_broadcast::{Machine, Rng, Time};
use gm_clock::NetId;

pub use action::Action;
pub use outsider::Attack;
pub use summary::Run;

use crate::active_faults::{ActiveFaults, PathEnds};
use crate::checker::{Checker, Violation};
use crate::conn::{ConnKey, ConnTable};
use crate::fault::{FaultClass, FaultCounts};
use crate::network::Network;
use crate::node::{Location, NodeIndex, NodeState, StartContext};
use crate::observation::{Observation, ObservationContext, Traffic};
use crate::queue::Queue;
use crate::trace::{Trace, WordHasher};
use outsider::Outsider;
use udp::Packet;

/// Machines in virtual time. A run is a function of the seed, the places, the network, the factory
/// and what the owner does.
pub struct World<M: Machine> {
    now: Time,
    queue: Queue<ScheduledEvent<M::Command>>,
    nodes: Vec<NodeState<M>>,
    /// Sorted.
    by_id: Vec<(NetId, NodeIndex)>,
    /// Sorted.
    by_island: Vec<(u32, NodeIndex)>,
    network: Network,
    active_faults: ActiveFaults,
    conns: ConnTable,
    factory: Box<dyn FnMut(&StartContext) -> M>,
    seed: u64,
    /// For what happens to datagrams, to connections, and to clocks.
    udp_rng: Rng,
    tcp_rng: Rng,
    world_rng: Rng,
    outsider: Outsider,
    checkers: Vec<Box<dyn Checker<M>>>,
    violation: Option<Violation>,
    trace: Trace,
    tally: FaultCounts,
    traffic: Traffic,
    events: u64,
    /// Wakes of one node at one time, one after the other.
    repeated_wakes: (Time, NodeIndex, u32),
}

/// One thing that is to happen.
#[derive(Debug)]
enum ScheduledEvent<C> {
    Wake(NodeIndex),
    Packet(NodeIndex, Rc<Packet>),
    /// What this end sent first comes to the other.
    Arrive(ConnKey, u8),
    Retry(ConnKey, u8),
    DialTimeout(ConnKey),
    Read(ConnKey, u8),
    ResetBoth(ConnKey),
    Command(NodeIndex, Box<C>),
    Action(Box<Action>),
}

impl<M: Machine> World<M> {
    /// A world at [`Time::ZERO`] in which no node is started. Of two places of one id, the second
    /// is reached by nobody.
    pub fn new(
        seed: u64,
        network: Network,
        places: &[Location],
        factory: impl FnMut(&StartContext) -> M + 'static,
    ) -> World<M> {
        let mut rng = Rng::new(derive_seed(seed, 0, 0));
        let mut world = World {
            now: Time::ZERO,
            queue: Queue::new(),
            nodes: places.iter().copied().map(NodeState::new).collect(),
            by_id: Vec::new(),
            by_island: Vec::new(),
            network,
            active_faults: ActiveFaults::default(),
            conns: ConnTable::default(),
            factory: Box::new(factory),
            seed,
            udp_rng: rng.fork(),
            tcp_rng: rng.fork(),
            world_rng: rng.fork(),
            outsider: Outsider::new(rng.fork()),
            checkers: Vec::new(),
            violation: None,
            trace: Trace::default(),
            tally: FaultCounts::default(),
            traffic: Traffic::default(),
            events: 0,
            repeated_wakes: (Time::ZERO, NodeIndex(0), 0),
        };
        world.by_id = world.indices().map(|node| (places[node.index()].id, node)).collect();
        world.by_id.sort_unstable();
        world.by_island = world.indices().map(|node| (places[node.index()].island, node)).collect();
        world.by_island.sort_unstable();
        world
    }

    /// Adds somebody who looks; before the nodes are started, if it is to see that.
    pub fn add_checker(&mut self, checker: impl Checker<M> + 'static) {
        self.checkers.push(Box::new(checker));
    }

    /// Gives a command now. A node whose process is dead does not hear it.
    pub fn command(&mut self, node: NodeIndex, command: M::Command) {
        self.deliver_input(node, gm_broadcast::Input::Command(command));
    }

    /// Gives a command later.
    pub fn command_at(&mut self, at: Time, node: NodeIndex, command: M::Command) {
        self.queue.push(at.max(self.now), ScheduledEvent::Command(node, Box::new(command)));
    }

    /// Lets the next thing happen; says whether there was one. Nothing happens any more after a
    /// violation.
    pub fn step(&mut self) -> bool {
        if self.violation.is_some() {
            return false;
        }
        let Some((at, what)) = self.queue.pop() else { return false };
        self.now = at;
        self.events += 1;
        match what {
            ScheduledEvent::Wake(node) => self.handle_wake(node),
            ScheduledEvent::Packet(to, packet) => self.receive_packet(to, packet),
            ScheduledEvent::Arrive(key, side) => self.arrive(key, side),
            ScheduledEvent::Retry(key, side) => self.retry(key, side),
            ScheduledEvent::DialTimeout(key) => self.dial_timeout(key),
            ScheduledEvent::Read(key, side) => self.read_slowly(key, side),
            ScheduledEvent::ResetBoth(key) => self.reset_both(key),
            ScheduledEvent::Command(node, command) => self.command(node, *command),
            ScheduledEvent::Action(action) => self.apply(*action),
        }
        true
    }

    /// Lets everything happen that is due up to then, and then it is then. Stops at a violation.
    pub fn run_until(&mut self, until: Time) {
        while self.queue.next_time().is_some_and(|next| next <= until) && self.step() {}
        if self.violation.is_none() {
            self.now = self.now.max(until);
        }
    }

    /// The same, for so long.
    pub fn run_for(&mut self, time: Duration) {
        self.run_until(self.now + time);
    }

    /// Lets things happen for as long as that holds, asked before each of them, but not beyond
    /// `until`; says whether it ended because it no longer held.
    pub fn run_while(&mut self, until: Time, mut goes_on: impl FnMut(&World<M>) -> bool) -> bool {
        while goes_on(self) {
            if self.queue.next_time().is_none_or(|next| next > until) || !self.step() {
                return false;
            }
        }
        true
    }

    /// The world's time.
    #[must_use]
    pub const fn now(&self) -> Time {
        self.now
    }

    /// Every node, in order.
    pub fn indices(&self) -> impl Iterator<Item = NodeIndex> + use<M> {
        (0..u32::try_from(self.nodes.len()).unwrap_or(u32::MAX)).map(NodeIndex)
    }

    /// A node's machine, while its process lives.
    #[must_use]
    pub fn machine(&self, node: NodeIndex) -> Option<&M> {
        self.nodes.get(node.index())?.machine.as_ref()
    }

    /// Where a node stands, if there is one.
    #[must_use]
    pub fn location(&self, node: NodeIndex) -> Option<&Location> {
        self.nodes.get(node.index()).map(|node| &node.location)
    }

    /// Who is reached there.
    #[must_use]
    pub fn find(&self, id: NetId) -> Option<NodeIndex> {
        let at = self.by_id.partition_point(|(other, _)| *other < id);
        self.by_id.get(at).filter(|(other, _)| *other == id).map(|(_, node)| *node)
    }

    /// Connections that are not over at both ends.
    #[must_use]
    pub fn links(&self) -> usize {
        self.conns.len()
    }

    /// What is wrong, if something is: the first violation.
    #[must_use]
    pub const fn violation(&self) -> Option<&Violation> {
        self.violation.as_ref()
    }

    fn path_ends(&self, from: NodeIndex, to: NodeIndex) -> PathEnds<'_> {
        PathEnds { from, from_location: self.location(from), to, to_location: self.location(to) }
    }

    fn observe(&mut self, node: NodeIndex, seen: &Observation<'_, M>) {
        self.traffic.add(seen);
        for checker in &mut self.checkers {
            if let Err(violation) = checker.observe(ObservationContext { at: self.now, node }, seen) {
                self.violation.get_or_insert(violation);
            }
        }
    }

    /// Puts a line into the text of the trace, if that is kept: it does not change the hash.
    pub fn note(&mut self, node: NodeIndex, text: impl FnOnce() -> String) {
        self.trace.note(self.now, node, text);
    }

    /// Notes that a fault really happened to a node, which whoever drives the world did to it.
    pub fn record_fault(&mut self, node: NodeIndex, class: FaultClass) {
        self.fault_happened(node, class);
    }

    /// A fault really happened.
    fn fault_happened(&mut self, node: NodeIndex, class: FaultClass) {
        self.tally.add(class);
        self.trace.note(self.now, node, || class.name().to_owned());
        self.observe(node, &Observation::Fault(class));
    }
}

impl<M: Machine> fmt::Debug for World<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "World(seed {}, {} nodes, at {})", self.seed, self.nodes.len(), self.now)
    }
}

/// A seed of 32 bytes from a number of the world, one of the concern and one of the time it was
/// needed.
#[must_use]
pub fn derive_seed(seed: u64, concern: u64, count: u64) -> [u8; 32] {
    let mut bytes = [0; 32];
    for (place, word) in (0..).zip(bytes.chunks_exact_mut(8)) {
        let mut mixer = WordHasher::new();
        for number in [seed, concern, count, place, seed] {
            mixer.number(number);
            mixer.number(number.rotate_left(32));
        }
        word.copy_from_slice(&mixer.value().to_le_bytes());
    }
    bytes
}
