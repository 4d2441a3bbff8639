//! What comes is what was said, once a life; and what is demanded comes in time to all who were up. Knows nothing of how it comes.

use std::collections::BTreeSet;

use gm_broadcast::Time;
use gm_clock::NetId;

use crate::broadcast::book::{Said, Shared};
use crate::broadcast::node::{Mail, Node};
use crate::broadcast::scenario::Whom;
use crate::checker::{Checker, Violation};
use crate::node::NodeIndex;
use crate::watch::{Seen, Where};
use crate::world::World;

/// Compares what is handed to owners with the book.
#[derive(Debug)]
pub struct Delivery {
    book: Shared,
    /// (node, life, number)
    seen: BTreeSet<(NodeIndex, u32, u64)>,
}

impl Delivery {
    /// Nothing seen yet.
    #[must_use]
    pub fn new(book: &Shared) -> Delivery {
        Delivery { book: Shared::clone(book), seen: BTreeSet::new() }
    }

    fn wrong(&self, node: NodeIndex, mail: &Mail) -> Option<String> {
        let book = self.book.borrow();
        let Some(said) = book.said.get(&mail.number) else { return Some("nobody said that".to_owned()) };
        let direct = matches!(said.say.to, Whom::One(..));
        if said.at == Time::NEVER {
            return Some("it was not said yet".to_owned());
        }
        if (mail.length, mail.hash) != (said.say.length, said.hash) {
            return Some(format!("{} bytes of it are not those that were said", mail.length));
        }
        if mail.broadcast != said.id || direct != mail.broadcast.is_none() {
            return Some("it goes by another name".to_owned());
        }
        if direct && said.targets.first().copied() != book.id(node) {
            return Some("it is for somebody else".to_owned());
        }
        (node == said.say.node && book.standing(node).life == said.life)
            .then(|| "it said so itself".to_owned())
    }
}

/// The nodes that should have it by then and do not: those that were up all the while.
#[must_use]
pub fn lacking(
    said: &Said,
    until: Time,
    mut steady: impl FnMut(NetId) -> Option<NodeIndex>,
) -> Vec<NodeIndex> {
    let nodes = said.targets.iter().filter_map(|target| steady(*target));
    nodes.filter(|node| said.got.get(node).is_none_or(|(_, at)| *at > until)).collect()
}

impl Checker<Node> for Delivery {
    fn name(&self) -> &'static str {
        "delivery"
    }

    fn see(&mut self, place: Where, seen: &Seen<'_, Node>) -> Result<(), Violation> {
        let Seen::Delivered(mail) = seen else { return Ok(()) };
        let life = self.book.borrow().standing(place.node).life;
        let mut wrong = self.wrong(place.node, mail);
        if !self.seen.insert((place.node, life, mail.number)) {
            wrong = Some("it came before".to_owned());
        }
        match wrong {
            None => Ok(()),
            Some(why) => {
                let what = format!("{} gets number {}: {why}", place.node, mail.number);
                Err(Violation::safety("delivery", place.at, what))
            }
        }
    }

    fn at_end(&mut self, world: &World<Node>) -> Result<(), Violation> {
        let book = self.book.borrow();
        for said in book.said.values().filter(|said| said.at != Time::NEVER) {
            let Some(within) = said.say.within else { continue };
            // A life of the sender that ended said no more.
            if !book.steady(said.say.node, said.at) {
                continue;
            }
            let steady = |target| book.node(target).filter(|node| book.steady(*node, said.at));
            let lacking = lacking(said, said.at + within, steady);
            if !lacking.is_empty() {
                let number = said.say.number;
                let names: Vec<String> = lacking.iter().map(ToString::to_string).collect();
                let what = format!(
                    "number {number}, said by {} at {}, is not at {} within {within:?}",
                    said.say.node,
                    said.at,
                    names.join(" ")
                );
                return Err(Violation::liveness("delivery", world.now(), what));
            }
        }
        Ok(())
    }
}
