//! Actions on a world, as values, so that schedules can contain them.

use std::time::Duration;

use gm_broadcast::{Machine, Time};

use super::outsider::Attack;
use super::{ScheduledEvent, World};
use crate::active_faults::Fault;
use crate::fault::FaultClass;
use crate::node::NodeIndex;

/// An action on a world.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Begins a lasting fault, which ends at the given time.
    BeginFault(Fault, Time),
    /// Kills the process.
    Crash(NodeIndex),
    /// Kills the host, with its process.
    KillHost(NodeIndex),
    /// Starts the process, if it is dead.
    Start(NodeIndex),
    /// Kills the process, if it lives, and starts it again after this time.
    Restart(NodeIndex, Duration),
    /// Restarts the process, if it lives: with a wrong key that no other node has, or with the
    /// right one.
    Rekey(NodeIndex, bool),
    /// Pauses the process.
    Pause(NodeIndex),
    /// Resumes the process.
    Resume(NodeIndex),
    /// Advances the node's clock by this time.
    JumpClock(NodeIndex, Duration),
    /// Sets the drift of the node's clock, in parts per 10^9; positive if it is too fast.
    DriftClock(NodeIndex, i32),
    /// Resets every connection of the node.
    ResetLinks(NodeIndex),
    /// Lets the outsider attack.
    Outsider(Attack),
    /// Ends all faults: resumes paused nodes, replaces wrong keys, ends clock drift, and starts
    /// dead nodes if requested.
    Heal {
        /// Whether dead nodes are started.
        revive: bool,
    },
}

impl<M: Machine> World<M> {
    /// Performs an action now.
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
            Action::Outsider(attack) => self.attack(&attack),
            Action::Heal { revive } => self.heal(revive),
        }
    }

    /// Performs an action at a later time.
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

    /// Ends all faults, see [`Action::Heal`].
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
