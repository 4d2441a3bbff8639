//! `cargo xtask ci`: the gate. It runs everything that a change must pass, in order, and stops at
//! the first failure.
//!
//! It has the order of the steps and reports which one failed. Other modules do the work.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::Result;

use crate::test_counts::TestCounts;
use crate::workspace::{Workspace, status};
use crate::{deps, embed, fuzz, mutants, mutations, net, port, sim, test, vectors};

/// Result of a step.
#[derive(Debug, PartialEq, Eq)]
enum Outcome {
    /// The step ran; the counts include failed tests.
    Ran(TestCounts),
    /// The step cannot run here, for this reason.
    Skipped(&'static str),
}

/// A step of the sequence.
struct Step<'a> {
    name: &'static str,
    /// The command that runs this step alone.
    rerun: String,
    run: Box<dyn FnMut() -> Result<Outcome> + 'a>,
}

const FMT: &str = "fmt --all --check";
// The fuzz targets are a workspace of their own.
const FMT_FUZZ: &str = "fmt --check --manifest-path gm-codec/fuzz/Cargo.toml";
const CLIPPY: &str = "clippy --workspace --all-targets --all-features -- -D warnings";
const DOC: &str = "doc --workspace --no-deps --all-features";
const DOC_FLAGS: &str = "-D warnings";
// The `deps` step checks licences, bans and duplicates; only the advisories need an online
// database.
const DENY: &str = "deny check advisories";

/// Runs the whole sequence.
pub(crate) fn run(ws: &Workspace) -> TestCounts {
    let mut steps = [
        step("fmt", format!("cargo {FMT} && cargo {FMT_FUZZ}"), || {
            let good = status(&mut ws.plain_cargo(FMT))?.success();
            Ok(yes_or_no(good && status(&mut ws.plain_cargo(FMT_FUZZ))?.success()))
        }),
        step("clippy", format!("cargo {CLIPPY}"), || verdict(&mut ws.cargo(CLIPPY))),
        step("deps", "cargo xtask deps", || Ok(yes_or_no(deps::run(ws)?))),
        step("test", "cargo xtask test", || Ok(Outcome::Ran(test::run(ws)?))),
        step("embed", "cargo xtask embed", || Ok(yes_or_no(embed::run(ws)?))),
        step("mutants", "cargo xtask mutants", || Ok(Outcome::Ran(mutants::ci(ws)?))),
        step("sim", "cargo xtask sim", || Ok(Outcome::Ran(sim::ci(ws, false)?))),
        step("sim of nodes", "cargo xtask sim --node", || Ok(Outcome::Ran(sim::ci(ws, true)?))),
        step("mutations", "cargo xtask mutations", || {
            Ok(Outcome::Ran(mutations::run(ws, &mutations::Flags::default())?))
        }),
        // The tests compare cases. This compares whole files, and finds files that no test writes.
        step("vectors", "cargo xtask vectors --check", || Ok(yes_or_no(vectors::run(ws, true)?))),
        step("port", "cargo xtask port", || {
            Ok(port::run(ws)?.map_or(Outcome::Skipped(port::NO_PYTHON), Outcome::Ran))
        }),
        step("fuzz", "cargo xtask fuzz && cargo xtask fuzz --planted", || {
            Ok(fuzz::ci(ws)?.map_or(Outcome::Skipped(fuzz::NO_COMPILER), Outcome::Ran))
        }),
        step("net", "cargo xtask net", || {
            Ok(net::ci(ws)?.map_or(Outcome::Skipped(net::NOT_HERE), Outcome::Ran))
        }),
        step("docs", format!("RUSTDOCFLAGS=\"{DOC_FLAGS}\" cargo {DOC}"), || {
            verdict(ws.cargo(DOC).env("RUSTDOCFLAGS", DOC_FLAGS))
        }),
        step("deny", format!("cargo {DENY}"), || deny(ws)),
    ];
    sequence(&mut steps)
}

