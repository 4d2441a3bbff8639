//! Command line of the simulator of whole nodes; `cargo xtask sim --node` calls it.
//!
//! Exit codes: 0 if all checks passed; 1 for an unknown name; 2 if a fault class occurred too
//! rarely; 3 after a crash; 4 after a safety violation; 5 after a liveness violation; 6 if a
//! planted bug was not found.
//!
//! Reading order: `plan.rs` and below it (operations and faults), `environment.rs` (machines and
//! disks), `run.rs`, `executor.rs`, `history.rs`, `writer_model.rs`, `check.rs` and below it (the
//! checkers), `suite.rs`, `planted_bugs.rs`.

#![allow(clippy::print_stdout, reason = "a command line tool prints to standard output")]
#![allow(missing_docs, reason = "no crate depends on an example")]

mod check;
mod environment;
mod executor;
mod history;
mod metrics;
mod plan;
mod planted_bugs;
mod run;
mod suite;
mod writer_model;

use std::fmt::Write as _;
use std::ops::Range;
use std::process::ExitCode;

use clap::Parser;
use gm_sim::FaultClass;
use gm_sim::broadcast::suite::{SuiteResult, result_of};

use plan::{Plan, RANDOM, names, plan};
use suite::{CI_SCENARIO_SEEDS, CI_SEEDS, page, replay_bugs, run_scenarios, run_seeds, search_bug};

/// Simulate clusters of whole nodes; without flags, run the checks that every change must pass
#[derive(Debug, Parser)]
#[command(name = "cargo xtask sim --node")]
struct SimFlags {
    /// Run one seed
    #[arg(long, conflicts_with_all = ["seeds", "campaign", "metrics"])]
    seed: Option<u64>,
    /// Run the seeds from A to B, B excluded
    #[arg(long, value_name = "A..B", value_parser = range)]
    seeds: Option<Range<u64>>,
    /// Run this scenario instead of the random one; seed 0 by default
    #[arg(long)]
    scenario: Option<String>,
    /// Run a full campaign (many seeds, every scenario, a search for every planted bug) and write
    /// docs/campaign-node.md
    #[arg(long)]
    campaign: bool,
    /// Search for a planted bug or, with a seed, run with it
    #[arg(long, value_name = "NAME")]
    plant: Option<String>,
    /// Measure the cost of nodes
    #[arg(long)]
    metrics: bool,
    /// Compare the cost with the committed tables
    #[arg(long, requires = "metrics")]
    check: bool,
    /// Measure only large clusters, which takes minutes
    #[arg(long, requires = "metrics", conflicts_with = "check")]
    large: bool,
    /// Print every input of the run, one per line
    #[arg(long, requires = "seed")]
    trace: bool,
    /// Print the hash of each run's trace
    #[arg(long, requires = "seeds")]
    hash: bool,
    /// Commit that the page of the campaign names
    #[arg(long, hide = true, default_value = "unknown")]
    commit: String,
}

/// Default seeds of a campaign.
const CAMPAIGN_SEEDS: Range<u64> = 0..5_000;
/// Seeds of each scenario in a campaign.
const CAMPAIGN_SCENARIO_SEEDS: Range<u64> = 0..100;
const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/campaign-node.md");
const UNKNOWN_NAME: u8 = 1;

fn main() -> ExitCode {
    ExitCode::from(dispatch(&SimFlags::parse()))
}

fn dispatch(flags: &SimFlags) -> u8 {
    let scenario = flags.scenario.as_deref().unwrap_or(RANDOM);
    if plan(scenario, 0).is_none() {
        println!("unknown scenario {scenario}; known scenarios: {}", names().collect::<Vec<_>>().join(", "));
        return UNKNOWN_NAME;
    }
    if flags.metrics {
        return if flags.large { metrics::run_large() } else { metrics::run(flags.check) };
    }
    let named = flags.scenario.as_deref();
    let alone = flags.seeds.is_none() && flags.plant.is_none();
    let drawn = flags.seed.or(named.filter(|_| alone).map(|_| 0));
    match (&flags.plant, drawn) {
        (Some(name), _) if planted_bugs::named(name).is_none() => {
            println!("unknown planted bug {name}");
            UNKNOWN_NAME
        }
        (None, _) if flags.campaign => campaign(flags.seeds.clone().unwrap_or(CAMPAIGN_SEEDS), &flags.commit),
        (Some(name), None) => {
            let bug = planted_bugs::named(name);
            print_result(bug.map(|bug| search_bug(bug, named, &mut print_line)).unwrap_or_default())
        }
        (_, Some(seed)) => plan(scenario, seed).map_or(UNKNOWN_NAME, |plan| run_one(plan, flags)),
        (None, None) => match &flags.seeds {
            Some(range) => run_many(scenario, range.clone(), flags.hash),
            None => run_ci(),
        },
    }
}

