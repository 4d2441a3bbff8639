//! What was said in a world, who got it, and who was up all the while: what checkers ask. Judges nothing.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use gm_broadcast::{Command, Event, Input, Targets, Time};
use gm_clock::NetId;
use gm_codec::{Body, BroadcastId};

use super::node::{Mail, Node, hash};
use super::scenario::{Plan, Say};
use crate::checker::{Checker, Violation};
use crate::fault::FaultClass;
use crate::node::NodeIndex;
use crate::watch::{Seen, Where};

/// The book that all checkers of a run share.
pub type Shared = Rc<RefCell<Book>>;

/// One say, and what came of it.
#[derive(Clone, Debug)]
pub struct Said {
    /// What the plan says.
    pub say: Say,
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
    pub got: BTreeMap<NodeIndex, (u32, Time)>,
    /// Whose owner said that it is on disk.
    pub stored: BTreeMap<NodeIndex, Time>,
}

/// A node, as its owner sees it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Standing {
    /// How often it was started before.
    pub life: u32,
    /// Its process runs, is not paused, and has the right key.
    pub up: bool,
    /// Since when that is so.
    pub since: Time,
    /// Whether its clock was ever wrong.
    pub clock: bool,
}

/// All that was said.
#[derive(Debug)]
pub struct Book {
    plan: Rc<Plan>,
    /// By number.
    pub said: BTreeMap<u64, Said>,
    by_id: BTreeMap<BroadcastId, u64>,
    standing: Vec<Standing>,
    index: BTreeMap<NetId, NodeIndex>,
    /// When each kind of fault bit last.
    bitten: BTreeMap<FaultClass, Time>,
    /// What owners have to put on disk now.
    pub to_store: Vec<(NodeIndex, BroadcastId)>,
    /// Numbers of which something was sent to a node, for who claims something of those of which nothing was.
    pub taken: BTreeSet<(u64, NodeIndex)>,
    /// What was begun by the input that is being handled.
    began: Option<(u64, Targets)>,
}

impl Book {
    /// Nothing said yet.
    #[must_use]
    pub fn new(plan: Rc<Plan>) -> Book {
        let index = plan.nodes().zip(&plan.places).map(|(node, place)| (place.id, node)).collect();
        let standing = vec![Standing::default(); plan.places.len()];
        Book {
            said: plan.says.iter().map(|say| (say.number, Said::new(say))).collect(),
            plan,
            by_id: BTreeMap::new(),
            standing,
            index,
            bitten: BTreeMap::new(),
            to_store: Vec::new(),
            taken: BTreeSet::new(),
            began: None,
        }
    }

    /// The same, to be shared.
    #[must_use]
    pub fn shared(plan: &Rc<Plan>) -> Shared {
        Rc::new(RefCell::new(Book::new(Rc::clone(plan))))
    }

    /// The plan.
    #[must_use]
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// A broadcast by its name on the wire.
    #[must_use]
    pub fn broadcast(&self, id: &BroadcastId) -> Option<&Said> {
        self.said.get(self.by_id.get(id)?)
    }

    /// Who has that NetId.
    #[must_use]
    pub fn node(&self, id: NetId) -> Option<NodeIndex> {
        self.index.get(&id).copied()
    }

    /// The NetId of a node.
    #[must_use]
    pub fn id(&self, node: NodeIndex) -> Option<NetId> {
        self.plan.places.get(node.at()).map(|place| place.id)
    }

    /// How a node stands.
    #[must_use]
    pub fn standing(&self, node: NodeIndex) -> Standing {
        self.standing.get(node.at()).copied().unwrap_or_default()
    }

    /// Whether a node is up, and has been since then without a break.
    #[must_use]
    pub fn steady(&self, node: NodeIndex, since: Time) -> bool {
        let standing = self.standing(node);
        standing.up && standing.since <= since
    }

