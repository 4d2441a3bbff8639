//! Everything that a node holds is within its bound, at all times. Knows only what a node says of
//! itself.

use crate::broadcast::node::SimBroadcaster;
use crate::checker::{Checker, Violation};
use crate::observation::{Observation, ObservationContext};

/// Asks every node after every input.
#[derive(Clone, Copy, Debug, Default)]
pub struct BroadcasterLimitsChecker;

/// One of (what, how many, at most) that is beyond its bound.
#[must_use]
pub fn first_exceeded<'a>(held: &[(&'a str, usize, usize)]) -> Option<(&'a str, usize, usize)> {
    held.iter().copied().find(|(_, held, most)| held > most)
}

impl Checker<SimBroadcaster> for BroadcasterLimitsChecker {
    fn name(&self) -> &'static str {
        "limits"
    }

    fn observe(
        &mut self,
        _: ObservationContext,
        _: &Observation<'_, SimBroadcaster>,
    ) -> Result<(), Violation> {
        Ok(())
    }

    fn after_input(&mut self, place: ObservationContext, machine: &SimBroadcaster) -> Result<(), Violation> {
        match first_exceeded(&machine.limit_usage()) {
            None => Ok(()),
            Some((what, held, most)) => {
                let what = format!("{} holds {held} of {what}, more than {most}", place.node);
                Err(Violation::safety("limits", place.at, what))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_too_many_is_found() {
        assert_eq!(first_exceeded(&[("connections", 7, 7), ("cached broadcasts", 0, 1)]), None);
        assert_eq!(
            first_exceeded(&[("connections", 7, 7), ("cached broadcasts", 2, 1)]),
            Some(("cached broadcasts", 2, 1))
        );
    }
}
