//! What happened in a run, as far as more than one needs it: what owners wrote, whose disk is to be believed, who waits, who watches. Judges nothing.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::time::Duration;

use gm_broadcast::{Input, Rng, Time};
use gm_clock::NetId;
use gm_data::{GroupState, Version};
use gm_node::store::memory::{DiskFaults, DiskSnapshot, SimulatedDisk};
use gm_node::{Command, Event, Wait, WriteKind};
use gm_sim::{Checker, FaultClass, NodeIndex, Seen, Violation, Where, spread};

use crate::check::equal::Different;
use crate::ground::{Ground, Whole};
use crate::owner::Owner;
use crate::plan::{Fate, Plan};

/// A book that all have.
pub(crate) type Shared = Rc<RefCell<Book>>;

/// What was asked of a node, and is not answered.
#[derive(Clone, Debug)]
pub(crate) struct Ask {
    pub(crate) node: NodeIndex,
    pub(crate) group: usize,
    pub(crate) what: Asked,
    pub(crate) wait: Wait,
    pub(crate) at: Time,
    /// What the node held when it was asked.
    pub(crate) known: Option<GroupState>,
    /// Whether it was answered.
    pub(crate) answered: bool,
}

/// What was asked.
#[derive(Clone, Debug)]
pub(crate) enum Asked {
    Write(WriteKind),
    Forget(NodeIndex),
}

/// A member that was forgotten.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Forgotten {
    pub(crate) group: usize,
    pub(crate) member: NodeIndex,
    pub(crate) version: Version,
    /// Who forgot it, and its starts so far; nobody, once it has left the group and keeps nothing of others there.
    pub(crate) by: Option<(NodeIndex, u32)>,
    /// Starts of the member so far, if it was dead.
    pub(crate) dead_after: Option<u32>,
}

/// The book of a run.
#[derive(Debug)]
pub(crate) struct Book {
    pub(crate) plan: Rc<Plan>,
    pub(crate) ground: Ground,
    /// Whose disk a place uses.
    pub(crate) disk_of: Vec<NodeIndex>,
    /// Whose disks the processes of a place ever used.
    pub(crate) used: BTreeMap<NodeIndex, BTreeSet<NodeIndex>>,
    /// Whose identity a place has.
    pub(crate) identity: Vec<NetId>,
    pub(crate) up: Vec<bool>,
    pub(crate) starts: Vec<u32>,
    pub(crate) owners: BTreeMap<(NodeIndex, usize), Owner>,
    /// Nodes whose disk lost or invented something, until the next start.
    pub(crate) doubtful: BTreeSet<NodeIndex>,
    /// Owners that had asked for something when they died, and do not know whether it is written.
    pub(crate) unsure: BTreeSet<(NodeIndex, usize)>,
    pub(crate) asks: BTreeMap<u64, Ask>,
    pub(crate) forgotten: Vec<Forgotten>,
    /// What becomes of a disk at the next death.
    pub(crate) fates: BTreeMap<NodeIndex, Fate>,
    pub(crate) snapshots: BTreeMap<NodeIndex, DiskSnapshot>,
    /// Members whose former place is another one now.
    pub(crate) moved: BTreeMap<NetId, NodeIndex>,
    /// Who a place was before, by its disk: what was written there and not seen is there.
    pub(crate) formers: BTreeSet<(NodeIndex, NetId)>,
    /// Members as which another process posed at some time.
    pub(crate) posed: BTreeSet<NetId>,
    /// Who watches what, and how slowly.
    pub(crate) watches: Vec<(NodeIndex, usize, Duration)>,
    /// Commands that owners give on their own.
    pub(crate) chores: Vec<(Time, NodeIndex, Command)>,
    /// Faults that really happened, not counted by the world yet.
    pub(crate) bitten: Vec<(NodeIndex, FaultClass)>,
    /// Groups of which a node knows since its start that somebody holds the same.
    pub(crate) agreed: BTreeSet<(NodeIndex, usize)>,
    /// Writes that a bound refused.
    pub(crate) full: u64,
    /// What was not equal when the time for it was over.
    pub(crate) late: Option<Different>,
    /// When all was found to be equal.
    pub(crate) equal_at: Option<Time>,
    /// Bytes from the last deed until all was equal.
    pub(crate) bytes: u64,
    /// Bytes that a node sent a second in quiet.
    pub(crate) idle: Option<u64>,
    seen_faults: Vec<DiskFaults>,
    chance: Rng,
}

