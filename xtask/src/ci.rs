//! `cargo xtask ci`: the gate. It runs everything that a change must pass, in order, and stops at
//! the first failure. The scenes of `net` mostly wait, and run beside the steps after them.
//!
//! It has the order of the steps and reports which one failed. Other modules do the work.

use std::panic::resume_unwind;
use std::process::{Command, Stdio};
use std::thread;
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
    run: Box<dyn FnMut() -> Result<Outcome> + Send + 'a>,
    /// Whether the steps after it do not wait for its end.
    is_beside: bool,
}

const FMT: &str = "fmt --all --check";
// The fuzz targets and the harness of the peers are workspaces of their own.
const FMT_FUZZ: &str = "fmt --check --manifest-path gm-codec/fuzz/Cargo.toml";
const FMT_PEERS: &str = "fmt --check --manifest-path bench/peers/Cargo.toml";
const CLIPPY: &str = "clippy --workspace --all-targets --all-features -- -D warnings";
const DOC: &str = "doc --workspace --no-deps --all-features";
const DOC_FLAGS: &str = "-D warnings";
// The `deps` step checks licences, bans and duplicates; only the advisories need an online
// database.
const DENY: &str = "deny check advisories";

/// Runs the whole sequence.
pub(crate) fn run(ws: &Workspace) -> TestCounts {
    let mut steps = [
        step("fmt", format!("cargo {FMT} && cargo {FMT_FUZZ} && cargo {FMT_PEERS}"), || {
            let is_formatted = |words| anyhow::Ok(status(&mut ws.plain_cargo(words))?.success());
            Ok(yes_or_no(is_formatted(FMT)? && is_formatted(FMT_FUZZ)? && is_formatted(FMT_PEERS)?))
        }),
        step("clippy", format!("cargo {CLIPPY}"), || verdict(&mut ws.cargo(CLIPPY))),
        step("deps", "cargo xtask deps", || Ok(yes_or_no(deps::run(ws)?))),
        step("test", "cargo xtask test", || Ok(Outcome::Ran(test::run(ws)?))),
        step("embed", "cargo xtask embed", || Ok(yes_or_no(embed::run(ws)?))),
        step("mutants", "cargo xtask mutants", || Ok(Outcome::Ran(mutants::ci(ws)?))),
        beside("net", "cargo xtask net", || {
            Ok(net::ci(ws)?.map_or(Outcome::Skipped(net::NOT_HERE), Outcome::Ran))
        }),
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
        step("docs", format!("RUSTDOCFLAGS=\"{DOC_FLAGS}\" cargo {DOC}"), || {
            verdict(ws.cargo(DOC).env("RUSTDOCFLAGS", DOC_FLAGS))
        }),
        step("deny", format!("cargo {DENY}"), || deny(ws)),
    ];
    sequence(&mut steps)
}

/// Runs the steps until one fails. Steps that were not reached count as skipped. A step that runs
/// beside the others starts at its place, and ends when it likes.
fn sequence(steps: &mut [Step<'_>]) -> TestCounts {
    thread::scope(|scope| {
        let mut beside = Vec::new();
        let mut ended = Vec::new();
        let mut steps = steps.iter_mut();
        let mut is_good = true;
        while is_good && let Some(step) = steps.next() {
            if step.is_beside {
                println!("== {}, beside the next steps", step.name);
                beside.push(scope.spawn(|| step.time()));
            } else {
                println!("== {}", step.name);
                let timed = step.time();
                is_good = !timed.has_failed();
                ended.push(timed);
            }
        }
        let not_reached = steps.map(|step| println!("not run: {}", step.name)).count() as u64;
        ended.extend(beside.into_iter().map(|step| step.join().unwrap_or_else(|panic| resume_unwind(panic))));
        print_times(&ended);
        let mut sum = TestCounts { skipped: not_reached, ..TestCounts::default() };
        for timed in &ended {
            sum += timed.counts();
            if timed.has_failed() {
                println!("step {} failed; to run it alone: {}", timed.name, timed.rerun);
            }
        }
        sum
    })
}

impl Step<'_> {
    /// Runs the step. An error counts as a failure.
    fn time(&mut self) -> Timed {
        let start = Instant::now();
        let outcome = (self.run)().unwrap_or_else(|error| {
            println!("error: {error:#}");
            Outcome::Ran(TestCounts::FAILED)
        });
        if let Outcome::Skipped(why) = outcome {
            println!("skipped: {why}");
        }
        Timed { name: self.name, rerun: self.rerun.clone(), took: start.elapsed(), outcome }
    }
}

/// A step that ended.
struct Timed {
    name: &'static str,
    rerun: String,
    took: Duration,
    outcome: Outcome,
}

impl Timed {
    fn counts(&self) -> TestCounts {
        match self.outcome {
            Outcome::Ran(counts) => counts,
            Outcome::Skipped(_) => TestCounts { skipped: 1, ..TestCounts::default() },
        }
    }

    fn has_failed(&self) -> bool {
        self.counts().failed > 0
    }
}

fn print_times(times: &[Timed]) {
    println!();
    for Timed { name, took, outcome, .. } in times {
        match outcome {
            Outcome::Ran(_) => println!("{name:<12} {:>7.1} s", took.as_secs_f64()),
            Outcome::Skipped(why) => println!("{name:<12} skipped: {why}"),
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
    run: impl FnMut() -> Result<Outcome> + Send + 'a,
) -> Step<'a> {
    Step { name, rerun: rerun.into(), run: Box::new(run), is_beside: false }
}

/// A step that mostly waits, so that the next steps need not wait for its end.
fn beside<'a>(
    name: &'static str,
    rerun: impl Into<String>,
    run: impl FnMut() -> Result<Outcome> + Send + 'a,
) -> Step<'a> {
    Step { is_beside: true, ..step(name, rerun, run) }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    /// Runs steps with the given outcomes and returns how many of them started.
    fn play(outcomes: Vec<Result<Outcome>>) -> (TestCounts, usize) {
        let started = AtomicUsize::new(0);
        let started = &started;
        let mut steps: Vec<_> = outcomes
            .into_iter()
            .map(|outcome| {
                let mut outcome = Some(outcome);
                step("s", "again", move || {
                    started.fetch_add(1, Ordering::Relaxed);
                    outcome.take().expect("a step runs once")
                })
            })
            .collect();
        let tally = sequence(&mut steps);
        (tally, started.load(Ordering::Relaxed))
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
    #[test]
    fn a_step_beside_ends_after_the_next_one() {
        let (sender, receiver) = std::sync::mpsc::channel();
        let counts = |passed| TestCounts { passed, failed: 0, skipped: 0 };
        let mut steps = [
            beside("waits", "again", move || {
                receiver.recv()?;
                Ok(Outcome::Ran(counts(1)))
            }),
            step("sends", "again", || {
                sender.send(())?;
                Ok(Outcome::Ran(counts(2)))
            }),
        ];
        assert_eq!(sequence(&mut steps), counts(3));
    }

    #[test]
    fn a_failure_beside_is_a_failure() {
        let good = || Ok(Outcome::Ran(TestCounts { passed: 1, failed: 0, skipped: 0 }));
        let mut steps = [beside("fails", "again", || Ok(yes_or_no(false))), step("good", "again", good)];
        assert_eq!(sequence(&mut steps), TestCounts { passed: 1, failed: 1, skipped: 0 });
    }
}
