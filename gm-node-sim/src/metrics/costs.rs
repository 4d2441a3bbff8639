//! Costs of a join, of a newcomer and of an update: counters of all nodes, committed as a table and
//! compared with a tolerance. A change of the protocol that sends or compares more fails here.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use gm_broadcast::Counter;
use gm_node::{NodeCommand, NodeCounter, Wait, Write as GroupWrite, WriteKind};
use gm_sim::{NodeIndex, TrafficKind};

use super::world::{WorldConfig, group, have_converged, holder_count, serve};
use crate::environment::NodeWorld;
use crate::run::HEADERS;

/// Number of nodes that join together.
const NODES: u32 = 32;
/// Number of updates, each by another node.
const UPDATES: u32 = 20;
/// Time of an update; its exchanges may follow later.
const UPDATE_TIME: Duration = Duration::from_secs(2);
/// Time in which what a join or the last update set off has ended.
const TAIL: Duration = Duration::from_secs(20);
/// Time until the intervals of anti-entropy have grown to their maximum.
const WARM_UP: Duration = Duration::from_secs(60);

/// Share by which a number may differ from the committed one.
const TOLERANCE: f64 = 0.15;
/// Difference that is always allowed.
const SLACK: f64 = 0.5;

const COLUMNS: [&str; 10] = [
    "datagrams",
    "multicasts",
    "beacons",
    "sends by connections",
    "content frames",
    "dials",
    "exchanges",
    "differing",
    "records given",
    "kB",
];

/// Sums over all nodes, in the order of the columns.
type Costs = [f64; COLUMNS.len()];

const HEAD: &str = "\
# What a join and an update cost

Written by `GM_COSTS=write cargo test -p gm-node-sim costs`, and compared by the same test without the variable: a number may differ from the committed one by
15 % or 0.5. So a change that makes nodes send or compare more must state it here. The simulator runs 32 nodes with default settings; all are interested in everything.

- join: all start and join at once through one seed; per node, until 20 s after the last of them is in sync.
- newcomer: one more node joins them; per node that was there, in 20 s.
- update: one node serves a range, 20 times, every two seconds another one; what all nodes send until 20 s after the last of them, less what they send in the same
  time without updates; per update.

Datagrams are those to one node. A multicast counts once, and beacons are among the multicasts. Bytes include 28 bytes of headers for each send. Exchanges are those
of anti-entropy that nodes start; differing ones found a difference, at either side.
";

/// Totals of a world so far.
fn totals(world: &NodeWorld) -> Costs {
    let mut beacons = 0;
    let mut frames = 0;
    let mut dials = 0;
    let (mut exchanges, mut differing, mut records) = (0, 0, 0);
    for machine in world.indices().filter_map(|node| world.machine(node)) {
        let broadcast = machine.broadcaster().counters();
        beacons += broadcast.get(Counter::SequenceBeacons);
        frames += broadcast.get(Counter::ContentFramesSent);
        dials += broadcast.get(Counter::DialsStarted);
        exchanges += machine.counters().get(NodeCounter::ExchangesStarted);
        differing += machine.counters().get(NodeCounter::ExchangesDiffering);
        records += machine.counters().get(NodeCounter::RecordsSent);
    }
    let traffic = world.traffic();
    let all = traffic.total();
    let sent = |kind| traffic.get(kind).sent;
    [
        sent(TrafficKind::Datagram),
        sent(TrafficKind::Multicast),
        beacons,
        sent(TrafficKind::Stream),
        frames,
        dials,
        exchanges,
        differing,
        records,
        all.sent_bytes + HEADERS * all.sent,
    ]
    .map(|count| count as f64)
}

/// Costs of a world while `act` runs, with bytes in thousands.
fn costs_of(world: &mut NodeWorld, act: impl FnOnce(&mut NodeWorld)) -> Costs {
    let before = totals(world);
    act(world);
    let mut costs = totals(world);
    costs.iter_mut().zip(before).for_each(|(cost, before)| *cost -= before);
    costs[COLUMNS.len() - 1] /= 1_000.0;
    costs
}

/// The costs above those of quiet, divided by a number of events.
fn above(quiet: Costs, costs: Costs, events: u32) -> Costs {
    std::array::from_fn(|column| (costs[column] - quiet[column]) / f64::from(events))
}

fn join(world: &mut NodeWorld, node: NodeIndex) {
    let kind = WriteKind::Join(vec![]);
    let write = GroupWrite { tag: 1, group: group(), kind, wait: Wait::NONE };
    world.command(node, NodeCommand::Write(write));
}

