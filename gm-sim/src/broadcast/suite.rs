//! Many runs: seeds of a scenario, every scenario, every planted bug, and the page that a campaign
//! leaves. Knows no flags.

use std::fmt::Write as _;
use std::ops::Range;
use std::time::Instant;

use gm_broadcast::Bug;

use super::planted_bugs::{self, PLANTED_BUGS};
use super::run::run;
use super::scenario::{RANDOM, names, plan};
use crate::campaign::{Campaign, CampaignReport};
use crate::fault::FaultClass;

/// A kind of fault must happen in so many of 100 seeds, where there are enough of them to tell.
const MIN_PERCENT: u64 = 20;
/// As many seeds are enough.
const MIN_SEEDS: u64 = 200;
/// Seeds that every change runs.
pub const CI_SEEDS: Range<u64> = 0..300;
/// Seeds of each scenario with a name that every change runs.
pub const CI_SCENARIO_SEEDS: Range<u64> = 0..10;
/// What a command ends with if a planted bug is not found.
pub const BUG_NOT_FOUND: u8 = 6;

/// What some runs came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SuiteResult {
    /// Runs that were good.
    pub passed: usize,
    /// Runs that were not.
    pub failed: usize,
    /// What a command ends with.
    pub exit_code: u8,
}

impl SuiteResult {
    /// Both.
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

/// Threads that there are processors for.
fn threads() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// Seeds of a scenario.
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
        None => unreachable!("the scenario was asked for by name"),
    })
}

/// What a report counts as.
#[must_use]
pub fn result_of(report: &CampaignReport) -> SuiteResult {
    let failed = report.failures().count() + report.missing().count();
    SuiteResult {
        passed: report.runs.len() - report.failures().count(),
        failed,
        exit_code: report.exit_code(),
    }
}

/// Some seeds of each scenario that has a name.
#[must_use]
pub fn run_scenarios(each: Range<u64>, say: &mut dyn FnMut(&str)) -> SuiteResult {
    names().fold(SuiteResult::default(), |sum, name| {
        let start = Instant::now();
        let report = run_seeds(name, each.clone());
        let counted = result_of(&report);
        let runs = report.runs.len();
        if counted.failed > 0 {
            say(&report.to_string());
        }
        let took = start.elapsed().as_secs_f64();
        say(&format!("{name:<18} {runs:>6} runs, {} failed, {took:.1} s", counted.failed));
        sum.and(counted)
    })
}

/// Every planted bug, in the seed that found it.
#[must_use]
pub fn replay_bugs(say: &mut dyn FnMut(&str)) -> SuiteResult {
    PLANTED_BUGS.iter().fold(SuiteResult::default(), |sum, found| {
        let result = found.replay();
        let verdict = result.as_ref().err().map_or("found", String::as_str);
        say(&format!("{:<26} {:<18} {:>4} {verdict}", found.bug.name(), found.scenario, found.seed));
        match result {
            Ok(()) => sum.and(SuiteResult { passed: 1, failed: 0, exit_code: 0 }),
            Err(_) => sum.and(SuiteResult { passed: 0, failed: 1, exit_code: BUG_NOT_FOUND }),
        }
    })
}

/// Looks for a bug anew, and says the row for the table.
#[must_use]
pub fn search_bug(bug: Bug, say: &mut dyn FnMut(&str)) -> SuiteResult {
    match (planted_bugs::search(bug), planted_bugs::row(bug)) {
        (Some((seed, checker)), Some(row)) => {
            say(&format!("planted(Bug::{bug:?}, \"{}\", {seed}, \"{checker}\"),", row.scenario));
            SuiteResult { passed: 1, failed: 0, exit_code: 0 }
        }
        _ => {
            say(&format!("{} is not found in {} seeds", bug.name(), planted_bugs::SEARCH_SEEDS));
            SuiteResult { passed: 0, failed: 1, exit_code: BUG_NOT_FOUND }
        }
    }
}

/// The page that a campaign leaves.
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
        "Seeds {start}..{end} of the drawn scenario, **failures: {failures}**.\n\n```\n{report}```\n"
    );
    let _ = writeln!(page, "Every scenario that has a name:\n\n```\n{named}```\n");
    let _ = writeln!(
        page,
        "Every planted bug, in the first seed of its scenario that finds it:\n\n```\n{bugs}```"
    );
    page
}
