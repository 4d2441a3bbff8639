//! Checks that every table of a node stays within its limit at all times, by the usage that the
//! node itself reports.

use crate::broadcast::node::SimBroadcaster;
use crate::checker::{Checker, Violation};
use crate::observation::{Observation, ObservationContext};

/// Reads the usage of a node after every input.
#[derive(Clone, Copy, Debug, Default)]
pub struct BroadcasterLimitsChecker;

/// The first of (name, usage, limit) whose usage exceeds the limit.
#[must_use]
pub fn first_exceeded<'a>(usage: &[(&'a str, usize, usize)]) -> Option<(&'a str, usize, usize)> {
    usage.iter().copied().find(|(_, usage, limit)| usage > limit)
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

    fn after_input(
        &mut self,
        context: ObservationContext,
        machine: &SimBroadcaster,
    ) -> Result<(), Violation> {
        match first_exceeded(&machine.broadcaster.limit_usage()) {
            None => Ok(()),
            Some((what, usage, limit)) => {
                let what = format!("{} holds {usage} of {what}, limit {limit}", context.node);
                Err(Violation::safety("limits", context.at, what))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_exceeded_limit_is_found() {
        assert_eq!(first_exceeded(&[("connections", 7, 7), ("cached broadcasts", 0, 1)]), None);
        assert_eq!(
            first_exceeded(&[("connections", 7, 7), ("cached broadcasts", 2, 1)]),
            Some(("cached broadcasts", 2, 1))
        );
    }
}
