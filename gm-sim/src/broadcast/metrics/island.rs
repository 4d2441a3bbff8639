//! Figures 2 and 4: how many copies come where multicast works, and where it loses a quarter of what it carries.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use gm_broadcast::{Time, Times};

use super::ground::{Ground, NEVER, bytes, copies, cost, spread, sum, tell};
use super::meter::Meter;
use super::table::{Row, Section, millis, parts};
use crate::broadcast::node::Node;
use crate::fault::FaultClass;
use crate::rules::{Effect, Fault, Rates, Scope};
use crate::world::{Action, World};

const SECOND: Duration = Duration::from_secs(1);
/// When the broadcasts of a series begin, one after the other.
const PAUSE: Duration = Duration::from_millis(200);
/// When each node of the island of 1,000 has spoken once.
const CONFIRMED: Duration = Duration::from_secs(20);
/// Broadcasts of a series.
const SERIES: u64 = 10;

pub(super) fn sections() -> Vec<Section> {
    let copies = Section {
        title: "Islands with multicast, no faults",
        text: ISLANDS,
        rows: vec![
            islands("10 islands of 100, confirmed", 100, true, 20 * SECOND),
            islands("10 islands of 100, cold: labels known, nobody heard", 100, true, Duration::ZERO),
            islands("10 islands of 100, cold: nothing known", 100, false, Duration::ZERO),
            islands("one island of 1,000, the origin confirmed by all", 1_000, true, CONFIRMED),
        ],
    };
    vec![
        copies,
        Section { title: "A LAN of 1,000 that loses 25 % of its datagrams", text: LOSS, rows: loss() },
    ]
}

fn islands(what: &str, island: u32, labels: bool, before: Duration) -> Row {
    let ground = match island {
        1_000 => lan(),
        _ => Ground { labels, ..Ground::islands(1_000, island, cost(20, 250)) },
    };
    let (mut world, meter) = ground.world(1);
    world.start_all();
    world.run_until(Time::ZERO + before);
    let (begin, bytes_before) = (world.now(), bytes(&world));
    tell(&mut world, 1, None);
    spread(&mut world, &meter, begin + SECOND, |_, _| {}, |meter| meter.have(1) == 999);
    let last = meter.borrow().last(1);
    world.run_until(last + Duration::from_millis(50));
    Row {
        what: what.to_owned(),
        nodes: 1_000,
        time: last.since(begin),
        copies: Some((copies(&world), 999)),
        bytes: Some(bytes(&world) - bytes_before),
        misses: (999 - meter.borrow().have(1)) as u64,
        note: format!(
            "{} multicasts, {} copies and {} notices by TCP",
            sum(&world, "multicast", "content"),
            sum(&world, "passed on", "content"),
            sum(&world, "passed on", "notice")
        ),
        ..Row::default()
    }
}

/// One island that hears its first node at once, and confirms that by [`CONFIRMED`].
fn lan() -> Ground {
    let times = Times { announce: CONFIRMED, exchange: NEVER, quiet: NEVER, ..Times::DEFAULT };
    let origin_announces = Duration::from_millis(1);
    Ground { times, origin_announces, ..Ground::islands(1_000, 1_000, cost(20, 250)) }
}

fn loss() -> Vec<Row> {
    let (mut world, meter) = lan().world(1);
    world.start_all();
    world.run_until(Time::ZERO + CONFIRMED);
    let rates = Rates { loss: 250_000, ..Rates::default() };
    let fault = Fault { class: FaultClass::Loss, scope: Scope::ALL, effect: Effect::Udp(rates) };
    world.act(Action::Begin(fault, Time::NEVER));
    let mut rows = Vec::new();
    let (before, begin) = (bytes(&world), world.now());
    for number in 1..=SERIES {
        world.run_until(begin + PAUSE * u32::try_from(number - 1).unwrap_or(u32::MAX));
        tell(&mut world, number, None);
    }
    world.run_until(begin + SECOND * 4);
    for number in 1..=SERIES {
        rows.push(one(&meter, begin, number));
    }
    let every = copies(&world);
    let _ = millis;
    rows.push(Row {
        what: "all ten".to_owned(),
        nodes: 1_000,
        time: meter.borrow().last(SERIES).since(begin),
        copies: Some((every, 999 * SERIES)),
        bytes: Some(bytes(&world) - before),
        misses: (1..=SERIES).map(|number| 999 - meter.borrow().have(number) as u64).sum(),
        note: repairs(&world),
        ..Row::default()
    });
    rows
}

fn one(meter: &Rc<RefCell<Meter>>, begin: Time, number: u64) -> Row {
    let meter = meter.borrow();
    let begun = begin + PAUSE * u32::try_from(number - 1).unwrap_or(u32::MAX);
    Row {
        what: format!("broadcast {number}"),
        nodes: 1_000,
        time: meter.last(number).since(begun),
        misses: 999 - meter.have(number) as u64,
        note: format!("{} by multicast or its repeat", meter.by_multicast(number)),
        ..Row::default()
    }
}

fn repairs(world: &World<Node>) -> String {
    let multicasts = sum(world, "multicast", "content");
    let sent = sum(world, "passed on", "content") + sum(world, "gap answered", "repeated");
    format!(
        "{multicasts} multicasts, doubted {}; {} notices, {} asked back; {} gaps asked for, {} filled, {} given up; \
         {} copies a node and broadcast besides the multicast",
        sum(world, "multicast", "doubted"),
        sum(world, "passed on", "notice"),
        sum(world, "notice", "send me"),
        sum(world, "gap", "asked for"),
        sum(world, "gap", "filled"),
        sum(world, "gap", "given up"),
        parts(sent, 999 * SERIES, 3),
    )
}

const ISLANDS: &str = "";
const LOSS: &str = "";
