//! Nothing happens: what nodes send all the same. Figure 11.

use std::time::Duration;

use super::table::{Job, Rows, Table, row};
use super::world::{WorldConfig, traffic, traffic_since};

/// Until islands are known and the pace is slow.
const WARM_UP: Duration = Duration::from_secs(200);
const MEASURED: Duration = Duration::from_secs(600);

pub(super) fn table(cases: &[(u32, u32)]) -> Table {
    let cases = cases.iter().copied();
    Table {
        title: "In quiet",
        text: "One group of which all are members and hold the same, default pace, for ten minutes after the first three. A multicast is sent once and received by all on the \
            island. Figure 11: at most 100 B/s sent a node, flat in N.",
        columns: &["N", "of an island", "sent, B/s a node", "sends/s a node", "received, B/s a node"],
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
