//! Many runs: seeds of a scenario, every scenario, every planted bug, and the page that a campaign leaves. Knows no flags.

use std::fmt::Write as _;
use std::ops::Range;
use std::time::Instant;

use gm_broadcast::Bug;

use super::plants::{self, FOUND};
use super::run::run;
use super::scenario::{RANDOM, names, plan};
use crate::campaign::{Campaign, Report};
use crate::fault::FaultClass;

/// A kind of fault must happen in so many of 100 seeds, where there are enough of them to tell.
const PERCENT: u64 = 20;
/// As many seeds are enough.
const ENOUGH: u64 = 200;
/// Seeds that every change runs.
pub const CI_SEEDS: Range<u64> = 0..300;
/// Seeds of each scenario with a name that every change runs.
pub const CI_EACH: Range<u64> = 0..10;
/// What a command ends with if a planted bug is not found.
pub const NOT_FOUND: u8 = 6;

/// What some runs came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Count {
    /// Runs that were good.
    pub passed: usize,
    /// Runs that were not.
    pub failed: usize,
    /// What a command ends with.
    pub code: u8,
}

impl Count {
    /// Both.
    #[must_use]
    pub fn and(self, other: Count) -> Count {
        let code = if self.code == 0 { other.code } else { self.code };
        Count { passed: self.passed + other.passed, failed: self.failed + other.failed, code }
    }
}

/// Threads that there are processors for.
fn threads() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// Seeds of a scenario.
#[must_use]
pub fn seeds(scenario: &str, seeds: Range<u64>) -> Report {
    let drawn = scenario == RANDOM;
    let enough = seeds.end.saturating_sub(seeds.start) >= ENOUGH;
    let replay = if drawn { "--seed".to_owned() } else { format!("--scenario {scenario} --seed") };
    let campaign = Campaign {
        seeds,
        threads: threads(),
        classes: if drawn { FaultClass::ALL.to_vec() } else { Vec::new() },
        percent: if enough { PERCENT } else { 0 },
        replay: format!("cargo xtask sim {replay}"),
    };
    campaign.run(|seed| match plan(scenario, seed) {
        Some(plan) => run(plan, None, 0).0,
        None => unreachable!("the scenario was asked for by name"),
    })
}

/// What a report counts as.
#[must_use]
pub fn count(report: &Report) -> Count {
    let failed = report.failures().count() + report.missing().count();
    Count { passed: report.runs.len() - report.failures().count(), failed, code: report.exit_code() }
}

/// Some seeds of each scenario that has a name.
#[must_use]
pub fn scenarios(each: Range<u64>, say: &mut dyn FnMut(&str)) -> Count {
    names().fold(Count::default(), |sum, name| {
        let start = Instant::now();
        let report = seeds(name, each.clone());
        let counted = count(&report);
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
pub fn replays(say: &mut dyn FnMut(&str)) -> Count {
    FOUND.iter().fold(Count::default(), |sum, found| {
        let result = found.replay();
        let verdict = result.as_ref().err().map_or("found", String::as_str);
        say(&format!("{:<26} {:<18} {:>4} {verdict}", found.bug.name(), found.scenario, found.seed));
        match result {
            Ok(()) => sum.and(Count { passed: 1, failed: 0, code: 0 }),
            Err(_) => sum.and(Count { passed: 0, failed: 1, code: NOT_FOUND }),
        }
    })
}

/// Looks for a bug anew, and says the row for the table.
#[must_use]
pub fn search(bug: Bug, say: &mut dyn FnMut(&str)) -> Count {
    match (plants::search(bug), plants::row(bug)) {
        (Some((seed, checker)), Some(row)) => {
            say(&format!("found(Bug::{bug:?}, \"{}\", {seed}, \"{checker}\"),", row.scenario));
            Count { passed: 1, failed: 0, code: 0 }
        }
        _ => {
            say(&format!("{} is not found in {} seeds", bug.name(), plants::SEEDS));
            Count { passed: 0, failed: 1, code: NOT_FOUND }
        }
    }
}

/// The page that a campaign leaves.
#[must_use]
pub fn page(commit: &str, report: &Report, named: &str, bugs: &str) -> String {
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
