//! Goal 11 of docs/goals.md: traffic of an idle cluster.

use std::time::Duration;

use super::table::{Job, Rows, Table, row};
use super::world::{WorldConfig, traffic, traffic_since};

/// Time until islands are known and intervals have grown to their maximum.
const WARM_UP: Duration = Duration::from_secs(200);
const MEASURED: Duration = Duration::from_secs(600);

pub(super) fn table(cases: &[(u32, u32)]) -> Table {
    let cases = cases.iter().copied();
    Table {
        title: "Idle",
        text: "One converged group of which all nodes are members, with default intervals, for ten minutes after the first three. A multicast is \
            sent once and received by all nodes of the island. [Goal 11](goals.md#g11): at most 100 B/s sent per node, independent of N.",
        columns: &["N", "island size", "sent, B/s per node", "sends/s per node", "received, B/s per node"],
        rows: cases.map(|(nodes, island)| -> Job { Box::new(move || one(nodes, island)) }).collect(),
    }
}

fn one(nodes: u32, island: u32) -> Rows {
    let mut world = WorldConfig::converged(nodes, island).world();
    world.run_for(WARM_UP);
    let before = traffic(&world);
    world.run_for(MEASURED);
    let [sends, sent, _, arrived] = traffic_since(&world, before);
    let per = |sum: u64, digits: usize| {
        format!("{:.digits$}", sum as f64 / MEASURED.as_secs_f64() / f64::from(nodes))
    };
    vec![row(&[&nodes, &island, &per(sent, 1), &per(sends, 3), &per(arrived, 1)])]
}
