//! Runner of tests against mutants: finds out which tests reach which mutant, and whether one of
//! them fails when the mutant is active.
//!
//! It runs test programs of Rust's standard test harness.

use std::collections::BTreeSet;
use std::fmt;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use super::build::MutantBuild;

/// Limit of a test program's address space in KiB, for mutants that allocate without end.
const MAX_MEMORY: u64 = 4 << 20;
/// A test that takes longer than this runs in a process of its own, after the quick ones.
const QUICK: Duration = Duration::from_millis(150);
/// Timeout of a test with a mutant: this multiple of its time without a mutant, plus `EXTRA_TIME`.
const TIME_FACTOR: u32 = 10;
const EXTRA_TIME: Duration = Duration::from_secs(5);

/// A test, as it ran without a mutant.
#[derive(Clone, Debug)]
pub(crate) struct Test {
    program: PathBuf,
    name: String,
    took: Duration,
    /// The mutants that it reaches.
    reached: BTreeSet<u32>,
}

/// Result of the tests against a mutant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// A test failed, or its program crashed; the name of the test.
    Caught(String),
    /// A test ran into its timeout.
    TimedOut,
    /// Every test passed.
    Survived,
    /// No test reaches the mutant.
    Unreached,
}

impl fmt::Display for Test {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (took, mutants) = (self.took.as_secs_f64(), self.reached.len());
        write!(f, "{took:6.2} s without a mutant, reaches {mutants}: {}", self.name)
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Verdict::Caught(by) => write!(f, "caught by {by}"),
            Verdict::TimedOut => f.write_str("timed out"),
            Verdict::Survived => f.write_str("survived"),
            Verdict::Unreached => f.write_str("no test reaches it"),
        }
    }
}

/// The tests of a crate that pass without a mutant, except those in `without`, and the names of
/// tests that fail.
pub(crate) fn tests(
    built: &MutantBuild,
    without: &[&str],
    scratch: &Path,
    workers: usize,
) -> Result<(Vec<Test>, Vec<String>)> {
    let MutantBuild { programs, folder, .. } = built;
    let mut names = Vec::new();
    for program in programs {
        let ignored = list(program, folder, true)?;
        let all = list(program, folder, false)?.into_iter();
        names.extend(all.filter(|name| !ignored.contains(name)).map(|name| (program.clone(), name)));
    }
    for unwanted in without {
        let before = names.len();
        names.retain(|(_, name)| name != unwanted);
        if names.len() == before {
            bail!("the table of mutated crates leaves out a test that does not exist: {unwanted}");
        }
    }
    fs::create_dir_all(scratch)?;
    let tried = in_parallel(&names, workers, |at, (program, name)| {
        let file = scratch.join(format!("reached-{at}"));
        let _ = fs::remove_file(&file);
        let start = Instant::now();
        let mut command = command(program, folder, std::slice::from_ref(name));
        command.env("GM_MUTANTS_REACHED", &file);
        let verdict = watch(command, Duration::from_secs(600));
        let reached = fs::read_to_string(&file).unwrap_or_default();
        let _ = fs::remove_file(&file);
        let reached = reached.lines().filter_map(|line| line.parse().ok()).collect();
        (verdict, Test { program: program.clone(), name: name.clone(), took: start.elapsed(), reached })
    });
    let mut tests = Vec::new();
    let mut fail = Vec::new();
    for (verdict, test) in tried {
        match verdict? {
            Verdict::Survived => tests.push(test),
            _ => fail.push(test.name),
        }
    }
    if tests.is_empty() {
        bail!("no test passes");
    }
    tests.sort_by(|a, b| a.took.cmp(&b.took).then_with(|| a.name.cmp(&b.name)));
    Ok((tests, fail))
}

fn list(program: &Path, folder: &Path, ignored: bool) -> Result<Vec<String>> {
    let mut command = Command::new(program);
    command.args(["--list", "--format", "terse"]).current_dir(folder);
    if ignored {
        command.arg("--ignored");
    }
    let output = command.output().with_context(|| format!("cannot start {}", program.display()))?;
    let text = String::from_utf8_lossy(&output.stdout);
    Ok(text.lines().filter_map(|line| line.strip_suffix(": test")).map(str::to_owned).collect())
}

/// Runs the tests that reach a mutant with it active, the quick ones first, until one fails.
pub(crate) fn run_mutant(number: u32, tests: &[Test], folder: &Path) -> Result<Verdict> {
    let mut groups: Vec<(PathBuf, Vec<String>, Duration)> = Vec::new();
    for test in tests.iter().filter(|test| test.reached.contains(&number)) {
        let quick = test.took < QUICK;
        match groups.iter_mut().find(|(program, ..)| quick && *program == test.program) {
            Some((_, names, took)) => {
                names.push(test.name.clone());
                *took += test.took;
            }
            None => groups.push((test.program.clone(), vec![test.name.clone()], test.took)),
        }
    }
    if groups.is_empty() {
        return Ok(Verdict::Unreached);
    }
    for (program, names, took) in groups {
        let mut command = command(&program, folder, &names);
        command.env("GM_MUTANT", number.to_string());
        let verdict = watch(command, took * TIME_FACTOR + EXTRA_TIME)?;
        if verdict != Verdict::Survived {
            return Ok(verdict);
        }
    }
    Ok(Verdict::Survived)
}

