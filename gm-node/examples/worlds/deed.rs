//! Deeds are done: what was left open is settled by chance and by what the node holds. Judges nothing.

use std::collections::BTreeMap;
use std::time::Duration;

use gm_broadcast::{Rng, Time};
use gm_data::{Change, Item, KeyRange, Op};
use gm_node::{Command, Forget, Wait, Write, WriteKind};
use gm_sim::{Action, FaultClass, NodeIndex};

use crate::book::{Ask, Asked, Shared};
use crate::ground::{Land, Part, keyring};
use crate::plan::{Deed, DiskDeed, Fate, Intent, ms};

/// Does deeds, in order of time.
#[derive(Debug)]
pub(crate) struct Doer {
    book: Shared,
    chance: Rng,
    agenda: BTreeMap<(Time, usize), Deed>,
    /// Deeds so far, those that follow from others included.
    count: usize,
    /// When the last of those who died starts again.
    back: Time,
}

impl Doer {
    /// Of the plan in that book.
    pub(crate) fn new(book: &Shared, chance: Rng) -> Doer {
        let (book, agenda) = (Shared::clone(book), BTreeMap::new());
        let mut doer = Doer { book, chance, agenda, count: 0, back: Time::ZERO };
        let plan = std::rc::Rc::clone(&doer.book.borrow().plan);
        plan.deeds.iter().for_each(|(at, deed)| doer.later(*at, deed.clone()));
        doer
    }

    fn later(&mut self, at: Time, deed: Deed) {
        self.count += 1;
        self.agenda.insert((at, self.count), deed);
    }

    /// The next one.
    pub(crate) fn next(&mut self) -> Option<(Time, Deed)> {
        self.agenda.pop_first().map(|((at, _), deed)| (at, deed))
    }

    /// When the last of those who died starts again: before that, not all is well.
    pub(crate) const fn back(&self) -> Time {
        self.back
    }

    /// Does one, now.
    pub(crate) fn act(&mut self, world: &mut Land, deed: Deed) {
        match deed {
            Deed::Write { node, group, intent, wait } => self.write(world, node, group, &intent, wait),
            Deed::Forget { node, group, member, wait } => self.forget(world, node, group, member, wait),
            Deed::Watch { node, group, pace } => self.watch(world, node, group, pace),
            Deed::Disk(node, deed) => self.disk(node, deed),
            Deed::Die { node, fate, gap } => self.die(world, node, fate, gap),
            Deed::Tear { node, group, gap } => self.tear(world, node, group, gap),
            Deed::Clash { place, victim, group, lasts } => self.clash(world, place, victim, group, lasts),
            Deed::Move { node, place, group } => self.go(world, node, place, group),
            Deed::Keys(step) => self.keys(world, step),
            Deed::Act(action) => world.act(action),
            Deed::Mass(class) => world.happened(NodeIndex(0), class),
        }
    }

    fn write(&mut self, world: &mut Land, node: NodeIndex, group: usize, intent: &Intent, wait: Wait) {
        let name = self.book.borrow().plan.groups[group].clone();
        let Some(machine) = world.machine(node) else { return };
        let live: Vec<Item> = machine
            .own_record(&name)
            .map(|own| own.items().filter(|item| item.op().is_live()).collect())
            .unwrap_or_default();
        let known = machine.view(&name).map(|view| (**view).clone());
        let what = match intent {
            Intent::Exactly(what) => what.clone(),
            Intent::Serve => WriteKind::Change(vec![self.serve()]),
            Intent::Unserve => WriteKind::Change(vec![self.unserve(&live)]),
            Intent::Batch => WriteKind::Change(self.batch(&live)),
        };
        let (at, asked) = (world.now(), Asked::Write(what.clone()));
        let ask = Ask { node, group, what: asked, wait, at, known, answered: false };
        let tag = self.book.borrow_mut().ask(ask);
        world.command(node, Command::Write(Write { tag, group: name, kind: what, wait }));
    }

    fn range(&mut self) -> KeyRange {
        let start = u32::try_from(self.chance.below(64)).unwrap_or(0) << 26;
        let length = u32::try_from(1 + self.chance.below(4)).unwrap_or(1) << 25;
        KeyRange::new(start, start.saturating_add(length)).unwrap_or(KeyRange::WHOLE)
    }

    fn number(&mut self, most: u64) -> u16 {
        u16::try_from(1 + self.chance.below(most)).unwrap_or(1)
    }

    fn serve(&mut self) -> Change {
        let (port, priority) = (Some(self.number(9)), self.number(3));
        Change::Serve { range: self.range(), port, priority }
    }

    fn unserve(&mut self, live: &[Item]) -> Change {
        match live.get(self.chance.index(live.len())) {
            Some(item) => Change::Unserve(item.range()),
            None => self.serve(),
        }
    }

    fn batch(&mut self, live: &[Item]) -> Vec<Change> {
        let mut batch = vec![self.serve()];
        let item = live.get(self.chance.index(live.len()));
        match (item, self.chance.below(4)) {
            (Some(item), 0) => batch.push(Change::Unserve(item.range())),
            (Some(item), 1) if item.op() == Op::Add => {
                let priority = self.number(9);
                batch.push(Change::Priority { range: item.range(), priority });
            }
            (_, 2) => batch.push(Change::Interest(self.range())),
            _ => batch.push(self.serve()),
        }
        batch
    }