impl Book {
    /// Nothing has happened.
    pub(crate) fn shared(plan: &Rc<Plan>, ground: &Ground) -> Shared {
        let places = plan.places.len();
        let index = |place: usize| NodeIndex(u32::try_from(place).unwrap_or(u32::MAX));
        Rc::new(RefCell::new(Book {
            plan: Rc::clone(plan),
            ground: ground.clone(),
            disk_of: (0..places).map(index).collect(),
            used: BTreeMap::new(),
            identity: plan.places.iter().map(|place| place.id).collect(),
            up: vec![false; places],
            starts: vec![0; places],
            owners: BTreeMap::new(),
            // What disks hold before anything begins, nobody had acknowledged.
            doubtful: plan.preloaded.iter().map(|(node, _)| *node).collect(),
            unsure: BTreeSet::new(),
            asks: BTreeMap::new(),
            forgotten: Vec::new(),
            fates: BTreeMap::new(),
            snapshots: BTreeMap::new(),
            moved: BTreeMap::new(),
            formers: BTreeSet::new(),
            posed: BTreeSet::new(),
            watches: Vec::new(),
            chores: Vec::new(),
            bitten: Vec::new(),
            agreed: BTreeSet::new(),
            full: 0,
            late: None,
            equal_at: None,
            bytes: 0,
            idle: None,
            seen_faults: vec![DiskFaults::default(); places],
            chance: Rng::new(spread(plan.seed, u64::MAX - 5, 0)),
        }))
    }

    /// The disk of a place, if it has one.
    pub(crate) fn disk(&self, node: NodeIndex) -> Option<&SimulatedDisk> {
        if self.plan.diskless.contains(&node) {
            return None;
        }
        self.ground.disks.get(self.disk_of[node.0 as usize].0 as usize)
    }

    /// The number of a group.
    pub(crate) fn group(&self, name: &gm_data::GroupName) -> usize {
        self.plan.groups.iter().position(|group| group == name).unwrap_or(0)
    }

    /// An ask, under a new tag.
    pub(crate) fn ask(&mut self, ask: Ask) -> u64 {
        let tag = self.asks.last_key_value().map_or(0, |(tag, _)| *tag) + 1;
        self.asks.insert(tag, ask);
        tag
    }

    /// A process ended: this becomes of its disk.
    fn end(&mut self, node: NodeIndex) {
        self.up[node.0 as usize] = false;
        self.agreed.retain(|(of, _)| *of != node);
        for ask in self.asks.values_mut().filter(|ask| ask.node == node && !ask.answered) {
            ask.answered = true;
            self.unsure.insert((node, ask.group));
        }
        let chance = self.chance.next_u64();
        let fate = self.fates.remove(&node).unwrap_or(if chance.is_multiple_of(4) {
            Fate::Clean
        } else {
            Fate::Kept
        });
        let Some(disk) = self.disk(node).cloned() else {
            self.doubtful.insert(node);
            return;
        };
        let before = disk.faults();
        match fate {
            Fate::Clean => {}
            Fate::Kept => disk.crash(chance >> 2),
            Fate::Lost => disk.wipe(),
            Fate::Stale => match self.snapshots.remove(&self.disk_of[node.0 as usize]) {
                Some(snapshot) => {
                    disk.restore(snapshot);
                    // It is noticed as often as not.
                    disk.set_loss_suspected(chance >> 63 == 1);
                }
                None => disk.crash(chance >> 2),
            },
        }
        let after = disk.faults();
        if after.lied > before.lied
            || after.resurfaced > before.resurfaced
            || matches!(fate, Fate::Lost | Fate::Stale)
        {
            self.doubtful.insert(node);
        }
        if fate == Fate::Kept && !disk.stored().groups.is_empty() {
            self.bitten.push((node, FaultClass::KeptDisk));
        }
    }

    /// What disks have really done since that was asked last.
    pub(crate) fn count_disks(&mut self) {
        for (place, disk) in self.ground.disks.iter().enumerate() {
            let (now, before) = (disk.faults(), self.seen_faults[place]);
            if now == before {
                continue;
            }
            self.seen_faults[place] = now;
            let node = NodeIndex(u32::try_from(place).unwrap_or(u32::MAX));
            let classes = [
                (FaultClass::FullDisk, now.failed - before.failed),
                (FaultClass::TornWrite, now.torn - before.torn),
                (FaultClass::LostSync, now.lied - before.lied),
                (FaultClass::StaleDisk, now.stale - before.stale),
                (FaultClass::LostDisk, now.wiped - before.wiped),
            ];
            for (class, count) in classes {
                (0..count).for_each(|_| self.bitten.push((node, class)));
            }
        }
    }

