//! `cargo xtask mutations`: named, deliberate bugs, each of which its run of a simulator, or its
//! test, must find.
//!
//! The tables in `mutations/` define them; the product has none of them. One copy of the workspace
//! is built with all of them, each behind a run-time switch. `table` reads the tables, `place`
//! finds the code that a mutation changes, `schemata` changes it, `build` builds the copy, and
//! `run` runs it.

mod build;
mod place;
mod run;
mod schemata;
mod table;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::Command;
use std::time::Instant;

use anyhow::{Context, Result, bail};
use clap::Args;

use crate::counting_program;
use crate::mutants::run::in_parallel;
use crate::test_counts::TestCounts;
use crate::workspace::Workspace;
use build::MutatedTree;
pub(crate) use run::ACTIVE;
use run::{Outcome, judge};
use table::{FoundBy, Mutation, Simulator};

/// Number of seeds in which `--search` looks for a mutation.
const SEARCH_SEEDS: u64 = 200;

/// Flags of `cargo xtask mutations`.
#[derive(Debug, Default, Args)]
pub(crate) struct Flags {
    /// Only mutations whose names contain this
    #[arg(long, value_name = "TEXT")]
    only: Option<String>,
    /// Print the first seed of the scenario that finds each mutation, for its row
    #[arg(long)]
    search: bool,
    /// With `--search`: another scenario than that of the row
    #[arg(long, requires = "search")]
    scenario: Option<String>,
    /// Print the names and what finds them, and run nothing
    #[arg(long)]
    list: bool,
}

/// The programs with all mutations.
struct Programs {
    folder: PathBuf,
    simulators: BTreeMap<Simulator, PathBuf>,
    tests: BTreeMap<String, PathBuf>,
}

/// Runs what finds the mutations. Fails if a mutation is not found as its row says.
pub(crate) fn run(ws: &Workspace, flags: &Flags) -> Result<TestCounts> {
    let all = table::read(ws.root())?;
    let wanted = |mutation: &&Mutation| {
        // Fuzzing finds the others, with `cargo xtask fuzz --planted`.
        let is_here = flags.list || !matches!(mutation.found_by, FoundBy::Fuzz { .. });
        is_here && flags.only.as_ref().is_none_or(|text| mutation.name.contains(text))
    };
    let chosen: Vec<&Mutation> = all.iter().filter(wanted).collect();
    if chosen.is_empty() {
        bail!("no mutation has such a name");
    }
    if flags.list {
        for mutation in &chosen {
            println!("{:<28} {}\n    {}", mutation.name, mutation.found_by, mutation.about);
        }
        return Ok(TestCounts::default());
    }
    let tree = MutatedTree::make(ws, &all)?;
    let (simulators, tests) = (tree.simulators(&chosen)?, tree.tests(&chosen)?);
    let programs = Programs { folder: tree.folder().to_owned(), simulators, tests };
    let workers = std::thread::available_parallelism().map_or(1, usize::from);
    let without = if flags.search { BTreeMap::new() } else { programs.baselines(&chosen, workers)? };
    let verdicts = in_parallel(&chosen, workers, |_, mutation| {
        let start = Instant::now();
        let verdict = if flags.search {
            search(&programs, mutation, flags.scenario.as_deref())
        } else {
            find(&programs, mutation, &without)
        };
        let verdict = verdict.unwrap_or_else(|error| Err(format!("{error:#}")));
        let (Ok(shown) | Err(shown)) = &verdict;
        println!("{:<28} {shown}, {:.1} s", mutation.name, start.elapsed().as_secs_f64());
        verdict.is_ok()
    });
    let passed = verdicts.iter().filter(|good| **good).count() as u64;
    Ok(TestCounts { passed, failed: verdicts.len() as u64 - passed, skipped: 0 })
}

/// A copy of the workspace with all mutations, for fuzzing.
pub(crate) struct FuzzedCopy {
    pub(crate) folder: PathBuf,
    /// The mutations that fuzzing finds: name, fuzz target, and value of [`ACTIVE`].
    pub(crate) mutations: Vec<(String, String, String)>,
}

/// Makes the copy with the mutations that fuzzing finds.
pub(crate) fn copy_for_fuzzing(ws: &Workspace) -> Result<FuzzedCopy> {
    let all = table::read(ws.root())?;
    let folder = MutatedTree::make(ws, &all)?.folder().to_owned();
    let found = all.iter().filter_map(|mutation| match &mutation.found_by {
        FoundBy::Fuzz { target, .. } => {
            Some((mutation.name.clone(), target.clone(), mutation.number.to_string()))
        }
        _ => None,
    });
    Ok(FuzzedCopy { folder, mutations: found.collect() })
}

