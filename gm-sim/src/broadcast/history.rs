//! What was said in a world, who got it, and who was up all the while: what checkers ask. Judges
//! nothing.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use gm_broadcast::{BroadcastCommand, BroadcastEvent, Input, Targets, Time};
use gm_clock::NetId;
use gm_codec::{Body, BroadcastId};

use super::node::{DeliveredMessage, SimBroadcaster, hash};
use super::scenario::{Plan, PlannedSend};
use crate::checker::{Checker, Violation};
use crate::fault::FaultClass;
use crate::node::NodeIndex;
use crate::observation::{Observation, ObservationContext};

/// The book that all checkers of a run share.
pub type SharedHistory = Rc<RefCell<BroadcastHistory>>;

/// One say, and what came of it.
#[derive(Clone, Debug)]
pub struct SendHistory {
    /// What the plan says.
    pub planned: PlannedSend,
    /// The hash of its content.
    pub hash: u64,
    /// What it is called on the wire, once it began.
    pub id: Option<BroadcastId>,
    /// In which life of its node.
    pub life: u32,
    /// When.
    pub at: Time,
    /// For whom, as its node knew it then.
    pub targets: Vec<NetId>,
    /// Who got it, in which life, when.
    pub delivered_to: BTreeMap<NodeIndex, (u32, Time)>,
    /// Whose owner said that it is on disk.
    pub stored_by: BTreeMap<NodeIndex, Time>,
}

/// A node, as its owner sees it.
#[derive(Clone, Copy, Debug, Default)]
pub struct ProcessStatus {
    /// How often it was started before.
    pub life: u32,
    /// Its process runs, is not paused, and has the right key.
    pub up: bool,
    /// Since when that is so.
    pub since: Time,
    /// Whether its clock was ever wrong.
    pub clock_faulty: bool,
}

/// All that was said.
#[derive(Debug)]
pub struct BroadcastHistory {
    plan: Rc<Plan>,
    /// By number.
    pub sends: BTreeMap<u64, SendHistory>,
    by_id: BTreeMap<BroadcastId, u64>,
    status: Vec<ProcessStatus>,
    index: BTreeMap<NetId, NodeIndex>,
    /// When each kind of fault bit last.
    last_fault: BTreeMap<FaultClass, Time>,
    /// What owners have to put on disk now.
    pub to_store: Vec<(NodeIndex, BroadcastId)>,
    /// Numbers of which something was sent to a node, for who claims something of those of which
    /// nothing was.
    pub accepted_by: BTreeSet<(u64, NodeIndex)>,
    /// What was begun by the input that is being handled.
    begun: Option<(u64, Targets)>,
}

impl BroadcastHistory {
    /// Nothing said yet.
    #[must_use]
    pub fn new(plan: Rc<Plan>) -> BroadcastHistory {
        let index = plan.nodes().zip(&plan.locations).map(|(node, place)| (place.id, node)).collect();
        let standing = vec![ProcessStatus::default(); plan.locations.len()];
        BroadcastHistory {
            sends: plan.sends.iter().map(|say| (say.number, SendHistory::new(say))).collect(),
            plan,
            by_id: BTreeMap::new(),
            status: standing,
            index,
            last_fault: BTreeMap::new(),
            to_store: Vec::new(),
            accepted_by: BTreeSet::new(),
            begun: None,
        }
    }

    /// The same, to be shared.
    #[must_use]
    pub fn shared(plan: &Rc<Plan>) -> SharedHistory {
        Rc::new(RefCell::new(BroadcastHistory::new(Rc::clone(plan))))
    }

    /// The plan.
    #[must_use]
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// A broadcast by its name on the wire.
    #[must_use]
    pub fn broadcast(&self, id: &BroadcastId) -> Option<&SendHistory> {
        self.sends.get(self.by_id.get(id)?)
    }

    /// Who has that NetId.
    #[must_use]
    pub fn node(&self, id: NetId) -> Option<NodeIndex> {
        self.index.get(&id).copied()
    }

    /// The NetId of a node.
    #[must_use]
    pub fn id(&self, node: NodeIndex) -> Option<NetId> {
        self.plan.locations.get(node.index()).map(|place| place.id)
    }

    /// How a node stands.
    #[must_use]
    pub fn status(&self, node: NodeIndex) -> ProcessStatus {
        self.status.get(node.index()).copied().unwrap_or_default()
    }

    /// Whether a node is up, and has been since then without a break.
    #[must_use]
    pub fn is_up_since(&self, node: NodeIndex, since: Time) -> bool {
        let standing = self.status(node);
        standing.up && standing.since <= since
    }

