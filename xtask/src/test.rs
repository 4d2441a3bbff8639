//! `cargo xtask test`: runs layers, tidy, all tests, and a build of the pure crates.
//!
//! Every step runs even if an earlier one failed, so that one run shows all failures.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, IsTerminal, Write};

use anyhow::{Context, Result};

use crate::tables::{LAYERS, Layer};
use crate::test_counts::TestCounts;
use crate::test_output::{Line, Output};
use crate::workspace::{Workspace, status};
use crate::{layers, tidy};

/// Builds all tests. Cargo prints to the terminal itself, so that it shows its progress.
const BUILD: &str = "test --workspace --all-features --no-run";
/// Runs the tests; this module reads the output.
const RUN: &str = "test --workspace --all-features --no-fail-fast";

/// Runs all steps and prints the final block of the report, except for the counts in its last line.
pub(crate) fn run(ws: &Workspace) -> Result<TestCounts> {
    let mut failures = Vec::new();
    if !layers::run(ws) {
        failures.push("the layers are broken: cargo xtask layers".to_owned());
    }
    if !tidy::run(ws, false)? {
        failures.push("the tree is not tidy: cargo xtask tidy".to_owned());
    }

    println!("building the tests with `cargo {BUILD}`: some minutes the first time, seconds afterwards");
    let built = status(&mut ws.cargo(BUILD))?.success();
    // If the build failed, cargo has printed the errors; a second run would only repeat them.
    let (output, good) = if built { cargo_test(ws)? } else { (Output::default(), false) };
    let mut tally = output.total();
    if !good && tally.failed == 0 {
        // A binary that crashed or did not compile reported no counts.
        failures.push("cargo test failed before it could count a failure".to_owned());
    } else {
        failures.extend(missing_tests(LAYERS, output.by_crate()));
    }

    let check = pure_check(LAYERS);
    if !status(&mut ws.cargo(&check))?.success() {
        failures.push(format!("the pure crates do not build alone: cargo {check}"));
    }

    println!();
    for (name, tally) in output.by_crate() {
        println!("{name:<16} {:>6} tests", tally.ran());
    }
    for failure in &failures {
        println!("failed: {failure}");
        tally += TestCounts::FAILED;
    }
    Ok(tally)
}

/// Runs every test of the workspace and shows the output as it arrives. The flag is false if cargo
/// fails.
fn cargo_test(ws: &Workspace) -> Result<(Output, bool)> {
    let members = ws.members();
    let mut output = Output::new(
        members.iter().map(|member| (member.id.repr.clone(), member.name.to_string())),
        members.iter().flat_map(|member| {
            // Only libraries have doctests. A program may have the name of a library.
            let libraries = member.targets.iter().filter(|target| target.doctest);
            libraries.map(|target| (target.name.replace('-', "_"), member.name.to_string()))
        }),
    );

    // Cargo prints the names of test binaries on one stream, and the tests print on the other: one
    // pipe for both keeps the order.
    let (reader, writer) = std::io::pipe().context("cannot open a pipe")?;
    let mut command = ws.cargo(RUN);
    command
        .arg("--message-format=json-render-diagnostics")
        .env("CARGO_TERM_QUIET", "false")
        .stdout(writer.try_clone().context("cannot share a pipe")?)
        .stderr(writer);
    if std::io::stdout().is_terminal() {
        command.env("CARGO_TERM_COLOR", "always");
    }
    let mut child = command.spawn().context("cannot start cargo test")?;
    // The command holds the writing ends of the pipe; without this the reader never sees its end.
    drop(command);

    let mut stdout = std::io::stdout().lock();
    for line in BufReader::new(reader).split(b'\n') {
        let line = line.context("cannot read the output of cargo test")?;
        let line = String::from_utf8_lossy(&line);
        if output.read(&line) == Line::Show {
            writeln!(stdout, "{line}")?;
        }
    }
    let good = child.wait().context("cannot wait for cargo test")?.success();
    Ok((output, good))
}

/// A message for each crate that should have tests and ran none, and one if no test ran at all.
fn missing_tests(layers: &[Layer], by_crate: &BTreeMap<String, TestCounts>) -> Vec<String> {
    let mut missing = Vec::new();
    if by_crate.values().all(|tally| tally.ran() == 0) {
        missing.push("no test ran".to_owned());
    }
    for layer in layers.iter().filter(|layer| layer.tested) {
        if by_crate.get(layer.name).is_none_or(|tally| tally.ran() == 0) {
            missing.push(format!("{} should have tests and ran none", layer.name));
        }
    }
    missing
}

/// The command that builds the pure crates alone and without features.
fn pure_check(layers: &[Layer]) -> String {
    let mut command = "check --no-default-features".to_owned();
    for layer in layers.iter().filter(|layer| layer.is_pure()) {
        command.push_str(" -p ");
        command.push_str(layer.name);
    }
    command
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slow_steps_show_their_progress() {
        let config = include_str!("../../.cargo/config.toml");
        assert!(config.contains("xtask = \"run "), "{config}");
        for words in [config, BUILD, RUN] {
            assert!(!words.contains("quiet") && !words.contains(" -q"), "{words}");
        }
        // Both commands build the same, so that nothing is built while cargo's progress is hidden.
        assert_eq!(BUILD.replace("--no-run", "--no-fail-fast"), RUN);
    }

    const TABLE: &[Layer] = &[
        Layer { name: "a", internal: &[], internal_dev: &[], pure: Some(&[]), tested: true },
        Layer { name: "b", internal: &[], internal_dev: &[], pure: None, tested: false },
    ];

    fn ran(passed: u64, skipped: u64) -> TestCounts {
        TestCounts { passed, failed: 0, skipped }
    }

    #[test]
    fn a_crate_that_ran_tests_is_not_reported() {
        assert!(missing_tests(TABLE, &BTreeMap::from([("a".to_owned(), ran(1, 0))])).is_empty());
    }

    #[test]
    fn a_crate_without_tests_is_reported() {
        let found = missing_tests(TABLE, &BTreeMap::from([("b".to_owned(), ran(1, 0))]));
        assert_eq!(found, ["a should have tests and ran none"]);
    }

    #[test]
    fn ignored_tests_did_not_run() {
        let found = missing_tests(TABLE, &BTreeMap::from([("a".to_owned(), ran(0, 3))]));
        assert_eq!(found, ["no test ran", "a should have tests and ran none"]);
    }

    #[test]
    fn only_pure_crates_are_checked_alone() {
        assert_eq!(pure_check(TABLE), "check --no-default-features -p a");
    }
}
