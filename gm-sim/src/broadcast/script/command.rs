//! Commands of scripts:
//!
//! - `world a b | c: known, no multicast`: a world with these nodes; `|` separates islands, all of
//!   one site. `known`: the nodes know each other from the start. `no multicast`: they do not
//!   multicast. `gap 250us`: time between two sends of a node, known to all nodes.
//! - `start a b`: starts these nodes, also after they died.
//! - `run 5ms`: advances the time (`ns`, `us`, `ms`, `s`).
//! - `broadcast a "hello"`, `broadcast a "hello" acks 2s`: broadcasts to all peers that `a` knows.
//! - `crash b`: kills its process. `kill b`: kills its host.
//! - `partition a | b c for 1s`: blocks all traffic between them. `heal`: ends all faults.
//! - `lose multicasts to b for 1ms`: loses all multicasts to a node.
//! - `status a`: prints its island, its neighbors and its peers.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use gm_broadcast::{
    BroadcastCommand, BroadcastRequest, BroadcasterConfig, Directory, KnownNode, LatencyClass, PathCosts,
    RequestedAcks, Time,
};
use gm_codec::{ApplicationPayload, Body};

use super::names::NodeNames;
use super::transcript::Transcript;
use crate::active_faults::{Effect, Fault, Nodes, Scope};
use crate::broadcast::node::{FrameSealing, SimBroadcaster, make_broadcaster};
use crate::fault::FaultClass;
use crate::network::Network;
use crate::node::{Location, NodeIndex, StartContext};
use crate::world::{Action, World};

/// Runs commands on the world that the first one made.
#[derive(Debug, Default)]
pub(super) struct Interpreter {
    world: Option<ScriptWorld>,
}

#[derive(Debug)]
struct ScriptWorld {
    world: World<SimBroadcaster>,
    transcript: Rc<RefCell<Transcript>>,
    names: NodeNames,
}

impl Interpreter {
    /// Runs a command, and returns its transcript.
    pub(super) fn run(&mut self, command: &str) -> Result<String, String> {
        let (word, rest) = command.split_once(' ').unwrap_or((command, ""));
        if word == "world" {
            self.world = Some(ScriptWorld::new(rest)?);
            return Ok(String::new());
        }
        let world = self.world.as_mut().ok_or("no world yet")?;
        world.run(word, rest)?;
        Ok(world.transcript.borrow_mut().take())
    }
}

impl ScriptWorld {
    fn new(text: &str) -> Result<ScriptWorld, String> {
        let (nodes, options) = text.split_once(':').unwrap_or((text, ""));
        let (mut known, mut multicast, mut cost) = (false, true, PathCosts::DEFAULT.lan);
        for option in options.split(',').map(str::trim).filter(|option| !option.is_empty()) {
            match option {
                "known" => known = true,
                "no multicast" => multicast = false,
                _ if option.starts_with("gap ") => cost.gap = duration(&option[4..])?,
                _ => return Err(format!("unknown option: `{option}`")),
            }
        }
        let islands: Vec<Vec<&str>> =
            nodes.split('|').map(|island| island.split_whitespace().collect()).collect();
        let names = NodeNames::new(islands.concat())?;
        let mut locations = Vec::new();
        for (island, nodes) in (0..).zip(&islands) {
            for name in nodes {
                let id = names.id(names.find(name)?);
                locations.push(Location { id, island, site: 0 });
            }
        }
        let listed = locations.iter().filter(|_| known);
        let listed = listed
            .map(|location| KnownNode { node: location.id, island_id: None, class: LatencyClass::Lan })
            .collect();
        let directory = Arc::new(Directory::new(listed));
        let classes = PathCosts { island: cost, lan: cost, wan: cost };
        let factory = move |context: &StartContext| {
            let config = BroadcasterConfig::new(context.location.id);
            make_broadcaster(
                context,
                BroadcasterConfig { multicast, path_costs: classes, directory: directory.clone(), ..config },
                FrameSealing::Sealed,
            )
        };
        let mut world = World::new(1, Network::new(&classes), &locations, factory);
        let transcript = Transcript::new(names.clone());
        world.add_checker(Rc::clone(&transcript));
        Ok(ScriptWorld { world, transcript, names })
    }

