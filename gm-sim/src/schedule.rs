//! Fault schedules, drawn from a seed.

use std::time::Duration;

use gm_broadcast::{Machine, Rng, Time, Via};

use crate::active_faults::{Effect, Fault, Nodes, Rates, Scope};
use crate::fault::FaultClass;
use crate::node::NodeIndex;
use crate::world::{Action, Attack, World, derive_seed};

/// Limits within which a schedule is drawn.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScheduleBounds {
    /// Number of nodes in the world.
    pub nodes: u32,
    /// Time of the first fault.
    pub start: Time,
    /// Time at which all faults end.
    pub heal_at: Time,
    /// Whether dead nodes are started at that time.
    pub restart_dead: bool,
    /// Nodes that do not die, are not paused, and keep their key and clock.
    pub spared: Vec<NodeIndex>,
}

/// Actions on a world, with their times.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Schedule {
    /// The actions, in order of time.
    pub actions: Vec<(Time, Action)>,
}

/// Maximum number of times that a fault class is drawn.
const MAX_REPEATS: u64 = 3;
/// Maximum number of attacks of the outsider each time.
const MAX_ATTACKS: u64 = 8;

impl Schedule {
    /// Draws each of these classes one to three times within the bounds. Equal seeds give equal
    /// schedules.
    #[must_use]
    pub fn draw(seed: u64, classes: &[FaultClass], bounds: &ScheduleBounds) -> Schedule {
        let mut actions = Vec::new();
        for class in classes {
            // A generator for each class, so that an added class does not change the others.
            let rng = Rng::new(derive_seed(seed, u64::MAX, *class as u64));
            FaultDraw { rng, class: *class, bounds, actions: &mut actions }.all();
        }
        actions.push((bounds.heal_at, Action::Heal { revive: bounds.restart_dead }));
        actions.sort_by_key(|(at, _)| *at);
        Schedule { actions }
    }

    /// Selects some of these classes, each with a probability of `parts` in `of`, in their order.
    #[must_use]
    pub fn choose(seed: u64, classes: &[FaultClass], parts: u64, of: u64) -> Vec<FaultClass> {
        let mut rng = Rng::new(derive_seed(seed, u64::MAX, u64::MAX));
        classes.iter().copied().filter(|_| rng.ratio(parts, of)).collect()
    }

    /// Adds all actions to a world.
    pub fn install<M: Machine>(&self, world: &mut World<M>) {
        for (at, action) in &self.actions {
            world.apply_at(*at, action.clone());
        }
    }
}

struct FaultDraw<'a> {
    rng: Rng,
    class: FaultClass,
    bounds: &'a ScheduleBounds,
    actions: &'a mut Vec<(Time, Action)>,
}

