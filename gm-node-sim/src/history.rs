//! History of a run, shared by its checkers: acknowledged writes, reliability of disks, open
//! requests, watchers.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::time::Duration;

use gm_broadcast::{Input, Rng, Time};
use gm_clock::NetId;
use gm_data::{GroupState, Version};
use gm_node::store::memory::{DiskFaults, DiskSnapshot, SimulatedDisk};
use gm_node::{NodeCommand, NodeEvent, Wait, WriteKind};
use gm_sim::{Checker, FaultClass, NodeIndex, Observation, ObservationContext, Violation, derive_seed};

use crate::check::convergence::Difference;
use crate::environment::{Environment, SimNode};
use crate::plan::{DiskOutcome, Plan};
use crate::writer_model::WriterModel;

/// A history shared by all checkers of a run.
pub(crate) type SharedHistory = Rc<RefCell<NodeHistory>>;

/// A request to a node.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) node: NodeIndex,
    pub(crate) group: usize,
    pub(crate) kind: RequestKind,
    pub(crate) wait: Wait,
    pub(crate) at: Time,
    /// State of the group at the node when the request was made.
    pub(crate) state_before: Option<GroupState>,
    pub(crate) answered: bool,
}

/// Kind of a request.
#[derive(Clone, Debug)]
pub(crate) enum RequestKind {
    Write(WriteKind),
    Forget(NodeIndex),
}

/// A member that was forgotten.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ForgottenMember {
    pub(crate) group: usize,
    pub(crate) member: NodeIndex,
    pub(crate) version: Version,
    /// The node that forgot it, and its number of starts; `None` after it has left the group,
    /// because it then keeps no other records.
    pub(crate) by: Option<(NodeIndex, u32)>,
    /// Number of starts of the member, if it was dead.
    pub(crate) dead_after: Option<u32>,
}

/// History of a run.
#[derive(Debug)]
pub(crate) struct NodeHistory {
    pub(crate) plan: Rc<Plan>,
    pub(crate) environment: Environment,
    /// Location whose disk each location uses.
    pub(crate) disk_of: Vec<NodeIndex>,
    /// Locations whose disks the processes of a location ever used.
    pub(crate) used: BTreeMap<NodeIndex, BTreeSet<NodeIndex>>,
    /// Identity of each location.
    pub(crate) identity: Vec<NetId>,
    pub(crate) up: Vec<bool>,
    pub(crate) starts: Vec<u32>,
    pub(crate) writers: BTreeMap<(NodeIndex, usize), WriterModel>,
    /// Nodes whose disk lost or invented writes, until the next start.
    pub(crate) unreliable_disks: BTreeSet<NodeIndex>,
    /// Owners that had an open request when they died, so that it may be written or not.
    pub(crate) unanswered: BTreeSet<(NodeIndex, usize)>,
    pub(crate) requests: BTreeMap<u64, Request>,
    pub(crate) forgotten: Vec<ForgottenMember>,
    /// Outcome of the next death for a disk.
    pub(crate) disk_outcomes: BTreeMap<NodeIndex, DiskOutcome>,
    pub(crate) snapshots: BTreeMap<NodeIndex, DiskSnapshot>,
    /// Members that have moved to another location.
    pub(crate) moved: BTreeMap<NetId, NodeIndex>,
    /// Former identities of a location, by its disk: its unseen writes may be there.
    pub(crate) former_ids: BTreeSet<(NodeIndex, NetId)>,
    /// Members that were impersonated at some time.
    pub(crate) impersonated: BTreeSet<NetId>,
    /// Watchers: node, group, and time that the watcher takes to read.
    pub(crate) watchers: Vec<(NodeIndex, usize, Duration)>,
    /// Scheduled commands of owners.
    pub(crate) owner_commands: Vec<(Time, NodeIndex, NodeCommand)>,
    /// Faults that had an effect, and are not counted by the world yet.
    pub(crate) uncounted_faults: Vec<(NodeIndex, FaultClass)>,
    /// Groups for which a node has been in sync with another one since its start.
    pub(crate) in_sync: BTreeSet<(NodeIndex, usize)>,
    /// Number of writes refused because of a limit.
    pub(crate) refused_writes: u64,
    /// The difference found when the convergence bound expired.
    pub(crate) not_converged: Option<Difference>,
    pub(crate) converged_at: Option<Time>,
    /// Bytes from the last operation until convergence.
    pub(crate) convergence_bytes: u64,
    /// Bytes per second that an idle node sent after convergence.
    pub(crate) idle_bytes_per_second: Option<u64>,
    seen_faults: Vec<DiskFaults>,
    rng: Rng,
}

