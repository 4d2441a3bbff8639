//! `cargo xtask fuzz`: fuzzing of the codec with libFuzzer, on the stable toolchain.
//!
//! This file has the targets, the folders of their corpora, and the rules for a good run. `build`
//! builds the targets, `report` parses the output of libFuzzer, `seeds` converts vectors to inputs.

mod build;
mod report;
mod seeds;

use std::fs;
use std::panic::resume_unwind;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::slice;
use std::thread;
use std::time::Instant;

use anyhow::{Context, Result, bail};
use clap::Args;

use crate::mutations;
use crate::test_counts::TestCounts;
use crate::workspace::{Workspace, status};
use build::{FuzzBuild, Variant};
use report::Report;

/// The folder of the targets, a workspace of its own.
pub(crate) const FOLDER: &str = "gm-codec/fuzz";
/// The targets, in the order in which they run.
const TARGETS: &[&str] = &["open", "payload", "splitter"];
/// Message if there is no compiler for libFuzzer.
pub(crate) const NO_COMPILER: &str = "a C++ compiler is missing: libFuzzer is built with it (Debian: g++)";

const SECONDS: u64 = 20;
const SECONDS_FOR_PLANTED: u64 = 30;
/// Fixed seed, so that all runs start the same way.
const SEED: &str = "-seed=1";
/// Maximum length of an input in bytes. The smaller limits of the targets are below this.
const MAX_BYTES: &str = "-max_len=2048";
/// Maximum length of a committed input in bytes; longer ones are truncated.
const MAX_BYTES_COMMITTED: &str = "-max_len=512";

/// Flags of `cargo xtask fuzz`.
#[derive(Debug, Default, Args)]
pub(crate) struct Flags {
    /// Run only this target: open, payload or splitter
    #[arg(long, value_parser = clap::builder::PossibleValuesParser::new(TARGETS))]
    target: Option<String>,
    /// Seconds per target [default: 20, or unlimited with --runs]
    #[arg(long)]
    seconds: Option<u64>,
    /// Number of executions per target
    #[arg(long)]
    runs: Option<u64>,
    /// Build with the address sanitizer, which needs the nightly toolchain
    #[arg(long)]
    sanitizer: bool,
    /// Run one input, usually one with which an earlier run failed
    #[arg(long, value_name = "FILE", requires = "target")]
    replay: Option<PathBuf>,
    /// Convert the vectors to inputs and add them to the inputs found by earlier runs
    #[arg(long)]
    seed_corpus: bool,
    /// Minimise the committed corpus: keep the fewest inputs, of the committed and the found ones,
    /// with the same coverage
    #[arg(long)]
    merge: bool,
    /// Build with mutations and check that fuzzing finds them
    #[arg(long, conflicts_with_all = ["target", "seconds", "runs", "sanitizer", "replay", "seed_corpus", "merge"])]
    planted: bool,
}

/// Executes the flags; without flags it runs all targets.
pub(crate) fn run(ws: &Workspace, flags: &Flags) -> Result<TestCounts> {
    if !build::has_compiler() {
        bail!(NO_COMPILER);
    }
    let folders = FuzzFolders { root: ws.root().join(FOLDER), output: ws.target_folder().join("fuzz") };
    let variant = if flags.sanitizer { Variant::Address } else { Variant::Plain };
    let targets: Vec<_> =
        TARGETS.iter().copied().filter(|name| flags.target.as_deref().is_none_or(|t| t == *name)).collect();
    if flags.seed_corpus {
        let vectors = ws.root().join("gm-codec/vectors");
        for target in &targets {
            let made = seeds::write(&vectors, target, &folders.scratch(target))?;
            println!("{target}: {made} inputs made from the vectors");
        }
        if !flags.merge {
            return Ok(TestCounts::default());
        }
    }
    if flags.planted {
        let plain = build::build(ws, ws.root(), Variant::Plain, None, &["payload"])?;
        return planted(ws, &folders, &plain);
    }
    let built = build::build(ws, ws.root(), variant, None, &targets)?;
    if let (Some(input), [target]) = (&flags.replay, targets.as_slice()) {
        let good = status(Command::new(built.program(target)?).arg(input))?.success();
        return Ok(one(good));
    }
    let mut tally = TestCounts::default();
    for target in targets {
        tally += if flags.merge {
            merge(&folders, &built, target)?
        } else {
            fuzz(&folders, &built, target, flags)?
        };
    }
    Ok(tally)
}

