//! Runs that find mutations: each of them must pass without the mutation, and fail with it as its
//! row says.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};

/// The environment variable with the number of the active mutation.
pub(crate) const ACTIVE: &str = "GM_MUTANT";
/// Beginning of a simulator's line that names the checker which failed.
const FOUND_BY: &str = "found by ";

/// Result of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    Passed,
    /// The checker or the test that failed.
    FailedBy(String),
    /// The run ended in another way.
    Other(String),
}

/// Runs a seed of a scenario; the mutation 0 is none.
pub(super) fn simulate(program: &Path, scenario: &str, seed: u64, mutation: u32) -> Result<Outcome> {
    let mut command = Command::new(program);
    command.args(["--scenario", scenario, "--seed", &seed.to_string()]);
    let (good, output) = run(command, mutation)?;
    Ok(outcome_of_run(good, &output))
}

/// Runs a test in a folder; the mutation 0 is none.
pub(super) fn test(program: &Path, folder: &Path, name: &str, mutation: u32) -> Result<Outcome> {
    let mut command = Command::new(program);
    command.args([name, "--exact"]).current_dir(folder);
    let (good, output) = run(command, mutation)?;
    Ok(outcome_of_test(good, &output, name))
}

fn run(mut command: Command, mutation: u32) -> Result<(bool, String)> {
    let output = command.env(ACTIVE, mutation.to_string()).output();
    let output = output.with_context(|| format!("cannot start {}", command.get_program().display()))?;
    Ok((output.status.success(), String::from_utf8_lossy(&output.stdout).into_owned()))
}

fn outcome_of_run(good: bool, output: &str) -> Outcome {
    let checker = output.lines().find_map(|line| line.strip_prefix(FOUND_BY));
    match (good, checker) {
        (true, None) => Outcome::Passed,
        (false, Some(checker)) => Outcome::FailedBy(checker.to_owned()),
        _ => Outcome::Other(last_line(output)),
    }
}

fn outcome_of_test(good: bool, output: &str, name: &str) -> Outcome {
    let ended = |verdict: &str| output.lines().any(|line| line == format!("test {name} ... {verdict}"));
    match good {
        true if ended("ok") => Outcome::Passed,
        false if ended("FAILED") => Outcome::FailedBy(name.to_owned()),
        true => Outcome::Other("there is no such test".to_owned()),
        false => Outcome::Other(last_line(output)),
    }
}

fn last_line(output: &str) -> String {
    let line = output.lines().rev().find(|line| !line.is_empty()).unwrap_or("no output");
    format!("ended with: {line}")
}

/// Judges a mutation by the outcomes of the same run without and with it; the error is the reason
/// why it was not found.
pub(super) fn judge(without: &Outcome, with: &Outcome, expected: &str) -> Result<(), String> {
    match (without, with) {
        (Outcome::Passed, Outcome::FailedBy(by)) if by == expected => Ok(()),
        (Outcome::Passed, Outcome::FailedBy(by)) => Err(format!("found by {by}, not by {expected}")),
        (Outcome::Passed, Outcome::Passed) => Err("not found".to_owned()),
        (Outcome::Passed, Outcome::Other(what)) => Err(what.clone()),
        (Outcome::FailedBy(by), _) => Err(format!("the run fails without the mutation, by {by}")),
        (Outcome::Other(what), _) => Err(format!("the run without the mutation: {what}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failed(by: &str) -> Outcome {
        Outcome::FailedBy(by.to_owned())
    }

    #[test]
    fn a_simulator_names_the_checker() {
        let output = "plan\nsafety at 1 s, acks: why\nfound by acks\ncargo xtask sim --seed 1\n";
        assert_eq!(outcome_of_run(false, output), failed("acks"));
        assert_eq!(outcome_of_run(true, "plan\n"), Outcome::Passed);
        assert_eq!(outcome_of_run(false, "plan\n\n"), Outcome::Other("ended with: plan".to_owned()));
        assert!(matches!(outcome_of_run(true, output), Outcome::Other(_)));
    }

    #[test]
    fn only_the_named_test_counts() {
        assert_eq!(outcome_of_test(true, "test a::b ... ok\n", "a::b"), Outcome::Passed);
        assert_eq!(outcome_of_test(false, "test a::b ... FAILED\n", "a::b"), failed("a::b"));
        assert!(matches!(outcome_of_test(true, "running 0 tests\n", "a::b"), Outcome::Other(_)));
        assert!(matches!(outcome_of_test(false, "test a::c ... FAILED\n", "a::b"), Outcome::Other(_)));
    }

    #[test]
    fn only_the_expected_failure_finds_a_mutation() {
        assert_eq!(judge(&Outcome::Passed, &failed("acks"), "acks"), Ok(()));
        for (without, with) in [
            (Outcome::Passed, Outcome::Passed),
            (Outcome::Passed, failed("cost")),
            (Outcome::Passed, Outcome::Other(String::new())),
            (failed("acks"), failed("acks")),
            (Outcome::Other(String::new()), failed("acks")),
        ] {
            assert!(judge(&without, &with, "acks").is_err(), "{without:?} {with:?}");
        }
    }
}
