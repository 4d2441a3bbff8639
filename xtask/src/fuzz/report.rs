//! Parser for the output of libFuzzer at the end of a run.

use std::fmt;
use std::time::Duration;

/// Number of lines that are shown of a failed run.
const SHOWN: usize = 30;

/// Result of a run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Report {
    pub(super) good: bool,
    executions: u64,
    took: Duration,
    /// Number of inputs, each with coverage that no other input has.
    corpus: u64,
    /// Number of places in the program that were reached.
    coverage: u64,
    /// Path of the input that failed.
    pub(super) failure: Option<String>,
}

impl Report {
    /// Parses the output. A run without executions is not good.
    pub(super) fn of(text: &str, good: bool, took: Duration) -> Report {
        let mut report = Report { took, ..Report::default() };
        for line in text.lines() {
            if let Some(number) = line.strip_prefix("stat::number_of_executed_units:") {
                report.executions = number.trim().parse().unwrap_or(0);
            } else if let Some((_, input)) = line.split_once("Test unit written to ") {
                report.failure = Some(input.trim().to_owned());
            } else if line.starts_with('#') {
                report.coverage = after(line, "cov:").unwrap_or(report.coverage);
                report.corpus = after(line, "corp:").unwrap_or(report.corpus);
            }
        }
        report.good = good && report.executions > 0;
        report
    }
}

/// The number after a word, up to a slash.
fn after(line: &str, word: &str) -> Option<u64> {
    let mut words = line.split_whitespace().skip_while(|found| *found != word);
    words.nth(1)?.split('/').next()?.parse().ok()
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Report { executions, took, corpus, coverage, .. } = self;
        let seconds = took.as_secs_f64();
        write!(f, "{executions} executions, {seconds:.1} seconds, corpus {corpus}, coverage {coverage}")
    }
}

/// The last lines of the output, without progress lines.
pub(super) fn tail(text: &str) -> String {
    let lines: Vec<_> =
        text.lines().filter(|line| !line.starts_with(['#', '\t']) && !line.is_empty()).collect();
    lines[lines.len().saturating_sub(SHOWN)..].iter().map(|line| format!("  {line}\n")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "INFO: Seed: 1\n#2\tINITED cov: 8 ft: 8 corp: 1/1b exec/s: 0 rss: 27Mb\n\
        #485143\tDONE   cov: 160 ft: 482 corp: 124/4260b lim: 2048 exec/s: 53904 rss: 28Mb\n\
        Done 485143 runs in 9 second(s)\nstat::number_of_executed_units: 485143\n";
    const BAD: &str = "#9\tNEW    cov: 16 ft: 18 corp: 5/9b\n\nthread '<unnamed>' panicked at a.rs:1:2:\n\
        ==7== ERROR: libFuzzer: deadly signal\nstat::number_of_executed_units: 31\n\
        artifact_prefix='f/'; Test unit written to f/crash-1\n";

    #[test]
    fn the_report_of_a_good_run_is_read() {
        let report = Report::of(GOOD, true, Duration::from_millis(9_040));
        assert!(report.good);
        assert_eq!(report.to_string(), "485143 executions, 9.0 seconds, corpus 124, coverage 160");
        assert_eq!(report.failure, None);
    }

    #[test]
    fn a_failure_is_read() {
        let report = Report::of(BAD, false, Duration::ZERO);
        assert!(!report.good);
        assert_eq!(report.to_string(), "31 executions, 0.0 seconds, corpus 5, coverage 16");
        assert_eq!(report.failure.as_deref(), Some("f/crash-1"));
        assert!(tail(BAD).starts_with("  thread '<unnamed>' panicked"));
    }

    #[test]
    fn a_run_of_nothing_is_not_good() {
        assert!(!Report::of("", true, Duration::ZERO).good);
    }
}
