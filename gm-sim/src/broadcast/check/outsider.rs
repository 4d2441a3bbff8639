//! Whoever lacks the key makes nobody known and nothing heard. Knows nothing of frames.

use gm_broadcast::BroadcastEvent;
use gm_clock::NetId;

use crate::broadcast::history::SharedHistory;
use crate::broadcast::node::SimBroadcaster;
use crate::checker::{Checker, Violation};
use crate::fault::FaultClass;
use crate::observation::{Observation, ObservationContext};
use crate::world::World;

/// Sees to it that only nodes of the world are known.
#[derive(Debug)]
pub struct OutsiderChecker {
    history: SharedHistory,
    replays: bool,
}

impl OutsiderChecker {
    /// Nothing seen yet.
    #[must_use]
    pub fn new(history: &SharedHistory) -> OutsiderChecker {
        OutsiderChecker { history: SharedHistory::clone(history), replays: false }
    }

    fn check_known(&self, place: ObservationContext, node: NetId) -> Result<(), Violation> {
        if self.history.borrow().node(node).is_some() {
            return Ok(());
        }
        let what = format!("{} knows {node}, which is nobody", place.node);
        Err(Violation::safety("outsider", place.at, what))
    }
}

impl Checker<SimBroadcaster> for OutsiderChecker {
    fn name(&self) -> &'static str {
        "outsider"
    }

    fn observe(
        &mut self,
        place: ObservationContext,
        seen: &Observation<'_, SimBroadcaster>,
    ) -> Result<(), Violation> {
        match seen {
            Observation::Event(
                BroadcastEvent::NodeFound(node)
                | BroadcastEvent::Near(node)
                | BroadcastEvent::Island(Some(node)),
            ) => self.check_known(place, *node),
            Observation::Fault(FaultClass::OutsiderReplay) => {
                self.replays = true;
                Ok(())
            }
            // Who starts anew does not know what he said before, and somebody may say it to him.
            Observation::Event(BroadcastEvent::IdentityClash) if !self.replays => {
                let what = format!("{} thinks that somebody else has its name", place.node);
                Err(Violation::safety("outsider", place.at, what))
            }
            _ => Ok(()),
        }
    }

    fn at_end(&mut self, world: &World<SimBroadcaster>) -> Result<(), Violation> {
        let others = self.history.borrow().plan().locations.len() - 1;
        let all_peers_known = self.history.borrow().plan().claims.all_peers_known;
        for node in world.indices() {
            let known = world.machine(node).map(SimBroadcaster::known).unwrap_or_default();
            if all_peers_known && known.len() < others {
                let what = format!("{node} knows {} of {others}", known.len());
                return Err(Violation::liveness("acquaintance", world.now(), what));
            }
            known.into_iter().try_for_each(|known| {
                self.check_known(ObservationContext { at: world.now(), node }, known)
            })?;
        }
        Ok(())
    }
}
