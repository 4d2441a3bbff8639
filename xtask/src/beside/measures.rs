//! Measures: numbers that are computed from the attempts of one row.

use super::cells::{greatest, median, smallest};
use super::results::{Attempt, Line};

/// Difference between windows with an update and windows without one.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Added {
    pub(crate) value: f64,
    /// Half of the spread of the windows without an update.
    pub(crate) noise: f64,
}

impl Added {
    pub(crate) fn is_noise(self) -> bool {
        self.value.abs() <= self.noise
    }
}

/// Median of a field over the attempts.
pub(crate) fn of(attempts: &[&Attempt], kind: &str, field: &str) -> Option<f64> {
    median(&all(attempts, kind, field))
}

/// Values of a field, one per attempt that has it.
pub(crate) fn all(attempts: &[&Attempt], kind: &str, field: &str) -> Vec<f64> {
    attempts.iter().filter_map(|attempt| attempt.line(kind)?.number(field)).collect()
}

/// The updates of the attempts at a rate of loss.
pub(crate) fn updates<'a>(attempts: &[&'a Attempt], percent: f64) -> Vec<Line<'a>> {
    let at_rate = |line: &Line<'_>| line.number("loss").is_some_and(|loss| (loss - percent).abs() < 0.5);
    attempts.iter().flat_map(|attempt| attempt.lines("update").filter(at_rate)).collect()
}

/// Milliseconds until all nodes had an update, one number per update.
pub(crate) fn update_ms(attempts: &[&Attempt], percent: f64) -> Vec<f64> {
    updates(attempts, percent).iter().flat_map(|line| line.numbers("all_ms")).collect()
}

/// Updates that not all nodes had at the limit.
pub(crate) fn missed(attempts: &[&Attempt], percent: f64) -> usize {
    updates(attempts, percent).iter().map(|line| line.numbers("incomplete").len()).sum()
}

/// The cost that an update adds: `bytes`, `packets` or `cpu_ms`. `None` if it was not measured.
pub(crate) fn added(attempts: &[&Attempt], what: &str) -> Option<Added> {
    let of = |kind: &str| -> Vec<f64> {
        updates(attempts, 0.0).iter().flat_map(|line| line.numbers(&format!("{kind}_{what}"))).collect()
    };
    let (with, without) = (of("win"), of("idle"));
    let noise = (greatest(&without)? - smallest(&without)?) / 2.0;
    Some(Added { value: median(&with)? - median(&without)?, noise })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attempt(lines: &str) -> Attempt {
        Attempt::parse(lines, None)
    }

    #[test]
    fn the_cost_of_an_update_is_a_difference_of_medians() {
        let one = attempt(
            "{\"kind\":\"update\",\"loss\":0,\"all_ms\":[1,2],\"incomplete\":[7],\"win_bytes\":[110,120,130],\"idle_bytes\":[10,20,30]}\n",
        );
        let attempts = [&one];
        assert_eq!(added(&attempts, "bytes"), Some(Added { value: 100.0, noise: 10.0 }));
        assert_eq!(added(&attempts, "packets"), None);
        assert!(!added(&attempts, "bytes").is_some_and(Added::is_noise));
        assert!(Added { value: -3.0, noise: 4.0 }.is_noise());
        assert_eq!((update_ms(&attempts, 0.0).len(), missed(&attempts, 0.0)), (2, 1));
        assert_eq!((update_ms(&attempts, 10.0).len(), missed(&attempts, 10.0)), (0, 0));
    }

    #[test]
    fn a_field_is_the_median_of_the_attempts() {
        let runs = ["3", "null", "5", "9"].map(|ms| attempt(&format!("{{\"kind\":\"join\",\"ms\":{ms}}}")));
        let attempts: Vec<&Attempt> = runs.iter().collect();
        assert_eq!(of(&attempts, "join", "ms"), Some(5.0));
        assert_eq!(all(&attempts, "join", "ms").len(), 3);
        assert_eq!(of(&attempts, "idle", "ms"), None);
    }
}