/// The CI step: all targets at the same time, each from the committed corpus alone, then the
/// mutations. Returns `None` without a compiler.
pub(crate) fn ci(ws: &Workspace) -> Result<Option<TestCounts>> {
    if !build::has_compiler() {
        return Ok(None);
    }
    let folders = FuzzFolders { root: ws.root().join(FOLDER), output: ws.target_folder().join("fuzz/ci") };
    let mut tally = if build::clippy(ws)? { TestCounts::default() } else { TestCounts::FAILED };
    let built = build::build(ws, ws.root(), Variant::Plain, None, TARGETS)?;
    let one_target = |target| {
        renew(&folders.scratch(target))?;
        fuzz(&folders, &built, target, &Flags::default())
    };
    let counts: Vec<_> = thread::scope(|scope| {
        let running: Vec<_> = TARGETS.iter().map(|target| scope.spawn(|| one_target(target))).collect();
        running.into_iter().map(|run| run.join().unwrap_or_else(|panic| resume_unwind(panic))).collect()
    });
    for of_target in counts {
        tally += of_target?;
    }
    tally += planted(ws, &folders, &built)?;
    Ok(Some(tally))
}

/// Folders of the inputs.
struct FuzzFolders {
    root: PathBuf,
    output: PathBuf,
}

impl FuzzFolders {
    fn committed(&self, target: &str) -> PathBuf {
        self.root.join("corpus").join(target)
    }

    /// Inputs found by runs. Runs write only here.
    fn scratch(&self, target: &str) -> PathBuf {
        self.output.join("corpus").join(target)
    }

    /// Inputs with which a target failed. libFuzzer needs the trailing slash to treat the path as a
    /// folder.
    fn failures(&self, target: &str) -> PathBuf {
        self.output.join("failures").join(target).join("")
    }
}

fn fuzz(folders: &FuzzFolders, built: &FuzzBuild, target: &str, flags: &Flags) -> Result<TestCounts> {
    let seconds = flags.seconds.unwrap_or(if flags.runs.is_some() { 0 } else { SECONDS });
    let mut more = vec![format!("-max_total_time={seconds}")];
    more.extend(flags.runs.map(|runs| format!("-runs={runs}")));
    let (report, text) = run_target(folders, built.program(target)?, target, &more, None)?;
    println!("{target}: {report}");
    if report.good {
        return Ok(one(true));
    }
    print!("{}", report::tail(&text));
    if let Some(input) = &report.failure {
        let sanitizer = if flags.sanitizer { "--sanitizer " } else { "" };
        println!("{target} fails with {input}");
        println!("to replay it: cargo xtask fuzz {sanitizer}--target {target} --replay {input}");
    }
    Ok(one(false))
}

/// Builds the targets in a copy with all mutations, and checks that fuzzing finds those for which a
/// row names a target.
fn planted(ws: &Workspace, folders: &FuzzFolders, plain: &FuzzBuild) -> Result<TestCounts> {
    let copy = mutations::copy_for_fuzzing(ws)?;
    let targets: Vec<&str> = copy.mutations.iter().map(|(_, target, _)| target.as_str()).collect();
    let built = build::build(ws, &copy.folder, Variant::Plain, plain.library(), &targets)?;
    let folders = FuzzFolders { root: folders.root.clone(), output: folders.output.join("planted") };
    let limit = format!("-max_total_time={SECONDS_FOR_PLANTED}");
    let mut tally = TestCounts::default();
    for (name, target, number) in &copy.mutations {
        renew(&folders.scratch(target))?;
        renew(&folders.failures(target))?;
        let program = built.program(target)?;
        let (report, text) =
            run_target(&folders, program, target, slice::from_ref(&limit), Some(number.as_str()))?;
        println!("mutation {name}: {report}");
        let found = report.failure.as_ref().filter(|_| !report.good);
        match found {
            Some(input) => println!("found, with {input}"),
            None => println!("not found\n{}", report::tail(&text)),
        }
        tally += one(found.is_some());
    }
    Ok(tally)
}

