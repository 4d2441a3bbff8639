//! Goals 2 and 3 of docs/goals.md: reach, time and copies with dead and dying nodes.

use std::time::Duration;

use gm_broadcast::{Counter, Rng, Time};

use super::table::{Row, Section};
use super::world::{ORIGIN, WorldConfig, broadcast, bytes, copies, cost, run_until_done, sum};
use crate::node::NodeIndex;

const SECOND: Duration = Duration::from_secs(1);

/// Nodes that are dead, or die.
#[derive(Clone, Copy, Debug)]
enum FailurePattern {
    /// This percentage is dead at the start; the host of every second one is dead too, so that it
    /// does not refuse dials.
    Dead(usize),
    /// A random 1 % dies with its host as soon as a frame arrives by a connection.
    Random,
    /// The first 1 % that a frame reaches dies with its host: those with the largest subtrees.
    First,
}

pub(super) fn sections() -> Vec<Section> {
    let mut rows = Vec::new();
    for (what, pattern) in
        [("25 % dead at start", FailurePattern::Dead(25)), ("80 % dead at once", FailurePattern::Dead(80))]
    {
        for nodes in [1_000, 10_000] {
            rows.push(run(what, nodes, pattern, None));
        }
    }
    for (what, pattern) in [
        ("1 % accept and die, random", FailurePattern::Random),
        ("1 % accept and die, the first reached", FailurePattern::First),
    ] {
        for nodes in [1_000, 10_000] {
            rows.push(run(what, nodes, pattern, Some(SECOND * 30)));
        }
    }
    rows.push(run("1 % accept and die, random, without acks", 10_000, FailurePattern::Random, None));
    vec![Section { title: "Dead and dying nodes, no multicast", text: TEXT, rows }]
}

fn run(what: &str, nodes: u32, pattern: FailurePattern, acks: Option<Duration>) -> Row {
    let config = WorldConfig { pre_opened: false, ..WorldConfig::new(nodes, cost(20, 250)) };
    let (mut world, meter) = config.world(1);
    let mut others: Vec<NodeIndex> = world.indices().filter(|node| *node != ORIGIN).collect();
    Rng::new([5; 32]).shuffle(&mut others);
    world.start_all();
    let one_of_100 = nodes as usize / 100;
    let mut first = 0;
    match pattern {
        FailurePattern::Dead(percent) => {
            let dead = others.split_off(others.len() - others.len() * percent / 100);
            for (index, node) in dead.into_iter().enumerate() {
                if index % 2 == 0 { world.kill_host(node) } else { world.crash(node) }
            }
        }
        FailurePattern::Random => {
            others.iter().take(one_of_100).for_each(|node| meter.borrow_mut().doom(*node))
        }
        FailurePattern::First => {
            first = one_of_100;
            others.iter().for_each(|node| meter.borrow_mut().doom(*node));
        }
    }
    broadcast(&mut world, 1, acks);
    let until = world.now() + SECOND * 60;
    let mut died = 0;
    let kill = |world: &mut crate::world::World<_>, node| {
        if first == 0 || died < first {
            world.kill_host(node);
        }
        died += 1;
    };
    // Nodes that die count while they live, so the broadcast is done when all had it.
    run_until_done(&mut world, &meter, until, kill, |meter| meter.delivered_count(1) == others.len());
    let survivors: Vec<NodeIndex> =
        others.iter().copied().filter(|node| world.machine(*node).is_some()).collect();
    let last = meter.borrow().last_delivery_of(1, survivors.iter().copied());
    world.run_for(SECOND * 2);
    let missed = survivors.iter().filter(|node| !meter.borrow().is_delivered(1, **node)).count();
    let counted = COUNTED.map(|(counter, name)| format!("{} {name}", sum(&world, counter)));
    Row {
        label: what.to_owned(),
        nodes,
        time: last.since(Time::ZERO),
        copies: Some((copies(&world), survivors.len() as u64)),
        bytes: Some(bytes(&world)),
        missed: missed as u64,
        note: format!("{} live; {}", survivors.len(), counted.join(", ")),
        ..Row::default()
    }
}

/// Counters of a row's note, with their labels.
const COUNTED: [(Counter, &str); 5] = [
    (Counter::DialsStarted, "dials"),
    (Counter::DialsHedged, "hedged"),
    (Counter::DialsRefused, "refused"),
    (Counter::DialsUnreachable, "unanswered"),
    (Counter::SubtreesReassigned, "subtrees reassigned"),
];

const TEXT: &str = "\
g 0.02, lambda 0.25 ms, cold connections; every node is alone on its island. Of the dead nodes, every second one's host is dead too, so that \
dials to it are not answered. The connect timeout is 3 s, the ack deadline of a subtree 3 intervals of 100 ms. [Goal 3](goals.md#g3): no \
live node is missed; with 80 % dead, within 3 connect timeouts; nodes behind a relay that dies, within 2 ack deadlines. [Goal \
2](goals.md#g2): at most 1.05 copies. A subtree is reassigned once. If the first hundred nodes reached all die (of 10,000), both relays of \
some subtrees are among them, and the rest is left to anti-entropy, which these worlds do not have; the same holds without acks.";
