//! What comes is what was said, once a life; and what is demanded comes in time to all who were up.
//! Knows nothing of how it comes.

use std::collections::BTreeSet;
use std::time::Duration;

use gm_broadcast::Time;
use gm_clock::NetId;

use crate::broadcast::history::{SendHistory, SharedHistory};
use crate::broadcast::node::{DeliveredMessage, SimBroadcaster};
use crate::broadcast::scenario::Recipients;
use crate::checker::{Checker, Violation};
use crate::node::NodeIndex;
use crate::observation::{Observation, ObservationContext};
use crate::world::World;

/// Compares what is handed to owners with the book.
#[derive(Debug)]
pub struct DeliveryChecker {
    history: SharedHistory,
    /// (node, life, number)
    seen: BTreeSet<(NodeIndex, u32, u64)>,
    /// When which number is demanded, if it is said when the plan says.
    due: BTreeSet<(Time, u64)>,
}

impl DeliveryChecker {
    /// Nothing seen yet.
    #[must_use]
    pub fn new(history: &SharedHistory) -> DeliveryChecker {
        let borrowed = history.borrow();
        let says = borrowed.plan().sends.iter();
        let due =
            says.filter_map(|say| say.deliver_within.map(|within| (say.at + within, say.number))).collect();
        DeliveryChecker { history: SharedHistory::clone(history), seen: BTreeSet::new(), due }
    }

    /// Looks at all that was due before.
    fn check_due(&mut self, now: Time) -> Result<(), Violation> {
        while let Some((at, number)) = self.due.first().copied().filter(|(at, _)| *at < now) {
            self.due.remove(&(at, number));
            let history = self.history.borrow();
            let Some(said) = history.sends.get(&number) else { continue };
            // A life of the sender that ended said no more, and one that was paused said it later.
            if said.at == Time::NEVER || !history.is_up_since(said.planned.node, said.at) {
                continue;
            }
            let due = said.at + said.planned.deliver_within.unwrap_or_default();
            if due > at {
                drop(history);
                self.due.insert((due, number));
                continue;
            }
            let taken = |node| history.accepted_by.contains(&(number, node));
            if history.plan().claims.except_accepted_by.is_some_and(taken) {
                continue;
            }
            let excused = &said.planned.excused;
            let steady = |target| {
                history
                    .node(target)
                    .filter(|node| history.is_up_since(*node, said.at) && !excused.contains(node))
            };
            let missing_nodes: Vec<String> =
                missing_nodes(said, due, steady).iter().map(ToString::to_string).collect();
            if !missing_nodes.is_empty() {
                let (node, at, missing_nodes) = (said.planned.node, said.at, missing_nodes.join(" "));
                let what =
                    format!("number {number}, said by {node} at {at}, is not at {missing_nodes} by {due}");
                return Err(Violation::liveness("delivery", now, what));
            }
        }
        Ok(())
    }

    fn misdelivery(&self, node: NodeIndex, mail: &DeliveredMessage) -> Option<String> {
        let history = self.history.borrow();
        let Some(said) = history.sends.get(&mail.number) else { return Some("nobody said that".to_owned()) };
        let direct = matches!(said.planned.to, Recipients::One(..));
        if said.at == Time::NEVER {
            return Some("it was not said yet".to_owned());
        }
        if (mail.length, mail.hash) != (said.planned.length, said.hash) {
            return Some(format!("{} bytes of it are not those that were said", mail.length));
        }
        if mail.broadcast != said.id || direct != mail.broadcast.is_none() {
            return Some("it goes by another name".to_owned());
        }
        if direct && said.targets.first().copied() != history.id(node) {
            return Some("it is for somebody else".to_owned());
        }
        (node == said.planned.node && history.status(node).life == said.life)
            .then(|| "it said so itself".to_owned())
    }
}

/// The nodes that should have it by then and do not: those that were up all the while.
#[must_use]
pub fn missing_nodes(
    said: &SendHistory,
    until: Time,
    mut steady: impl FnMut(NetId) -> Option<NodeIndex>,
) -> Vec<NodeIndex> {
    let nodes = said.targets.iter().filter_map(|target| steady(*target));
    nodes.filter(|node| said.delivered_to.get(node).is_none_or(|(_, at)| *at > until)).collect()
}

impl Checker<SimBroadcaster> for DeliveryChecker {
    fn name(&self) -> &'static str {
        "delivery"
    }

    fn observe(
        &mut self,
        place: ObservationContext,
        seen: &Observation<'_, SimBroadcaster>,
    ) -> Result<(), Violation> {
        self.check_due(place.at)?;
        let Observation::Delivered(mail) = seen else { return Ok(()) };
        let life = self.history.borrow().status(place.node).life;
        let mut wrong = self.misdelivery(place.node, mail);
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

    fn at_end(&mut self, world: &World<SimBroadcaster>) -> Result<(), Violation> {
        self.check_due(world.now() + Duration::from_nanos(1))
    }
}
