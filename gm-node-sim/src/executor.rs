//! Executes the operations of a plan. Details that the plan leaves open are drawn at random, or
//! depend on the node's state.

use std::collections::BTreeMap;
use std::time::Duration;

use gm_broadcast::{Rng, Time};
use gm_data::{Change, Item, KeyRange, Op};
use gm_node::{Forget, NodeCommand, Wait, Write, WriteKind};
use gm_sim::layout::ms;
use gm_sim::{Action, FaultClass, NodeIndex};

use crate::environment::{NodeWorld, StartRole, keyring_at};
use crate::history::{Request, RequestKind, SharedHistory};
use crate::plan::{DiskOperation, DiskOutcome, Intent, Operation};

/// Executes operations in order of time.
#[derive(Debug)]
pub(crate) struct Executor {
    history: SharedHistory,
    rng: Rng,
    agenda: BTreeMap<(Time, usize), Operation>,
    /// Number of operations so far, including those that follow from others.
    count: usize,
    /// Time of the last restart of a node that died.
    last_restart: Time,
}

impl Executor {
    /// An executor of the plan in this history.
    pub(crate) fn new(history: &SharedHistory, rng: Rng) -> Executor {
        let (history, agenda) = (SharedHistory::clone(history), BTreeMap::new());
        let mut executor = Executor { history, rng, agenda, count: 0, last_restart: Time::ZERO };
        let plan = std::rc::Rc::clone(&executor.history.borrow().plan);
        plan.operations.iter().for_each(|(at, operation)| executor.push(*at, operation.clone()));
        executor
    }

    fn push(&mut self, at: Time, operation: Operation) {
        self.count += 1;
        self.agenda.insert((at, self.count), operation);
    }

    /// Removes and returns the next operation.
    pub(crate) fn next(&mut self) -> Option<(Time, Operation)> {
        self.agenda.pop_first().map(|((at, _), operation)| (at, operation))
    }

    /// Time of the last restart of a node that died; the faults last until then.
    pub(crate) const fn last_restart(&self) -> Time {
        self.last_restart
    }

    /// Executes an operation now.
    pub(crate) fn execute(&mut self, world: &mut NodeWorld, operation: Operation) {
        match operation {
            Operation::Write { node, group, intent, wait } => self.write(world, node, group, &intent, wait),
            Operation::Forget { node, group, member, wait } => self.forget(world, node, group, member, wait),
            Operation::Watch { node, group, read_delay } => self.watch(world, node, group, read_delay),
            Operation::Disk(node, operation) => self.operate_disk(node, operation),
            Operation::Crash { node, disk_outcome, gap } => self.crash(world, node, disk_outcome, gap),
            Operation::TornWrite { node, group, gap } => self.torn_write(world, node, group, gap),
            Operation::Clash { location, victim, group, duration } => {
                self.identity_clash(world, location, victim, group, duration)
            }
            Operation::ChangeAddress { node, location, group } => {
                self.change_address(world, node, location, group)
            }
            Operation::RotateKeys(step) => self.rotate_keys(world, step),
            Operation::World(action) => world.apply(action),
            Operation::Mass(class) => world.record_fault(NodeIndex(0), class),
        }
    }

    fn write(&mut self, world: &mut NodeWorld, node: NodeIndex, group: usize, intent: &Intent, wait: Wait) {
        let name = self.history.borrow().plan.groups[group].clone();
        let Some(machine) = world.machine(node) else { return };
        let live: Vec<Item> = machine
            .own_record(&name)
            .map(|own| own.items().filter(|item| item.op().is_live()).collect())
            .unwrap_or_default();
        let known = machine.view(&name).map(|view| (**view).clone());
        let what = match intent {
            Intent::Exact(what) => what.clone(),
            Intent::Serve => WriteKind::Change(vec![self.serve()]),
            Intent::Unserve => WriteKind::Change(vec![self.unserve(&live)]),
            Intent::Batch => WriteKind::Change(self.batch(&live)),
        };
        let (at, kind) = (world.now(), RequestKind::Write(what.clone()));
        let request = Request { node, group, kind, wait, at, state_before: known, answered: false };
        let tag = self.history.borrow_mut().add_request(request);
        world.command(node, NodeCommand::Write(Write { tag, group: name, kind: what, wait }));
    }

