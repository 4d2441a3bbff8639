//! Goals 2 and 4 of docs/goals.md: copies where multicast works, and where it loses a quarter of
//! all datagrams.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use gm_broadcast::{BroadcasterTimings, Counter, Time};

use super::meter::DeliveryMeter;
use super::table::{Row, Section, quotient};
use super::world::{NEVER, WorldConfig, broadcast, bytes, copies, cost, run_until_done, sum};
use crate::active_faults::{Effect, Fault, Rates, Scope};
use crate::broadcast::node::SimBroadcaster;
use crate::fault::FaultClass;
use crate::world::{Action, World};

const SECOND: Duration = Duration::from_secs(1);
/// Time between two broadcasts of a series.
const INTERVAL: Duration = Duration::from_millis(200);
/// Time by which every node of the island of 1,000 has sent once.
const CONFIRMED_AT: Duration = Duration::from_secs(20);
/// Number of the broadcast without faults.
const FIRST_NUMBER: u64 = 100;
/// Number of broadcasts in a series.
const SERIES: u64 = 10;

pub(super) fn sections() -> Vec<Section> {
    let cost = cost(20, 250);
    let ten = |labels| WorldConfig { labels, ..WorldConfig::islands(1_000, 100, cost) };
    let mut rows = Vec::new();
    for (what, config, before) in [
        ("10 islands of 100, confirmed", ten(true), 20 * SECOND),
        ("10 islands of 100, cold: islands known, no neighbors", ten(true), Duration::ZERO),
        ("10 islands of 100, cold: nothing known", ten(false), Duration::ZERO),
    ] {
        let (mut world, meter) = config.world(1);
        world.start_all();
        world.run_until(Time::ZERO + before);
        rows.push(fault_free(what, &mut world, &meter));
    }
    let (mut world, meter) = lan().world(1);
    world.start_all();
    world.run_until(Time::ZERO + CONFIRMED_AT);
    rows.push(fault_free("one island of 1,000, the origin confirmed by all", &mut world, &meter));
    let calm = Section { title: "Islands with multicast, no faults", text: ISLANDS, rows };
    let rows = loss(&mut world, &meter);
    vec![calm, Section { title: "A LAN of 1,000 that loses 25 % of its datagrams", text: LOSS, rows }]
}

/// A broadcast without faults.
fn fault_free(what: &str, world: &mut World<SimBroadcaster>, meter: &Rc<RefCell<DeliveryMeter>>) -> Row {
    let (begin, bytes_before) = (world.now(), bytes(world));
    broadcast(world, FIRST_NUMBER, None);
    run_until_done(
        world,
        meter,
        begin + SECOND,
        |_, _| {},
        |meter| meter.delivered_count(FIRST_NUMBER) == 999,
    );
    let last = meter.borrow().last_delivery(FIRST_NUMBER);
    world.run_until(last + Duration::from_millis(50));
    Row {
        label: what.to_owned(),
        nodes: 1_000,
        time: last.since(begin),
        copies: Some((copies(world), 999)),
        bytes: Some(bytes(world) - bytes_before),
        missed: (999 - meter.borrow().delivered_count(FIRST_NUMBER)) as u64,
        note: format!(
            "{} multicasts, {} copies and {} announcements by TCP",
            sum(world, Counter::ContentMulticasts),
            sum(world, Counter::ContentFramesSent),
            sum(world, Counter::AnnouncementFramesSent)
        ),
        ..Row::default()
    }
}

/// An island that receives its first node's multicast at once, and confirms it by
/// [`CONFIRMED_AT`].
fn lan() -> WorldConfig {
    let times = BroadcasterTimings {
        reception_report: CONFIRMED_AT,
        exchange: NEVER,
        multicast_keepalive: NEVER,
        ..BroadcasterTimings::DEFAULT
    };
    let origin_announces = Duration::from_millis(1);
    WorldConfig { times, origin_announces, ..WorldConfig::islands(1_000, 1_000, cost(20, 250)) }
}