    fn forget(&mut self, world: &mut Land, node: NodeIndex, group: usize, member: NodeIndex, wait: Wait) {
        if world.machine(node).is_none() {
            return;
        }
        let (name, id) = {
            let book = self.book.borrow();
            (book.plan.groups[group].clone(), book.identity[member.0 as usize])
        };
        let (at, what) = (world.now(), Asked::Forget(member));
        let ask = Ask { node, group, what, wait, at, known: None, answered: false };
        let tag = self.book.borrow_mut().ask(ask);
        world.command(node, Command::Forget(Forget { tag, group: Some(name), member: id, wait }));
    }

    fn watch(&mut self, world: &mut Land, node: NodeIndex, group: usize, pace: Duration) {
        let (tag, group) = {
            let mut book = self.book.borrow_mut();
            book.watches.push((node, group, pace));
            let watch = book.watches.len() - 1;
            (book.watch_tag(node, watch), book.plan.groups[group].clone())
        };
        world.command(node, Command::Watch { tag, group });
    }

    fn disk(&mut self, node: NodeIndex, deed: DiskDeed) {
        let mut book = self.book.borrow_mut();
        // The disk that was there first, wherever it is by now.
        let disk = book.ground.disks[node.0 as usize].clone();
        match deed {
            DiskDeed::Full(full) => disk.set_full(full),
            DiskDeed::Slow(latency) => disk.set_latency(latency),
            DiskDeed::Lies(lies) => disk.set_lies(lies),
            DiskDeed::Snapshot => drop(book.snapshots.insert(node, disk.snapshot())),
        }
    }

    fn die(&mut self, world: &mut Land, node: NodeIndex, fate: Fate, gap: Option<Duration>) {
        if world.machine(node).is_none() {
            return;
        }
        self.book.borrow_mut().fates.insert(node, fate);
        world.crash(node);
        {
            // Whoever posed as another does so no longer.
            let mut book = self.book.borrow_mut();
            let own = book.plan.id(node);
            if book.identity[node.0 as usize] != own {
                book.identity[node.0 as usize] = own;
                book.owners.retain(|(of, _), _| *of != node);
                world.set_param(node, Part::Itself.number());
            }
        }
        if let Some(gap) = gap {
            let at = world.now() + gap;
            self.back = self.back.max(at);
            world.act_at(at, Action::Start(node));
        }
    }

    /// It writes to a slow disk, and dies in the midst of it.
    fn tear(&mut self, world: &mut Land, node: NodeIndex, group: usize, gap: Duration) {
        let Some(disk) = self.book.borrow().disk(node).cloned() else { return };
        let latency = self.book.borrow().plan.latency;
        disk.set_latency(ms(60));
        for _ in 0..3 {
            self.write(world, node, group, &Intent::Batch, Wait::NONE);
        }
        let at = world.now() + ms(10);
        self.later(at, Deed::Die { node, fate: Fate::Kept, gap: Some(gap) });
        self.later(at + ms(1), Deed::Disk(node, DiskDeed::Slow(latency)));
    }

    fn clash(
        &mut self,
        world: &mut Land,
        place: NodeIndex,
        victim: NodeIndex,
        group: usize,
        lasts: Duration,
    ) {
        if world.machine(place).is_some() {
            // It was over, and the place is a node of its own now.
            return;
        }
        {
            let mut book = self.book.borrow_mut();
            let id = book.plan.id(victim);
            book.identity[place.0 as usize] = id;
            book.posed.insert(id);
        }
        world.set_param(place, Part::Poses(victim).number());
        world.start(place);
        for _ in 0..3 {
            let at = world.now() + self.chance.duration_up_to(lasts / 2);
            self.later(at, Deed::Write { node: place, group, intent: Intent::Serve, wait: Wait::NONE });
        }
        world.happened(victim, FaultClass::IdentityClash);
        let end = world.now() + lasts * 3 / 4;
        self.later(end, Deed::Die { node: place, fate: Fate::Lost, gap: None });
    }

    fn go(&mut self, world: &mut Land, node: NodeIndex, place: NodeIndex, group: usize) {
        if world.machine(node).is_none() || world.machine(place).is_some() {
            return;
        }
        if self.book.borrow().disk(node).is_none() {
            return;
        }
        self.book.borrow_mut().fates.insert(node, Fate::Clean);
        world.crash(node);
        let (was, other) = {
            let mut book = self.book.borrow_mut();
            book.disk_of.swap(node.0 as usize, place.0 as usize);
            // What was acknowledged at the one is looked for at the other.
            book.doubtful.extend([node, place]);
            (book.disk_of[place.0 as usize], book.disk_of[node.0 as usize])
        };
        world.set_param(node, Part::DiskOf(other).number());
        world.set_param(place, Part::DiskOf(was).number());
        world.start(place);
        world.happened(node, FaultClass::AddressChange);
        let at = world.now() + ms(500);
        self.later(at, Deed::Write { node: place, group, intent: Intent::Serve, wait: Wait::NONE });
    }

    fn keys(&mut self, world: &mut Land, step: u8) {
        let step = step + 1;
        self.book.borrow().ground.step.set(step);
        for node in world.indices() {
            if world.machine(node).is_some() {
                world.command(node, Command::Keys(keyring(step)));
                if step == 2 {
                    world.happened(node, FaultClass::KeyRotation);
                }
            }
        }
    }
}