    fn answer(&mut self, at: Time, tag: u64, result: &Result<gm_node::CommittedWrite, gm_node::WriteError>) {
        let Some(ask) = self.asks.get_mut(&tag) else { return };
        ask.answered = true;
        let (node, group) = (ask.node, ask.group);
        let slow = at.since(ask.at) > Duration::from_millis(90);
        match (result, ask.what.clone()) {
            (Ok(written), Asked::Write(what)) if written.changed => {
                if what == WriteKind::Leave {
                    let by = Some((node, self.starts[node.0 as usize]));
                    self.forgotten
                        .iter_mut()
                        .filter(|of| of.group == group && of.by == by)
                        .for_each(|of| of.by = None);
                }
                self.owners.entry((node, group)).or_default().acknowledge(written.version, what);
                if slow && ask.wait == Wait::NONE {
                    self.bitten.push((node, FaultClass::SlowDisk));
                }
            }
            (Ok(written), Asked::Forget(member)) => {
                let up = self.up[member.0 as usize];
                let dead_after = (!up).then(|| self.starts[member.0 as usize]);
                let is_member =
                    self.owners.get(&(node, group)).is_some_and(|owner| !owner.items().is_empty());
                let by = is_member.then(|| (node, self.starts[node.0 as usize]));
                let version = written.version;
                self.forgotten.push(Forgotten { group, member, version, by, dead_after });
                let class = if up { FaultClass::ForgetLiving } else { FaultClass::ForgetDead };
                self.bitten.push((member, class));
            }
            (Err(gm_node::WriteError::LimitReached { .. }), _) => self.full += 1,
            _ => {}
        }
    }
}

impl Book {
    /// What a watcher is called in the present life of its node: what one of an earlier life took is none of it.
    pub(crate) fn watch_tag(&self, node: NodeIndex, watch: usize) -> u64 {
        u64::from(self.starts[node.0 as usize]) << 32 | watch as u64
    }

    /// What a watcher watches where, and how slowly.
    pub(crate) fn watch_of(&self, tag: u64) -> Option<&(NodeIndex, usize, Duration)> {
        self.watches.get(usize::try_from(tag & 0xffff_ffff).ok()?)
    }

    /// A watcher took in a part of what changed, and says so after a while.
    pub(crate) fn took(&mut self, at: Time, node: NodeIndex, tag: u64, part: gm_node::DifferencePart) {
        if let Some((_, _, pace)) = self.watch_of(tag).copied() {
            if pace >= Duration::from_secs(3) && part.events.is_some() {
                self.bitten.push((node, FaultClass::SlowWatcher));
            }
            // The rest of a difference is there already.
            let at = if part.is_last { at + pace } else { at };
            self.chores.push((at, node, Command::AdvanceWatch { tag, cursor: Box::new(part.cursor) }));
        }
    }
}

impl Checker<Whole> for Book {
    fn name(&self) -> &'static str {
        "book"
    }

    fn see(&mut self, place: Where, seen: &Seen<'_, Whole>) -> Result<(), Violation> {
        let node = place.node;
        match seen {
            Seen::Started { .. } => {
                self.up[node.0 as usize] = true;
                self.starts[node.0 as usize] += 1;
                if !self.plan.diskless.contains(&node) {
                    self.used.entry(node).or_default().insert(self.disk_of[node.0 as usize]);
                }
                for (watch, (of, group, _)) in self.watches.clone().into_iter().enumerate() {
                    if of == node {
                        let (tag, group) = (self.watch_tag(node, watch), self.plan.groups[group].clone());
                        self.chores.push((place.at, node, Command::Watch { tag, group }));
                    }
                }
            }
            Seen::Ended => self.end(node),
            Seen::Event(Event::Answered { tag, result, .. }) => self.answer(place.at, *tag, result),
            Seen::Event(Event::InSync { group, .. }) => {
                let group = self.group(group);
                self.agreed.insert((node, group));
            }
            Seen::Input(Input::Command(Command::Write(write))) => {
                if let Some(ask) = self.asks.get_mut(&write.tag) {
                    ask.at = place.at;
                }
            }
            _ => {}
        }
        Ok(())
    }
}
