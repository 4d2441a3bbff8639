//! Metrics of the broadcast: fixed worlds and seeds, printed as tables that are committed and
//! compared.
//!
//! Reading order: `metrics/world.rs` (the worlds), `metrics/meter.rs` (delivery times),
//! `metrics/table.rs` (rows), then the measurements: `metrics/tree.rs`, `metrics/island.rs`,
//! `metrics/dead_nodes.rs`, with `metrics/gossip.rs` for comparison; and `metrics/speed.rs`.

mod dead_nodes;
mod gossip;
mod island;
mod meter;
mod speed;
mod table;
mod tree;
mod world;

use std::path::Path;

use table::Section;

use crate::suite::MetricsPage;

/// The page of these metrics.
#[must_use]
pub fn page() -> MetricsPage {
    MetricsPage {
        file: Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/metrics-broadcast.md"),
        head: HEAD,
        large_head: LARGE,
        tables: compared_tables,
        large_tables,
        speed: speed::lines,
    }
}

/// The tables of 100,000 nodes, which take minutes. Prints the memory that they took.
fn large_tables() -> String {
    let sections = tree::sections(&[100_000], true);
    let text = sections.iter().map(Section::markdown).collect();
    print(&speed::peak().unwrap_or_default());
    text
}

/// The tables that are compared.
fn compared_tables() -> String {
    let sections = [tree::sections(&[1_000, 10_000], false), island::sections(), dead_nodes::sections()];
    sections.iter().flatten().map(Section::markdown).collect()
}

#[allow(clippy::print_stdout, reason = "called by the command line only")]
fn print(text: &str) {
    println!("{text}");
}

const HEAD: &str = "\
# The broadcast in numbers

Made by `cargo xtask sim --metrics`, compared by `cargo xtask sim --metrics --check`: the simulator runs the protocol's own code in virtual
time, so the numbers are exact: a different number means a changed protocol. Times are those of the model (a node begins a send every g, it
arrives lambda later, bytes cost nothing), not of a machine; the cost of real sockets is measured elsewhere.
";

/// Separates the compared tables from the others.
const LARGE: &str = "
# A hundred thousand nodes

Made by `cargo xtask sim --metrics --large`; not compared, as it takes minutes.
";