impl FaultDraw<'_> {
    fn all(&mut self) {
        for _ in 0..=self.rng.below(MAX_REPEATS) {
            let span = self.bounds.heal_at.since(self.bounds.start);
            let from = self.bounds.start + self.rng.duration_up_to(span * 3 / 4);
            let left = self.bounds.heal_at.since(from);
            let until = from + left / 4 + self.rng.duration_up_to(left * 3 / 4);
            self.one(from, until);
        }
    }

    fn one(&mut self, from: Time, until: Time) {
        let random_scope = self.random_scope();
        let rate = self.rate(10_000, 300_000);
        let rates = Rates { delay: self.duration(1, 200), ..Rates::default() };
        match self.class {
            FaultClass::Loss => {
                self.push_fault(from, until, random_scope, Effect::Udp(Rates { loss: rate, ..rates }))
            }
            FaultClass::Duplication => {
                self.push_fault(from, until, random_scope, Effect::Udp(Rates { duplicate: rate, ..rates }))
            }
            FaultClass::Reordering => {
                self.push_fault(from, until, random_scope, Effect::Udp(Rates { reorder: rate, ..rates }))
            }
            FaultClass::Truncation => {
                self.push_fault(from, until, random_scope, Effect::Udp(Rates { truncate: rate, ..rates }))
            }
            FaultClass::BitFlip => {
                self.push_fault(from, until, random_scope, Effect::Udp(Rates { flip: rate, ..rates }))
            }
            FaultClass::SmallMtu => {
                let max = self.rng.index(577);
                self.push_fault(from, until, random_scope, Effect::Mtu(max));
            }
            FaultClass::MtuBlackHole => {
                let max = self.rng.index(577);
                self.push_fault(from, until, random_scope, Effect::MtuBlackHole(max));
            }
            FaultClass::UdpBlocked => {
                // A firewall may drop datagrams in one direction only.
                let scope = if self.rng.ratio(1, 3) {
                    Scope { bidirectional: false, ..self.random_partition() }
                } else {
                    random_scope
                };
                self.push_fault(from, until, scope, Effect::UdpBlocked);
            }
            FaultClass::MulticastBlocked => {
                self.push_fault(from, until, random_scope, Effect::MulticastBlocked)
            }
            FaultClass::OneWay => {
                let scope = Scope { bidirectional: false, ..self.random_partition() };
                self.push_fault(from, until, scope, Effect::Block);
            }
            FaultClass::Partition => {
                let scope = self.random_partition();
                self.push_fault(from, until, scope, Effect::Block);
            }
            FaultClass::FlipFlop => {
                let (scope, turn) = (self.random_partition(), self.duration(10, 2_000));
                self.push_fault(from, until, scope, Effect::FlipFlop(turn));
            }
            FaultClass::DialRefused => self.push_fault(from, until, random_scope, Effect::Refuse),
            FaultClass::DialSilent => self.push_fault(from, until, random_scope, Effect::Silent),
            FaultClass::Reset => self.push_fault(from, until, random_scope, Effect::Reset(rate)),
            FaultClass::Stall => self.push_fault(from, until, random_scope, Effect::Stall),
            FaultClass::Chunking => self.push_fault(from, until, random_scope, Effect::Chunk(rate * 3)),
            FaultClass::SlowReader => {
                let rate = 50 + self.rng.below(20_000);
                self.push_fault(from, until, random_scope, Effect::SlowReader(rate));
            }
            FaultClass::OutsiderReplay | FaultClass::OutsiderGarbage | FaultClass::OutsiderFlood => {
                self.outsider(from, until);
            }
            _ => self.node_fault(from, until),
        }
    }

    /// A fault of a node that is not spared.
    fn node_fault(&mut self, from: Time, until: Time) {
        let Some(node) = self.victim() else { return };
        let action = match self.class {
            FaultClass::Crash => Action::Crash(node),
            FaultClass::Restart => Action::Restart(node, self.rng.duration_up_to(until.since(from))),
            FaultClass::HostDeath => Action::KillHost(node),
            FaultClass::WrongKey => Action::Rekey(node, true),
            FaultClass::ClockJump => Action::JumpClock(node, self.duration(1, 600_000)),
            FaultClass::ClockDrift => {
                let drift = i32::try_from(self.rng.below(200_000_001)).unwrap_or(0) - 100_000_000;
                Action::DriftClock(node, drift)
            }
            _ => {
                self.actions.push((until, Action::Resume(node)));
                Action::Pause(node)
            }
        };
        self.actions.push((from, action));
    }

    fn outsider(&mut self, from: Time, until: Time) {
        let (start, end) = (self.bounds.start, self.bounds.heal_at);
        if self.class == FaultClass::OutsiderReplay {
            self.actions.push((start, Action::Outsider(Attack::Listen(true))));
            self.actions.push((end, Action::Outsider(Attack::Listen(false))));
        }
        for _ in 0..=self.rng.below(MAX_ATTACKS) {
            let node = NodeIndex(u32::try_from(self.rng.below(u64::from(self.bounds.nodes))).unwrap_or(0));
            let attack = match (self.class, self.rng.below(3)) {
                (FaultClass::OutsiderReplay, 0) => Attack::Replay(node, Via::Unicast),
                (FaultClass::OutsiderReplay, 1) => Attack::Replay(node, Via::Multicast),
                (FaultClass::OutsiderReplay, _) => Attack::ReplayStream(node),
                (FaultClass::OutsiderGarbage, 0) => Attack::GarbageStream(node, self.rng.index(100_000)),
                (FaultClass::OutsiderGarbage, _) => Attack::Garbage(node, self.rng.index(2_000)),
                _ => Attack::Flood(node, self.number(10, 300), self.number(1, 20)),
            };
            let at = from + self.rng.duration_up_to(until.since(from));
            self.actions.push((at, Action::Outsider(attack)));
        }
    }

    fn push_fault(&mut self, from: Time, until: Time, scope: Scope, effect: Effect) {
        let fault = Fault { class: self.class, scope, effect };
        self.actions.push((from, Action::BeginFault(fault, until)));
    }

    /// Every path, or those from and to one node.
    fn random_scope(&mut self) -> Scope {
        let node = NodeIndex(u32::try_from(self.rng.below(u64::from(self.bounds.nodes))).unwrap_or(0));
        if self.rng.ratio(2, 3) { Scope::ALL } else { Scope::around(node) }
    }

    /// Two sets of nodes, both non-empty if there are at least two nodes.
    fn random_partition(&mut self) -> Scope {
        let mut nodes: Vec<NodeIndex> = (0..self.bounds.nodes).map(NodeIndex).collect();
        self.rng.shuffle(&mut nodes);
        let cut = 1 + self.rng.index(nodes.len().saturating_sub(1));
        let (here, there) = nodes.split_at(cut.min(nodes.len()));
        let set = |nodes: &[NodeIndex]| Nodes::Set(nodes.iter().copied().collect());
        Scope { from: set(here), to: set(there), bidirectional: true }
    }

    fn victim(&mut self) -> Option<NodeIndex> {
        let spared = &self.bounds.spared;
        let nodes: Vec<NodeIndex> =
            (0..self.bounds.nodes).map(NodeIndex).filter(|node| !spared.contains(node)).collect();
        nodes.get(self.rng.index(nodes.len())).copied()
    }

    fn rate(&mut self, min: u32, max: u32) -> u32 {
        self.number(min, max)
    }

    fn number(&mut self, min: u32, max: u32) -> u32 {
        min + u32::try_from(self.rng.below(u64::from(max - min) + 1)).unwrap_or(0)
    }

    /// A random duration between these numbers of milliseconds.
    fn duration(&mut self, min: u64, max: u64) -> Duration {
        Duration::from_millis(min + self.rng.below(max - min + 1))
    }
}