    /// Whether a fault of one of these kinds bit since then.
    #[must_use]
    pub fn fault_since(&self, since: Time, classes: &[FaultClass]) -> bool {
        classes.iter().any(|class| self.last_fault.get(class).is_some_and(|at| *at >= since))
    }

    fn set_up(&mut self, place: ObservationContext, up: bool) {
        if let Some(standing) = self.status.get_mut(place.node.index()) {
            (standing.up, standing.since) = (up, place.at);
        }
    }

    fn delivered(&mut self, place: ObservationContext, mail: &DeliveredMessage) {
        let life = self.status(place.node).life;
        let Some(said) = self.sends.get_mut(&mail.number) else { return };
        if said.delivered_to.get(&place.node).is_none_or(|(before, _)| *before != life) {
            said.delivered_to.insert(place.node, (life, place.at));
        }
        if let Some(id) = mail.broadcast
            && said.planned.acks.is_some_and(|wanted| wanted.durable)
        {
            self.to_store.push((place.node, id));
        }
    }

    fn input(&mut self, place: ObservationContext, input: &Input<BroadcastCommand>) {
        match input {
            Input::Command(BroadcastCommand::Broadcast(broadcasting)) => {
                self.begun = Some((broadcasting.tag, broadcasting.to.clone()));
            }
            Input::Command(BroadcastCommand::Send { to, body: Body::Application(application), .. }) => {
                let number = application.bytes.first_chunk().map_or(0, |first| u64::from_be_bytes(*first));
                let life = self.status(place.node).life;
                if let Some(said) = self.sends.get_mut(&number) {
                    (said.at, said.life, said.targets) = (place.at, life, vec![*to]);
                    said.hash = hash(&application.bytes);
                }
            }
            Input::Command(BroadcastCommand::Stored(id)) => {
                if let Some(number) = self.by_id.get(id)
                    && let Some(said) = self.sends.get_mut(number)
                {
                    said.stored_by.entry(place.node).or_insert(place.at);
                }
            }
            _ => {}
        }
    }

    fn event(&mut self, place: ObservationContext, event: &BroadcastEvent) {
        if let BroadcastEvent::Started { tag, id } = event {
            let life = self.status(place.node).life;
            self.by_id.insert(*id, *tag);
            if let Some(said) = self.sends.get_mut(tag) {
                (said.id, said.life, said.at) = (Some(*id), life, place.at);
            }
        }
    }
}

impl SendHistory {
    /// Not yet.
    #[must_use]
    pub fn new(say: &PlannedSend) -> SendHistory {
        let hash = match super::node::incompressible_body(say.number, say.length) {
            Body::Application(application) => hash(&application.bytes),
            _ => 0,
        };
        SendHistory {
            planned: say.clone(),
            hash,
            id: None,
            life: 0,
            at: Time::NEVER,
            targets: Vec::new(),
            delivered_to: BTreeMap::new(),
            stored_by: BTreeMap::new(),
        }
    }
}

impl Checker<SimBroadcaster> for BroadcastHistory {
    fn name(&self) -> &'static str {
        "history"
    }

    fn observe(
        &mut self,
        place: ObservationContext,
        seen: &Observation<'_, SimBroadcaster>,
    ) -> Result<(), Violation> {
        match seen {
            Observation::Input(input) => self.input(place, input),
            Observation::Delivered(mail) => self.delivered(place, mail),
            Observation::Event(event) => self.event(place, event),
            Observation::Started { restarts } => {
                self.set_up(place, true);
                if let Some(standing) = self.status.get_mut(place.node.index()) {
                    standing.life = *restarts;
                }
            }
            Observation::Resumed => self.set_up(place, true),
            Observation::Ended | Observation::Paused => self.set_up(place, false),
            Observation::Fault(class) => {
                self.last_fault.insert(*class, place.at);
                match class {
                    FaultClass::WrongKey => self.set_up(place, false),
                    FaultClass::ClockJump | FaultClass::ClockDrift => {
                        if let Some(standing) = self.status.get_mut(place.node.index()) {
                            standing.clock_faulty = true;
                        }
                    }
                    _ => {}
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn after_input(&mut self, _: ObservationContext, machine: &SimBroadcaster) -> Result<(), Violation> {
        if let Some((tag, to)) = self.begun.take()
            && let Some(said) = self.sends.get_mut(&tag)
        {
            said.targets = match to {
                Targets::All => machine.known(),
                Targets::Nodes(mut nodes) => {
                    nodes.sort_unstable();
                    nodes.dedup();
                    nodes.retain(|node| *node != machine.config().me);
                    nodes
                }
            };
        }
        Ok(())
    }
}
