//! Checkers: observers of a world that report violations of an invariant.

use std::cell::RefCell;
use std::fmt;
use std::rc::Rc;

use gm_broadcast::{Machine, Time};

use crate::observation::{Observation, ObservationContext};
use crate::world::World;

pub(crate) mod byte_conservation;
pub(crate) mod limit;

/// Kind of a violation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ViolationKind {
    /// The program panicked.
    Crash,
    /// A forbidden event occurred.
    Safety,
    /// A required event did not occur.
    Liveness,
}

impl ViolationKind {
    /// Name in reports.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            ViolationKind::Crash => "crash",
            ViolationKind::Safety => "safety",
            ViolationKind::Liveness => "liveness",
        }
    }

    /// Exit code of a command, different for each kind.
    #[must_use]
    pub const fn exit_code(self) -> u8 {
        match self {
            ViolationKind::Crash => 3,
            ViolationKind::Safety => 4,
            ViolationKind::Liveness => 5,
        }
    }
}

/// A violation of an invariant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// Kind of the violation.
    pub kind: ViolationKind,
    /// Name of the checker that found it.
    pub checker: String,
    /// Description for the reader of the report.
    pub message: String,
    /// Virtual time at which it was found.
    pub at: Time,
}

impl Violation {
    /// A safety violation: a forbidden event occurred.
    pub fn safety(checker: impl Into<String>, at: Time, what: impl Into<String>) -> Violation {
        Violation { kind: ViolationKind::Safety, checker: checker.into(), message: what.into(), at }
    }

    /// A liveness violation: a required event did not occur.
    pub fn liveness(checker: impl Into<String>, at: Time, what: impl Into<String>) -> Violation {
        Violation { kind: ViolationKind::Liveness, checker: checker.into(), message: what.into(), at }
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at {}, {}: {}", self.kind.name(), self.at, self.checker, self.message)
    }
}

/// An observer of a world, mostly one that checks an invariant. Its first violation ends the run.
pub trait Checker<M: Machine> {
    /// Name in reports.
    fn name(&self) -> &'static str;

    /// Called for every observation.
    ///
    /// # Errors
    /// The violation, if the observation is one.
    fn observe(&mut self, context: ObservationContext, seen: &Observation<'_, M>) -> Result<(), Violation>;

    /// Called after a machine was started, or handled an input and its outputs were drained.
    ///
    /// # Errors
    /// The violation, if the state of the machine is one.
    fn after_input(&mut self, context: ObservationContext, machine: &M) -> Result<(), Violation> {
        let _ = (context, machine);
        Ok(())
    }

    /// Called at the end of the run.
    ///
    /// # Errors
    /// The violation, if the final state of the world is one.
    fn at_end(&mut self, world: &World<M>) -> Result<(), Violation> {
        let _ = world;
        Ok(())
    }
}

/// A checker that is shared, so that its owner can read its results after the run.
impl<M: Machine, C: Checker<M>> Checker<M> for Rc<RefCell<C>> {
    fn name(&self) -> &'static str {
        self.borrow().name()
    }

    fn observe(&mut self, context: ObservationContext, seen: &Observation<'_, M>) -> Result<(), Violation> {
        self.borrow_mut().observe(context, seen)
    }

    fn after_input(&mut self, context: ObservationContext, machine: &M) -> Result<(), Violation> {
        self.borrow_mut().after_input(context, machine)
    }

    fn at_end(&mut self, world: &World<M>) -> Result<(), Violation> {
        self.borrow_mut().at_end(world)
    }
}