impl NodeHistory {
    /// A history without events.
    pub(crate) fn shared(plan: &Rc<Plan>, environment: &Environment) -> SharedHistory {
        let locations = plan.locations.len();
        let index = |index: usize| NodeIndex(u32::try_from(index).unwrap_or(u32::MAX));
        Rc::new(RefCell::new(NodeHistory {
            plan: Rc::clone(plan),
            environment: environment.clone(),
            disk_of: (0..locations).map(index).collect(),
            used: BTreeMap::new(),
            identity: plan.locations.iter().map(|location| location.id).collect(),
            up: vec![false; locations],
            starts: vec![0; locations],
            writers: BTreeMap::new(),
            // Writes preloaded on disks were never acknowledged.
            unreliable_disks: plan.preloaded.iter().map(|(node, _)| *node).collect(),
            unanswered: BTreeSet::new(),
            requests: BTreeMap::new(),
            forgotten: Vec::new(),
            disk_outcomes: BTreeMap::new(),
            snapshots: BTreeMap::new(),
            moved: BTreeMap::new(),
            former_ids: BTreeSet::new(),
            impersonated: BTreeSet::new(),
            watchers: Vec::new(),
            owner_commands: Vec::new(),
            uncounted_faults: Vec::new(),
            in_sync: BTreeSet::new(),
            refused_writes: 0,
            not_converged: None,
            converged_at: None,
            convergence_bytes: 0,
            idle_bytes_per_second: None,
            seen_faults: vec![DiskFaults::default(); locations],
            rng: Rng::new(derive_seed(plan.seed, u64::MAX - 5, 0)),
        }))
    }

    /// The disk of a location, if it has one.
    pub(crate) fn disk(&self, node: NodeIndex) -> Option<&SimulatedDisk> {
        if self.plan.diskless.contains(&node) {
            return None;
        }
        self.environment.disks.get(self.disk_of[node.0 as usize].0 as usize)
    }

    /// Index of a group.
    pub(crate) fn group(&self, name: &gm_data::GroupName) -> usize {
        self.plan.groups.iter().position(|group| group == name).unwrap_or(0)
    }

    /// Adds a request, and returns its tag.
    pub(crate) fn add_request(&mut self, request: Request) -> u64 {
        let tag = self.requests.last_key_value().map_or(0, |(tag, _)| *tag) + 1;
        self.requests.insert(tag, request);
        tag
    }

    /// Handles the end of a process: applies the outcome for its disk.
    fn process_ended(&mut self, node: NodeIndex) {
        self.up[node.0 as usize] = false;
        self.in_sync.retain(|(of, _)| *of != node);
        for request in self.requests.values_mut().filter(|request| request.node == node && !request.answered)
        {
            request.answered = true;
            self.unanswered.insert((node, request.group));
        }
        let rng = self.rng.next_u64();
        let disk_outcome = self.disk_outcomes.remove(&node).unwrap_or(if rng.is_multiple_of(4) {
            DiskOutcome::Clean
        } else {
            DiskOutcome::Kept
        });
        let Some(disk) = self.disk(node).cloned() else {
            self.unreliable_disks.insert(node);
            return;
        };
        let before = disk.faults();
        match disk_outcome {
            DiskOutcome::Clean => {}
            DiskOutcome::Kept => disk.crash(rng >> 2),
            DiskOutcome::Lost => disk.wipe(),
            DiskOutcome::Stale => match self.snapshots.remove(&self.disk_of[node.0 as usize]) {
                Some(snapshot) => {
                    disk.restore(snapshot);
                    // The loss is noticed in half of the cases.
                    disk.set_loss_suspected(rng >> 63 == 1);
                }
                None => disk.crash(rng >> 2),
            },
        }
        let after = disk.faults();
        if after.lied > before.lied
            || after.resurfaced > before.resurfaced
            || matches!(disk_outcome, DiskOutcome::Lost | DiskOutcome::Stale)
        {
            self.unreliable_disks.insert(node);
        }
        if disk_outcome == DiskOutcome::Kept && !disk.stored().groups.is_empty() {
            self.uncounted_faults.push((node, FaultClass::KeptDisk));
        }
    }

    /// Collects the disk faults since the last call.
    pub(crate) fn count_disk_faults(&mut self) {
        for (index, disk) in self.environment.disks.iter().enumerate() {
            let (now, before) = (disk.faults(), self.seen_faults[index]);
            if now == before {
                continue;
            }
            self.seen_faults[index] = now;
            let node = NodeIndex(u32::try_from(index).unwrap_or(u32::MAX));
            let classes = [
                (FaultClass::FullDisk, now.failed - before.failed),
                (FaultClass::TornWrite, now.torn - before.torn),
                (FaultClass::LostSync, now.lied - before.lied),
                (FaultClass::StaleDisk, now.stale - before.stale),
                (FaultClass::LostDisk, now.wiped - before.wiped),
            ];
            for (class, count) in classes {
                (0..count).for_each(|_| self.uncounted_faults.push((node, class)));
            }
        }
    }

