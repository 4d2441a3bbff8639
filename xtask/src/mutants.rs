//! `cargo xtask mutants`: mutation testing. It changes the program in small ways and checks that a
//! test fails.
//!
//! One build of a crate's tests has all of its mutants, each behind a run-time switch (mutant
//! schemata, Untch, Offutt and Harrold 1993). Then, for each mutant, the tests that reach its place
//! run with that mutant active. `find` finds mutants, `build` builds them, `run` runs tests.

pub(crate) mod build;
mod expected;
pub(crate) mod find;
mod markers;
mod mutant;
mod operators;
mod report;
pub(crate) mod run;
pub(crate) mod splice;
pub(crate) mod tree;
mod values;

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use clap::Args;

use crate::tables::MUTATED;
use crate::test_counts::TestCounts;
use crate::workspace::Workspace;
use mutant::Mutant;
use report::{Counts, HEAD, ReportLines};
use run::Verdict;

/// A crate whose mutants are tried.
#[derive(Debug)]
pub(crate) struct MutatedCrate {
    pub(crate) package: &'static str,
    /// Path prefixes below `src/` of the files with mutants; empty for all files.
    pub(crate) files: &'static [&'static str],
    /// Cargo flags that select the features, and those that select the test programs.
    pub(crate) features: &'static str,
    pub(crate) programs: &'static str,
    /// Whether its tests build quickly enough for the sample in `cargo xtask ci`.
    pub(crate) quick: bool,
    /// Tests that take too long to run for every mutant.
    pub(crate) without: &'static [&'static str],
}

impl MutatedCrate {
    fn has(&self, file: &str) -> bool {
        let below = file.strip_prefix(self.package).and_then(|file| file.strip_prefix("/src/"));
        below.is_some_and(|below| {
            self.files.is_empty() || self.files.iter().any(|prefix| below.starts_with(prefix))
        })
    }
}

/// Default of `--minutes`.
const MINUTES: f64 = 1.0;
const MINUTES_IN_CI: f64 = 0.5;

/// Flags of `cargo xtask mutants`.
#[derive(Debug, Default, Args)]
pub(crate) struct Flags {
    /// Only this crate [default: with --all every crate of the table, else one chosen by the seed]
    #[arg(long = "crate", value_name = "CRATE")]
    package: Option<String>,
    /// Time limit per crate, in minutes; the seed chooses the mutants [default: 1]
    #[arg(long, conflicts_with = "all")]
    minutes: Option<f64>,
    /// Seed of the choice and order of mutants [default: the number of commits]
    #[arg(long)]
    seed: Option<u64>,
    /// Try every mutant
    #[arg(long)]
    all: bool,
    /// Only mutants whose names contain this
    #[arg(long, value_name = "TEXT")]
    only: Option<String>,
    /// Only mutants that survived earlier runs
    #[arg(long)]
    again: bool,
    /// Number of mutants tried in parallel [default: the number of processors]
    #[arg(long)]
    jobs: Option<usize>,
}

/// The CI step: a small sample of one crate. The crate changes with every commit.
pub(crate) fn ci(ws: &Workspace) -> Result<TestCounts> {
    let seed = commits(ws).unwrap_or(1);
    let package = MUTATED
        .iter()
        .filter(|krate| krate.quick)
        .nth(crate_of_seed(seed))
        .map(|krate| krate.package.to_owned());
    run(ws, &Flags { package, minutes: Some(MINUTES_IN_CI), seed: Some(seed), ..Flags::default() })
}

/// Index of the quick crate that a seed selects.
fn crate_of_seed(seed: u64) -> usize {
    let quick = MUTATED.iter().filter(|krate| krate.quick).count().max(1);
    usize::try_from(seed % quick as u64).unwrap_or(0)
}

/// Tries mutants. Fails if one survives that `xtask/mutants.toml` does not list.
pub(crate) fn run(ws: &Workspace, flags: &Flags) -> Result<TestCounts> {
    let seed = flags.seed.or_else(|| commits(ws)).unwrap_or(1);
    let crates = crates_of(flags, seed)?;
    let known = expected::read(ws)?;
    let mut tally = TestCounts::default();
    let mut table = format!(
        "{HEAD}
"
    );
    for krate in crates {
        let counts = try_crate(ws, krate, flags, seed, &known)?;
        writeln!(table, "{counts}")?;
        tally.passed += counts.caught;
        tally.skipped += counts.explained + counts.unnoticed;
        tally.failed += counts.survivors - counts.unnoticed + counts.stale;
    }
    print!("\n{table}");
    Ok(tally)
}

/// The crates that the flags or the seed select.
fn crates_of(flags: &Flags, seed: u64) -> Result<Vec<&'static MutatedCrate>> {
    if let Some(package) = &flags.package {
        let Some(krate) = MUTATED.iter().find(|krate| krate.package == package) else {
            let known: Vec<_> = MUTATED.iter().map(|krate| krate.package).collect();
            bail!("`{package}` has no mutants; crates with mutants are {}", known.join(", "));
        };
        return Ok(vec![krate]);
    }
    if flags.all {
        return Ok(MUTATED.iter().collect());
    }
    let at = usize::try_from(seed % MUTATED.len() as u64)?;
    Ok(MUTATED.iter().skip(at).take(1).collect())
}

