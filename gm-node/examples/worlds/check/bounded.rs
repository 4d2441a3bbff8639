//! No part of a node grows beyond its bound. Knows only the numbers.

use gm_sim::{Checker, Seen, Violation, Where};

use crate::ground::Whole;

/// Looks at a node after every input.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounded;

impl Checker<Whole> for Bounded {
    fn name(&self) -> &'static str {
        "bounded"
    }

    fn see(&mut self, _: Where, _: &Seen<'_, Whole>) -> Result<(), Violation> {
        Ok(())
    }

    fn settled(&mut self, place: Where, machine: &Whole) -> Result<(), Violation> {
        match machine.usage().into_iter().find(|(_, many, most)| many > most) {
            Some((what, many, most)) => {
                let what = format!("{} has {many} {what}, more than {most}", place.node);
                Err(Violation::safety("bounded", place.at, what))
            }
            None => Ok(()),
        }
    }
}
