//! Worlds of whole nodes in virtual time; `cargo xtask sim --node` calls it. Knows the flags, and
//! which module answers each.
//!
//! It ends with 0 if all was well, 1 if it was asked for what is not there, 2 if a kind of fault
//! was missing, 3 after a crash, 4 if safety was broken, 5 if something did not happen in time, 6
//! if a planted bug was not found.
//!
//! Reading order: `plan.rs` and below it (what is to happen), `environment.rs` (the world),
//! `run.rs`, `executor.rs` (how it happens), `history.rs`, `writer_model.rs`, `check.rs` and below
//! it (what must hold), `suite.rs`, `planted_bugs.rs`.

#![allow(clippy::print_stdout, reason = "a command line tool speaks on standard output")]
#![allow(missing_docs, reason = "nobody depends on an example")]

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

/// Worlds of whole nodes in virtual time: nothing said runs what every change must pass
#[derive(Debug, Parser)]
#[command(name = "cargo xtask sim --node")]
struct SimFlags {
    /// One seed
    #[arg(long, conflicts_with_all = ["seeds", "campaign", "metrics"])]
    seed: Option<u64>,
    /// The seeds from A up to B, without B
    #[arg(long, value_name = "A..B", value_parser = range)]
    seeds: Option<Range<u64>>,
    /// A scenario by its name, instead of the drawn one; its seed 0 if no other is said
    #[arg(long)]
    scenario: Option<String>,
    /// Everything: many seeds, every scenario, the search for every planted bug; writes
    /// docs/campaign-node.md
    #[arg(long)]
    campaign: bool,
    /// Look for a planted bug, or, with a seed, run with it
    #[arg(long, value_name = "NAME")]
    plant: Option<String>,
    /// What nodes cost
    #[arg(long)]
    metrics: bool,
    /// Compare what they cost with the committed tables
    #[arg(long, requires = "metrics")]
    check: bool,
    /// Only what many nodes cost, which takes minutes
    #[arg(long, requires = "metrics", conflicts_with = "check")]
    large: bool,
    /// Every input of a run, a line each
    #[arg(long, requires = "seed")]
    trace: bool,
    /// The hash of each run's trace
    #[arg(long, requires = "seeds")]
    hash: bool,
    /// What the page of a campaign says of where it comes from
    #[arg(long, hide = true, default_value = "unknown")]
    commit: String,
}

/// Seeds of a campaign, if no others are said.
const CAMPAIGN_SEEDS: Range<u64> = 0..5_000;
/// Seeds of each scenario in it.
const CAMPAIGN_SCENARIO_SEEDS: Range<u64> = 0..100;
const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/campaign-node.md");
const UNKNOWN_NAME: u8 = 1;

fn main() -> ExitCode {
    ExitCode::from(dispatch(&SimFlags::parse()))
}

fn dispatch(flags: &SimFlags) -> u8 {
    let scenario = flags.scenario.as_deref().unwrap_or(RANDOM);
    if plan(scenario, 0).is_none() {
        println!("there is no scenario {scenario}; there are {}", names().collect::<Vec<_>>().join(", "));
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
            println!("there is no bug {name}");
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

/// One run: what it is, what happened, how it ended.
fn run_one(plan: Plan, flags: &SimFlags) -> u8 {
    let bug = flags.plant.as_deref().and_then(planted_bugs::named);
    let mut replay = plan.replay();
    if let Some(bug) = bug {
        let _ = write!(replay, " --plant {}", bug.name());
    }
    println!("{plan}");
    // Also if it panics, the command that replays it has been said.
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
        println!("equal after {after:?}");
    }
    if let Some(idle) = ran.idle_bytes_per_second {
        println!("{idle} bytes a second and node in quiet");
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

/// What every change must pass.
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
        println!("the page was not written: {error}");
        return UNKNOWN_NAME;
    }
    print_result(all)
}

fn print_line(line: &str) {
    println!("{line}");
}

/// The last line, as all commands that count have it.
fn print_result(count: SuiteResult) -> u8 {
    println!("{} passed, {} failed, 0 skipped", count.passed, count.failed);
    count.exit_code
}

fn range(text: &str) -> Result<Range<u64>, String> {
    let (start, end) = text.split_once("..").ok_or("a range is A..B")?;
    let number = |text: &str| text.parse::<u64>().map_err(|error| format!("{text}: {error}"));
    Ok(number(start)?..number(end)?)
}
