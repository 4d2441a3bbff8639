//! Suites of runs: seeds of a scenario, every scenario, every planted bug; and the page that a
//! campaign writes.

use std::fmt::Write as _;
use std::ops::Range;
use std::time::Instant;

use gm_broadcast::Bug;

use super::planted_bugs::{self, PLANTED_BUGS};
use super::run::run;
use super::scenario::{RANDOM, names, plan};
use crate::campaign::{Campaign, CampaignReport};
use crate::fault::FaultClass;

/// Minimum percentage of runs in which each fault class must occur, if there are enough runs.
const MIN_PERCENT: u64 = 20;
/// Number of runs from which the minimum percentage is checked.
const MIN_SEEDS: u64 = 200;
/// Seeds that every change runs.
pub const CI_SEEDS: Range<u64> = 0..300;
/// Seeds of each named scenario that every change runs.
pub const CI_SCENARIO_SEEDS: Range<u64> = 0..10;
/// Exit code if a planted bug is not found.
pub const BUG_NOT_FOUND: u8 = 6;

/// Result of a suite.
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
    /// The combined result of both suites.
    #[must_use]
    pub fn and(self, other: SuiteResult) -> SuiteResult {
        let code = if self.exit_code == 0 { other.exit_code } else { self.exit_code };
        SuiteResult {
            passed: self.passed + other.passed,
            failed: self.failed + other.failed,
            exit_code: code,
        }
    }
}

/// Number of available processors.
fn threads() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// Runs the seeds of a scenario.
#[must_use]
pub fn run_seeds(scenario: &str, seeds: Range<u64>) -> CampaignReport {
    let drawn = scenario == RANDOM;
    let enough = seeds.end.saturating_sub(seeds.start) >= MIN_SEEDS;
    let replay = if drawn { "--seed".to_owned() } else { format!("--scenario {scenario} --seed") };
    let campaign = Campaign {
        seeds,
        threads: threads(),
        classes: if drawn { FaultClass::ALL.to_vec() } else { Vec::new() },
        min_percent: if enough { MIN_PERCENT } else { 0 },
        replay: format!("cargo xtask sim {replay}"),
    };
    campaign.run(|seed| match plan(scenario, seed) {
        Some(plan) => run(plan, None, 0).0,
        None => unreachable!("the caller checked the name"),
    })
}

/// The result that a report counts as.
#[must_use]
pub fn result_of(report: &CampaignReport) -> SuiteResult {
    let failed = report.failures().count() + report.missing().count();
    SuiteResult {
        passed: report.runs.len() - report.failures().count(),
        failed,
        exit_code: report.exit_code(),
    }
}

/// Runs these seeds of each named scenario.
#[must_use]
pub fn run_scenarios(each: Range<u64>, print: &mut dyn FnMut(&str)) -> SuiteResult {
    names().fold(SuiteResult::default(), |sum, name| {
        let start = Instant::now();
        let report = run_seeds(name, each.clone());
        let counted = result_of(&report);
        let runs = report.runs.len();
        if counted.failed > 0 {
            print(&report.to_string());
        }
        let seconds = start.elapsed().as_secs_f64();
        print(&format!("{name:<18} {runs:>6} runs, {} failed, {seconds:.1} s", counted.failed));
        sum.and(counted)
    })
}

/// Replays every planted bug in the seed that found it.
#[must_use]
pub fn replay_bugs(print: &mut dyn FnMut(&str)) -> SuiteResult {
    PLANTED_BUGS.iter().fold(SuiteResult::default(), |sum, found| {
        let result = found.replay();
        let verdict = result.as_ref().err().map_or("found", String::as_str);
        print(&format!("{:<26} {:<18} {:>4} {verdict}", found.bug.name(), found.scenario, found.seed));
        match result {
            Ok(()) => sum.and(SuiteResult { passed: 1, failed: 0, exit_code: 0 }),
            Err(_) => sum.and(SuiteResult { passed: 0, failed: 1, exit_code: BUG_NOT_FOUND }),
        }
    })
}

/// Searches a planted bug, and prints its row for the table.
#[must_use]
pub fn search_bug(bug: Bug, print: &mut dyn FnMut(&str)) -> SuiteResult {
    match (planted_bugs::search(bug), planted_bugs::row(bug)) {
        (Some((seed, checker)), Some(row)) => {
            print(&format!("planted(Bug::{bug:?}, \"{}\", {seed}, \"{checker}\"),", row.scenario));
            SuiteResult { passed: 1, failed: 0, exit_code: 0 }
        }
        _ => {
            print(&format!("{} was not found in {} seeds", bug.name(), planted_bugs::SEARCH_SEEDS));
            SuiteResult { passed: 0, failed: 1, exit_code: BUG_NOT_FOUND }
        }
    }
}

/// The page that a campaign writes.
#[must_use]
pub fn page(commit: &str, report: &CampaignReport, named: &str, bugs: &str) -> String {
    let Range { start, end } = report.campaign.seeds;
    let mut page = String::from("# The campaign of the broadcast\n\n");
    let _ = writeln!(
        page,
        "Written by `cargo xtask sim --campaign --seeds {start}..{end}` on commit {commit}.\n"
    );
    let failures = report.failures().count();
    let _ = writeln!(
        page,
        "Seeds {start}..{end} of the random scenario, **failures: {failures}**.\n\n```\n{report}```\n"
    );
    let _ = writeln!(page, "All named scenarios:\n\n```\n{named}```\n");
    let _ = writeln!(
        page,
        "All planted bugs, each with the first seed of its scenario that finds it:\n\n```\n{bugs}```"
    );
    page
}
