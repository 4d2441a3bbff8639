//! Test counts: their sum, their one-line form, and a parser for the summary of a test binary.

use std::fmt;
use std::ops::AddAssign;

/// Numbers of passed, failed and skipped tests. Failed steps count as failed; ignored tests and
/// steps that did not run count as skipped.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct TestCounts {
    pub(crate) passed: u64,
    pub(crate) failed: u64,
    pub(crate) skipped: u64,
}

impl TestCounts {
    /// The counts of one failed step.
    pub(crate) const FAILED: Self = Self { passed: 0, failed: 1, skipped: 0 };

    /// Parses `test result: ok. 3 passed; 0 failed; 1 ignored; …`; `None` for any other line.
    pub(crate) fn of_result_line(line: &str) -> Option<Self> {
        let (_verdict, counts) = line.strip_prefix("test result: ")?.split_once(". ")?;
        let mut tally = Self::default();
        for part in counts.split(';') {
            let Some((number, what)) = part.trim().split_once(' ') else { continue };
            let slot = match what {
                "passed" => &mut tally.passed,
                "failed" => &mut tally.failed,
                "ignored" => &mut tally.skipped,
                _ => continue,
            };
            *slot = number.parse().ok()?;
        }
        Some(tally)
    }

    /// Number of tests that were executed.
    pub(crate) fn ran(self) -> u64 {
        self.passed + self.failed
    }
}

impl AddAssign for TestCounts {
    fn add_assign(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.skipped += other.skipped;
    }
}

impl fmt::Display for TestCounts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} passed, {} failed, {} skipped", self.passed, self.failed, self.skipped)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_good_result_line_is_read() {
        let line =
            "test result: ok. 12 passed; 0 failed; 3 ignored; 0 measured; 4 filtered out; finished in 0.01s";
        assert_eq!(TestCounts::of_result_line(line), Some(TestCounts { passed: 12, failed: 0, skipped: 3 }));
    }

    #[test]
    fn a_failed_result_line_is_read() {
        let line = "test result: FAILED. 1 passed; 2 failed; 0 ignored; 0 measured; 0 filtered out";
        assert_eq!(TestCounts::of_result_line(line), Some(TestCounts { passed: 1, failed: 2, skipped: 0 }));
    }

    #[test]
    fn other_lines_are_not_results() {
        for line in ["", "running 3 tests", "test a ... ok", "  test result: ok. 1 passed;"] {
            assert_eq!(TestCounts::of_result_line(line), None, "{line}");
        }
    }

    #[test]
    fn sums_and_prints() {
        let mut sum = TestCounts { passed: 1, failed: 0, skipped: 2 };
        sum += TestCounts { passed: 10, failed: 3, skipped: 0 };
        assert_eq!(sum.to_string(), "11 passed, 3 failed, 2 skipped");
        assert_eq!(sum.ran(), 14);
    }
}
