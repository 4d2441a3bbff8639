//! `cargo xtask sim`: builds a simulator with optimisation and runs it with the given arguments.
//!
//! There are two: broadcasters (`gm-sim/src/main.rs`), and with `--node` whole nodes
//! (`gm-node-sim/src/main.rs`). They parse their own flags; this module reads the counts in
//! their last line.

use std::process::Command;

use anyhow::{Context, Result};

use crate::test_counts::TestCounts;
use crate::workspace::Workspace;
use crate::{counting_program, mutations};

/// The flag that selects worlds of whole nodes instead of broadcasters.
const NODE: &str = "--node";

/// The flag that selects a mutation to run with, and by it the simulator.
const MUTATION: &str = "--mutation";

/// Runs the simulator and returns its exit code.
pub(crate) fn run(ws: &Workspace, args: &[String]) -> Result<u8> {
    if let Some(at) = args.iter().position(|arg| arg == MUTATION) {
        let name = args.get(at + 1).with_context(|| format!("{MUTATION} needs a name"))?;
        let others = args.iter().enumerate().filter(|(i, arg)| ![at, at + 1].contains(i) && *arg != NODE);
        return mutations::simulate(ws, name, &others.map(|(_, arg)| arg).collect::<Vec<_>>());
    }
    let mut command = simulator(ws, args);
    if args.iter().any(|arg| arg == "--campaign") {
        command.args(["--commit", &commit(ws)]);
    }
    counting_program::exit_code(&mut command)
}

/// The CI step: some seeds, every scenario, the metrics.
pub(crate) fn ci(ws: &Workspace, whole_nodes: bool) -> Result<TestCounts> {
    let args = if whole_nodes { vec![NODE.to_owned()] } else { Vec::new() };
    counting_program::counts(&mut simulator(ws, &args))
}

fn simulator(ws: &Workspace, args: &[String]) -> Command {
    let mut command = if args.iter().any(|arg| arg == NODE) {
        ws.cargo("run --release -p gm-node-sim --")
    } else {
        ws.cargo("run --release -p gm-sim --")
    };
    command.args(args.iter().filter(|arg| *arg != NODE));
    command
}

/// The checked-out commit, with a mark if there are uncommitted changes.
fn commit(ws: &Workspace) -> String {
    let output =
        Command::new("git").args(["describe", "--always", "--dirty"]).current_dir(ws.root()).output();
    let text =
        output.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned()).unwrap_or_default();
    if text.is_empty() { "unknown".to_owned() } else { text }
}
