//! What can be done to a world, as values: timetables are made of them. Knows not when.

use std::time::Duration;

use gm_broadcast::{Machine, Time};

use super::outsider::Attack;
use super::{ScheduledEvent, World};
use crate::active_faults::Fault;
use crate::fault::FaultClass;
use crate::node::NodeIndex;

/// One thing that is done to a world.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Something is wrong until then.
    BeginFault(Fault, Time),
    /// The process dies.
    Crash(NodeIndex),
    /// The host dies.
    KillHost(NodeIndex),
    /// The process is started, if it is dead.
    Start(NodeIndex),
    /// The process dies, if it lives, and is started again after so long.
    Restart(NodeIndex, Duration),
    /// The same, with a key that nobody else has, or with the right one.
    Rekey(NodeIndex, bool),
    /// The process stops where it is.
    Pause(NodeIndex),
    /// It goes on.
    Resume(NodeIndex),
    /// The clock shows so much more from now on.
    JumpClock(NodeIndex, Duration),
    /// The clock is so many parts in 10^9 too fast from now on.
    DriftClock(NodeIndex, i32),
    /// Every connection of a node ends.
    ResetLinks(NodeIndex),
    /// The outsider does something.
    Outsider(Attack),
    /// Nothing is wrong any more: paused nodes go on, wrong keys are righted, clocks run as they
    /// should, and, if so said, dead nodes are started.
    Heal {
        /// Whether the dead are started.
        revive: bool,
    },
}

impl<M: Machine> World<M> {
    /// Does it now.
    pub fn apply(&mut self, action: Action) {
        match action {
            Action::BeginFault(fault, until) => self.active_faults.begin(fault, self.now, until),
            Action::Crash(node) => {
                if self.machine(node).is_some() {
                    self.fault_happened(node, FaultClass::Crash);
                    self.crash(node);
                }
            }
            Action::KillHost(node) => {
                if self.machine(node).is_some() {
                    self.fault_happened(node, FaultClass::HostDeath);
                    self.kill_host(node);
                }
            }
            Action::Start(node) => self.start(node),
            Action::Restart(node, gap) => {
                if self.machine(node).is_some() {
                    self.fault_happened(node, FaultClass::Restart);
                    self.crash(node);
                    self.apply_at(self.now + gap, Action::Start(node));
                }
            }
            Action::Rekey(node, wrong) => self.rekey(node, wrong),
            Action::Pause(node) => self.pause(node),
            Action::Resume(node) => self.resume(node),
            Action::JumpClock(node, ahead) => {
                if self.machine(node).is_some() {
                    self.fault_happened(node, FaultClass::ClockJump);
                }
                self.jump_clock(node, ahead);
            }
            Action::DriftClock(node, drift) => {
                if drift != 0 && self.machine(node).is_some() {
                    self.fault_happened(node, FaultClass::ClockDrift);
                }
                self.drift_clock(node, drift);
            }
            Action::ResetLinks(node) => self.reset_links(node),
            Action::Outsider(trick) => self.attack(&trick),
            Action::Heal { revive } => self.heal(revive),
        }
    }

    /// Does it later.
    pub fn apply_at(&mut self, at: Time, action: Action) {
        self.queue.push(at.max(self.now), ScheduledEvent::Action(Box::new(action)));
    }

    fn rekey(&mut self, node: NodeIndex, wrong: bool) {
        let Some(state) = self.nodes.get_mut(node.index()) else { return };
        state.wrong_key = wrong;
        if state.machine.is_some() {
            self.crash(node);
            self.start(node);
        }
    }

    /// Nothing is wrong any more, see [`Action::Heal`].
    pub fn heal(&mut self, revive: bool) {
        self.active_faults.clear();
        for node in self.indices() {
            self.resume(node);
            if self.nodes[node.index()].clock.is_some() {
                self.drift_clock(node, 0);
            }
            if self.nodes[node.index()].wrong_key {
                self.rekey(node, false);
            }
            if revive {
                self.start(node);
            }
        }
    }
}
