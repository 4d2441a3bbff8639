//! `cargo xtask mutants`: do the tests notice when the program is changed?
//!
//! All mutants of a crate are built into its tests at once, each behind a question whether it is
//! the one that is awake; then the tests that come past a mutant run with it awake. Knows which
//! crates and files are tried, and what is an answer; mutants are found in `find`, built in
//! `build`, and tried in `play`.

mod build;
mod expected;
mod find;
mod markers;
mod mutant;
mod operators;
mod report;
mod run;
mod splice;
mod tree;
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
    /// Beginnings of the files below `src/` that are changed; all if there are none.
    pub(crate) files: &'static [&'static str],
    /// Features and test programs, as cargo is told.
    pub(crate) features: &'static str,
    pub(crate) programs: &'static str,
    /// Whether its tests are built so soon that every change can try some of its mutants.
    pub(crate) quick: bool,
    /// Tests that take too long to run for each mutant.
    pub(crate) without: &'static [&'static str],
}

impl MutatedCrate {
    fn has(&self, file: &str) -> bool {
        let below = file.strip_prefix(self.package).and_then(|file| file.strip_prefix("/src/"));
        below.is_some_and(|below| {
            self.files.is_empty() || self.files.iter().any(|begin| below.starts_with(begin))
        })
    }
}

/// Minutes for a crate, unless told otherwise.
const MINUTES: f64 = 1.0;
const MINUTES_IN_CI: f64 = 0.5;

/// What is asked for.
#[derive(Debug, Default, Args)]
pub(crate) struct Flags {
    /// Only this crate [default: with --all every crate of the table, else one, by the seed]
    #[arg(long = "crate", value_name = "CRATE")]
    package: Option<String>,
    /// Minutes for trying mutants of a crate, drawn by the seed [default: 1]
    #[arg(long, conflicts_with = "all")]
    minutes: Option<f64>,
    /// Which mutants come first [default: the number of commits]
    #[arg(long)]
    seed: Option<u64>,
    /// Every mutant
    #[arg(long)]
    all: bool,
    /// Only mutants whose names contain this
    #[arg(long, value_name = "TEXT")]
    only: Option<String>,
    /// Only mutants that survived the last run
    #[arg(long)]
    again: bool,
    /// Mutants tried at the same time [default: as many as there are processors]
    #[arg(long)]
    jobs: Option<usize>,
}

/// What every change must pass: a small sample of one crate, another one for each change.
pub(crate) fn ci(ws: &Workspace) -> Result<TestCounts> {
    let seed = commits(ws).unwrap_or(1);
    let package = MUTATED
        .iter()
        .filter(|place| place.quick)
        .nth(crate_of_seed(seed))
        .map(|place| place.package.to_owned());
    run(ws, &Flags { package, minutes: Some(MINUTES_IN_CI), seed: Some(seed), ..Flags::default() })
}

/// Whose turn it is, of the quick ones.
fn crate_of_seed(seed: u64) -> usize {
    let quick = MUTATED.iter().filter(|place| place.quick).count().max(1);
    usize::try_from(seed % quick as u64).unwrap_or(0)
}

/// Tries mutants. Fails if one survives of which that is not known.
pub(crate) fn run(ws: &Workspace, flags: &Flags) -> Result<TestCounts> {
    let seed = flags.seed.or_else(|| commits(ws)).unwrap_or(1);
    let places = crates_of(flags, seed)?;
    let known = expected::read(ws)?;
    let mut tally = TestCounts::default();
    let mut table = format!(
        "{HEAD}
"
    );
    for place in places {
        let counts = try_place(ws, place, flags, seed, &known)?;
        writeln!(table, "{counts}")?;
        tally.passed += counts.caught;
        tally.skipped += counts.explained + counts.unnoticed;
        tally.failed += counts.survivors - counts.unnoticed + counts.stale;
    }
    print!("\n{table}");
    Ok(tally)
}

/// The crates that are meant.
fn crates_of(flags: &Flags, seed: u64) -> Result<Vec<&'static MutatedCrate>> {
    if let Some(package) = &flags.package {
        let Some(place) = MUTATED.iter().find(|place| place.package == package) else {
            let known: Vec<_> = MUTATED.iter().map(|place| place.package).collect();
            bail!("no mutants are made of `{package}`; known are {}", known.join(", "));
        };
        return Ok(vec![place]);
    }
    if flags.all {
        return Ok(MUTATED.iter().collect());
    }
    let at = usize::try_from(seed % MUTATED.len() as u64)?;
    Ok(MUTATED.iter().skip(at).take(1).collect())
}

