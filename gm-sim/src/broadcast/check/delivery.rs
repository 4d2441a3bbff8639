//! What comes is what was said, once a life; and what is demanded comes in time to all who were up. Knows nothing of how it comes.

use std::collections::BTreeSet;
use std::time::Duration;

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
    /// When which number is demanded, if it is said when the plan says.
    due: BTreeSet<(Time, u64)>,
}

impl Delivery {
    /// Nothing seen yet.
    #[must_use]
    pub fn new(book: &Shared) -> Delivery {
        let borrowed = book.borrow();
        let says = borrowed.plan().says.iter();
        let due = says.filter_map(|say| say.within.map(|within| (say.at + within, say.number))).collect();
        Delivery { book: Shared::clone(book), seen: BTreeSet::new(), due }
    }

    /// Looks at all that was due before.
    fn judge(&mut self, now: Time) -> Result<(), Violation> {
        while let Some((at, number)) = self.due.first().copied().filter(|(at, _)| *at < now) {
            self.due.remove(&(at, number));
            let book = self.book.borrow();
            let Some(said) = book.said.get(&number) else { continue };
            // A life of the sender that ended said no more, and one that was paused said it later.
            if said.at == Time::NEVER || !book.steady(said.say.node, said.at) {
                continue;
            }
            let due = said.at + said.say.within.unwrap_or_default();
            if due > at {
                drop(book);
                self.due.insert((due, number));
                continue;
            }
            let taken = |node| book.taken.contains(&(number, node));
            if book.plan().claims.untaken_by.is_some_and(taken) {
                continue;
            }
            let excused = &said.say.excused;
            let steady = |target| {
                book.node(target).filter(|node| book.steady(*node, said.at) && !excused.contains(node))
            };
            let lacking: Vec<String> = lacking(said, due, steady).iter().map(ToString::to_string).collect();
            if !lacking.is_empty() {
                let (node, at, lacking) = (said.say.node, said.at, lacking.join(" "));
                let what = format!("number {number}, said by {node} at {at}, is not at {lacking} by {due}");
                return Err(Violation::liveness("delivery", now, what));
            }
        }
        Ok(())
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
        self.judge(place.at)?;
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
        self.judge(world.now() + Duration::from_nanos(1))
    }
}
