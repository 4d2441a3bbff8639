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

use std::fs;
use std::path::{Path, PathBuf};

use table::Section;

/// Prints the compared tables. With `check`, returns 0 if they equal the committed ones, else 1;
/// without, writes them, and prints the speed of the simulator.
#[must_use]
pub fn run(check: bool) -> u8 {
    let text = compared_tables();
    let file = file();
    let committed = fs::read_to_string(&file).unwrap_or_default();
    let (before, large) = committed.split_once(LARGE).unwrap_or((&committed, ""));
    if !check {
        print(&text);
        print(&speed::lines());
        return write(&file, &format!("{text}{LARGE}{large}"));
    }
    let difference = before.lines().zip(text.lines()).find(|(before, now)| before != now);
    if let Some((before, now)) = difference {
        print(&format!("\ncommitted: {before}\nnow:       {now}\n"));
    }
    if before == text {
        return 0;
    }
    print(
        "The tables differ from docs/metrics-broadcast.md: run without --check, and review the difference.\n",
    );
    1
}

/// Prints the tables of 100,000 nodes, which takes minutes, and writes them behind the compared
/// ones, which stay as they are.
#[must_use]
pub fn run_large() -> u8 {
    let sections = tree::sections(&[100_000], true);
    let text: String = sections.iter().map(Section::markdown).collect();
    print(&text);
    print(&speed::peak().unwrap_or_default());
    let file = file();
    let committed = fs::read_to_string(&file).unwrap_or_default();
    let before = committed.split_once(LARGE).map_or(committed.as_str(), |(before, _)| before);
    write(&file, &format!("{before}{LARGE}{text}"))
}

/// The tables that are compared.
fn compared_tables() -> String {
    let sections = [tree::sections(&[1_000, 10_000], false), island::sections(), dead_nodes::sections()];
    let sections: String = sections.iter().flatten().map(Section::markdown).collect();
    format!("{HEAD}{sections}")
}

fn write(file: &Path, text: &str) -> u8 {
    match fs::write(file, text) {
        Ok(()) => 0,
        Err(error) => {
            print(&format!("{}: {error}\n", file.display()));
            1
        }
    }
}

fn file() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/metrics-broadcast.md")
}

#[allow(clippy::print_stdout)]
fn print(text: &str) {
    print!("{text}");
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