    fn random_range(&mut self) -> KeyRange {
        let start = u32::try_from(self.rng.below(64)).unwrap_or(0) << 26;
        let length = u32::try_from(1 + self.rng.below(4)).unwrap_or(1) << 25;
        KeyRange::new(start, start.saturating_add(length)).unwrap_or(KeyRange::WHOLE)
    }

    fn random_number(&mut self, max: u64) -> u16 {
        u16::try_from(1 + self.rng.below(max)).unwrap_or(1)
    }

    fn serve(&mut self) -> Change {
        let (port, priority) = (Some(self.random_number(9)), self.random_number(3));
        Change::Serve { range: self.random_range(), port, priority }
    }

    fn unserve(&mut self, live: &[Item]) -> Change {
        match live.get(self.rng.index(live.len())) {
            Some(item) => Change::Unserve(item.range()),
            None => self.serve(),
        }
    }

    fn batch(&mut self, live: &[Item]) -> Vec<Change> {
        let mut batch = vec![self.serve()];
        let item = live.get(self.rng.index(live.len()));
        match (item, self.rng.below(4)) {
            (Some(item), 0) => batch.push(Change::Unserve(item.range())),
            (Some(item), 1) if item.op() == Op::Add => {
                let priority = self.random_number(9);
                batch.push(Change::Priority { range: item.range(), priority });
            }
            (_, 2) => batch.push(Change::Interest(self.random_range())),
            _ => batch.push(self.serve()),
        }
        batch
    }

    fn forget(
        &mut self,
        world: &mut NodeWorld,
        node: NodeIndex,
        group: usize,
        member: NodeIndex,
        wait: Wait,
    ) {
        if world.machine(node).is_none() {
            return;
        }
        let (name, id) = {
            let history = self.history.borrow();
            (history.plan.groups[group].clone(), history.identity[member.0 as usize])
        };
        let (at, what) = (world.now(), RequestKind::Forget(member));
        let request = Request { node, group, kind: what, wait, at, state_before: None, answered: false };
        let tag = self.history.borrow_mut().add_request(request);
        world.command(node, NodeCommand::Forget(Forget { tag, group: Some(name), member: id, wait }));
    }

    fn watch(&mut self, world: &mut NodeWorld, node: NodeIndex, group: usize, read_delay: Duration) {
        let (tag, group) = {
            let mut history = self.history.borrow_mut();
            history.watchers.push((node, group, read_delay));
            let watch = history.watchers.len() - 1;
            (history.watcher_tag(node, watch), history.plan.groups[group].clone())
        };
        world.command(node, NodeCommand::Watch { tag, group });
    }

    fn operate_disk(&mut self, node: NodeIndex, operation: DiskOperation) {
        let mut history = self.history.borrow_mut();
        // The location's original disk, wherever it is used now.
        let disk = history.environment.disks[node.0 as usize].clone();
        match operation {
            DiskOperation::Full(full) => disk.set_full(full),
            DiskOperation::Slow(latency) => disk.set_latency(latency),
            DiskOperation::Lies(lies) => disk.set_lies(lies),
            DiskOperation::Snapshot => drop(history.snapshots.insert(node, disk.snapshot())),
        }
    }