/// Command that runs some tests of a test program one after the other, with a fixed random seed
/// and without leaving files behind.
fn command(program: &Path, folder: &Path, names: &[String]) -> Command {
    let mut command = Command::new("sh");
    command
        .args(["-c", &format!("ulimit -v {MAX_MEMORY}; exec \"$0\" \"$@\"")])
        .arg(program)
        .args(["--exact", "--test-threads=1"])
        .args(names)
        .current_dir(folder)
        .env("CARGO_MANIFEST_DIR", folder)
        .env("PROPTEST_DISABLE_FAILURE_PERSISTENCE", "true")
        .env("PROPTEST_MAX_SHRINK_ITERS", "0")
        .env("PROPTEST_RNG_SEED", "1")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null());
    command
}

/// Waits until a test fails, the program ends, or the timeout expires.
fn watch(mut command: Command, timeout: Duration) -> Result<Verdict> {
    let mut child = command.spawn().context("cannot start a test program")?;
    let output = child.stdout.take().context("a test program has no output")?;
    let (sender, receiver) = mpsc::channel();
    let reader = std::thread::spawn(move || {
        for line in BufReader::new(output).lines().map_while(Result::ok) {
            if let Some(failed) = line.strip_prefix("test ").and_then(|line| line.strip_suffix(" ... FAILED"))
            {
                let _ = sender.send(failed.to_owned());
                return;
            }
        }
    });
    let verdict = match receiver.recv_timeout(timeout) {
        Ok(failed) => Some(Verdict::Caught(failed)),
        Err(mpsc::RecvTimeoutError::Timeout) => Some(Verdict::TimedOut),
        // The program closed its output, so it is about to exit.
        Err(mpsc::RecvTimeoutError::Disconnected) => None,
    };
    if verdict.is_some() {
        // The program may have exited already.
        let _ = child.kill();
    }
    let status = child.wait().context("cannot wait for a test program")?;
    let _ = reader.join();
    Ok(verdict.unwrap_or(if status.success() {
        Verdict::Survived
    } else {
        Verdict::Caught("a crash of the program".to_owned())
    }))
}

/// Does the work for each item of a list on some threads. The answers are in the order of the list.
pub(crate) fn in_parallel<T: Sync, A: Send>(
    list: &[T],
    workers: usize,
    work: impl Fn(usize, &T) -> A + Sync,
) -> Vec<A> {
    let next = std::sync::atomic::AtomicUsize::new(0);
    let (sender, receiver) = mpsc::channel();
    std::thread::scope(|scope| {
        for _ in 0..workers.max(1) {
            let (sender, next, work) = (sender.clone(), &next, &work);
            scope.spawn(move || {
                loop {
                    let at = next.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                    let Some(item) = list.get(at) else { return };
                    if sender.send((at, work(at, item))).is_err() {
                        return;
                    }
                }
            });
        }
    });
    drop(sender);
    let mut answers: Vec<_> = receiver.into_iter().collect();
    answers.sort_by_key(|(at, _)| *at);
    answers.into_iter().map(|(_, answer)| answer).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_in_the_order_of_the_list() {
        let list: Vec<u32> = (0..100).collect();
        assert_eq!(
            in_parallel(&list, 3, |_, number| number * 2),
            list.iter().map(|n| n * 2).collect::<Vec<_>>()
        );
    }

    fn shell(words: &str) -> Result<Verdict> {
        let mut command = Command::new("sh");
        command.args(["-c", words]).stdout(Stdio::piped());
        watch(command, Duration::from_secs(60))
    }

    #[test]
    fn the_verdict_follows_from_output_and_exit_code() {
        assert_eq!(shell("echo test a ... ok").ok(), Some(Verdict::Survived));
        assert_eq!(shell("exit 101").ok(), Some(Verdict::Caught("a crash of the program".to_owned())));
        // `watch` does not wait for the end after the first failure.
        assert_eq!(
            shell("echo 'test a ... FAILED'; exec sleep 1000").ok(),
            Some(Verdict::Caught("a".to_owned()))
        );
    }

    #[test]
    fn a_program_that_runs_too_long_is_killed() {
        let mut command = Command::new("sleep");
        command.arg("1000").stdout(Stdio::piped());
        assert_eq!(watch(command, Duration::from_millis(1)).ok(), Some(Verdict::TimedOut));
    }
}