/// Runs a simulator with a mutation and the given arguments, and returns its exit code.
pub(crate) fn simulate(ws: &Workspace, name: &str, args: &[&String]) -> Result<u8> {
    let all = table::read(ws.root())?;
    let mutation = all.iter().find(|mutation| mutation.name == name);
    let mutation = mutation.with_context(|| format!("no mutation `{name}`: cargo xtask mutations --list"))?;
    let FoundBy::Run { simulator, .. } = mutation.found_by else {
        bail!("no simulator finds `{name}`: {}", replay(mutation));
    };
    let simulators = MutatedTree::make(ws, &all)?.simulators(&[mutation])?;
    let program = simulators.get(&simulator).context("the simulator was not built")?;
    counting_program::exit_code(Command::new(program).args(args).env(ACTIVE, mutation.number.to_string()))
}

/// Runs with a mutation what must find it. The outer error is one of this tool.
fn find(
    programs: &Programs,
    mutation: &Mutation,
    baselines: &BTreeMap<String, Outcome>,
) -> Result<Result<String, String>> {
    let without = baselines.get(&mutation.found_by.run()).context("the run without a mutation is missing")?;
    let with = programs.outcome(&mutation.found_by, mutation.number)?;
    let expected = match &mutation.found_by {
        FoundBy::Run { checker, .. } => checker,
        FoundBy::Test { test, .. } => test,
        FoundBy::Fuzz { target, .. } => target,
    };
    let verdict = judge(without, &with, expected);
    let row = &mutation.found_by;
    Ok(match verdict {
        Ok(()) => Ok(format!("found by {row}")),
        Err(why) => Err(format!("FAILED, {row}: {why}; to repeat it: {}", replay(mutation))),
    })
}

/// The command that runs with a mutation what must find it.
fn replay(mutation: &Mutation) -> String {
    let name = &mutation.name;
    match &mutation.found_by {
        FoundBy::Run { scenario, seed, .. } => {
            format!("cargo xtask sim --mutation {name} --scenario {scenario} --seed {seed}")
        }
        FoundBy::Test { .. } => format!("cargo xtask mutations --only {name}"),
        FoundBy::Fuzz { .. } => "cargo xtask fuzz --planted".to_owned(),
    }
}

/// The first seed of a scenario that finds a mutation and passes without it, as lines of the row.
fn search(programs: &Programs, mutation: &Mutation, other: Option<&str>) -> Result<Result<String, String>> {
    let FoundBy::Run { simulator, scenario, .. } = &mutation.found_by else {
        return Ok(Err("a test finds it: there are no seeds to search".to_owned()));
    };
    let scenario = other.unwrap_or(scenario);
    for seed in 0..SEARCH_SEEDS {
        let row = FoundBy::Run {
            simulator: *simulator,
            scenario: scenario.to_owned(),
            seed,
            checker: String::new(),
        };
        if let Outcome::FailedBy(checker) = programs.outcome(&row, mutation.number)?
            && programs.outcome(&row, 0)? == Outcome::Passed
        {
            return Ok(Ok(format!("\nscenario = \"{scenario}\"\nseed = {seed}\nchecker = \"{checker}\"\n")));
        }
    }
    Ok(Err(format!("was not found in {SEARCH_SEEDS} seeds of {scenario}")))
}

impl Programs {
    /// The outcomes of the runs without any mutation, each once.
    fn baselines(&self, mutations: &[&Mutation], workers: usize) -> Result<BTreeMap<String, Outcome>> {
        let runs: BTreeMap<String, &FoundBy> =
            mutations.iter().map(|mutation| (mutation.found_by.run(), &mutation.found_by)).collect();
        let runs: Vec<(String, &FoundBy)> = runs.into_iter().collect();
        let outcomes =
            in_parallel(&runs, workers, |_, (run, what)| Ok((run.clone(), self.outcome(what, 0)?)));
        outcomes.into_iter().collect()
    }

    /// The outcome of a run with a mutation; 0 is none.
    fn outcome(&self, what: &FoundBy, mutation: u32) -> Result<Outcome> {
        match what {
            FoundBy::Run { simulator, scenario, seed, .. } => {
                let program = self.simulators.get(simulator).context("the simulator was not built")?;
                run::simulate(program, scenario, *seed, mutation)
            }
            FoundBy::Test { package, test } => {
                let program = self.tests.get(package).context("the tests were not built")?;
                run::test(program, &self.folder.join(package), test, mutation)
            }
            FoundBy::Fuzz { .. } => bail!("a fuzz target is not run here: {}", what.run()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A mutation whose place is gone is an error, long before it is built.
    #[test]
    fn every_mutation_has_its_places() {
        let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let all = table::read(&root).expect("the tables are readable");
        if let Err(error) = schemata::apply(&root, &all) {
            panic!("{error:#}");
        }
    }
}