/// Runs one seed; prints the plan, the faults and the outcome.
fn run_one(plan: Plan, flags: &SimFlags) -> u8 {
    let bug = flags.plant.as_deref().and_then(planted_bugs::named);
    let mut replay = plan.replay();
    if let Some(bug) = bug {
        let _ = write!(replay, " --plant {}", bug.name());
    }
    println!("{plan}");
    // Printed before the run, so that it is known even if the run panics.
    println!("{replay}");
    let ran = run::run(plan, bug, if flags.trace { usize::MAX } else { 0 });
    ran.lines.iter().for_each(|line| println!("{line}"));
    for class in FaultClass::all().filter(|class| ran.run.tally.get(*class) > 0) {
        println!("{class:<18} {}", ran.run.tally.get(class));
    }
    for (counter, count) in &ran.counts {
        println!("  {}: {count}", counter.name());
    }
    if let Some(after) = ran.converged_after {
        println!("converged after {after:?}");
    }
    if let Some(idle) = ran.idle_bytes_per_second {
        println!("{idle} bytes per second and idle node");
    }
    println!("{} events, until {}, trace {:016x}", ran.run.events, ran.run.time, ran.run.trace);
    match ran.run.outcome {
        Ok(()) => 0,
        Err(violation) => {
            println!("{violation}\n{replay}");
            violation.kind.exit_code()
        }
    }
}

fn run_many(scenario: &str, range: Range<u64>, hash: bool) -> u8 {
    let report = run_seeds(scenario, range);
    if hash {
        report.runs.iter().for_each(|run| println!("{} {:016x}", run.seed, run.trace));
    }
    print!("{report}");
    result_of(&report).exit_code
}

/// Runs the checks that every change must pass.
fn run_ci() -> u8 {
    let report = run_seeds(RANDOM, CI_SEEDS);
    println!("{report}");
    let metrics = metrics::run(true);
    let metrics = SuiteResult {
        passed: usize::from(metrics == 0),
        failed: usize::from(metrics != 0),
        exit_code: metrics,
    };
    let all = result_of(&report)
        .and(run_scenarios(&CI_SCENARIO_SEEDS, &mut print_line))
        .and(replay_bugs(&mut print_line))
        .and(metrics);
    if let Some((run, _)) = report.failures().next() {
        println!("cargo xtask sim --node --seed {}", run.seed);
    }
    print_result(all)
}

fn campaign(range: Range<u64>, commit: &str) -> u8 {
    let report = run_seeds(RANDOM, range);
    println!("{report}");
    let (mut named, mut bugs) = (String::new(), String::new());
    let keep = |text: &mut String, line: &str| {
        println!("{line}");
        let _ = writeln!(text, "{line}");
    };
    let mut all =
        result_of(&report).and(run_scenarios(&CAMPAIGN_SCENARIO_SEEDS, &mut |line| keep(&mut named, line)));
    for bug in gm_node::Bug::ALL {
        all = all.and(search_bug(bug, None, &mut |line| keep(&mut bugs, line)));
    }
    if let Err(error) = std::fs::write(PAGE, page(commit, &report, &named, &bugs)) {
        println!("cannot write the page: {error}");
        return UNKNOWN_NAME;
    }
    print_result(all)
}

fn print_line(line: &str) {
    println!("{line}");
}

/// Prints the last line, in the form that all counting commands share.
fn print_result(count: SuiteResult) -> u8 {
    println!("{} passed, {} failed, 0 skipped", count.passed, count.failed);
    count.exit_code
}

fn range(text: &str) -> Result<Range<u64>, String> {
    let (start, end) = text.split_once("..").ok_or("a range has the form A..B")?;
    let number = |text: &str| text.parse::<u64>().map_err(|error| format!("{text}: {error}"));
    Ok(number(start)?..number(end)?)
}
