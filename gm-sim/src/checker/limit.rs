//! Checker of a limit: a number read from each machine, such as the length of a queue, stays within
//! it.

use std::fmt;

use gm_broadcast::Machine;

use crate::checker::{Checker, Violation};
use crate::observation::{Observation, ObservationContext};

/// Compares a number of each machine with a limit after every input.
pub struct LimitChecker<F> {
    name: &'static str,
    limit: usize,
    /// Greatest number observed.
    peak: usize,
    measure: F,
}

impl<F> LimitChecker<F> {
    /// A checker that reports a violation when `measure` exceeds `limit`.
    pub const fn new(name: &'static str, limit: usize, measure: F) -> LimitChecker<F> {
        LimitChecker { name, limit, peak: 0, measure }
    }

    /// Greatest number observed so far.
    pub const fn peak(&self) -> usize {
        self.peak
    }
}

impl<F> fmt::Debug for LimitChecker<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "LimitChecker({} <= {})", self.name, self.limit)
    }
}

impl<M: Machine, F: FnMut(&M) -> usize> Checker<M> for LimitChecker<F> {
    fn name(&self) -> &'static str {
        self.name
    }

    fn observe(&mut self, _: ObservationContext, _: &Observation<'_, M>) -> Result<(), Violation> {
        Ok(())
    }

    fn after_input(&mut self, context: ObservationContext, machine: &M) -> Result<(), Violation> {
        let now = (self.measure)(machine);
        self.peak = self.peak.max(now);
        if now > self.limit {
            let what = format!("{} has {now}, limit {}", context.node, self.limit);
            return Err(Violation::safety(self.name, context.at, what));
        }
        Ok(())
    }
}
