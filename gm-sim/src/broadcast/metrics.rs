//! The quality of the protocol as numbers: fixed worlds and seeds, printed as tables that are
//! committed and compared. Knows no campaign.
//!
//! Reading order: `metrics/environment.rs` (the worlds), `metrics/meter.rs` (who had it when),
//! `metrics/table.rs` (rows), then the rows themselves: `metrics/tree.rs`, `metrics/island.rs`,
//! `metrics/fault.rs`, beside `metrics/gossip.rs`; and `metrics/speed.rs`.

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

/// Prints the tables that are compared. With `check`, says by what it returns whether they are what
/// is committed (0 if so); without, commits them, and prints how fast the simulator is.
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
        "The tables differ from docs/metrics-broadcast.md: run the same without --check, and look at the difference.\n",
    );
    1
}

/// Prints the table of a hundred thousand nodes, which takes minutes, and commits it beside the
/// others, which stay as they are.
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

/// All that is compared.
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
time, so the numbers are exact, and another number is another protocol. Times are of the model (a node begins a send each g, it arrives
lambda later, bytes cost nothing), not of a machine; what two sockets on one machine cost is measured elsewhere.
";

/// What stands between what is compared and what is not.
const LARGE: &str = "
# A hundred thousand nodes

Made by `cargo xtask sim --metrics --large`; not compared, as it takes minutes.
";