/// Runs the steps until one fails. Steps that were not reached count as skipped.
fn sequence(steps: &mut [Step<'_>]) -> TestCounts {
    let mut sum = TestCounts::default();
    let mut times = Vec::new();
    let mut steps = steps.iter_mut();
    for step in steps.by_ref() {
        println!("== {}", step.name);
        let start = Instant::now();
        let outcome = (step.run)().unwrap_or_else(|error| {
            println!("error: {error:#}");
            Outcome::Ran(TestCounts::FAILED)
        });
        times.push(Timed { name: step.name, took: start.elapsed(), skipped: None });
        match outcome {
            Outcome::Ran(tally) => {
                sum += tally;
                if tally.failed > 0 {
                    print_times(&times);
                    println!("step {} failed; to run it alone: {}", step.name, step.rerun);
                    sum.skipped += not_reached(steps);
                    return sum;
                }
            }
            Outcome::Skipped(why) => {
                println!("skipped: {why}");
                sum.skipped += 1;
                if let Some(last) = times.last_mut() {
                    last.skipped = Some(why);
                }
            }
        }
    }
    print_times(&times);
    sum
}

/// Prints the steps that were not run, and returns their number.
fn not_reached<'a, 'b: 'a>(rest: impl Iterator<Item = &'a mut Step<'b>>) -> u64 {
    let mut count = 0;
    for step in rest {
        println!("not run: {}", step.name);
        count += 1;
    }
    count
}

struct Timed {
    name: &'static str,
    took: Duration,
    skipped: Option<&'static str>,
}

fn print_times(times: &[Timed]) {
    println!();
    for Timed { name, took, skipped } in times {
        match skipped {
            None => println!("{name:<8} {:>7.1} s", took.as_secs_f64()),
            Some(why) => println!("{name:<8} skipped: {why}"),
        }
    }
}

fn deny(ws: &Workspace) -> Result<Outcome> {
    let mut version = ws.plain_cargo("deny --version");
    let installed = status(version.stdout(Stdio::null()).stderr(Stdio::null()))?.success();
    if !installed {
        return Ok(Outcome::Skipped("cargo-deny is not installed"));
    }
    verdict(&mut ws.plain_cargo(DENY))
}

fn verdict(command: &mut Command) -> Result<Outcome> {
    Ok(yes_or_no(status(command)?.success()))
}

fn yes_or_no(good: bool) -> Outcome {
    Outcome::Ran(if good { TestCounts::default() } else { TestCounts::FAILED })
}

fn step<'a>(
    name: &'static str,
    rerun: impl Into<String>,
    run: impl FnMut() -> Result<Outcome> + 'a,
) -> Step<'a> {
    Step { name, rerun: rerun.into(), run: Box::new(run) }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    /// Runs steps with the given outcomes and returns how many of them started.
    fn play(outcomes: Vec<Result<Outcome>>) -> (TestCounts, usize) {
        let started = Cell::new(0);
        let started = &started;
        let mut steps: Vec<_> = outcomes
            .into_iter()
            .map(|outcome| {
                let mut outcome = Some(outcome);
                step("s", "again", move || {
                    started.set(started.get() + 1);
                    outcome.take().expect("a step runs once")
                })
            })
            .collect();
        let tally = sequence(&mut steps);
        (tally, started.get())
    }

    #[test]
    fn good_steps_all_run_and_tests_add_up() {
        let tests = TestCounts { passed: 5, failed: 0, skipped: 1 };
        let (tally, started) =
            play(vec![Ok(yes_or_no(true)), Ok(Outcome::Ran(tests)), Ok(Outcome::Skipped("no tool"))]);
        assert_eq!(started, 3);
        assert_eq!(tally, TestCounts { passed: 5, failed: 0, skipped: 2 });
    }

    #[test]
    fn the_first_failure_stops_and_the_rest_is_skipped() {
        let (tally, started) = play(vec![Ok(yes_or_no(true)), Ok(yes_or_no(false)), Ok(yes_or_no(true))]);
        assert_eq!(started, 2);
        assert_eq!(tally, TestCounts { passed: 0, failed: 1, skipped: 1 });
    }

    #[test]
    fn a_step_that_cannot_run_is_a_failure() {
        let (tally, started) = play(vec![Err(anyhow::anyhow!("no such program")), Ok(yes_or_no(true))]);
        assert_eq!(started, 1);
        assert_eq!(tally, TestCounts { passed: 0, failed: 1, skipped: 1 });
    }
}
