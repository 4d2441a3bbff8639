//! A simulated cluster: machines, the network between them, and one queue of events.
//!
//! Reading order: this file; `world/topology.rs` (locations of nodes), `world/drive.rs` (input to a
//! machine, and its outputs), `world/udp.rs`; for connections `world/dial.rs`, `world/tcp.rs`,
//! `world/read.rs`, `world/close.rs` and `world/segment.rs` (segments between the ends);
//! `world/lifecycle.rs` (nodes die and return), `world/action.rs`, `world/outsider.rs`,
//! `world/summary.rs`.

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
mod topology;
mod udp;

use std::fmt;
use std::rc::Rc;
use std::time::Duration;

use gm_broadcast::{Machine, Rng, Time};
use gm_clock::NetId;

pub use action::Action;
pub use outsider::Attack;
pub use summary::Run;
pub use udp::{DatagramCopy, DatagramFilter};

use crate::active_faults::ActiveFaults;
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

/// State machines in virtual time. A run is a function of the seed, the locations, the network, the
/// factory and the calls of the owner.
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
    datagram_filter: Option<DatagramFilter>,
    conns: ConnTable,
    factory: Box<dyn FnMut(&StartContext) -> M>,
    seed: u64,
    /// Generators for datagrams, connections, and clocks and starts.
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
    /// Consecutive wakes of one node at one time, to detect an endless loop.
    repeated_wakes: (Time, NodeIndex, u32),
}

/// A scheduled event.
#[derive(Debug)]
enum ScheduledEvent<C> {
    Wake(NodeIndex),
    Packet(NodeIndex, Rc<Packet>),
    /// The first segment in flight from this end reaches the other end.
    Arrive(ConnKey, u8),
    Retry(ConnKey, u8),
    DialTimeout(ConnKey),
    Read(ConnKey, u8),
    ResetBoth(ConnKey),
    Command(NodeIndex, Box<C>),
    Action(Box<Action>),
}

impl<M: Machine> World<M> {
    /// A world at [`Time::ZERO`] in which no node is started. If two locations have the same id,
    /// the second one is unreachable.
    pub fn new(
        seed: u64,
        network: Network,
        locations: &[Location],
        factory: impl FnMut(&StartContext) -> M + 'static,
    ) -> World<M> {
        let mut rng = Rng::new(derive_seed(seed, 0, 0));
        let mut world = World {
            now: Time::ZERO,
            queue: Queue::new(),
            nodes: locations.iter().copied().map(NodeState::new).collect(),
            by_id: Vec::new(),
            by_island: Vec::new(),
            network,
            active_faults: ActiveFaults::default(),
            datagram_filter: None,
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
        world.index_locations();
        world
    }

    /// Adds a checker. It observes starts only if it is added before them.
    pub fn add_checker(&mut self, checker: impl Checker<M> + 'static) {
        self.checkers.push(Box::new(checker));
    }

    /// Passes a command to a node's machine now. A node whose process is dead ignores it.
    pub fn command(&mut self, node: NodeIndex, command: M::Command) {
        self.deliver_input(node, gm_broadcast::Input::Command(command));
    }

    /// Passes a command at a later time.
    pub fn command_at(&mut self, at: Time, node: NodeIndex, command: M::Command) {
        self.queue.push(at.max(self.now), ScheduledEvent::Command(node, Box::new(command)));
    }

    /// Processes the next event; returns whether there was one. After a violation there is none.
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

    /// Processes all events up to and including `until`, and advances the time to it. Stops at a
    /// violation.
    pub fn run_until(&mut self, until: Time) {
        while self.queue.next_time().is_some_and(|next| next <= until) && self.step() {}
        if self.violation.is_none() {
            self.now = self.now.max(until);
        }
    }

    /// Processes all events of this duration, see [`World::run_until`].
    pub fn run_for(&mut self, time: Duration) {
        self.run_until(self.now + time);
    }

    /// Processes events up to `until` while the condition holds, which is evaluated before each
    /// event. Returns whether it ended because the condition no longer held.
    pub fn run_while(&mut self, until: Time, mut condition: impl FnMut(&World<M>) -> bool) -> bool {
        while condition(self) {
            if self.queue.next_time().is_none_or(|next| next > until) || !self.step() {
                return false;
            }
        }
        true
    }

    /// Virtual time.
    #[must_use]
    pub const fn now(&self) -> Time {
        self.now
    }

    /// A node's machine, while its process lives.
    #[must_use]
    pub fn machine(&self, node: NodeIndex) -> Option<&M> {
        self.nodes.get(node.index())?.machine.as_ref()
    }

    /// Number of connections that are open at one end at least.
    #[must_use]
    pub fn links(&self) -> usize {
        self.conns.len()
    }

    /// The first violation, if there was one.
    #[must_use]
    pub const fn violation(&self) -> Option<&Violation> {
        self.violation.as_ref()
    }

    fn observe(&mut self, node: NodeIndex, seen: &Observation<'_, M>) {
        self.traffic.add(seen);
        for checker in &mut self.checkers {
            if let Err(violation) = checker.observe(ObservationContext { at: self.now, node }, seen) {
                self.violation.get_or_insert(violation);
            }
        }
    }

    /// Adds a line to the text of the trace, if it is kept; the hash does not change.
    pub fn note(&mut self, node: NodeIndex, text: impl FnOnce() -> String) {
        self.trace.note(self.now, node, text);
    }

    /// Counts a fault that the driver of the world injected into a node.
    pub fn record_fault(&mut self, node: NodeIndex, class: FaultClass) {
        self.fault_happened(node, class);
    }

    /// Counts a fault that had an effect, and reports it to the checkers.
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

/// A seed of 32 bytes from the world's seed, a number for the purpose, and a count.
#[must_use]
pub fn derive_seed(seed: u64, concern: u64, count: u64) -> [u8; 32] {
    let mut bytes = [0; 32];
    for (index, word) in (0..).zip(bytes.chunks_exact_mut(8)) {
        let mut mixer = WordHasher::new();
        for number in [seed, concern, count, index, seed] {
            mixer.number(number);
            mixer.number(number.rotate_left(32));
        }
        word.copy_from_slice(&mixer.value().to_le_bytes());
    }
    bytes
}
