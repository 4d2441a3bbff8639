//! `cargo xtask net`: builds the scenes in network namespaces and runs them with the given
//! arguments.
//!
//! The crate `gm-net-scenes` parses its own flags; this module reads the counts in its last line.

use std::process::Command;

use anyhow::Result;

use crate::counting_program;
use crate::test_counts::TestCounts;
use crate::workspace::Workspace;

/// Reason for skipped scenes; the scenes print before it which tool is missing.
pub(crate) const NOT_HERE: &str = "network namespaces: root, ip and nft are needed";

/// Runs the scenes and returns their exit code.
pub(crate) fn run(ws: &Workspace, args: &[String]) -> Result<u8> {
    counting_program::exit_code(scenes(ws).args(args))
}

/// The CI step: all scenes. Returns `None` if they cannot run here and are not required.
///
/// Scenes mostly wait, so the step runs beside others. The nodes of scenes have a higher priority
/// than those steps; without the right to raise it, `nice` warns and goes on.
pub(crate) fn ci(ws: &Workspace) -> Result<Option<TestCounts>> {
    let scenes = scenes(ws);
    let mut raised = Command::new("nice");
    raised.args(["-n", "-10"]).arg(scenes.get_program()).args(scenes.get_args()).current_dir(ws.root());
    let (tally, output) = counting_program::counts_afterwards(&mut raised)?;
    println!("{output}");
    Ok((tally.skipped == 0).then_some(tally))
}

fn scenes(ws: &Workspace) -> Command {
    ws.cargo("run --package gm-net-scenes --")
}
