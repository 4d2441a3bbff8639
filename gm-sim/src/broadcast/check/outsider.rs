//! Whoever lacks the key makes nobody known and nothing heard. Knows nothing of frames.

use gm_broadcast::Event;
use gm_clock::NetId;

use crate::broadcast::book::Shared;
use crate::broadcast::node::Node;
use crate::checker::{Checker, Violation};
use crate::fault::FaultClass;
use crate::watch::{Seen, Where};
use crate::world::World;

/// Sees to it that only nodes of the world are known.
#[derive(Debug)]
pub struct Outsider {
    book: Shared,
    replays: bool,
}

impl Outsider {
    /// Nothing seen yet.
    #[must_use]
    pub fn new(book: &Shared) -> Outsider {
        Outsider { book: Shared::clone(book), replays: false }
    }

    fn known(&self, place: Where, node: NetId) -> Result<(), Violation> {
        if self.book.borrow().node(node).is_some() {
            return Ok(());
        }
        let what = format!("{} knows {node}, which is nobody", place.node);
        Err(Violation::safety("outsider", place.at, what))
    }
}

impl Checker<Node> for Outsider {
    fn name(&self) -> &'static str {
        "outsider"
    }

    fn see(&mut self, place: Where, seen: &Seen<'_, Node>) -> Result<(), Violation> {
        match seen {
            Seen::Event(Event::NodeFound(node) | Event::Near(node) | Event::Island(Some(node))) => {
                self.known(place, *node)
            }
            Seen::Fault(FaultClass::OutsiderReplay) => {
                self.replays = true;
                Ok(())
            }
            // Who starts anew does not know what he said before, and somebody may say it to him.
            Seen::Event(Event::IdentityClash) if !self.replays => {
                let what = format!("{} thinks that somebody else has its name", place.node);
                Err(Violation::safety("outsider", place.at, what))
            }
            _ => Ok(()),
        }
    }

    fn at_end(&mut self, world: &World<Node>) -> Result<(), Violation> {
        let others = self.book.borrow().plan().places.len() - 1;
        let acquainted = self.book.borrow().plan().claims.acquainted;
        for node in world.indices() {
            let known = world.machine(node).map(Node::known).unwrap_or_default();
            if acquainted && known.len() < others {
                let what = format!("{node} knows {} of {others}", known.len());
                return Err(Violation::liveness("acquaintance", world.now(), what));
            }
            known.into_iter().try_for_each(|known| self.known(Where { at: world.now(), node }, known))?;
        }
        Ok(())
    }
}
