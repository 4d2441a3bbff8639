//! `cargo xtask test`: the project's test command.
//!
//! Every step runs even if an earlier one failed, so that one run shows all there is to repair.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, IsTerminal, Write};

use anyhow::{Context, Result};

use crate::tables::{LAYERS, Layer};
use crate::test_counts::TestCounts;
use crate::test_output::{Line, Output};
use crate::workspace::{Workspace, status};
use crate::{layers, tidy};

/// Builds all that is tested. Cargo speaks to the terminal itself, so that it shows how far it is.
const BUILD: &str = "test --workspace --all-features --no-run";
/// Runs it; what cargo says then is read here.
const RUN: &str = "test --workspace --all-features --no-fail-fast";

/// Runs all steps and prints the block that closes the report, except for the tally, its last line.
pub(crate) fn run(ws: &Workspace) -> Result<TestCounts> {
    let mut failures = Vec::new();
    if !layers::run(ws) {
        failures.push("the layers are broken: cargo xtask layers".to_owned());
    }
    if !tidy::run(ws, false)? {
        failures.push("the tree is not tidy: cargo xtask tidy".to_owned());
    }

    println!("building the tests with `cargo {BUILD}`: some minutes from cold, seconds afterwards");
    let built = status(&mut ws.cargo(BUILD))?.success();
    // What did not compile has said so, and would say it again.
    let (output, good) = if built { cargo_test(ws)? } else { (Output::default(), false) };
    let mut tally = output.total();
    if !good && tally.failed == 0 {
        // A binary that died or did not compile counted nothing.
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

/// Runs every test of the workspace, showing the output as it comes; false if cargo says it went
/// wrong.
fn cargo_test(ws: &Workspace) -> Result<(Output, bool)> {
    let members = ws.members();
    let mut output = Output::new(
        members.iter().map(|member| (member.id.repr.clone(), member.name.to_string())),
        members.iter().flat_map(|member| {
            member.targets.iter().map(|target| (target.name.replace('-', "_"), member.name.to_string()))
        }),
    );

    // Cargo says on one stream whose tests run, the tests speak on the other: one pipe keeps the
    // order.
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
    // The command holds our writing ends; the reader would never see the end of the stream.
    drop(command);

    let mut stdout = std::io::stdout().lock();
    for line in BufReader::new(reader).split(b'\n') {
        let line = line.context("cannot read what cargo test says")?;
        let line = String::from_utf8_lossy(&line);
        if output.read(&line) == Line::Show {
            writeln!(stdout, "{line}")?;
        }
    }
    let good = child.wait().context("cannot wait for cargo test")?.success();
    Ok((output, good))
}

/// A complaint for each crate that should have tests and ran none, and one if nothing ran at all.
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

/// The command that builds the pure crates with no feature and nothing else around them.
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
    fn what_takes_long_is_not_silent() {
        let config = include_str!("../../.cargo/config.toml");
        assert!(config.contains("xtask = \"run "), "{config}");
        for words in [config, BUILD, RUN] {
            assert!(!words.contains("quiet") && !words.contains(" -q"), "{words}");
        }
        // The same is built and run, so that nothing is built while cargo's progress is not shown.
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
    fn tests_that_ran_are_not_missed() {
        assert!(missing_tests(TABLE, &BTreeMap::from([("a".to_owned(), ran(1, 0))])).is_empty());
    }

    #[test]
    fn a_crate_without_tests_is_missed() {
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