    fn run(&mut self, word: &str, rest: &str) -> Result<(), String> {
        match word {
            "start" => self.for_each_node(rest, World::start),
            "crash" => self.for_each_node(rest, World::crash),
            "kill" => self.for_each_node(rest, World::kill_host),
            "run" => {
                self.world.run_for(duration(rest)?);
                Ok(())
            }
            "heal" if rest.is_empty() => {
                self.world.heal(false);
                Ok(())
            }
            "broadcast" => self.broadcast(rest),
            "partition" => self.partition(rest),
            "lose" => self.lose(rest),
            "status" => {
                let node = self.names.find(rest)?;
                let text = self.world.machine(node).map(|machine| self.names.status(machine));
                self.transcript.borrow_mut().push_line(text.unwrap_or_else(|| "dead".to_owned()));
                Ok(())
            }
            _ => Err(format!("unknown command: `{word} {rest}`")),
        }
    }

    fn for_each_node(
        &mut self,
        names: &str,
        act: impl Fn(&mut World<SimBroadcaster>, NodeIndex),
    ) -> Result<(), String> {
        for node in self.node_list(names)? {
            act(&mut self.world, node);
        }
        Ok(())
    }

    fn node_list(&self, names: &str) -> Result<Vec<NodeIndex>, String> {
        names.split_whitespace().map(|name| self.names.find(name)).collect()
    }

    fn broadcast(&mut self, rest: &str) -> Result<(), String> {
        let mut parts = rest.split('"');
        let (node, text) = (parts.next().unwrap_or(""), parts.next().ok_or("the text in quotes is missing")?);
        let node = self.names.find(node.trim())?;
        let acks = match parts.next().unwrap_or("").trim() {
            "" => None,
            wanted => {
                let within = wanted.strip_prefix("acks ").ok_or("expected `acks TIME` or nothing")?;
                Some(RequestedAcks { within: duration(within)?, durable: false })
            }
        };
        let body = Body::Application(ApplicationPayload {
            name: "sim".into(),
            bytes: text.as_bytes().to_vec().into(),
        });
        let broadcasting = BroadcastRequest { acks, ..BroadcastRequest::new(body) };
        self.world.command(node, BroadcastCommand::Broadcast(broadcasting));
        Ok(())
    }

    fn partition(&mut self, rest: &str) -> Result<(), String> {
        let (sides, time) = rest.split_once(" for ").ok_or("expected `for TIME`")?;
        let (left, right) = sides.split_once('|').ok_or("expected `NODES | NODES`")?;
        let set = |names: &str| Ok::<_, String>(Nodes::Set(self.node_list(names)?.into_iter().collect()));
        let scope = Scope { from: set(left)?, to: set(right)?, bidirectional: true };
        self.begin(FaultClass::Partition, scope, Effect::Block, time)
    }

    fn lose(&mut self, rest: &str) -> Result<(), String> {
        let rest = rest.strip_prefix("multicasts to ").ok_or("expected `multicasts to NODE`")?;
        let (node, time) = rest.split_once(" for ").ok_or("expected `for TIME`")?;
        let to = Nodes::One(self.names.find(node)?);
        let scope = Scope { from: Nodes::All, to, bidirectional: false };
        self.begin(FaultClass::MulticastBlocked, scope, Effect::MulticastBlocked, time)
    }

    fn begin(&mut self, class: FaultClass, scope: Scope, effect: Effect, time: &str) -> Result<(), String> {
        let until: Time = self.world.now() + duration(time)?;
        self.world.apply(Action::BeginFault(Fault { class, scope, effect }, until));
        Ok(())
    }
}

/// Parses a duration such as `5ms`.
fn duration(text: &str) -> Result<Duration, String> {
    let text = text.trim();
    let digits = text.trim_end_matches(|letter: char| letter.is_ascii_alphabetic());
    let number: u64 = digits.parse().map_err(|_| format!("invalid time: `{text}`"))?;
    match &text[digits.len()..] {
        "ns" => Ok(Duration::from_nanos(number)),
        "us" => Ok(Duration::from_micros(number)),
        "ms" => Ok(Duration::from_millis(number)),
        "s" => Ok(Duration::from_secs(number)),
        _ => Err(format!("invalid time: `{text}`")),
    }
}
