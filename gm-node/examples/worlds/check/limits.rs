//! No part of a node grows beyond its bound. Knows only the numbers.

use gm_sim::{Checker, Observation, ObservationContext, Violation};

use crate::environment::SimNode;

/// Looks at a node after every input.
#[derive(Clone, Copy, Debug)]
pub(crate) struct NodeLimitsChecker;

impl Checker<SimNode> for NodeLimitsChecker {
    fn name(&self) -> &'static str {
        "limits"
    }

    fn observe(&mut self, _: ObservationContext, _: &Observation<'_, SimNode>) -> Result<(), Violation> {
        Ok(())
    }

    fn after_input(&mut self, place: ObservationContext, machine: &SimNode) -> Result<(), Violation> {
        match machine.usage().into_iter().find(|(_, many, most)| many > most) {
            Some((what, many, most)) => {
                let what = format!("{} has {many} {what}, more than {most}", place.node);
                Err(Violation::safety("limits", place.at, what))
            }
            None => Ok(()),
        }
    }
}