fn try_crate(
    ws: &Workspace,
    krate: &'static MutatedCrate,
    flags: &Flags,
    seed: u64,
    known: &expected::ExpectedSurvivors,
) -> Result<Counts> {
    let package = krate.package;
    let start = Instant::now();
    println!("{package}: building its tests with mutants");
    let built = build::build(ws, krate)?;
    println!("{package}: built in {:.0} s", start.elapsed().as_secs_f64());
    let start = Instant::now();
    let scratch = ws.target_folder().join("mutants").join(package);
    let workers =
        flags.jobs.or_else(|| std::thread::available_parallelism().ok().map(usize::from)).unwrap_or(1);
    let (tests, fail) = run::tests(&built, krate.without, &scratch, workers)?;
    println!("{package}: {} tests without a mutant in {:.0} s", tests.len(), start.elapsed().as_secs_f64());
    for name in fail {
        println!("skipped, because it fails without a mutant: {name}");
    }

    let mut counts = Counts { package, ..Counts::default() };
    counts.mutants = built.mutants.iter().filter(|mutant| mutant.built_in).count();
    counts.not_built = built.mutants.len() - counts.mutants;
    let names: BTreeSet<String> = built.mutants.iter().map(Mutant::name).collect();
    for stale in known.keys().filter(|name| belongs(name, package) && !names.contains(*name)) {
        println!("listed in xtask/mutants.toml, but there is no such mutant: {stale}");
        counts.stale += 1;
    }
    let file = ws.target_folder().join(format!("mutants/{package}.txt"));
    let mut lines = ReportLines::read(&file);
    let (chosen, until) = choose(&built.mutants, flags, seed, known, &lines);
    let verdicts = run::in_parallel(&chosen, workers, |_, mutant| {
        if until.is_some_and(|until| Instant::now() >= until) {
            return None;
        }
        let start = Instant::now();
        let verdict = run::run_mutant(mutant.number, &tests, &built.folder);
        if let Ok(verdict @ (Verdict::Survived | Verdict::Unreached)) = &verdict
            && !known.contains_key(&mutant.name())
        {
            println!("{verdict}, line {}: {}", mutant.line, mutant.name());
        }
        Some((verdict, start.elapsed()))
    });
    for (mutant, verdict) in chosen.iter().zip(verdicts) {
        let Some((verdict, took)) = verdict else { continue };
        let verdict = verdict?;
        lines.set(mutant, &verdict, took);
        counts.count(mutant, &verdict, known.get(&mutant.name()).copied());
    }
    lines.write(&file, &tests, &built.mutants)?;
    Ok(counts)
}

/// The mutants to try, in order, and the time limit. There is no limit if the flags select a fixed
/// set.
fn choose<'a>(
    mutants: &'a [Mutant],
    flags: &Flags,
    seed: u64,
    known: &expected::ExpectedSurvivors,
    before: &ReportLines,
) -> (Vec<&'a Mutant>, Option<Instant>) {
    let sample = !flags.all && flags.only.is_none() && !flags.again;
    let wanted = |name: &str| {
        flags.only.as_ref().is_none_or(|text| name.contains(text))
            && (!flags.again || before.survived(name))
            // Expected survivors take the longest and show nothing new.
            && (!sample || !known.contains_key(name))
    };
    let mut chosen: Vec<&Mutant> =
        mutants.iter().filter(|mutant| mutant.built_in && wanted(&mutant.name())).collect();
    let until = sample.then(|| {
        shuffle(&mut chosen, seed);
        let minutes = flags.minutes.unwrap_or(MINUTES);
        println!("a sample for {minutes} minutes; to repeat it, add the flags --crate and --seed {seed}");
        Instant::now() + Duration::from_secs_f64(minutes * 60.0)
    });
    (chosen, until)
}

fn belongs(name: &str, package: &str) -> bool {
    name.strip_prefix(package).is_some_and(|rest| rest.starts_with('/'))
}

/// The number of commits, a seed that changes with every commit.
fn commits(ws: &Workspace) -> Option<u64> {
    let mut git = Command::new("git");
    let output = git.args(["rev-list", "--count", "HEAD"]).current_dir(ws.root()).output().ok()?;
    String::from_utf8_lossy(&output.stdout).trim().parse().ok()
}

