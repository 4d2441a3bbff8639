//! A plan is run: the world is made, everybody looks on, deeds are done, and when all is well again it is waited until all is equal. Judges nothing itself.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use gm_broadcast::{Rng, Time};
use gm_node::Bug;
use gm_sim::{Flow, NodeIndex, Run, spread};

use crate::book::{Book, Shared};
use crate::check::{self, equal};
use crate::deed::Doer;
use crate::ground::{Ground, Land};
use crate::plan::Plan;

/// After all is equal everything goes on for so long: nothing comes back, and watchers are told.
const AFTER: Duration = Duration::from_secs(3);
/// It is looked so often whether all is equal.
const LOOK: Duration = Duration::from_millis(200);
/// What IP and UDP, or TCP, put before what a node sends.
const HEADERS: u64 = 28;

/// What came of a run, besides how it ended.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) run: Run,
    pub(crate) lines: Vec<String>,
    /// How long after the last deed all was equal.
    pub(crate) equal_after: Option<Duration>,
    /// Bytes that a node sent a second when all was equal, headers included, if that was asked for.
    pub(crate) idle: Option<u64>,
    /// What nodes that live in the end counted, summed.
    pub(crate) counts: BTreeMap<(String, String), u64>,
}

/// Runs a plan, with a bug or none. `lines`: how many of the last lines of the trace are kept.
pub(crate) fn run(plan: Plan, bug: Option<Bug>, lines: usize) -> Ran {
    gm_node::plant(bug);
    let plan = Rc::new(plan);
    let ground = Ground::new(&plan);
    let book = Book::shared(&plan, &ground);
    let mut world = ground.world(&plan);
    world.keep_trace(lines);
    check::watch(&mut world, &book);
    for node in plan.nodes() {
        world.start(node);
    }
    plan.schedule.install(&mut world);
    let chance = Rng::new(spread(plan.seed, u64::MAX - 2, 1));
    let mut doer = Doer::new(&book, chance);
    while let Some((at, deed)) = doer.next() {
        until(&mut world, &book, at);
        if world.violation().is_some() {
            break;
        }
        world.note(NodeIndex(0), || format!("{deed:?}"));
        doer.act(&mut world, deed);
    }
    let done = plan.done_at().max(doer.back()).max(world.now());
    until(&mut world, &book, done);
    let before = sent(&world);
    let mut equal_after = None;
    while world.violation().is_none() && world.now() <= done + plan.bound {
        if equal::different(&world, &book.borrow()).is_none() {
            equal_after = Some(world.now().since(done));
            break;
        }
        let next = world.now() + LOOK;
        until(&mut world, &book, next);
    }
    if equal_after.is_none() && world.violation().is_none() {
        let different = equal::different(&world, &book.borrow());
        book.borrow_mut().late = different;
    }
    book.borrow_mut().equal_at = equal_after.map(|_| world.now());
    book.borrow_mut().bytes = sent(&world) - before;
    let slowest = book.borrow().watches.iter().map(|(_, _, pace)| *pace).max().unwrap_or_default();
    let end = world.now() + AFTER + slowest * 2;
    until(&mut world, &book, end);
    let mut idle = None;
    if let Some((time, _)) = plan.claims.quiet.filter(|_| world.violation().is_none()) {
        let before = sent(&world);
        let end = world.now() + time;
        until(&mut world, &book, end);
        let sum = sent(&world) - before;
        idle = Some(sum / time.as_secs().max(1) / u64::from(plan.nodes));
        book.borrow_mut().idle = idle;
    }
    let mut counts = BTreeMap::new();
    for machine in world.indices().filter_map(|node| world.machine(node)) {
        for (what, why, count) in machine.counters().iter() {
            *counts.entry((what.to_owned(), why.to_owned())).or_insert(0) += count;
        }
    }
    let run = world.finish();
    gm_node::plant(None);
    let lines = world.trace().lines().map(str::to_owned).collect();
    Ran { run, lines, equal_after, idle, counts }
}

/// Bytes that all sent so far, headers included; a multicast counts once.
pub(crate) fn sent(world: &Land) -> u64 {
    Flow::ALL.iter().map(|flow| world.traffic().of(*flow)).map(|of| of.sent_bytes + HEADERS * of.sent).sum()
}

/// Everything happens until then; owners do what they do on their own, and what really happened is counted.
pub(crate) fn until(world: &mut Land, book: &Shared, end: Time) {
    loop {
        let stopped = world.run_while(end, |_| book.borrow().chores.is_empty());
        let (chores, bitten) = {
            let mut book = book.borrow_mut();
            book.count_disks();
            (std::mem::take(&mut book.chores), std::mem::take(&mut book.bitten))
        };
        for (at, node, command) in chores {
            world.command_at(at, node, command);
        }
        for (node, class) in bitten {
            world.happened(node, class);
        }
        if !stopped {
            break;
        }
    }
    world.run_until(end);
}
