//! Metrics of whole nodes: fixed worlds and seeds, printed as tables that are committed and
//! compared.
//!
//! Reading order: `metrics/world.rs` (the worlds), `metrics/table.rs`, then the tables:
//! `metrics/anti_entropy.rs`, `metrics/idle.rs`, `metrics/change.rs`, `metrics/newcomer.rs`,
//! `metrics/start.rs`, `metrics/many_groups.rs`; and `metrics/costs.rs`, which a test compares with
//! a tolerance.

mod anti_entropy;
mod change;
#[cfg(test)]
mod costs;
mod idle;
mod many_groups;
mod newcomer;
mod start;
mod table;
mod world;

use std::path::Path;

use gm_sim::MetricsPage;

/// A duration in whole milliseconds.
const fn millis(time: std::time::Duration) -> u128 {
    time.as_millis()
}

/// The page of these metrics.
pub(crate) fn page() -> MetricsPage {
    MetricsPage {
        file: Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/metrics-node.md"),
        head: HEAD,
        large_head: LARGE,
        tables,
        large_tables,
        speed: String::new,
    }
}

/// The tables that are compared.
fn tables() -> String {
    table::markdown(vec![
        anti_entropy::table(),
        idle::table(&SIZES),
        change::table(&SIZES),
        change::fault_table(200),
        newcomer::table(&SIZES),
        start::table(&[(200, 200), (200, 1)]),
        many_groups::table(&[5, 500]),
    ])
}

/// The tables of large clusters, which take minutes.
fn large_tables() -> String {
    table::markdown(vec![
        change::table(&[(4_096, 64), (4_096, 1)]),
        change::large_fault_table(1_000),
        newcomer::table(&[(2_000, 1)]),
        start::table(&[(2_000, 50), (2_000, 1)]),
    ])
}

/// Numbers of nodes, and of nodes per island; 1 means without multicast.
const SIZES: [(u32, u32); 6] = [(8, 8), (8, 1), (64, 64), (64, 1), (512, 64), (512, 1)];

const HEAD: &str = "\
# Whole nodes in numbers

Made by `cargo xtask sim --node --metrics`, compared by `cargo xtask sim --node --metrics --check`: the simulator runs the nodes' own code in virtual
time, so the numbers are exact: a different number means a changed protocol. Frames are sealed; bytes are sent or arrived ones, as the column names them, with 28 bytes
of IP and UDP headers for each send. An island size of 1 means no multicast: all traffic goes by TCP and unicast datagrams.
";

/// Separates the compared tables from the others.
const LARGE: &str = "
# Many nodes

Made by `cargo xtask sim --node --metrics --large`; not compared, as it takes minutes.
";