    fn crash(
        &mut self,
        world: &mut NodeWorld,
        node: NodeIndex,
        disk_outcome: DiskOutcome,
        gap: Option<Duration>,
    ) {
        if world.machine(node).is_none() {
            return;
        }
        self.history.borrow_mut().disk_outcomes.insert(node, disk_outcome);
        world.crash(node);
        {
            // An impersonating process becomes its location's own node again.
            let mut history = self.history.borrow_mut();
            let own = history.plan.id(node);
            if history.identity[node.0 as usize] != own {
                history.identity[node.0 as usize] = own;
                history.writers.retain(|(of, _), _| *of != node);
                world.set_param(node, StartRole::Itself.to_param());
            }
        }
        if let Some(gap) = gap {
            let at = world.now() + gap;
            self.last_restart = self.last_restart.max(at);
            world.apply_at(at, Action::Start(node));
        }
    }

    /// Kills the node during a write to a slow disk.
    fn torn_write(&mut self, world: &mut NodeWorld, node: NodeIndex, group: usize, gap: Duration) {
        let Some(disk) = self.history.borrow().disk(node).cloned() else { return };
        let latency = self.history.borrow().plan.disk_latency;
        disk.set_latency(ms(60));
        for _ in 0..3 {
            self.write(world, node, group, &Intent::Batch, Wait::NONE);
        }
        let at = world.now() + ms(10);
        self.push(at, Operation::Crash { node, disk_outcome: DiskOutcome::Kept, gap: Some(gap) });
        self.push(at + ms(1), Operation::Disk(node, DiskOperation::Slow(latency)));
    }

    fn identity_clash(
        &mut self,
        world: &mut NodeWorld,
        location: NodeIndex,
        victim: NodeIndex,
        group: usize,
        duration: Duration,
    ) {
        if world.machine(location).is_some() {
            // The clash has ended, and the location has a node of its own now.
            return;
        }
        {
            let mut history = self.history.borrow_mut();
            let id = history.plan.id(victim);
            history.identity[location.0 as usize] = id;
            history.impersonated.insert(id);
        }
        world.set_param(location, StartRole::Impersonates(victim).to_param());
        world.start(location);
        for _ in 0..3 {
            let at = world.now() + self.rng.duration_up_to(duration / 2);
            self.push(
                at,
                Operation::Write { node: location, group, intent: Intent::Serve, wait: Wait::NONE },
            );
        }
        world.record_fault(victim, FaultClass::IdentityClash);
        let end = world.now() + duration * 3 / 4;
        self.push(end, Operation::Crash { node: location, disk_outcome: DiskOutcome::Lost, gap: None });
    }

    fn change_address(&mut self, world: &mut NodeWorld, node: NodeIndex, location: NodeIndex, group: usize) {
        if world.machine(node).is_none() || world.machine(location).is_some() {
            return;
        }
        if self.history.borrow().disk(node).is_none() {
            return;
        }
        self.history.borrow_mut().disk_outcomes.insert(node, DiskOutcome::Clean);
        world.crash(node);
        let (was, other) = {
            let mut history = self.history.borrow_mut();
            history.disk_of.swap(node.0 as usize, location.0 as usize);
            // Writes acknowledged at one location may be at the other.
            history.unreliable_disks.extend([node, location]);
            (history.disk_of[location.0 as usize], history.disk_of[node.0 as usize])
        };
        world.set_param(node, StartRole::DiskOf(other).to_param());
        world.set_param(location, StartRole::DiskOf(was).to_param());
        world.start(location);
        world.record_fault(node, FaultClass::AddressChange);
        let at = world.now() + ms(500);
        self.push(at, Operation::Write { node: location, group, intent: Intent::Serve, wait: Wait::NONE });
    }

    fn rotate_keys(&mut self, world: &mut NodeWorld, step: u8) {
        let step = step + 1;
        self.history.borrow().environment.step.set(step);
        for node in world.indices() {
            if world.machine(node).is_some() {
                world.command(node, NodeCommand::Keys(keyring_at(step)));
                if step == 2 {
                    world.record_fault(node, FaultClass::KeyRotation);
                }
            }
        }
    }
}
