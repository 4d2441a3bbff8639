//! `cargo xtask fuzz`: random bytes for the codec, by libFuzzer, on the stable toolchain.
//!
//! Knows the targets, where their corpora lie and what a run must show; building is in `build`,
//! what libFuzzer says in `report`, and how vectors become inputs in `seeds`.

mod build;
mod report;
mod seeds;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use anyhow::{Context, Result, bail};
use clap::Args;

use crate::test_counts::TestCounts;
use crate::workspace::{Workspace, status};
use build::{FuzzBuild, Variant};
use report::Report;

/// The folder of the targets; it is a workspace of its own.
pub(crate) const FOLDER: &str = "gm-codec/fuzz";
/// Its targets, in the order in which they run.
const TARGETS: &[&str] = &["open", "payload", "splitter"];
/// Said when there is nothing to build libFuzzer with.
pub(crate) const NO_COMPILER: &str = "a C++ compiler is missing: libFuzzer is built with it (Debian: g++)";

const SECONDS: u64 = 20;
const SECONDS_FOR_PLANTED: u64 = 30;
/// All runs begin alike.
const SEED: &str = "-seed=1";
/// Bytes of an input: the smaller limits of the targets are below.
const MOST_BYTES: &str = "-max_len=2048";
/// Bytes of an input that is committed; longer ones are cut.
const MOST_BYTES_COMMITTED: &str = "-max_len=512";

/// What is asked for.
#[derive(Debug, Default, Args)]
pub(crate) struct Flags {
    /// Only this target: open, payload or splitter
    #[arg(long, value_parser = clap::builder::PossibleValuesParser::new(TARGETS))]
    target: Option<String>,
    /// Seconds for each target [default: 20, or no end if there are runs]
    #[arg(long)]
    seconds: Option<u64>,
    /// Executions of each target
    #[arg(long)]
    runs: Option<u64>,
    /// With the address sanitizer, which the nightly toolchain has
    #[arg(long)]
    sanitizer: bool,
    /// Run one input, most often one that an earlier run failed with
    #[arg(long, value_name = "FILE", requires = "target")]
    replay: Option<PathBuf>,
    /// Make inputs of the vectors and put them to those that were found
    #[arg(long)]
    seed_corpus: bool,
    /// Make the committed corpus anew: the fewest of its inputs and of those found that together
    /// reach as much
    #[arg(long)]
    merge: bool,
    /// Plant a bug and see that it is found
    #[arg(long, conflicts_with_all = ["target", "seconds", "runs", "sanitizer", "replay", "seed_corpus", "merge"])]
    planted: bool,
}

/// Does what the flags say; runs the targets if they say nothing else.
pub(crate) fn run(ws: &Workspace, flags: &Flags) -> Result<TestCounts> {
    if !build::has_compiler() {
        bail!(NO_COMPILER);
    }
    let places = FuzzFolders { root: ws.root().join(FOLDER), made: ws.target_folder().join("fuzz") };
    let variant = if flags.sanitizer { Variant::Address } else { Variant::Plain };
    let targets: Vec<_> =
        TARGETS.iter().copied().filter(|name| flags.target.as_deref().is_none_or(|t| t == *name)).collect();
    if flags.seed_corpus {
        let vectors = ws.root().join("gm-codec/vectors");
        for target in &targets {
            let made = seeds::write(&vectors, target, &places.scratch(target))?;
            println!("{target}: {made} inputs made of the vectors");
        }
        if !flags.merge {
            return Ok(TestCounts::default());
        }
    }
    if flags.planted {
        let plain = build::build(ws, Variant::Plain, None, &["payload"])?;
        return planted(ws, &places, &plain);
    }
    let built = build::build(ws, variant, None, &targets)?;
    if let (Some(input), [target]) = (&flags.replay, targets.as_slice()) {
        let good = status(Command::new(built.program(target)?).arg(input))?.success();
        return Ok(one(good));
    }
    let mut tally = TestCounts::default();
    for target in targets {
        tally +=
            if flags.merge { merge(&places, &built, target)? } else { fuzz(&places, &built, target, flags)? };
    }
    Ok(tally)
}

/// What every change must pass: each target from the committed corpus alone, then the planted bug.
/// `None` without a compiler.
pub(crate) fn ci(ws: &Workspace) -> Result<Option<TestCounts>> {
    if !build::has_compiler() {
        return Ok(None);
    }
    let places = FuzzFolders { root: ws.root().join(FOLDER), made: ws.target_folder().join("fuzz/ci") };
    let mut tally = if build::clippy(ws)? { TestCounts::default() } else { TestCounts::FAILED };
    let built = build::build(ws, Variant::Plain, None, TARGETS)?;
    for target in TARGETS {
        renew(&places.scratch(target))?;
        tally += fuzz(&places, &built, target, &Flags::default())?;
    }
    tally += planted(ws, &places, &built)?;
    Ok(Some(tally))
}

