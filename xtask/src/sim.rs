//! `cargo xtask sim`: builds a simulator with optimisation and runs it with the given arguments.
//!
//! There are two: broadcasters (`gm-sim/src/main.rs`), and with `--node` whole nodes
//! (`gm-node/examples/worlds/main.rs`). They parse their own flags; this module reads the counts in
//! their last line.

use std::process::{Command, Stdio};

use anyhow::{Context, Result};

use crate::test_counts::TestCounts;
use crate::workspace::{Workspace, status};

/// The flag that selects worlds of whole nodes instead of broadcasters.
const NODE: &str = "--node";

/// Runs the simulator and returns its exit code.
pub(crate) fn run(ws: &Workspace, args: &[String]) -> Result<u8> {
    let mut command = simulator(ws, args);
    if args.iter().any(|arg| arg == "--campaign") {
        command.args(["--commit", &commit(ws)]);
    }
    let code = status(&mut command)?.code();
    Ok(code.and_then(|code| u8::try_from(code).ok()).unwrap_or(u8::MAX))
}

/// The CI step: some seeds, every scenario once, the planted bugs.
pub(crate) fn ci(ws: &Workspace, whole_nodes: bool) -> Result<TestCounts> {
    let args = if whole_nodes { vec![NODE.to_owned()] } else { Vec::new() };
    let output =
        simulator(ws, &args).stderr(Stdio::inherit()).output().context("cannot start the simulator")?;
    let text = String::from_utf8_lossy(&output.stdout);
    print!("{text}");
    let counted = text.lines().last().and_then(counts);
    Ok(match counted {
        Some(tally) if output.status.success() || tally.failed > 0 => tally,
        _ => TestCounts::FAILED,
    })
}

fn simulator(ws: &Workspace, args: &[String]) -> Command {
    let mut command = if args.iter().any(|arg| arg == NODE) {
        ws.cargo("run --release -p gm-node --no-default-features --features plant --example worlds --")
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

/// Parses `3 passed, 1 failed, 0 skipped`.
fn counts(line: &str) -> Option<TestCounts> {
    let number = |part: &str, what: &str| part.trim().strip_suffix(what)?.trim().parse().ok();
    let mut parts = line.split(',');
    let passed = number(parts.next()?, "passed")?;
    let failed = number(parts.next()?, "failed")?;
    let skipped = number(parts.next()?, "skipped")?;
    Some(TestCounts { passed, failed, skipped })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_line_is_read() {
        let tally = TestCounts { passed: 334, failed: 2, skipped: 0 };
        assert_eq!(counts(&tally.to_string()), Some(tally));
        assert_eq!(counts("334 passed, 2 failed"), None);
        assert_eq!(counts("cargo xtask sim --seed 3"), None);
    }
}