    fn request_answered(
        &mut self,
        at: Time,
        tag: u64,
        result: &Result<gm_node::CommittedWrite, gm_node::WriteError>,
    ) {
        let Some(request) = self.requests.get_mut(&tag) else { return };
        request.answered = true;
        let (node, group) = (request.node, request.group);
        let slow = at.since(request.at) > Duration::from_millis(90);
        match (result, request.kind.clone()) {
            (Ok(written), RequestKind::Write(what)) if written.changed => {
                if what == WriteKind::Leave {
                    let by = Some((node, self.starts[node.0 as usize]));
                    self.forgotten
                        .iter_mut()
                        .filter(|of| of.group == group && of.by == by)
                        .for_each(|of| of.by = None);
                }
                self.writers.entry((node, group)).or_default().acknowledge(written.version, what);
                if slow && request.wait == Wait::NONE {
                    self.uncounted_faults.push((node, FaultClass::SlowDisk));
                }
            }
            (Ok(written), RequestKind::Forget(member)) => {
                let up = self.up[member.0 as usize];
                let dead_after = (!up).then(|| self.starts[member.0 as usize]);
                let is_member =
                    self.writers.get(&(node, group)).is_some_and(|owner| !owner.items().is_empty());
                let by = is_member.then(|| (node, self.starts[node.0 as usize]));
                let version = written.version;
                self.forgotten.push(ForgottenMember { group, member, version, by, dead_after });
                let class = if up { FaultClass::ForgetLiving } else { FaultClass::ForgetDead };
                self.uncounted_faults.push((member, class));
            }
            (Err(gm_node::WriteError::LimitReached { .. }), _) => self.refused_writes += 1,
            _ => {}
        }
    }
}

impl NodeHistory {
    /// Tag of a watcher in the present life of its node, different for each life.
    pub(crate) fn watcher_tag(&self, node: NodeIndex, watch: usize) -> u64 {
        u64::from(self.starts[node.0 as usize]) << 32 | watch as u64
    }

    /// The watcher with this tag.
    pub(crate) fn watcher(&self, tag: u64) -> Option<&(NodeIndex, usize, Duration)> {
        self.watchers.get(usize::try_from(tag & 0xffff_ffff).ok()?)
    }

    /// Schedules the watcher's acknowledgement of a part that it has read.
    pub(crate) fn watcher_took(
        &mut self,
        at: Time,
        node: NodeIndex,
        tag: u64,
        part: gm_node::DifferencePart,
    ) {
        if let Some((_, _, read_delay)) = self.watcher(tag).copied() {
            if read_delay >= Duration::from_secs(3) && part.events.is_some() {
                self.uncounted_faults.push((node, FaultClass::SlowWatcher));
            }
            // The other parts are read at once.
            let at = if part.is_last { at + read_delay } else { at };
            self.owner_commands.push((
                at,
                node,
                NodeCommand::AdvanceWatch { tag, cursor: Box::new(part.cursor) },
            ));
        }
    }
}

impl Checker<SimNode> for NodeHistory {
    fn name(&self) -> &'static str {
        "history"
    }

    fn observe(
        &mut self,
        context: ObservationContext,
        seen: &Observation<'_, SimNode>,
    ) -> Result<(), Violation> {
        let node = context.node;
        match seen {
            Observation::Started { .. } => {
                self.up[node.0 as usize] = true;
                self.starts[node.0 as usize] += 1;
                if !self.plan.diskless.contains(&node) {
                    self.used.entry(node).or_default().insert(self.disk_of[node.0 as usize]);
                }
                for (watch, (of, group, _)) in self.watchers.clone().into_iter().enumerate() {
                    if of == node {
                        let (tag, group) = (self.watcher_tag(node, watch), self.plan.groups[group].clone());
                        self.owner_commands.push((context.at, node, NodeCommand::Watch { tag, group }));
                    }
                }
            }
            Observation::Ended => self.process_ended(node),
            Observation::Event(NodeEvent::Answered { tag, result, .. }) => {
                self.request_answered(context.at, *tag, result)
            }
            Observation::Event(NodeEvent::InSync { group, .. }) => {
                let group = self.group(group);
                self.in_sync.insert((node, group));
            }
            Observation::Input(Input::Command(NodeCommand::Write(write))) => {
                if let Some(request) = self.requests.get_mut(&write.tag) {
                    request.at = context.at;
                }
            }
            _ => {}
        }
        Ok(())
    }
}
