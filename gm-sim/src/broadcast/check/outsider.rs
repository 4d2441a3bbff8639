//! Checks that an outsider without the key makes no node known and no message delivered.

use gm_broadcast::BroadcastEvent;
use gm_clock::NetId;

use crate::broadcast::history::SharedHistory;
use crate::broadcast::node::SimBroadcaster;
use crate::checker::{Checker, Violation};
use crate::fault::FaultClass;
use crate::observation::{Observation, ObservationContext};
use crate::world::World;

/// Checks that nodes know only nodes of the world.
#[derive(Debug)]
pub struct OutsiderChecker {
    history: SharedHistory,
    replays: bool,
}

impl OutsiderChecker {
    /// A checker that has observed nothing yet.
    #[must_use]
    pub fn new(history: &SharedHistory) -> OutsiderChecker {
        OutsiderChecker { history: SharedHistory::clone(history), replays: false }
    }

    fn check_known(&self, context: ObservationContext, node: NetId) -> Result<(), Violation> {
        if self.history.borrow().node(node).is_some() {
            return Ok(());
        }
        let what = format!("{} knows {node}, which is not a node of this world", context.node);
        Err(Violation::safety("outsider", context.at, what))
    }
}

impl Checker<SimBroadcaster> for OutsiderChecker {
    fn name(&self) -> &'static str {
        "outsider"
    }

    fn observe(
        &mut self,
        context: ObservationContext,
        seen: &Observation<'_, SimBroadcaster>,
    ) -> Result<(), Violation> {
        match seen {
            Observation::Event(
                BroadcastEvent::NodeFound(node)
                | BroadcastEvent::Near(node)
                | BroadcastEvent::Island(Some(node)),
            ) => self.check_known(context, *node),
            Observation::Fault(FaultClass::OutsiderReplay) => {
                self.replays = true;
                Ok(())
            }
            // A restarted node does not know its earlier frames, and a replay of them looks like a
            // clash.
            Observation::Event(BroadcastEvent::IdentityClash) if !self.replays => {
                let what = format!("{} reports an identity clash, but there is none", context.node);
                Err(Violation::safety("outsider", context.at, what))
            }
            _ => Ok(()),
        }
    }

    fn at_end(&mut self, world: &World<SimBroadcaster>) -> Result<(), Violation> {
        let others = self.history.borrow().plan().locations.len() - 1;
        let all_peers_known = self.history.borrow().plan().claims.all_peers_known;
        for node in world.indices() {
            let known = world.machine(node).map(|machine| machine.broadcaster.known()).unwrap_or_default();
            if all_peers_known && known.len() < others {
                let what = format!("{node} knows {} of {others} peers", known.len());
                return Err(Violation::liveness("peers", world.now(), what));
            }
            known.into_iter().try_for_each(|known| {
                self.check_known(ObservationContext { at: world.now(), node }, known)
            })?;
        }
        Ok(())
    }
}
