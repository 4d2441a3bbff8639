//! Command line of a suite; `cargo xtask sim` calls it.
//!
//! Exit codes: 0 if all checks passed; 1 for an unknown name; 2 if a fault class occurred too
//! rarely; 3 after a crash; 4 after a safety violation; 5 after a liveness violation.

#![allow(clippy::print_stdout, reason = "a command line tool prints to standard output")]

use std::fmt::Write as _;
use std::ops::Range;
use std::process::ExitCode;

use clap::{CommandFactory, FromArgMatches, Parser};

use super::{Suite, SuiteResult, campaign_page, replay_arguments, run_scenarios, run_seeds};
use crate::fault::FaultClass;

/// Flags of a suite.
#[derive(Debug, Parser)]
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
    /// Run a full campaign (many seeds, every scenario) and write its page
    #[arg(long)]
    campaign: bool,
    /// Measure costs, and write the page of metrics
    #[arg(long)]
    metrics: bool,
    /// Compare the costs with the committed tables
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

const UNKNOWN_NAME: u8 = 1;

/// Runs the suite as the arguments of the process say; without flags, the checks that every change
/// must pass.
pub fn main<S: Suite>(suite: &S) -> ExitCode {
    let settings = suite.settings();
    let command = SimFlags::command().name(settings.command).about(settings.about);
    match SimFlags::from_arg_matches(&command.get_matches()) {
        Ok(flags) => ExitCode::from(dispatch(suite, &flags)),
        Err(error) => error.exit(),
    }
}

fn dispatch<S: Suite>(suite: &S, flags: &SimFlags) -> u8 {
    let settings = suite.settings();
    let named = flags.scenario.as_deref();
    let scenario = named.unwrap_or(settings.random);
    if suite.plan(scenario, 0).is_none() {
        let names = [vec![settings.random], suite.scenarios()].concat();
        println!("unknown scenario {scenario}; known scenarios: {}", names.join(", "));
        return UNKNOWN_NAME;
    }
    if flags.metrics {
        let page = suite.metrics();
        let good = match (flags.check, flags.large) {
            (true, _) => page.check(),
            (_, true) => page.update_large(),
            _ => page.update(),
        };
        return u8::from(!good);
    }
    if flags.campaign {
        return campaign(suite, flags.seeds.clone().unwrap_or(settings.campaign_seeds), &flags.commit);
    }
    let seed = flags.seed.or(named.filter(|_| flags.seeds.is_none()).map(|_| 0));
    match (seed, &flags.seeds) {
        (Some(seed), _) => run_one(suite, (scenario, seed), if flags.trace { usize::MAX } else { 0 }),
        (None, Some(range)) => run_many(suite, scenario, range.clone(), flags.hash),
        (None, None) => run_ci(suite),
    }
}

/// Runs one seed; prints the plan, the faults and the outcome.
fn run_one<S: Suite>(suite: &S, (scenario, seed): (&str, u64), lines: usize) -> u8 {
    let Some(plan) = suite.plan(scenario, seed) else { return UNKNOWN_NAME };
    let settings = suite.settings();
    let replay = format!("{} {} {seed}", settings.command, replay_arguments(scenario, settings.random));
    println!("{plan}");
    // Printed before the run, so that it is known even if the run panics.
    println!("{replay}");
    let done = suite.run(plan, lines);
    done.lines.iter().for_each(|line| println!("{line}"));
    let run = done.run;
    for class in FaultClass::all().filter(|class| run.tally.get(*class) > 0) {
        println!("{class:<18} {}", run.tally.get(class));
    }
    done.report.iter().for_each(|line| println!("{line}"));
    println!("{} events, until {}, trace {:016x}", run.events, run.time, run.trace);
    match run.outcome {
        Ok(()) => 0,
        Err(violation) => {
            println!("{violation}\nfound by {}\n{replay}", violation.checker);
            violation.kind.exit_code()
        }
    }
}

fn run_many<S: Suite>(suite: &S, scenario: &str, range: Range<u64>, hash: bool) -> u8 {
    let report = run_seeds(suite, scenario, range);
    if hash {
        report.runs.iter().for_each(|run| println!("{} {:016x}", run.seed, run.trace));
    }
    print!("{report}");
    SuiteResult::of(&report).exit_code
}

/// Runs the checks that every change must pass.
fn run_ci<S: Suite>(suite: &S) -> u8 {
    let settings = suite.settings();
    let report = run_seeds(suite, settings.random, settings.ci_seeds);
    println!("{report}");
    let metrics = if suite.metrics().check() { SuiteResult::PASSED } else { SuiteResult::failed(1) };
    let all = SuiteResult::of(&report)
        .and(run_scenarios(suite, &settings.ci_scenario_seeds, &mut print_line))
        .and(metrics);
    if let Some((run, _)) = report.failures().next() {
        println!("{} --seed {}", settings.command, run.seed);
    }
    print_result(all)
}

fn campaign<S: Suite>(suite: &S, range: Range<u64>, commit: &str) -> u8 {
    let settings = suite.settings();
    let report = run_seeds(suite, settings.random, range);
    println!("{report}");
    let mut named = String::new();
    let scenarios = run_scenarios(suite, &settings.campaign_scenario_seeds, &mut |line| {
        println!("{line}");
        let _ = writeln!(named, "{line}");
    });
    let all = SuiteResult::of(&report).and(scenarios);
    let page = campaign_page(&settings, commit, &report, &named);
    if let Err(error) = std::fs::write(settings.campaign_page, page) {
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
