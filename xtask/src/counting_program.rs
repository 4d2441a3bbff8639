//! Programs that count tests: runs one with its own flags, and reads the counts in its last line.
//!
//! The simulators and the scenes in network namespaces are such programs.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use anyhow::{Context, Result};

use crate::test_counts::TestCounts;
use crate::workspace::status;

/// Runs the program with the standard streams of this process, and returns its exit code.
pub(crate) fn exit_code(command: &mut Command) -> Result<u8> {
    let code = status(command)?.code();
    Ok(code.and_then(|code| u8::try_from(code).ok()).unwrap_or(u8::MAX))
}

/// Runs the program, shows its output as it arrives, and returns the counts in its last line. A
/// program that fails without counting a failure has the counts of one failure.
pub(crate) fn counts(command: &mut Command) -> Result<TestCounts> {
    let child = command.stdout(Stdio::piped()).spawn();
    let mut child = child.with_context(|| format!("cannot start {}", command.get_program().display()))?;
    let output = child.stdout.take().context("the program has no standard output")?;
    let mut counted = None;
    for line in BufReader::new(output).split(b'\n') {
        let line = line.context("cannot read the output of the program")?;
        let line = String::from_utf8_lossy(&line);
        println!("{line}");
        counted = parse(&line);
    }
    let is_good = child.wait().context("cannot wait for the program")?.success();
    Ok(verdict(counted, is_good))
}

/// The same for a program that runs beside others: returns its output instead of showing it.
pub(crate) fn counts_afterwards(command: &mut Command) -> Result<(TestCounts, String)> {
    let output = command.output();
    let output = output.with_context(|| format!("cannot start {}", command.get_program().display()))?;
    let mut text = String::from_utf8_lossy(&output.stderr).into_owned();
    text.push_str(&String::from_utf8_lossy(&output.stdout));
    let counted = text.lines().last().and_then(parse);
    Ok((verdict(counted, output.status.success()), text))
}

fn verdict(counted: Option<TestCounts>, is_good: bool) -> TestCounts {
    counted.filter(|counts| is_good || counts.failed > 0).unwrap_or(TestCounts::FAILED)
}

/// Parses `3 passed, 1 failed, 0 skipped`.
fn parse(line: &str) -> Option<TestCounts> {
    let number = |part: &str, what: &str| part.trim().strip_suffix(what)?.trim().parse().ok();
    let mut parts = line.split(',');
    let passed = number(parts.next()?, "passed")?;
    let failed = number(parts.next()?, "failed")?;
    let skipped = number(parts.next()?, "skipped")?;
    Some(TestCounts { passed, failed, skipped })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_parsed() {
        let tally = TestCounts { passed: 334, failed: 2, skipped: 0 };
        assert_eq!(parse(&tally.to_string()), Some(tally));
        assert_eq!(parse("334 passed, 2 failed"), None);
        assert_eq!(parse("cargo xtask sim --seed 3"), None);
    }

    /// The counts of a program that prints these lines and ends with this exit code.
    fn counts_of(script: &str) -> TestCounts {
        counts(Command::new("sh").args(["-c", script])).expect("the shell starts")
    }

    #[test]
    fn the_last_line_is_read() {
        let tally = TestCounts { passed: 3, failed: 0, skipped: 1 };
        assert_eq!(counts_of("echo a scene; echo 3 passed, 0 failed, 1 skipped"), tally);
        let failed = TestCounts { passed: 3, failed: 2, skipped: 0 };
        assert_eq!(counts_of("echo 3 passed, 2 failed, 0 skipped; exit 4"), failed);
    }

    #[test]
    fn output_is_returned_instead_of_shown() {
        let mut command = Command::new("sh");
        command.args(["-c", "echo a warning >&2; echo a scene; echo 3 passed, 0 failed, 1 skipped"]);
        let (tally, text) = counts_afterwards(&mut command).expect("the shell starts");
        assert_eq!(tally, TestCounts { passed: 3, failed: 0, skipped: 1 });
        assert_eq!(text, "a warning\na scene\n3 passed, 0 failed, 1 skipped\n");
    }

    #[test]
    fn a_failure_without_counts_is_counted() {
        assert_eq!(counts_of("echo 3 passed, 0 failed, 0 skipped; exit 1"), TestCounts::FAILED);
        assert_eq!(counts_of("echo 3 passed, 0 failed, 0 skipped; echo error"), TestCounts::FAILED);
        assert_eq!(counts_of("exit 0"), TestCounts::FAILED);
    }
}
