//! Checks that every table of a node stays within its limit.

use gm_sim::{Checker, Observation, ObservationContext, Violation};

use crate::environment::SimNode;

/// Reads the usage of a node after every input.
#[derive(Clone, Copy, Debug)]
pub(crate) struct NodeLimitsChecker;

impl Checker<SimNode> for NodeLimitsChecker {
    fn name(&self) -> &'static str {
        "limits"
    }

    fn observe(&mut self, _: ObservationContext, _: &Observation<'_, SimNode>) -> Result<(), Violation> {
        Ok(())
    }

    fn after_input(&mut self, context: ObservationContext, machine: &SimNode) -> Result<(), Violation> {
        match machine.usage().into_iter().find(|(_, usage, limit)| usage > limit) {
            Some((what, usage, limit)) => {
                let what = format!("{} has {usage} {what}, limit {limit}", context.node);
                Err(Violation::safety("limits", context.at, what))
            }
            None => Ok(()),
        }
    }
}
