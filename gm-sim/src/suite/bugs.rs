//! Planted bugs of a suite: the table that says which run finds each, its replay, and the search
//! for a new row.

use super::{BUG_NOT_FOUND, Suite, SuiteResult};
use crate::world::Run;

/// A planted bug, and a run that finds it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PlantedBug<B> {
    /// The bug.
    pub bug: B,
    /// Name of the scenario.
    pub scenario: &'static str,
    /// First seed of the scenario that finds the bug.
    pub seed: u64,
    /// Name of the checker that finds it.
    pub checker: &'static str,
}

/// A row of a table of planted bugs.
pub const fn planted<B>(bug: B, scenario: &'static str, seed: u64, checker: &'static str) -> PlantedBug<B>
where
    B: Copy,
{
    PlantedBug { bug, scenario, seed, checker }
}

/// Number of seeds in which a bug is searched.
const SEARCH_SEEDS: u64 = 200;

/// The bug with this name.
pub(super) fn bug_named<S: Suite>(suite: &S, name: &str) -> Option<S::Bug> {
    suite.bugs().iter().copied().find(|bug| suite.bug_name(*bug) == name)
}

/// The row of a bug.
fn row_of<S: Suite>(suite: &S, bug: S::Bug) -> Option<&'static PlantedBug<S::Bug>> {
    suite.planted_bugs().iter().find(|found| found.bug == bug)
}

/// Replays every bug in the seed that found it. A bug without a row in the table is not found.
pub(super) fn replay_bugs<S: Suite>(suite: &S, print: &mut dyn FnMut(&str)) -> SuiteResult {
    suite.bugs().iter().fold(SuiteResult::default(), |sum, bug| {
        let row = row_of(suite, *bug);
        let result = row.map_or_else(|| Err("no row in the table".to_owned()), |row| replay(suite, row));
        let verdict = result.as_ref().err().map_or("found", String::as_str);
        let (scenario, seed) = row.map_or(("", 0), |row| (row.scenario, row.seed));
        print(&format!("{:<28} {scenario:<18} {seed:>4} {verdict}", suite.bug_name(*bug)));
        sum.and(if result.is_ok() { SuiteResult::PASSED } else { SuiteResult::failed(BUG_NOT_FOUND) })
    })
}

/// Searches a planted bug in this scenario, else in that of its row, and prints a row for the
/// table.
pub(super) fn search_bug<S: Suite>(
    suite: &S,
    bug: S::Bug,
    scenario: Option<&str>,
    print: &mut dyn FnMut(&str),
) -> SuiteResult {
    let scenario = scenario.or(row_of(suite, bug).map(|row| row.scenario)).unwrap_or(suite.settings().random);
    let name = suite.bug_name(bug);
    match search(suite, bug, scenario) {
        Some((seed, checker)) => {
            print(&format!("planted(Bug::{bug:?}, \"{scenario}\", {seed}, \"{checker}\"),"));
            SuiteResult::PASSED
        }
        None => {
            print(&format!("{name} was not found in {SEARCH_SEEDS} seeds of {scenario}"));
            SuiteResult::failed(BUG_NOT_FOUND)
        }
    }
}

/// The first seed of the scenario that finds the bug and passes without it, and the checker that
/// finds it.
fn search<S: Suite>(suite: &S, bug: S::Bug, scenario: &str) -> Option<(u64, String)> {
    (0..SEARCH_SEEDS).find_map(|seed| {
        let violation = run_seed(suite, scenario, seed, Some(bug))?.outcome.err()?;
        run_seed(suite, scenario, seed, None)?.outcome.ok()?;
        Some((seed, violation.checker))
    })
}

/// Checks that the seed still finds the bug by the same checker, and passes without it; the error
/// is the difference.
fn replay<S: Suite>(suite: &S, found: &PlantedBug<S::Bug>) -> Result<(), String> {
    let PlantedBug { bug, scenario, seed, checker } = *found;
    let again = format!("{} --plant {}", suite.settings().command, suite.bug_name(bug));
    let run =
        |bug| run_seed(suite, scenario, seed, bug).ok_or_else(|| format!("unknown scenario {scenario}"));
    match run(Some(bug))?.outcome {
        Err(violation) if violation.checker == checker => {}
        Err(violation) => {
            return Err(format!("found by {}, not by {checker}; {again}", violation.checker));
        }
        Ok(()) => return Err(format!("not found in {scenario}, seed {seed}; {again}")),
    }
    let without = run(None)?.outcome;
    without.map_err(|violation| format!("{scenario}, seed {seed} without the bug: {violation}"))
}

fn run_seed<S: Suite>(suite: &S, scenario: &str, seed: u64, bug: Option<S::Bug>) -> Option<Run> {
    Some(suite.run(suite.plan(scenario, seed)?, bug, 0).run)
}
