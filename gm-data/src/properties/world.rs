//! A small world of a few nodes with all faults of messages, played on the crate and on its model
//! in step. After each step the two are compared and the invariants checked; at the end the world
//! heals and must agree.

mod network;
mod operations;

use std::collections::{BTreeMap, BTreeSet};
use std::string::String;
use std::vec::Vec;

use gm_clock::NetId;

use super::invariants::{self, WrittenContents};
use super::model::{ModelIncrement, ModelRecord, ModelReplica, Range};
use crate::{GroupName, GroupState, Increment, Item, PurgePolicy, Replica, Version, WriteContext};

pub(super) const NODES: usize = 4;
pub(super) const RANGES: [Range; 4] = [(0, 99), (0, 49), (100, 199), (50, u32::MAX)];

/// An event of a history. Numbers are taken modulo the number of possible values, so that every
/// list of steps is a valid history.
#[derive(Clone, Debug)]
pub(super) enum Step {
    Write {
        node: usize,
        words: Vec<(usize, u8, u16)>,
    },
    Leave {
        node: usize,
    },
    /// Sends the whole state, or the records of the members in the mask.
    SendState {
        from: usize,
        to: usize,
        mask: u8,
    },
    /// Sends the transfer of one member's record for a node that has, or had, some version of it.
    SendTransfer {
        from: usize,
        to: usize,
        member: usize,
        stale: usize,
    },
    /// Same as `SendTransfer`, for the present version, and delivered at once.
    HandOver {
        from: usize,
        to: usize,
        member: usize,
    },
    /// Sends a node's latest write to all nodes.
    Push {
        node: usize,
    },
    Deliver {
        index: usize,
        again: bool,
    },
    Lose {
        index: usize,
    },
    Purge {
        node: usize,
        keep: usize,
        max_age: u64,
    },
    Forget {
        node: usize,
        member: usize,
    },
    Store {
        node: usize,
    },
    Restart {
        node: usize,
        disk: Disk,
    },
    Die {
        node: usize,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Disk {
    Good,
    Stale,
    Lost,
}

impl Disk {
    fn name(self) -> &'static str {
        match self {
            Disk::Good => "restart",
            Disk::Stale => "restart with a stale disk",
            Disk::Lost => "restart without disk",
        }
    }
}

/// A packet of the crate with that of the model, and the whole record that an increment represents.
#[derive(Clone)]
enum Packet {
    State(GroupState, BTreeMap<NetId, ModelRecord>),
    Increment(Increment, ModelIncrement, ModelRecord),
}

pub(super) struct WorldNode {
    pub(super) real: Replica,
    pub(super) model: ModelReplica,
    pub(super) dead: bool,
    /// The items that the node's application requested, which all nodes must have in the end.
    pub(super) intent: BTreeMap<Range, (u8, u16, u16)>,
    /// The items of a reader that only applied the events.
    pub(super) followed: BTreeSet<Item>,
    seen: GroupState,
    stored: (GroupState, BTreeMap<NetId, ModelRecord>),
    /// Versions that the node had of each member's record, for increments from outdated versions.
    known_versions: BTreeMap<NetId, Vec<Version>>,
    last_write: Option<(Increment, ModelIncrement, ModelRecord)>,
}

pub(super) struct World {
    pub(super) nodes: Vec<WorldNode>,
    net: Vec<(usize, Packet)>,
    now: u64,
    /// Every set of live items that an owner had, by (owner, incarnation, clock).
    pub(super) written: WrittenContents,
    /// Members that were forgotten after their death, with their incarnation.
    pub(super) forgotten: BTreeMap<NetId, u64>,
    /// Number of occurrences of each event.
    pub(super) counts: BTreeMap<&'static str, usize>,
}

pub(super) fn id(node: usize) -> NetId {
    let text =
        if node == 1 { format!("[2001:db8::{node}]:29999") } else { format!("10.0.0.{}:29999", node + 1) };
    text.parse().unwrap()
}

pub(super) fn group() -> GroupName {
    GroupName::new("G").unwrap()
}

/// Plays the steps and heals. Returns the first violation, or the number of occurrences of each
/// event.
pub(super) fn play(steps: &[Step]) -> Result<BTreeMap<&'static str, usize>, String> {
    let mut world = World::new();
    for (at, step) in steps.iter().enumerate() {
        world.now += 1;
        world.step(step).map_err(|why| format!("step {at} {step:?}: {why}"))?;
        world.check_invariants().map_err(|why| format!("after step {at} {step:?}: {why}"))?;
    }
    for (at, node) in world.nodes.iter().enumerate() {
        super::buckets::same_buckets(node.real.view()).map_err(|why| format!("node {at}: {why}"))?;
    }
    world.heal()?;
    invariants::agreement(&world)?;
    Ok(world.counts)
}

