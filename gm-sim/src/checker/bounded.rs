//! Something of a machine stays within a bound: a queue, a table, its memory. Knows only the number.

use std::fmt;

use gm_broadcast::Machine;

use crate::checker::{Checker, Violation};
use crate::watch::{Seen, Where};

/// Looks at a number of each machine after every input.
pub struct Bounded<F> {
    name: &'static str,
    most: usize,
    /// The greatest that was seen.
    peak: usize,
    measure: F,
}

impl<F> Bounded<F> {
    /// `measure` never says more than `most`.
    pub const fn new(name: &'static str, most: usize, measure: F) -> Bounded<F> {
        Bounded { name, most, peak: 0, measure }
    }

    /// The greatest number so far.
    pub const fn peak(&self) -> usize {
        self.peak
    }
}

impl<F> fmt::Debug for Bounded<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Bounded({} <= {})", self.name, self.most)
    }
}

impl<M: Machine, F: FnMut(&M) -> usize> Checker<M> for Bounded<F> {
    fn name(&self) -> &'static str {
        self.name
    }

    fn see(&mut self, _: Where, _: &Seen<'_, M>) -> Result<(), Violation> {
        Ok(())
    }

    fn settled(&mut self, place: Where, machine: &M) -> Result<(), Violation> {
        let now = (self.measure)(machine);
        self.peak = self.peak.max(now);
        if now > self.most {
            let what = format!("{} has {now}, more than {}", place.node, self.most);
            return Err(Violation::safety(self.name, place.at, what));
        }
        Ok(())
    }
}
