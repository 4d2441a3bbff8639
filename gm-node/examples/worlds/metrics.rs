//! Metrics of whole nodes: fixed worlds and seeds, printed as tables that are committed and
//! compared.
//!
//! Reading order: `metrics/world.rs` (the worlds), `metrics/table.rs`, then the tables:
//! `metrics/anti_entropy.rs`, `metrics/idle.rs`, `metrics/change.rs`, `metrics/newcomer.rs`,
//! `metrics/start.rs`, `metrics/many_groups.rs`.

mod anti_entropy;
mod change;
mod idle;
mod many_groups;
mod newcomer;
mod start;
mod table;
mod world;

use std::fs;
use std::path::{Path, PathBuf};

/// A duration in whole milliseconds.
const fn millis(time: std::time::Duration) -> u128 {
    time.as_millis()
}

/// Prints the compared tables. With `check`, returns 0 if they equal the committed ones, else 1;
/// without, writes them.
pub(crate) fn run(check: bool) -> u8 {
    let tables = vec![
        anti_entropy::table(),
        idle::table(&SIZES),
        change::table(&SIZES),
        change::fault_table(200),
        newcomer::table(&SIZES),
        start::table(&[(200, 200), (200, 1)]),
        many_groups::table(&[5, 500]),
    ];
    let text = format!("{HEAD}{}", table::markdown(tables));
    let file = file();
    let committed = fs::read_to_string(&file).unwrap_or_default();
    let (before, large) = committed.split_once(LARGE).unwrap_or((&committed, ""));
    if !check {
        print!("{text}");
        return write(&file, &format!("{text}{LARGE}{large}"));
    }
    let difference = before.lines().zip(text.lines()).find(|(before, now)| before != now);
    if let Some((before, now)) = difference {
        println!("\ncommitted: {before}\nnow:       {now}");
    }
    if before == text {
        return 0;
    }
    println!("The tables differ from docs/metrics-node.md: run without --check, and review the difference.");
    1
}

/// Prints the tables of large clusters, which takes minutes, and writes them behind the compared
/// ones, which stay as they are.
pub(crate) fn run_large() -> u8 {
    let text = table::markdown(vec![
        change::table(&[(4_096, 64), (4_096, 1)]),
        change::large_fault_table(1_000),
        newcomer::table(&[(2_000, 1)]),
        start::table(&[(2_000, 50), (2_000, 1)]),
    ]);
    print!("{text}");
    let file = file();
    let committed = fs::read_to_string(&file).unwrap_or_default();
    let before = committed.split_once(LARGE).map_or(committed.as_str(), |(before, _)| before);
    write(&file, &format!("{before}{LARGE}{text}"))
}

fn write(file: &Path, text: &str) -> u8 {
    match fs::write(file, text) {
        Ok(()) => 0,
        Err(error) => {
            println!("{}: {error}", file.display());
            1
        }
    }
}

fn file() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/metrics-node.md")
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
