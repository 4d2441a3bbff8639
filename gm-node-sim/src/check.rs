//! Checkers of a cluster of whole nodes, one property per file.

pub(crate) mod acks;
pub(crate) mod claims;
pub(crate) mod convergence;
pub(crate) mod durability;
pub(crate) mod limits;
pub(crate) mod validity;
pub(crate) mod watchers;
pub(crate) mod write_ahead;

use std::rc::Rc;

use gm_sim::ByteConservation;

use crate::environment::NodeWorld;
use crate::history::SharedHistory;

/// Adds all checkers to a world.
pub(crate) fn add_all(world: &mut NodeWorld, history: &SharedHistory) {
    let written = validity::ValidityChecker::shared(history);
    world.add_checker(Rc::clone(history));
    world.add_checker(ByteConservation::new());
    world.add_checker(durability::DurabilityChecker::new(history));
    world.add_checker(write_ahead::WriteAheadChecker::new(history));
    world.add_checker(Rc::clone(&written));
    world.add_checker(acks::AcksChecker::new(history, &written));
    world.add_checker(watchers::WatcherChecker::new(history));
    world.add_checker(limits::NodeLimitsChecker);
    world.add_checker(convergence::ConvergenceChecker::new(history));
    world.add_checker(claims::ClaimsChecker::new(history));
}
