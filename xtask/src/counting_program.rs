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
    Ok(match counted {
        Some(tally) if is_good || tally.failed > 0 => tally,
        _ => TestCounts::FAILED,
    })
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
    fn a_failure_without_counts_is_counted() {
        assert_eq!(counts_of("echo 3 passed, 0 failed, 0 skipped; exit 1"), TestCounts::FAILED);
        assert_eq!(counts_of("echo 3 passed, 0 failed, 0 skipped; echo error"), TestCounts::FAILED);
        assert_eq!(counts_of("exit 0"), TestCounts::FAILED);
    }
}