/// Where inputs lie.
struct FuzzFolders {
    root: PathBuf,
    made: PathBuf,
}

impl FuzzFolders {
    fn committed(&self, target: &str) -> PathBuf {
        self.root.join("corpus").join(target)
    }

    /// What runs find. They write here only.
    fn scratch(&self, target: &str) -> PathBuf {
        self.made.join("corpus").join(target)
    }

    /// Inputs that a target failed with. The slash at the end tells libFuzzer that it is a folder.
    fn failures(&self, target: &str) -> PathBuf {
        self.made.join("failures").join(target).join("")
    }
}

fn fuzz(places: &FuzzFolders, built: &FuzzBuild, target: &str, flags: &Flags) -> Result<TestCounts> {
    let seconds = flags.seconds.unwrap_or(if flags.runs.is_some() { 0 } else { SECONDS });
    let mut more = vec![format!("-max_total_time={seconds}")];
    more.extend(flags.runs.map(|runs| format!("-runs={runs}")));
    let (report, text) = run_target(places, built.program(target)?, target, &more)?;
    println!("{target}: {report}");
    if report.good {
        return Ok(one(true));
    }
    print!("{}", report::tail(&text));
    if let Some(input) = &report.failure {
        let sanitizer = if flags.sanitizer { "--sanitizer " } else { "" };
        println!("{target} fails with {input}");
        println!("to see it again: cargo xtask fuzz {sanitizer}--target {target} --replay {input}");
    }
    Ok(one(false))
}

/// The payload target, built with a bug in it, must fail.
fn planted(ws: &Workspace, places: &FuzzFolders, plain: &FuzzBuild) -> Result<TestCounts> {
    let target = "payload";
    let built = build::build(ws, Variant::Planted, plain.library(), &[target])?;
    let places = FuzzFolders { root: places.root.clone(), made: places.made.join("planted") };
    renew(&places.scratch(target))?;
    renew(&places.failures(target))?;
    let most = format!("-max_total_time={SECONDS_FOR_PLANTED}");
    let (report, text) = run_target(&places, built.program(target)?, target, &[most])?;
    println!("planted bug: {report}");
    let found = report.failure.as_ref().filter(|_| !report.good);
    match found {
        Some(input) => println!("it was found, by {input}"),
        None => println!("it was not found\n{}", report::tail(&text)),
    }
    Ok(one(found.is_some()))
}

/// Runs a target from what was found before and what is committed.
fn run_target(
    places: &FuzzFolders,
    program: &Path,
    target: &str,
    more: &[String],
) -> Result<(Report, String)> {
    let (scratch, failures, committed) =
        (places.scratch(target), places.failures(target), places.committed(target));
    for folder in [&scratch, &failures, &committed] {
        fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    }
    let start = Instant::now();
    let output = Command::new(program)
        // What is wrong must stand in the few lines that are shown; whoever replays an input may
        // ask for more.
        .env("RUST_BACKTRACE", "0")
        .args([SEED, MOST_BYTES, "-print_final_stats=1"])
        .arg(format!("-artifact_prefix={}", failures.display()))
        .args(more)
        // New inputs are written to the first.
        .args([scratch, committed])
        .output()
        .with_context(|| format!("cannot start {}", program.display()))?;
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    Ok((Report::of(&text, output.status.success(), start.elapsed()), text))
}

/// Replaces the committed corpus.
fn merge(places: &FuzzFolders, built: &FuzzBuild, target: &str) -> Result<TestCounts> {
    let (merged, committed) = (places.made.join("merged").join(target), places.committed(target));
    let scratch = places.scratch(target);
    renew(&merged)?;
    for folder in [&scratch, &committed] {
        fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    }
    let mut command = Command::new(built.program(target)?);
    // Without counters: how often a place was reached makes no input worth keeping, or there would
    // be three times as many.
    command
        .args(["-set_cover_merge=1", "-use_counters=0", MOST_BYTES_COMMITTED])
        .args([&merged, &committed, &scratch]);
    let output = command.output().context("cannot start the merge")?;
    if !output.status.success() {
        print!("{}", report::tail(&String::from_utf8_lossy(&output.stderr)));
        return Ok(one(false));
    }
    renew(&committed)?;
    let (mut files, mut bytes) = (0, 0);
    for entry in fs::read_dir(&merged).context("cannot list what was merged")? {
        let entry = entry.context("cannot list what was merged")?;
        bytes += fs::copy(entry.path(), committed.join(entry.file_name())).context("cannot copy an input")?;
        files += 1;
    }
    println!("{target}: {files} inputs are committed now, {bytes} bytes");
    Ok(one(true))
}

/// Makes a folder that is empty.
fn renew(folder: &Path) -> Result<()> {
    if folder.exists() {
        fs::remove_dir_all(folder).with_context(|| format!("cannot remove {}", folder.display()))?;
    }
    fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))
}

/// A target counts as one test.
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
