//! Suites of runs: seeds of a scenario, every scenario, every planted bug; and the page that a
//! campaign writes.

use std::fmt::Write as _;
use std::ops::Range;
use std::time::Instant;

use gm_node::Bug;
use gm_sim::broadcast::suite::{BUG_NOT_FOUND, SuiteResult, result_of};
use gm_sim::{Campaign, CampaignReport, FaultClass};

use crate::plan::{RANDOM, names, plan};
use crate::planted_bugs::{self, PLANTED_BUGS};
use crate::run::run;

/// Minimum percentage of runs in which each fault class must occur, if there are enough runs.
const MIN_PERCENT: u64 = 15;
/// Number of runs from which the minimum percentage is checked.
const MIN_SEEDS: u64 = 200;
/// Seeds that every change runs.
pub(crate) const CI_SEEDS: Range<u64> = 0..300;
/// Seeds of each named scenario that every change runs.
pub(crate) const CI_SCENARIO_SEEDS: Range<u64> = 0..3;

/// Runs the seeds of a scenario.
pub(crate) fn run_seeds(scenario: &str, seeds: Range<u64>) -> CampaignReport {
    let drawn = scenario == RANDOM;
    let enough = seeds.end.saturating_sub(seeds.start) >= MIN_SEEDS;
    let replay = if drawn { "--seed".to_owned() } else { format!("--scenario {scenario} --seed") };
    let campaign = Campaign {
        seeds,
        threads: std::thread::available_parallelism().map_or(1, usize::from),
        classes: if drawn { FaultClass::all().collect() } else { Vec::new() },
        min_percent: if enough { MIN_PERCENT } else { 0 },
        replay: format!("cargo xtask sim --node {replay}"),
    };
    campaign.run(|seed| match plan(scenario, seed) {
        Some(plan) => run(plan, None, 0).run,
        None => unreachable!("the caller checked the name"),
    })
}

/// Runs these seeds of each named scenario.
pub(crate) fn run_scenarios(each: &Range<u64>, print: &mut dyn FnMut(&str)) -> SuiteResult {
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
pub(crate) fn replay_bugs(print: &mut dyn FnMut(&str)) -> SuiteResult {
    PLANTED_BUGS.iter().fold(SuiteResult::default(), |sum, found| {
        let result = found.replay();
        let verdict = result.as_ref().err().map_or("found", String::as_str);
        print(&format!("{:<28} {:<18} {:>4} {verdict}", found.bug.name(), found.scenario, found.seed));
        match result {
            Ok(()) => sum.and(SuiteResult { passed: 1, failed: 0, exit_code: 0 }),
            Err(_) => sum.and(SuiteResult { passed: 0, failed: 1, exit_code: BUG_NOT_FOUND }),
        }
    })
}

/// Searches a planted bug in its scenario or another one, and prints its row for the table.
pub(crate) fn search_bug(bug: Bug, scenario: Option<&str>, print: &mut dyn FnMut(&str)) -> SuiteResult {
    let scenario = scenario.or(planted_bugs::row(bug).map(|row| row.scenario)).unwrap_or(RANDOM);
    match planted_bugs::search(bug, scenario) {
        Some((seed, checker)) => {
            print(&format!("planted(Bug::{bug:?}, \"{scenario}\", {seed}, \"{checker}\"),"));
            SuiteResult { passed: 1, failed: 0, exit_code: 0 }
        }
        None => {
            print(&format!(
                "{} was not found in {} seeds of {scenario}",
                bug.name(),
                planted_bugs::SEARCH_SEEDS
            ));
            SuiteResult { passed: 0, failed: 1, exit_code: BUG_NOT_FOUND }
        }
    }
}

/// The page that a campaign writes.
pub(crate) fn page(commit: &str, report: &CampaignReport, named: &str, bugs: &str) -> String {
    let Range { start, end } = report.campaign.seeds;
    let mut page = String::from("# The campaign of whole nodes\n\n");
    let _ = writeln!(
        page,
        "Written by `cargo xtask sim --node --campaign --seeds {start}..{end}` on commit {commit}.\n"
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
