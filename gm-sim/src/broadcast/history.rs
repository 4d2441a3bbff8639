//! History of a run, shared by its checkers: the broadcasts sent, their deliveries, and the times
//! at which each node was up.

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

/// A history shared by all checkers of a run.
pub type SharedHistory = Rc<RefCell<BroadcastHistory>>;

/// A broadcast or message of the plan, with its deliveries.
#[derive(Clone, Debug)]
pub struct SendHistory {
    /// The planned send.
    pub planned: PlannedSend,
    /// Hash of the content.
    pub hash: u64,
    /// Identity on the wire, once it was sent.
    pub id: Option<BroadcastId>,
    /// Number of earlier starts of the sender's node.
    pub life: u32,
    /// Time of the send; [`Time::NEVER`] before.
    pub at: Time,
    /// Targets, as the sender knew them at the time of the send.
    pub targets: Vec<NetId>,
    /// Nodes that received it, each with its life and the time.
    pub delivered_to: BTreeMap<NodeIndex, (u32, Time)>,
    /// Nodes whose owner reported it as stored on disk.
    pub stored_by: BTreeMap<NodeIndex, Time>,
}

/// Status of a node's process.
#[derive(Clone, Copy, Debug, Default)]
pub struct ProcessStatus {
    /// Number of earlier starts of the node.
    pub life: u32,
    /// Whether the process runs, is not paused, and has the right key.
    pub up: bool,
    /// Time of the last change of `up`.
    pub since: Time,
    /// Whether its clock was ever wrong.
    pub clock_faulty: bool,
}

/// History of a run.
#[derive(Debug)]
pub struct BroadcastHistory {
    plan: Rc<Plan>,
    /// By number.
    pub sends: BTreeMap<u64, SendHistory>,
    by_id: BTreeMap<BroadcastId, u64>,
    status: Vec<ProcessStatus>,
    index: BTreeMap<NetId, NodeIndex>,
    /// Time of the last fault of each class.
    last_fault: BTreeMap<FaultClass, Time>,
    /// Broadcasts that owners must report as stored.
    pub to_store: Vec<(NodeIndex, BroadcastId)>,
    /// Numbers of which a frame was sent to a node, for plans that demand only broadcasts that the
    /// node did not take.
    pub accepted_by: BTreeSet<(u64, NodeIndex)>,
    /// The send that the input in progress started.
    begun: Option<(u64, Targets)>,
}

impl BroadcastHistory {
    /// A history without events.
    #[must_use]
    pub fn new(plan: Rc<Plan>) -> BroadcastHistory {
        let index = plan.nodes().zip(&plan.locations).map(|(node, location)| (location.id, node)).collect();
        let status = vec![ProcessStatus::default(); plan.locations.len()];
        BroadcastHistory {
            sends: plan.sends.iter().map(|send| (send.number, SendHistory::new(send))).collect(),
            plan,
            by_id: BTreeMap::new(),
            status,
            index,
            last_fault: BTreeMap::new(),
            to_store: Vec::new(),
            accepted_by: BTreeSet::new(),
            begun: None,
        }
    }

    /// A shared history without events.
    #[must_use]
    pub fn shared(plan: &Rc<Plan>) -> SharedHistory {
        Rc::new(RefCell::new(BroadcastHistory::new(Rc::clone(plan))))
    }

    /// The plan of the run.
    #[must_use]
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// The send with this identity on the wire.
    #[must_use]
    pub fn broadcast(&self, id: &BroadcastId) -> Option<&SendHistory> {
        self.sends.get(self.by_id.get(id)?)
    }

    /// The node with this NetId.
    #[must_use]
    pub fn node(&self, id: NetId) -> Option<NodeIndex> {
        self.index.get(&id).copied()
    }

    /// The NetId of a node.
    #[must_use]
    pub fn id(&self, node: NodeIndex) -> Option<NetId> {
        self.plan.locations.get(node.index()).map(|location| location.id)
    }

    /// The node with this address.
    #[must_use]
    pub fn node_at(&self, from: std::net::SocketAddr) -> Option<NodeIndex> {
        let mut nodes = self.plan.nodes().zip(&self.plan.locations);
        nodes.find(|(_, location)| location.id.socket_addr() == from).map(|(node, _)| node)
    }

    /// Status of a node's process.
    #[must_use]
    pub fn status(&self, node: NodeIndex) -> ProcessStatus {
        self.status.get(node.index()).copied().unwrap_or_default()
    }

