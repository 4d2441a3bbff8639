//! Something of a machine stays within a bound: a queue, a table, its memory. Knows only the
//! number.

use std::fmt;

use gm_broadcast::Machine;

use crate::checker::{Checker, Violation};
use crate::observation::{Observation, ObservationContext};

/// Looks at a number of each machine after every input.
pub struct LimitChecker<F> {
    name: &'static str,
    limit: usize,
    /// The greatest that was seen.
    peak: usize,
    measure: F,
}

impl<F> LimitChecker<F> {
    /// `measure` never says more than `most`.
    pub const fn new(name: &'static str, limit: usize, measure: F) -> LimitChecker<F> {
        LimitChecker { name, limit, peak: 0, measure }
    }

    /// The greatest number so far.
    pub const fn peak(&self) -> usize {
        self.peak
    }
}

impl<F> fmt::Debug for LimitChecker<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Bounded({} <= {})", self.name, self.limit)
    }
}

impl<M: Machine, F: FnMut(&M) -> usize> Checker<M> for LimitChecker<F> {
    fn name(&self) -> &'static str {
        self.name
    }

    fn observe(&mut self, _: ObservationContext, _: &Observation<'_, M>) -> Result<(), Violation> {
        Ok(())
    }

    fn after_input(&mut self, place: ObservationContext, machine: &M) -> Result<(), Violation> {
        let now = (self.measure)(machine);
        self.peak = self.peak.max(now);
        if now > self.limit {
            let what = format!("{} has {now}, more than {}", place.node, self.limit);
            return Err(Violation::safety(self.name, place.at, what));
        }
        Ok(())
    }
}
