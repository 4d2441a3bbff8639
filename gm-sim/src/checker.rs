//! What must hold in a world, and who looks. Knows no protocol; a checker of one knows it.

use std::cell::RefCell;
use std::fmt;
use std::rc::Rc;

use gm_broadcast::{Machine, Time};

use crate::observation::{Observation, ObservationContext};
use crate::world::World;

pub(crate) mod byte_conservation;
pub(crate) mod limit;

/// What kind of wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ViolationKind {
    /// A panic.
    Crash,
    /// Something happened that must not.
    Safety,
    /// Something did not happen that must.
    Liveness,
}

impl ViolationKind {
    /// As reports spell it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            ViolationKind::Crash => "crash",
            ViolationKind::Safety => "safety",
            ViolationKind::Liveness => "liveness",
        }
    }

    /// What a command ends with: another number for each.
    #[must_use]
    pub const fn exit_code(self) -> u8 {
        match self {
            ViolationKind::Crash => 3,
            ViolationKind::Safety => 4,
            ViolationKind::Liveness => 5,
        }
    }
}

/// That something is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// What kind.
    pub kind: ViolationKind,
    /// Who says so.
    pub checker: String,
    /// What.
    pub message: String,
    /// When it was found, by the world's time.
    pub at: Time,
}

impl Violation {
    /// Something happened that must not.
    pub fn safety(checker: impl Into<String>, at: Time, what: impl Into<String>) -> Violation {
        Violation { kind: ViolationKind::Safety, checker: checker.into(), message: what.into(), at }
    }

    /// Something did not happen that must.
    pub fn liveness(checker: impl Into<String>, at: Time, what: impl Into<String>) -> Violation {
        Violation { kind: ViolationKind::Liveness, checker: checker.into(), message: what.into(), at }
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at {}, {}: {}", self.kind.name(), self.at, self.checker, self.message)
    }
}

/// One thing that must hold, or somebody who only listens. Its first violation ends the run.
pub trait Checker<M: Machine> {
    /// Its name in reports.
    fn name(&self) -> &'static str;

    /// Something happened.
    ///
    /// # Errors
    /// If that must not be.
    fn observe(&mut self, place: ObservationContext, seen: &Observation<'_, M>) -> Result<(), Violation>;

    /// A machine was started, or handled an input and its outputs were taken.
    ///
    /// # Errors
    /// If the machine must not be so.
    fn after_input(&mut self, place: ObservationContext, machine: &M) -> Result<(), Violation> {
        let _ = (place, machine);
        Ok(())
    }

    /// The run is over.
    ///
    /// # Errors
    /// If the world must not end so.
    fn at_end(&mut self, world: &World<M>) -> Result<(), Violation> {
        let _ = world;
        Ok(())
    }
}

/// A checker that its owner keeps, to read from it later.
impl<M: Machine, C: Checker<M>> Checker<M> for Rc<RefCell<C>> {
    fn name(&self) -> &'static str {
        self.borrow().name()
    }

    fn observe(&mut self, place: ObservationContext, seen: &Observation<'_, M>) -> Result<(), Violation> {
        self.borrow_mut().observe(place, seen)
    }

    fn after_input(&mut self, place: ObservationContext, machine: &M) -> Result<(), Violation> {
        self.borrow_mut().after_input(place, machine)
    }

    fn at_end(&mut self, world: &World<M>) -> Result<(), Violation> {
        self.borrow_mut().at_end(world)
    }
}
