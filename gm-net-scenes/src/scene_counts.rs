//! Scene counts: their sum and the form of the last line.

use std::fmt;
use std::ops::AddAssign;

/// Numbers of passed, failed and skipped scenes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct SceneCounts {
    pub(crate) passed: u64,
    pub(crate) failed: u64,
    pub(crate) skipped: u64,
}

impl SceneCounts {
    /// The counts of one passed scene.
    pub(crate) const PASSED: Self = Self { passed: 1, failed: 0, skipped: 0 };
    /// The counts of one failed scene.
    pub(crate) const FAILED: Self = Self { passed: 0, failed: 1, skipped: 0 };
}

impl AddAssign for SceneCounts {
    fn add_assign(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.skipped += other.skipped;
    }
}

impl fmt::Display for SceneCounts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} passed, {} failed, {} skipped", self.passed, self.failed, self.skipped)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sum_has_the_form_that_xtask_reads() {
        let mut sum = SceneCounts { skipped: 2, ..SceneCounts::PASSED };
        sum += SceneCounts::FAILED;
        assert_eq!(sum.to_string(), "1 passed, 1 failed, 2 skipped");
    }
}