impl World {
    fn new() -> World {
        let node = |n: usize| WorldNode {
            real: Replica::new(id(n), group()),
            model: ModelReplica::new(id(n), BTreeMap::new()),
            dead: false,
            intent: BTreeMap::new(),
            followed: BTreeSet::new(),
            seen: GroupState::new(group()),
            stored: (GroupState::new(group()), BTreeMap::new()),
            known_versions: BTreeMap::new(),
            last_write: None,
        };
        World {
            nodes: (0..NODES).map(node).collect(),
            net: Vec::new(),
            now: 0,
            written: BTreeMap::new(),
            forgotten: BTreeMap::new(),
            counts: BTreeMap::new(),
        }
    }

    /// A context without clock hint and random bits: a node that lost its disk reuses an earlier
    /// incarnation number, which is the worst case.
    fn context(&self) -> WriteContext {
        WriteContext { unix_seconds: 0, entropy: 0, millis: self.now * 61_000 }
    }

    fn step(&mut self, step: &Step) -> Result<(), String> {
        let (context, count) = (self.context(), self.nodes.len());
        match *step {
            Step::Write { node, ref words } => self.write(node % count, words)?,
            Step::Leave { node } => {
                let node = &mut self.nodes[node % count];
                if !node.dead && node.real.is_member() {
                    node.real.leave(context).map_err(|why| format!("{why:?}"))?;
                    node.model.leave(0);
                    node.intent.clear();
                    node.last_write = None;
                }
            }
            Step::SendState { from, to, mask } => self.send_state(from % count, to % count, mask),
            Step::SendTransfer { from, to, member, stale } => {
                self.send_transfer(from % count, to % count, id(member % count), stale)?;
            }
            Step::HandOver { from, to, member } => {
                self.send_transfer(from % count, to % count, id(member % count), 0)?;
                if let Some((to, packet)) = self.net.pop() {
                    self.deliver(to, &packet)?;
                }
            }
            Step::Push { node } => {
                let node = node % count;
                if let Some((real, model, whole)) = self.nodes[node].last_write.clone() {
                    let packet = Packet::Increment(real, model, whole);
                    (0..count).filter(|to| *to != node).for_each(|to| self.net.push((to, packet.clone())));
                }
            }
            Step::Deliver { index, again } => {
                if !self.net.is_empty() {
                    let index = index % self.net.len();
                    let (to, packet) = if again { self.net[index].clone() } else { self.net.remove(index) };
                    self.deliver(to, &packet)?;
                    self.count(if again { "duplicated packet" } else { "delayed packet" });
                }
            }
            Step::Lose { index } => {
                if !self.net.is_empty() {
                    let index = index % self.net.len();
                    self.net.remove(index);
                    self.count("loss");
                }
            }
            Step::Purge { node, keep, max_age } => {
                let node = &mut self.nodes[node % count];
                let purged = node.real.purge(PurgePolicy { keep, max_age });
                node.model.purge(keep, max_age);
                if purged > 0 {
                    self.count("purge");
                }
            }
            Step::Forget { node, member } => self.forget(node % count, member % count)?,
            Step::Store { node } => {
                let node = &mut self.nodes[node % count];
                node.stored = (node.real.state().clone(), node.model.records.clone());
            }
            Step::Restart { node, disk } => self.restart(node % count, disk),
            // One node always stays alive.
            Step::Die { node } => {
                self.nodes[node % (count - 1)].dead = true;
                self.count("death");
                self.forgotten.clear();
            }
        }
        Ok(())
    }
    /// Remembers the node's own record, which other nodes may receive later.
    fn note_written(&mut self, at: usize) {
        if let Some(own) = self.nodes[at].model.records.get(&id(at)) {
            self.written.entry((id(at), own.inc, own.clock)).or_default().insert(own.live());
        }
    }
    /// Checks all invariants.
    fn check_invariants(&mut self) -> Result<(), String> {
        for (at, node) in self.nodes.iter_mut().enumerate() {
            invariants::same_state(node).map_err(|why| format!("node {at}: {why}"))?;
            super::lookup::same_answers(node.real.view()).map_err(|why| format!("node {at}: {why}"))?;
            let now = node.real.state().clone();
            invariants::follow(&mut node.followed, &now.events_since(&node.seen))?;
            node.seen = now;
            for member in node.model.records.keys() {
                let version = node.real.state().record(*member).map(crate::Record::version);
                let known_versions = node.known_versions.entry(*member).or_default();
                if known_versions.last().copied() != version {
                    known_versions.extend(version);
                }
            }
        }
        (0..NODES).for_each(|at| self.note_written(at));
        invariants::only_written_contents(self)
    }
}