/// The rows of a world with or without multicast.
fn rows(multicast: bool) -> Vec<(String, Costs)> {
    let island = if multicast { NODES + 1 } else { 1 };
    let start =
        WorldConfig { nodes: NODES + 1, island, states: vec![], all_peers_known: false, last_is_down: true };
    let mut world = start.world();
    let joins = costs_of(&mut world, |world| {
        (0..NODES).for_each(|node| join(world, NodeIndex(node)));
        while !have_converged(world, NODES as usize) {
            assert!(world.now() < gm_broadcast::Time::ZERO + WARM_UP, "the nodes do not converge");
            world.run_for(Duration::from_millis(10));
        }
        world.run_for(TAIL);
    });
    world.run_for(WARM_UP);
    let span = UPDATE_TIME * UPDATES + TAIL;
    let quiet = costs_of(&mut world, |world| world.run_for(span));
    let updates = costs_of(&mut world, |world| {
        for node in 0..UPDATES {
            serve(world, NodeIndex(node));
            world.run_for(UPDATE_TIME);
            assert_eq!(holder_count(world, NodeIndex(node)), NODES as usize, "an update is missed");
        }
        world.run_for(TAIL);
    });
    world.run_for(WARM_UP);
    let newcomer = costs_of(&mut world, |world| {
        world.start(NodeIndex(NODES));
        join(world, NodeIndex(NODES));
        world.run_for(TAIL);
        assert!(have_converged(world, NODES as usize + 1), "the newcomer is not known to all");
    });
    let how = if multicast { "with" } else { "without" };
    [
        ("join", above([0.0; COLUMNS.len()], joins, NODES)),
        ("newcomer", above([0.0; COLUMNS.len()], newcomer, NODES)),
        ("update", above(quiet, updates, UPDATES)),
    ]
    .map(|(what, costs)| (format!("{what}, {how} multicast"), costs))
    .into()
}

/// The page with these rows.
fn page(rows: &[(String, Costs)]) -> String {
    let mut text = format!("{HEAD}\n| | {} |\n|---|", COLUMNS.join(" | "));
    // Writing to a `String` cannot fail.
    let _ = writeln!(text, "{}", "--:|".repeat(COLUMNS.len()));
    for (name, costs) in rows {
        let cells = costs.map(|cost| format!("{cost:.1}"));
        let _ = writeln!(text, "| {name} | {} |", cells.join(" | "));
    }
    text
}

/// The rows of a page.
fn read(page: &str) -> Vec<(String, Vec<f64>)> {
    let lines = page.lines().filter_map(|line| line.strip_prefix("| ")?.strip_suffix(" |"));
    let cells = lines.map(|line| line.split(" | ").collect::<Vec<_>>());
    let rows = cells.filter_map(|cells| {
        let (name, numbers) = cells.split_first()?;
        let numbers: Option<Vec<f64>> = numbers.iter().map(|cell| cell.parse().ok()).collect();
        Some(((*name).to_owned(), numbers?))
    });
    rows.collect()
}

/// Differences from the committed rows beyond the tolerance.
fn differences(committed: &[(String, Vec<f64>)], rows: &[(String, Costs)]) -> Vec<String> {
    let mut found = Vec::new();
    for (name, costs) in rows {
        let Some((_, before)) = committed.iter().find(|(of, _)| of == name) else {
            found.push(format!("{name}: not in the committed table"));
            continue;
        };
        for ((column, cost), before) in COLUMNS.iter().zip(costs).zip(before) {
            if (cost - before).abs() > (before.abs() * TOLERANCE).max(SLACK) {
                found.push(format!("{name}: {column} {cost:.1} instead of {before:.1}"));
            }
        }
    }
    found
}

fn file() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/costs-node.md")
}

#[test]
fn costs_are_those_of_the_committed_table() {
    let rows = [true, false].map(rows).concat();
    if std::env::var("GM_COSTS").is_ok_and(|value| value == "write") {
        return std::fs::write(file(), page(&rows)).unwrap();
    }
    let committed = std::fs::read_to_string(file()).unwrap_or_default();
    let found = differences(&read(&committed), &rows);
    assert!(
        found.is_empty(),
        "{}\nif this is intended: GM_COSTS=write cargo test -p gm-node-sim costs",
        found.join("\n")
    );
}

#[test]
fn a_page_is_read_as_it_was_written() {
    let costs: Costs = std::array::from_fn(|column| column as f64 * 10.0);
    let rows = vec![("update, with multicast".to_owned(), costs)];
    let committed = read(&page(&rows));
    assert_eq!(committed, [("update, with multicast".to_owned(), costs.to_vec())]);
    assert_eq!(differences(&committed, &rows), Vec::<String>::new());
}

#[test]
fn a_cost_beyond_the_tolerance_is_named() {
    let costs: Costs = [10.0; COLUMNS.len()];
    let committed = vec![("update".to_owned(), costs.to_vec())];
    let with = |cost| {
        let mut costs = costs;
        costs[6] = cost;
        differences(&committed, &[("update".to_owned(), costs)])
    };
    assert_eq!(with(11.4), Vec::<String>::new());
    assert_eq!(with(11.6), ["update: exchanges 11.6 instead of 10.0"]);
    assert_eq!(with(8.4), ["update: exchanges 8.4 instead of 10.0"]);
    let unknown = differences(&[], &[("join".to_owned(), costs)]);
    assert_eq!(unknown, ["join: not in the committed table"]);
}