/// Shuffles a list (Fisher-Yates). The order depends only on the seed.
fn shuffle<T>(list: &mut [T], seed: u64) {
    let mut state = seed;
    for last in (1..list.len()).rev() {
        // The generator `splitmix64`.
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^= mixed >> 31;
        let at = usize::try_from(mixed % (last as u64 + 1)).unwrap_or(last);
        list.swap(last, at);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_determines_the_order() {
        let order = |seed| {
            let mut list: Vec<u32> = (0..50).collect();
            shuffle(&mut list, seed);
            list
        };
        assert_eq!(order(7), order(7));
        assert_ne!(order(7), order(8));
        let mut sorted = order(7);
        sorted.sort_unstable();
        assert_eq!(sorted, (0..50).collect::<Vec<_>>());
    }

    #[test]
    fn a_seed_or_a_name_selects_a_crate() {
        let names = |flags: &Flags, seed| {
            crates_of(flags, seed).map(|crates| crates.iter().map(|krate| krate.package).collect::<Vec<_>>())
        };
        let none = Flags::default();
        let by_seed: BTreeSet<_> = (0..5).filter_map(|seed| names(&none, seed).ok()).collect();
        assert_eq!(by_seed.len(), MUTATED.len());
        let named = Flags { package: Some("gm-data".to_owned()), ..Flags::default() };
        assert_eq!(names(&named, 3).ok(), Some(vec!["gm-data"]));
        let unknown = Flags { package: Some("gm".to_owned()), ..Flags::default() };
        assert!(names(&unknown, 3).is_err());
        let all = Flags { all: true, ..Flags::default() };
        assert_eq!(names(&all, 3).map(|names| names.len()).ok(), Some(MUTATED.len()));
    }

    #[test]
    fn flags_select_the_mutants() {
        let mutant = |number, change: &str, built_in| Mutant {
            number,
            file: "gm-a/src/a.rs".to_owned(),
            line: 1,
            function: "f".to_owned(),
            base_change: String::new(),
            change: change.to_owned(),
            built_in,
        };
        let mutants =
            [mutant(1, "a", true), mutant(2, "b", true), mutant(3, "c", false), mutant(4, "d", true)];
        let known = expected::ExpectedSurvivors::from([(mutants[1].name(), expected::Expected::Explained)]);
        let mut before = ReportLines::default();
        before.set(&mutants[3], &Verdict::Survived, Duration::ZERO);
        before.set(&mutants[0], &Verdict::TimedOut, Duration::ZERO);
        let chosen = |flags: &Flags| {
            let (chosen, until) = choose(&mutants, flags, 1, &known, &before);
            let mut numbers: Vec<u32> = chosen.iter().map(|mutant| mutant.number).collect();
            numbers.sort_unstable();
            (numbers, until.is_some())
        };
        assert_eq!(chosen(&Flags::default()), (vec![1, 4], true));
        assert_eq!(chosen(&Flags { all: true, ..Flags::default() }), (vec![1, 2, 4], false));
        assert_eq!(chosen(&Flags { again: true, ..Flags::default() }), (vec![4], false));
        assert_eq!(chosen(&Flags { only: Some("f: b".to_owned()), ..Flags::default() }), (vec![2], false));
    }

    #[test]
    fn every_quick_crate_has_its_turn() {
        let quick = MUTATED.iter().filter(|krate| krate.quick).count();
        let turns: BTreeSet<_> = (100..100 + quick as u64).map(crate_of_seed).collect();
        assert_eq!(turns, (0..quick).collect());
        assert!(quick > 2);
    }

    #[test]
    fn a_row_selects_files_by_prefix() {
        let krate = |files| MutatedCrate {
            package: "gm-a",
            files,
            features: "",
            programs: "",
            quick: true,
            without: &[],
        };
        assert!(krate(&[]).has("gm-a/src/b/c.rs") && !krate(&[]).has("gm-ab/src/b.rs"));
        assert!(krate(&["b/"]).has("gm-a/src/b/c.rs") && !krate(&["b/"]).has("gm-a/src/b.rs"));
    }

    #[test]
    fn every_row_of_the_table_names_files_that_exist() {
        let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        for krate in MUTATED {
            let (sources, _) = tree::sources(&root, krate.package).expect("the sources are readable");
            for prefix in krate.files {
                let one = MutatedCrate {
                    package: krate.package,
                    files: std::slice::from_ref(prefix),
                    features: "",
                    programs: "",
                    quick: true,
                    without: &[],
                };
                assert!(sources.iter().any(|source| one.has(&source.file)), "{}: {prefix}", krate.package);
            }
        }
    }

    #[test]
    fn every_listed_survivor_is_a_mutant() {
        let mut known = expected::parse(include_str!("../mutants.toml")).expect("a table");
        let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        for krate in MUTATED {
            let (sources, defaults) = tree::sources(&root, krate.package).expect("the sources are readable");
            let feedback = mutant::CompilerFeedback { defaults, ..mutant::CompilerFeedback::default() };
            for source in sources.iter().filter(|source| krate.has(&source.file)) {
                let (mutants, _) = find::find(&source.file, &source.text, 1, &feedback).expect("it is Rust");
                for mutant in mutants {
                    known.remove(&mutant.name());
                }
            }
        }
        assert!(known.is_empty(), "xtask/mutants.toml lists mutants that do not exist: {known:#?}");
    }
}
