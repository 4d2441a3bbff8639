//! `cargo xtask sim`: the simulator, built with optimisation, with the arguments handed on to it;
//! with `--node`, that of whole nodes.
//!
//! Knows how to start them and what their last line means; their flags are their own
//! (`gm-sim/src/main.rs`, `gm-node/examples/worlds/main.rs`).

use std::process::{Command, Stdio};

use anyhow::{Context, Result};

use crate::test_counts::TestCounts;
use crate::workspace::{Workspace, status};

/// Worlds of whole nodes, not of broadcasters.
const NODE: &str = "--node";

/// Runs it; what it ended with.
pub(crate) fn run(ws: &Workspace, args: &[String]) -> Result<u8> {
    let mut command = simulator(ws, args);
    if args.iter().any(|arg| arg == "--campaign") {
        command.args(["--commit", &commit(ws)]);
    }
    let code = status(&mut command)?.code();
    Ok(code.and_then(|code| u8::try_from(code).ok()).unwrap_or(u8::MAX))
}

/// What every change must pass: seeds, every scenario once, the planted bugs.
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

/// The commit that is checked out, and whether something was changed since.
fn commit(ws: &Workspace) -> String {
    let output =
        Command::new("git").args(["describe", "--always", "--dirty"]).current_dir(ws.root()).output();
    let text =
        output.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned()).unwrap_or_default();
    if text.is_empty() { "unknown".to_owned() } else { text }
}

/// Reads `3 passed, 1 failed, 0 skipped`.
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