fn loss(world: &mut World<SimBroadcaster>, meter: &Rc<RefCell<DeliveryMeter>>) -> Vec<Row> {
    let before = RepairCounts::of(world);
    let rates = Rates { loss: 250_000, ..Rates::default() };
    let fault = Fault { class: FaultClass::Loss, scope: Scope::ALL, effect: Effect::Udp(rates) };
    world.apply(Action::BeginFault(fault, Time::NEVER));
    let mut rows = Vec::new();
    let begin = world.now();
    for number in 1..=SERIES {
        world.run_until(begin + INTERVAL * u32::try_from(number - 1).unwrap_or(u32::MAX));
        broadcast(world, number, None);
    }
    world.run_until(begin + SECOND * 4);
    for number in 1..=SERIES {
        rows.push(one(meter, begin, number));
    }
    let repairs = RepairCounts::of(world).since(&before);
    rows.push(Row {
        label: "all ten".to_owned(),
        nodes: 1_000,
        time: meter.borrow().last_delivery(SERIES).since(begin),
        copies: Some((repairs.copies, 999 * SERIES)),
        bytes: Some(repairs.bytes),
        missed: (1..=SERIES).map(|number| 999 - meter.borrow().delivered_count(number) as u64).sum(),
        note: repairs.note(),
        ..Row::default()
    });
    rows
}

fn one(meter: &Rc<RefCell<DeliveryMeter>>, begin: Time, number: u64) -> Row {
    let meter = meter.borrow();
    let begun = begin + INTERVAL * u32::try_from(number - 1).unwrap_or(u32::MAX);
    Row {
        label: format!("broadcast {number}"),
        nodes: 1_000,
        time: meter.last_delivery(number).since(begun),
        missed: 999 - meter.delivered_count(number) as u64,
        note: format!("{} by multicast or retransmission", meter.multicast_count(number)),
        ..Row::default()
    }
}

/// Cost of the repairs.
#[derive(Debug)]
struct RepairCounts {
    copies: u64,
    bytes: u64,
    /// Counts, as in [`COUNTED`].
    counts: [u64; COUNTED.len()],
}

/// Counters of a row's note, with their labels.
const COUNTED: [(Counter, &str); 8] = [
    (Counter::ContentMulticasts, "multicasts"),
    (Counter::IncompleteMulticasts, "incomplete"),
    (Counter::AnnouncementFramesSent, "announcements"),
    (Counter::ContentRequests, "content requests"),
    (Counter::ContentFramesSent, "copies by TCP"),
    (Counter::GapsRequested, "gaps requested"),
    (Counter::RetransmissionsSent, "retransmissions"),
    (Counter::GapsAbandoned, "gaps abandoned"),
];

impl RepairCounts {
    fn of(world: &World<SimBroadcaster>) -> RepairCounts {
        let counts = COUNTED.map(|(counter, _)| sum(world, counter));
        RepairCounts { copies: copies(world), bytes: bytes(world), counts }
    }

    fn since(mut self, before: &RepairCounts) -> RepairCounts {
        self.copies -= before.copies;
        self.bytes -= before.bytes;
        self.counts.iter_mut().zip(before.counts).for_each(|(now, before)| *now -= before);
        self
    }

    fn note(&self) -> String {
        let each = COUNTED.iter().zip(self.counts).map(|((_, name), count)| format!("{count} {name}"));
        let sent = self.counts[0] * 999 + self.counts[4] + self.counts[6];
        let each: Vec<String> = each.collect();
        format!(
            "{}; {} multicasts' worth sent per broadcast",
            each.join(", "),
            quotient(sent, 999 * SERIES, 3)
        )
    }
}

const ISLANDS: &str = "\
g 0.02, lambda 0.25 ms within an island and between islands. [Goal 2](goals.md#g2): 1.000 copies where receptions are confirmed. Cold \
islands are listed separately: no node has multicast yet, so a relay cannot tell which nodes receive its multicast or, if nothing is \
known, which nodes are on its island.";
const LOSS: &str = "\
The last of the worlds above continues: ten broadcasts, one every 200 ms, from the first of 1,000 nodes, all of which have confirmed \
reception of its multicast; each copy of each datagram is lost with a probability of 25 %. A node that receives a later sequence number \
sends nacks for what it missed, to two random nodes by datagram, then to one and the origin by connection. One confirmed node gets an \
announcement; if it lacks the content, all nodes get one. [Goal 4](goals.md#g4): all nodes have it, with at most 7 multicasts' worth of \
copies. A node that receives no later sequence number is left to anti-entropy, which this world does not have.";