    /// Whether a fault of one of these kinds bit since then.
    #[must_use]
    pub fn bitten_since(&self, since: Time, classes: &[FaultClass]) -> bool {
        classes.iter().any(|class| self.bitten.get(class).is_some_and(|at| *at >= since))
    }

    fn stand(&mut self, place: Where, up: bool) {
        if let Some(standing) = self.standing.get_mut(place.node.at()) {
            (standing.up, standing.since) = (up, place.at);
        }
    }

    fn delivered(&mut self, place: Where, mail: &Mail) {
        let life = self.standing(place.node).life;
        let Some(said) = self.said.get_mut(&mail.number) else { return };
        if said.got.get(&place.node).is_none_or(|(before, _)| *before != life) {
            said.got.insert(place.node, (life, place.at));
        }
        if let Some(id) = mail.broadcast
            && said.say.wanted.is_some_and(|wanted| wanted.durable)
        {
            self.to_store.push((place.node, id));
        }
    }

    fn input(&mut self, place: Where, input: &Input<Command>) {
        match input {
            Input::Command(Command::Broadcast(broadcasting)) => {
                self.began = Some((broadcasting.tag, broadcasting.to.clone()));
            }
            Input::Command(Command::Send { to, body: Body::Application(application), .. }) => {
                let number = application.bytes.first_chunk().map_or(0, |first| u64::from_be_bytes(*first));
                let life = self.standing(place.node).life;
                if let Some(said) = self.said.get_mut(&number) {
                    (said.at, said.life, said.targets) = (place.at, life, vec![*to]);
                    said.hash = hash(&application.bytes);
                }
            }
            Input::Command(Command::Stored(id)) => {
                if let Some(number) = self.by_id.get(id)
                    && let Some(said) = self.said.get_mut(number)
                {
                    said.stored.entry(place.node).or_insert(place.at);
                }
            }
            _ => {}
        }
    }

    fn event(&mut self, place: Where, event: &Event) {
        if let Event::Started { tag, id } = event {
            let life = self.standing(place.node).life;
            self.by_id.insert(*id, *tag);
            if let Some(said) = self.said.get_mut(tag) {
                (said.id, said.life, said.at) = (Some(*id), life, place.at);
            }
        }
    }
}

impl Said {
    /// Not yet.
    #[must_use]
    pub fn new(say: &Say) -> Said {
        let hash = match super::node::noise(say.number, say.length) {
            Body::Application(application) => hash(&application.bytes),
            _ => 0,
        };
        Said {
            say: say.clone(),
            hash,
            id: None,
            life: 0,
            at: Time::NEVER,
            targets: Vec::new(),
            got: BTreeMap::new(),
            stored: BTreeMap::new(),
        }
    }
}

impl Checker<Node> for Book {
    fn name(&self) -> &'static str {
        "book"
    }

    fn see(&mut self, place: Where, seen: &Seen<'_, Node>) -> Result<(), Violation> {
        match seen {
            Seen::Input(input) => self.input(place, input),
            Seen::Delivered(mail) => self.delivered(place, mail),
            Seen::Event(event) => self.event(place, event),
            Seen::Started { restarts } => {
                self.stand(place, true);
                if let Some(standing) = self.standing.get_mut(place.node.at()) {
                    standing.life = *restarts;
                }
            }
            Seen::Resumed => self.stand(place, true),
            Seen::Ended | Seen::Paused => self.stand(place, false),
            Seen::Fault(class) => {
                self.bitten.insert(*class, place.at);
                match class {
                    FaultClass::WrongKey => self.stand(place, false),
                    FaultClass::ClockJump | FaultClass::ClockDrift => {
                        if let Some(standing) = self.standing.get_mut(place.node.at()) {
                            standing.clock = true;
                        }
                    }
                    _ => {}
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn settled(&mut self, _: Where, machine: &Node) -> Result<(), Violation> {
        if let Some((tag, to)) = self.began.take()
            && let Some(said) = self.said.get_mut(&tag)
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