    /// Whether a node is up, and has been without interruption since the given time.
    #[must_use]
    pub fn is_up_since(&self, node: NodeIndex, since: Time) -> bool {
        let status = self.status(node);
        status.up && status.since <= since
    }

    /// Whether a fault of one of these classes occurred since the given time.
    #[must_use]
    pub fn fault_since(&self, since: Time, classes: &[FaultClass]) -> bool {
        classes.iter().any(|class| self.last_fault.get(class).is_some_and(|at| *at >= since))
    }

    fn set_up(&mut self, context: ObservationContext, up: bool) {
        if let Some(status) = self.status.get_mut(context.node.index()) {
            (status.up, status.since) = (up, context.at);
        }
    }

    fn delivered(&mut self, context: ObservationContext, message: &DeliveredMessage) {
        let life = self.status(context.node).life;
        let Some(send) = self.sends.get_mut(&message.number) else { return };
        if send.delivered_to.get(&context.node).is_none_or(|(before, _)| *before != life) {
            send.delivered_to.insert(context.node, (life, context.at));
        }
        if let Some(id) = message.broadcast
            && send.planned.acks.is_some_and(|request| request.durable)
        {
            self.to_store.push((context.node, id));
        }
    }

    fn input(&mut self, context: ObservationContext, input: &Input<BroadcastCommand>) {
        match input {
            Input::Command(BroadcastCommand::Broadcast(broadcasting)) => {
                self.begun = Some((broadcasting.tag, broadcasting.to.clone()));
            }
            Input::Command(BroadcastCommand::Send { to, body: Body::Application(application), .. }) => {
                let number = application.bytes.first_chunk().map_or(0, |first| u64::from_be_bytes(*first));
                let life = self.status(context.node).life;
                if let Some(send) = self.sends.get_mut(&number) {
                    (send.at, send.life, send.targets) = (context.at, life, vec![*to]);
                    send.hash = hash(&application.bytes);
                }
            }
            Input::Command(BroadcastCommand::Stored(id)) => {
                if let Some(number) = self.by_id.get(id)
                    && let Some(send) = self.sends.get_mut(number)
                {
                    send.stored_by.entry(context.node).or_insert(context.at);
                }
            }
            _ => {}
        }
    }

    fn event(&mut self, context: ObservationContext, event: &BroadcastEvent) {
        if let BroadcastEvent::Started { tag, id } = event {
            let life = self.status(context.node).life;
            self.by_id.insert(*id, *tag);
            if let Some(send) = self.sends.get_mut(tag) {
                (send.id, send.life, send.at) = (Some(*id), life, context.at);
            }
        }
    }
}

impl SendHistory {
    /// The history of a planned send that has not been sent yet.
    #[must_use]
    pub fn new(send: &PlannedSend) -> SendHistory {
        let hash = match super::node::incompressible_body(send.number, send.length) {
            Body::Application(application) => hash(&application.bytes),
            _ => 0,
        };
        SendHistory {
            planned: send.clone(),
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
        context: ObservationContext,
        seen: &Observation<'_, SimBroadcaster>,
    ) -> Result<(), Violation> {
        match seen {
            Observation::Input(input) => self.input(context, input),
            Observation::Delivered(message) => self.delivered(context, message),
            Observation::Event(event) => self.event(context, event),
            Observation::Started { restarts } => {
                self.set_up(context, true);
                if let Some(status) = self.status.get_mut(context.node.index()) {
                    status.life = *restarts;
                }
            }
            Observation::Resumed => self.set_up(context, true),
            Observation::Ended | Observation::Paused => self.set_up(context, false),
            Observation::Fault(class) => {
                self.last_fault.insert(*class, context.at);
                match class {
                    FaultClass::WrongKey => self.set_up(context, false),
                    FaultClass::ClockJump | FaultClass::ClockDrift => {
                        if let Some(status) = self.status.get_mut(context.node.index()) {
                            status.clock_faulty = true;
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
            && let Some(send) = self.sends.get_mut(&tag)
        {
            send.targets = match to {
                Targets::All => machine.broadcaster.known(),
                Targets::Nodes(mut nodes) => {
                    nodes.sort_unstable();
                    nodes.dedup();
                    nodes.retain(|node| *node != machine.broadcaster.config().me);
                    nodes
                }
            };
        }
        Ok(())
    }
}