/// Runs a target, starting from the inputs found before and the committed corpus, with the mutation
/// of this number, if any.
fn run_target(
    folders: &FuzzFolders,
    program: &Path,
    target: &str,
    more: &[String],
    mutation: Option<&str>,
) -> Result<(Report, String)> {
    let (scratch, failures, committed) =
        (folders.scratch(target), folders.failures(target), folders.committed(target));
    for folder in [&scratch, &failures, &committed] {
        fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    }
    let start = Instant::now();
    let mut command = Command::new(program);
    if let Some(number) = mutation {
        command.env(mutations::ACTIVE, number);
    }
    let output = command
        // The error must fit in the few lines that are shown; a replay can ask for a backtrace.
        .env("RUST_BACKTRACE", "0")
        .args([SEED, MAX_BYTES, "-print_final_stats=1"])
        .arg(format!("-artifact_prefix={}", failures.display()))
        .args(more)
        // libFuzzer writes new inputs to the first folder.
        .args([scratch, committed])
        .output()
        .with_context(|| format!("cannot start {}", program.display()))?;
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    Ok((Report::of(&text, output.status.success(), start.elapsed()), text))
}

/// Replaces the committed corpus.
fn merge(folders: &FuzzFolders, built: &FuzzBuild, target: &str) -> Result<TestCounts> {
    let (merged, committed) = (folders.output.join("merged").join(target), folders.committed(target));
    let scratch = folders.scratch(target);
    renew(&merged)?;
    for folder in [&scratch, &committed] {
        fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    }
    let mut command = Command::new(built.program(target)?);
    // Without counters: an input that only reaches a place more often is not worth keeping, and
    // with them there would be three times as many inputs.
    command
        .args(["-set_cover_merge=1", "-use_counters=0", MAX_BYTES_COMMITTED])
        .args([&merged, &committed, &scratch]);
    let output = command.output().context("cannot start the merge")?;
    if !output.status.success() {
        print!("{}", report::tail(&String::from_utf8_lossy(&output.stderr)));
        return Ok(one(false));
    }
    renew(&committed)?;
    let (mut files, mut bytes) = (0, 0);
    for entry in fs::read_dir(&merged).context("cannot list the merged inputs")? {
        let entry = entry.context("cannot list the merged inputs")?;
        bytes += fs::copy(entry.path(), committed.join(entry.file_name())).context("cannot copy an input")?;
        files += 1;
    }
    println!("{target}: the corpus now has {files} inputs, {bytes} bytes");
    Ok(one(true))
}

/// Makes an empty folder, and removes an existing one first.
fn renew(folder: &Path) -> Result<()> {
    if folder.exists() {
        fs::remove_dir_all(folder).with_context(|| format!("cannot remove {}", folder.display()))?;
    }
    fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))
}

/// The counts of one target, which counts as one test.
fn one(good: bool) -> TestCounts {
    if good { TestCounts { passed: 1, ..TestCounts::default() } } else { TestCounts::FAILED }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder() -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(FOLDER)
    }

    #[test]
    fn the_targets_are_those_of_the_manifest_and_of_the_folder() {
        let manifest = fs::read_to_string(folder().join("Cargo.toml")).expect("it is there");
        let manifest: toml::Table = manifest.parse().expect("it is TOML");
        let bins = manifest["bin"].as_array().expect("a list");
        let names: Vec<_> = bins.iter().map(|bin| bin["name"].as_str().expect("a name")).collect();
        assert_eq!(names, TARGETS);
        let files = fs::read_dir(folder().join("fuzz_targets")).expect("it is there");
        let mut files: Vec<_> = files.map(|file| file.expect("a file").path()).collect();
        files.sort();
        let stems: Vec<_> = files.iter().filter_map(|file| file.file_stem()).collect();
        assert_eq!(stems, TARGETS);
    }

    #[test]
    fn the_committed_corpora_are_there_and_small() {
        for target in TARGETS {
            let files = fs::read_dir(folder().join("corpus").join(target)).expect("it is there");
            let sizes: Vec<u64> =
                files.map(|file| file.and_then(|file| file.metadata()).expect("a file").len()).collect();
            assert!((10..=300).contains(&sizes.len()), "{target}: {} files", sizes.len());
            assert!(sizes.iter().sum::<u64>() < 130_000, "{target}: {} bytes", sizes.iter().sum::<u64>());
        }
    }
}
