//! Checks deliveries: the content is the one sent, once per life of a node; and required deliveries
//! arrive in time at all nodes that were up.

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

/// Compares deliveries with the history.
#[derive(Debug)]
pub struct DeliveryChecker {
    history: SharedHistory,
    /// Deliveries so far, as (node, life, number).
    seen: BTreeSet<(NodeIndex, u32, u64)>,
    /// Deadlines of required deliveries, assuming that each send happens when planned.
    due: BTreeSet<(Time, u64)>,
}

impl DeliveryChecker {
    /// A checker that has observed nothing yet.
    #[must_use]
    pub fn new(history: &SharedHistory) -> DeliveryChecker {
        let borrowed = history.borrow();
        let sends = borrowed.plan().sends.iter();
        let due = sends
            .filter_map(|send| send.deliver_within.map(|within| (send.at + within, send.number)))
            .collect();
        DeliveryChecker { history: SharedHistory::clone(history), seen: BTreeSet::new(), due }
    }

    /// Checks all deadlines before `now`.
    fn check_due(&mut self, now: Time) -> Result<(), Violation> {
        while let Some((at, number)) = self.due.first().copied().filter(|(at, _)| *at < now) {
            self.due.remove(&(at, number));
            let history = self.history.borrow();
            let Some(send) = history.sends.get(&number) else { continue };
            // A sender that died may not have sent it, and a paused one may have sent it later.
            if send.at == Time::NEVER || !history.is_up_since(send.planned.node, send.at) {
                continue;
            }
            let due = send.at + send.planned.deliver_within.unwrap_or_default();
            if due > at {
                drop(history);
                self.due.insert((due, number));
                continue;
            }
            let taken = |node| history.accepted_by.contains(&(number, node));
            if history.plan().claims.except_accepted_by.is_some_and(taken) {
                continue;
            }
            let excused = &send.planned.excused;
            let steady = |target| {
                history
                    .node(target)
                    .filter(|node| history.is_up_since(*node, send.at) && !excused.contains(node))
            };
            let missing_nodes: Vec<String> =
                missing_nodes(send, due, steady).iter().map(ToString::to_string).collect();
            if !missing_nodes.is_empty() {
                let (node, at, missing_nodes) = (send.planned.node, send.at, missing_nodes.join(" "));
                let what = format!(
                    "broadcast {number}, sent by {node} at {at}, did not reach {missing_nodes} by {due}"
                );
                return Err(Violation::liveness("delivery", now, what));
            }
        }
        Ok(())
    }

    fn misdelivery(&self, node: NodeIndex, message: &DeliveredMessage) -> Option<String> {
        let history = self.history.borrow();
        let Some(send) = history.sends.get(&message.number) else {
            return Some("it was never sent".to_owned());
        };
        let direct = matches!(send.planned.to, Recipients::One(..));
        if send.at == Time::NEVER {
            return Some("it was not sent yet".to_owned());
        }
        if (message.length, message.hash) != (send.planned.length, send.hash) {
            return Some(format!("{} bytes that differ from those sent", message.length));
        }
        if message.broadcast != send.id || direct != message.broadcast.is_none() {
            return Some("its id is not that of the send".to_owned());
        }
        if direct && send.targets.first().copied() != history.id(node) {
            return Some("it is for another node".to_owned());
        }
        (node == send.planned.node && history.status(node).life == send.life)
            .then(|| "it was sent by the node itself".to_owned())
    }
}

/// Nodes that should have the broadcast by `until` and do not: targets that were up throughout.
#[must_use]
pub fn missing_nodes(
    send: &SendHistory,
    until: Time,
    mut steady: impl FnMut(NetId) -> Option<NodeIndex>,
) -> Vec<NodeIndex> {
    let nodes = send.targets.iter().filter_map(|target| steady(*target));
    nodes.filter(|node| send.delivered_to.get(node).is_none_or(|(_, at)| *at > until)).collect()
}

impl Checker<SimBroadcaster> for DeliveryChecker {
    fn name(&self) -> &'static str {
        "delivery"
    }

    fn observe(
        &mut self,
        context: ObservationContext,
        seen: &Observation<'_, SimBroadcaster>,
    ) -> Result<(), Violation> {
        self.check_due(context.at)?;
        let Observation::Delivered(message) = seen else { return Ok(()) };
        let life = self.history.borrow().status(context.node).life;
        let mut wrong = self.misdelivery(context.node, message);
        if !self.seen.insert((context.node, life, message.number)) {
            wrong = Some("it was delivered before".to_owned());
        }
        match wrong {
            None => Ok(()),
            Some(why) => {
                let what = format!("{} received number {}: {why}", context.node, message.number);
                Err(Violation::safety("delivery", context.at, what))
            }
        }
    }

    fn at_end(&mut self, world: &World<SimBroadcaster>) -> Result<(), Violation> {
        self.check_due(world.now() + Duration::from_nanos(1))
    }
}
