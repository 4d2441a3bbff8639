//! [`Suite`]: the simulation of one protocol layer, with its scenarios and metrics. A layer
//! that implements it gets campaigns, compared metrics and the command line of `cargo xtask sim`
//! ([`main`]).

mod command_line;
mod metrics_page;

use std::fmt::{self, Write as _};
use std::ops::Range;
use std::time::Instant;

use crate::campaign::{Campaign, CampaignReport};
use crate::fault::FaultClass;
use crate::world::Run;

pub use command_line::main;
pub use metrics_page::MetricsPage;

/// Number of runs from which the minimum percentage of each fault class is checked.
const MIN_SEEDS: u64 = 200;

/// The numbers of a suite.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SuiteSettings {
    /// The command that runs the suite, for example `cargo xtask sim --node`.
    pub command: &'static str,
    /// Summary of the suite for the command's help, one line.
    pub about: &'static str,
    /// Name of the scenario whose plans are random.
    pub random: &'static str,
    /// Fault classes that must occur in the random scenario.
    pub classes: Vec<FaultClass>,
    /// Minimum percentage of at least 200 random runs in which each class must occur. Too high, and
    /// a change of the random plans fails for no reason; too low, and a class can vanish unnoticed.
    pub min_percent: u64,
    /// Seeds of the random scenario that every change runs.
    pub ci_seeds: Range<u64>,
    /// Seeds of each named scenario that every change runs.
    pub ci_scenario_seeds: Range<u64>,
    /// Seeds of the random scenario in a campaign.
    pub campaign_seeds: Range<u64>,
    /// Seeds of each named scenario in a campaign.
    pub campaign_scenario_seeds: Range<u64>,
    /// Title of the page that a campaign writes.
    pub campaign_title: &'static str,
    /// Path of that page.
    pub campaign_page: &'static str,
}

/// Simulation of one protocol layer.
pub trait Suite: Sync {
    /// Everything that a run depends on, drawn from a scenario and a seed. Displayed before a run.
    type Plan: fmt::Display;

    /// The numbers of the suite.
    fn settings(&self) -> SuiteSettings;

    /// The scenarios, without the random one.
    fn scenarios(&self) -> Vec<&'static str>;

    /// The plan of a scenario, the random one included; `None` if there is none of that name.
    fn plan(&self, scenario: &str, seed: u64) -> Option<Self::Plan>;

    /// Runs a plan, and keeps this number of last lines of the trace.
    fn run(&self, plan: Self::Plan, lines: usize) -> SuiteRun;

    /// The page of the compared metrics.
    fn metrics(&self) -> MetricsPage;
}

/// Result of one run of a suite.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SuiteRun {
    /// The result.
    pub run: Run,
    /// The last lines of the trace.
    pub lines: Vec<String>,
    /// Lines on the run for a person who replays it.
    pub report: Vec<String>,
}

/// Number of passed and failed runs, and the exit code that follows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SuiteResult {
    /// Number of runs that passed.
    pub passed: usize,
    /// Number of runs that failed.
    pub failed: usize,
    /// Exit code of the command.
    pub exit_code: u8,
}

impl SuiteResult {
    const PASSED: SuiteResult = SuiteResult { passed: 1, failed: 0, exit_code: 0 };

    const fn failed(exit_code: u8) -> SuiteResult {
        SuiteResult { passed: 0, failed: 1, exit_code }
    }

    /// The combined result of both.
    #[must_use]
    pub fn and(self, other: SuiteResult) -> SuiteResult {
        let code = if self.exit_code == 0 { other.exit_code } else { self.exit_code };
        SuiteResult {
            passed: self.passed + other.passed,
            failed: self.failed + other.failed,
            exit_code: code,
        }
    }

    /// The result of a campaign; a fault class that occurred too rarely counts as a failed run.
    #[must_use]
    pub fn of(report: &CampaignReport) -> SuiteResult {
        let failures = report.failures().count();
        SuiteResult {
            passed: report.runs.len() - failures,
            failed: failures + report.missing().count(),
            exit_code: report.exit_code(),
        }
    }
}

/// The arguments that replay a seed of a scenario; the seed follows.
fn replay_arguments(scenario: &str, random: &str) -> String {
    if scenario == random { "--seed".to_owned() } else { format!("--scenario {scenario} --seed") }
}

/// Runs the seeds of a scenario whose name is known.
fn run_seeds<S: Suite>(suite: &S, scenario: &str, seeds: Range<u64>) -> CampaignReport {
    let SuiteSettings { command, random, classes, min_percent, .. } = suite.settings();
    let is_random = scenario == random;
    let enough = seeds.end.saturating_sub(seeds.start) >= MIN_SEEDS;
    let campaign = Campaign {
        seeds,
        threads: std::thread::available_parallelism().map_or(1, usize::from),
        classes: if is_random { classes } else { Vec::new() },
        min_percent: if enough { min_percent } else { 0 },
        replay: format!("{command} {}", replay_arguments(scenario, random)),
    };
    campaign.run(|seed| match suite.plan(scenario, seed) {
        Some(plan) => suite.run(plan, 0).run,
        None => unreachable!("the caller checked the name"),
    })
}

/// Runs these seeds of each named scenario.
fn run_scenarios<S: Suite>(suite: &S, each: &Range<u64>, print: &mut dyn FnMut(&str)) -> SuiteResult {
    suite.scenarios().into_iter().fold(SuiteResult::default(), |sum, name| {
        let start = Instant::now();
        let report = run_seeds(suite, name, each.clone());
        let counted = SuiteResult::of(&report);
        let runs = report.runs.len();
        if counted.failed > 0 {
            print(&report.to_string());
        }
        let seconds = start.elapsed().as_secs_f64();
        print(&format!("{name:<18} {runs:>6} runs, {} failed, {seconds:.1} s", counted.failed));
        sum.and(counted)
    })
}

/// The page that a campaign writes.
fn campaign_page(settings: &SuiteSettings, commit: &str, report: &CampaignReport, named: &str) -> String {
    let Range { start, end } = report.campaign.seeds;
    let SuiteSettings { command, campaign_title, .. } = settings;
    let mut page = format!("# {campaign_title}\n\n");
    let _ = writeln!(page, "Written by `{command} --campaign --seeds {start}..{end}` on commit {commit}.\n");
    let failures = report.failures().count();
    let _ = writeln!(
        page,
        "Seeds {start}..{end} of the random scenario, **failures: {failures}**.\n\n```\n{report}```\n"
    );
    let _ = writeln!(page, "All named scenarios:\n\n```\n{named}```");
    page
}

#[cfg(test)]
mod tests;