fn try_place(
    ws: &Workspace,
    place: &'static MutatedCrate,
    flags: &Flags,
    seed: u64,
    known: &expected::ExpectedSurvivors,
) -> Result<Counts> {
    let package = place.package;
    let start = Instant::now();
    println!("{package}: building its tests with mutants");
    let built = build::build(ws, place)?;
    println!("{package}: built in {:.0} s", start.elapsed().as_secs_f64());
    let start = Instant::now();
    let scratch = ws.target_folder().join("mutants").join(package);
    let workers =
        flags.jobs.or_else(|| std::thread::available_parallelism().ok().map(usize::from)).unwrap_or(1);
    let (tests, fail) = run::tests(&built, place.without, &scratch, workers)?;
    println!("{package}: {} tests without a mutant in {:.0} s", tests.len(), start.elapsed().as_secs_f64());
    for name in fail {
        println!("left out, it fails without a mutant: {name}");
    }

    let mut counts = Counts { package, ..Counts::default() };
    counts.mutants = built.mutants.iter().filter(|mutant| mutant.made).count();
    counts.not_made = built.mutants.len() - counts.mutants;
    let names: BTreeSet<String> = built.mutants.iter().map(Mutant::name).collect();
    for stale in known.keys().filter(|name| belongs(name, package) && !names.contains(*name)) {
        println!("known, but there is no such mutant: {stale}");
        counts.stale += 1;
    }
    let file = ws.target_folder().join(format!("mutants/{package}.txt"));
    let mut lines = ReportLines::read(&file);
    let (chosen, until) = choose(&built.mutants, flags, seed, known, &lines);
    let ends = run::in_parallel(&chosen, workers, |_, mutant| {
        if until.is_some_and(|until| Instant::now() >= until) {
            return None;
        }
        let start = Instant::now();
        let end = run::run_mutant(mutant.number, &tests, &built.folder);
        if let Ok(end @ (Verdict::Survived | Verdict::Unasked)) = &end
            && !known.contains_key(&mutant.name())
        {
            println!("{end}, line {}: {}", mutant.line, mutant.name());
        }
        Some((end, start.elapsed()))
    });
    for (mutant, end) in chosen.iter().zip(ends) {
        let Some((end, took)) = end else { continue };
        let end = end?;
        lines.set(mutant, &end, took);
        counts.count(mutant, &end, known.get(&mutant.name()).copied());
    }
    lines.write(&file, &tests, &built.mutants)?;
    Ok(counts)
}

/// Which mutants are tried, in which order, and until when; without an end if all of them are
/// meant.
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
            // They take the longest, and nothing is learnt.
            && (!sample || !known.contains_key(name))
    };
    let mut chosen: Vec<&Mutant> =
        mutants.iter().filter(|mutant| mutant.made && wanted(&mutant.name())).collect();
    let until = sample.then(|| {
        shuffle(&mut chosen, seed);
        let minutes = flags.minutes.unwrap_or(MINUTES);
        println!("a sample for {minutes} minutes; the same again: the flags --crate and --seed {seed}");
        Instant::now() + Duration::from_secs_f64(minutes * 60.0)
    });
    (chosen, until)
}

fn belongs(name: &str, package: &str) -> bool {
    name.strip_prefix(package).is_some_and(|rest| rest.starts_with('/'))
}

/// The number of commits: another sample for each change.
fn commits(ws: &Workspace) -> Option<u64> {
    let mut git = Command::new("git");
    let output = git.args(["rev-list", "--count", "HEAD"]).current_dir(ws.root()).output().ok()?;
    String::from_utf8_lossy(&output.stdout).trim().parse().ok()
}

/// Another order for each seed, the same everywhere.
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
    fn a_seed_is_an_order() {
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
    fn a_seed_chooses_a_crate_and_a_name_does() {
        let names = |flags: &Flags, seed| {
            crates_of(flags, seed).map(|places| places.iter().map(|place| place.package).collect::<Vec<_>>())
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
    fn what_is_asked_for_is_chosen() {
        let mutant = |number, change: &str, made| Mutant {
            number,
            file: "gm-a/src/a.rs".to_owned(),
            line: 1,
            function: "f".to_owned(),
            said: String::new(),
            change: change.to_owned(),
            made,
        };
        let mutants =
            [mutant(1, "a", true), mutant(2, "b", true), mutant(3, "c", false), mutant(4, "d", true)];
        let known = expected::ExpectedSurvivors::from([(mutants[1].name(), expected::Expected::Explained)]);
        let mut before = ReportLines::default();
        before.set(&mutants[3], &Verdict::Survived, Duration::ZERO);
        before.set(&mutants[0], &Verdict::Endless, Duration::ZERO);
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
        let quick = MUTATED.iter().filter(|place| place.quick).count();
        let turns: BTreeSet<_> = (100..100 + quick as u64).map(crate_of_seed).collect();
        assert_eq!(turns, (0..quick).collect());
        assert!(quick > 2);
    }

    #[test]
    fn a_place_has_the_files_of_its_table() {
        let place = |files| MutatedCrate {
            package: "gm-a",
            files,
            features: "",
            programs: "",
            quick: true,
            without: &[],
        };
        assert!(place(&[]).has("gm-a/src/b/c.rs") && !place(&[]).has("gm-ab/src/b.rs"));
        assert!(place(&["b/"]).has("gm-a/src/b/c.rs") && !place(&["b/"]).has("gm-a/src/b.rs"));
    }

    #[test]
    fn every_row_of_the_table_names_files_that_exist() {
        let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        for place in MUTATED {
            let (sources, _) = tree::sources(&root, place.package).expect("they are read");
            for begin in place.files {
                let one = MutatedCrate {
                    package: place.package,
                    files: std::slice::from_ref(begin),
                    features: "",
                    programs: "",
                    quick: true,
                    without: &[],
                };
                assert!(sources.iter().any(|source| one.has(&source.file)), "{}: {begin}", place.package);
            }
        }
    }

    #[test]
    fn the_known_are_mutants_that_exist() {
        let mut known = expected::parse(include_str!("../mutants.toml")).expect("a table");
        let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        for place in MUTATED {
            let (sources, defaults) = tree::sources(&root, place.package).expect("they are read");
            let learnt = mutant::CompilerFeedback { defaults, ..mutant::CompilerFeedback::default() };
            for source in sources.iter().filter(|source| place.has(&source.file)) {
                let (mutants, _) = find::find(&source.file, &source.text, 1, &learnt).expect("it is Rust");
                for mutant in mutants {
                    known.remove(&mutant.name());
                }
            }
        }
        assert!(known.is_empty(), "the program has changed, and there are no such mutants: {known:#?}");
    }
}
