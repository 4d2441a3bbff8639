//! Figures 2 and 3: who is reached, how fast and with how many copies, where nodes are dead or die.

use std::time::Duration;

use gm_broadcast::{Counter, Rng, Time};

use super::table::{Row, Section};
use super::world::{ORIGIN, WorldConfig, broadcast, bytes, copies, cost, run_until_done, sum};
use crate::node::NodeIndex;

const SECOND: Duration = Duration::from_secs(1);

/// Who is dead, or dies.
#[derive(Clone, Copy, Debug)]
enum FailurePattern {
    /// So many of 100 are dead before it begins; of them every other one's host, so that it says
    /// nothing.
    Dead(usize),
    /// One of 100 dies as soon as something comes to it by a connection, and its host with it.
    Random,
    /// The same, of the first that anything comes to: those with the longest lists.
    First,
}

pub(super) fn sections() -> Vec<Section> {
    let mut rows = Vec::new();
    for (what, toll) in
        [("25 % dead at start", FailurePattern::Dead(25)), ("80 % dead at once", FailurePattern::Dead(80))]
    {
        for nodes in [1_000, 10_000] {
            rows.push(run(what, nodes, toll, None));
        }
    }
    for (what, toll) in [
        ("1 % accept and die, by chance", FailurePattern::Random),
        ("1 % accept and die, the first", FailurePattern::First),
    ] {
        for nodes in [1_000, 10_000] {
            rows.push(run(what, nodes, toll, Some(SECOND * 30)));
        }
    }
    rows.push(run("the same, without receipts", 10_000, FailurePattern::Random, None));
    vec![Section { title: "Dead and dying nodes, no multicast", text: TEXT, rows }]
}

fn run(what: &str, nodes: u32, toll: FailurePattern, receipts: Option<Duration>) -> Row {
    let ground = WorldConfig { pre_opened: false, ..WorldConfig::new(nodes, cost(20, 250)) };
    let (mut world, meter) = ground.world(1);
    let mut others: Vec<NodeIndex> = world.indices().filter(|node| *node != ORIGIN).collect();
    Rng::new([5; 32]).shuffle(&mut others);
    world.start_all();
    let one_of_100 = nodes as usize / 100;
    let mut first = 0;
    match toll {
        FailurePattern::Dead(percent) => {
            let dead = others.split_off(others.len() - others.len() * percent / 100);
            for (place, node) in dead.into_iter().enumerate() {
                if place % 2 == 0 { world.kill_host(node) } else { world.crash(node) }
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
    broadcast(&mut world, 1, receipts);
    let until = world.now() + SECOND * 60;
    let mut died = 0;
    let strike = |world: &mut crate::world::World<_>, node| {
        if first == 0 || died < first {
            world.kill_host(node);
        }
        died += 1;
    };
    // Those who die count while they live, so all must have had it.
    run_until_done(&mut world, &meter, until, strike, |meter| meter.delivered_count(1) == others.len());
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

/// What is counted by machines, and as what notes say it.
const COUNTED: [(Counter, &str); 5] = [
    (Counter::DialsStarted, "dials"),
    (Counter::DialsHedged, "beside one not answered"),
    (Counter::DialsRefused, "refused"),
    (Counter::DialsUnreachable, "given up"),
    (Counter::SubtreesReassigned, "shares given again"),
];

const TEXT: &str = "\
g 0.02, lambda 0.25 ms, cold connections; nodes stand alone. Of the dead, every other one's host says nothing. A connect timeout is 3 s, a \
receipt deadline 3 pulses of 100 ms. Goals: nobody is missed, the 80 % within 3 connect timeouts, those behind a relay that dies within 2 \
receipt deadlines; at most 1.05 copies. A share is given again once: where the first hundred who are reached all die (of 10,000), both \
relays of some shares are among them, and the rest is left to anti-entropy, which is not here, as it is without receipts.";
