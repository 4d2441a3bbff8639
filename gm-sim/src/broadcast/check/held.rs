//! Everything that a node holds is within its bound, at all times. Knows only what a node says of itself.

use crate::broadcast::node::Node;
use crate::checker::{Checker, Violation};
use crate::watch::{Seen, Where};

/// Asks every node after every input.
#[derive(Clone, Copy, Debug, Default)]
pub struct Held;

/// One of (what, how many, at most) that is beyond its bound.
#[must_use]
pub fn beyond<'a>(held: &[(&'a str, usize, usize)]) -> Option<(&'a str, usize, usize)> {
    held.iter().copied().find(|(_, held, most)| held > most)
}

impl Checker<Node> for Held {
    fn name(&self) -> &'static str {
        "held"
    }

    fn see(&mut self, _: Where, _: &Seen<'_, Node>) -> Result<(), Violation> {
        Ok(())
    }

    fn settled(&mut self, place: Where, machine: &Node) -> Result<(), Violation> {
        match beyond(&machine.limit_usage()) {
            None => Ok(()),
            Some((what, held, most)) => {
                let what = format!("{} holds {held} of {what}, more than {most}", place.node);
                Err(Violation::safety("held", place.at, what))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_too_many_is_found() {
        assert_eq!(beyond(&[("links", 7, 7), ("recent", 0, 1)]), None);
        assert_eq!(beyond(&[("links", 7, 7), ("recent", 2, 1)]), Some(("recent", 2, 1)));
    }
}
