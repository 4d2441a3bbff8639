//! Results of mutation testing: the counts per crate, and a file with one line per mutant.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};

use super::expected::Expected;
use super::mutant::Mutant;
use super::run::{Test, Verdict};

/// Header of the table of counts.
pub(crate) const HEAD: &str = "| Crate | Mutants | Tried | Caught | Explained | Survivors | Not built |
| --- | --- | --- | --- | --- | --- | --- |";

/// Counts of the mutants of a crate.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    pub(crate) package: &'static str,
    pub(crate) mutants: usize,
    pub(crate) tried: u64,
    pub(crate) caught: u64,
    pub(crate) explained: u64,
    pub(crate) survivors: u64,
    /// Survivors that are listed as `unnoticed`.
    pub(crate) unnoticed: u64,
    pub(crate) not_built: usize,
    /// Rows of `xtask/mutants.toml` that are wrong: no such mutant, or a test caught it.
    pub(crate) stale: u64,
}

impl std::fmt::Display for Counts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Counts { package, mutants, tried, caught, explained, survivors, not_built, .. } = self;
        #[allow(clippy::cast_precision_loss)]
        let share = *caught as f64 * 100.0 / (*tried - *explained).max(1) as f64;
        write!(
            f,
            "| {package} | {mutants} | {tried} | {caught} ({share:.1} %) | {explained} | {survivors} | {not_built} |"
        )
    }
}

impl Counts {
    /// Counts one mutant. If a test caught an explained mutant, the explanation is wrong.
    pub(crate) fn count(&mut self, mutant: &Mutant, verdict: &Verdict, known: Option<Expected>) {
        self.tried += 1;
        match (verdict, known) {
            (Verdict::Caught(by), Some(Expected::Explained)) => {
                println!("explained in xtask/mutants.toml, but caught by {by}: {}", mutant.name());
                self.stale += 1;
            }
            (Verdict::Caught(by), Some(Expected::Unnoticed)) => {
                println!("now caught by {by}; remove it from xtask/mutants.toml: {}", mutant.name());
                self.caught += 1;
            }
            (Verdict::Caught(_) | Verdict::TimedOut, _) => self.caught += 1,
            (Verdict::Survived | Verdict::Unreached, Some(Expected::Explained)) => self.explained += 1,
            (Verdict::Survived | Verdict::Unreached, known) => {
                self.survivors += 1;
                self.unnoticed += u64::from(known.is_some());
            }
        }
    }
}

/// Lines of the report by the names of the mutants.
#[derive(Debug, Default)]
pub(crate) struct ReportLines(BTreeMap<String, String>);

impl ReportLines {
    /// Reads the lines of earlier runs; empty if there were none.
    pub(crate) fn read(file: &Path) -> ReportLines {
        let text = fs::read_to_string(file).unwrap_or_default();
        ReportLines(
            text.lines()
                .filter_map(|line| Some((line.splitn(4, " | ").nth(3)?.to_owned(), line.to_owned())))
                .collect(),
        )
    }

    /// Whether the mutant survived in an earlier run.
    pub(crate) fn survived(&self, name: &str) -> bool {
        self.0.get(name).is_some_and(|line| line.starts_with("survived") || line.starts_with("no test"))
    }

    /// Sets the line of a mutant to its present verdict.
    pub(crate) fn set(&mut self, mutant: &Mutant, verdict: &Verdict, took: Duration) {
        let (seconds, line, name) = (took.as_secs_f64(), mutant.line, mutant.name());
        self.0.insert(name.clone(), format!("{verdict} | {seconds:.2} s | line {line} | {name}"));
    }

    /// Writes the tests, and the lines of those mutants that still exist.
    pub(crate) fn write(mut self, file: &Path, tests: &[Test], mutants: &[Mutant]) -> Result<()> {
        let mut text = String::new();
        for test in tests.iter().rev() {
            writeln!(text, "{test}")?;
        }
        for mutant in mutants {
            if let Some(line) = self.0.remove(&mutant.name()) {
                writeln!(text, "{line}")?;
            }
        }
        fs::write(file, text).with_context(|| format!("cannot write {}", file.display()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_read_as_they_are_written() {
        let folder = std::env::temp_dir().join(format!("xtask-mutants-{}", std::process::id()));
        fs::create_dir_all(&folder).expect("a folder");
        let file = folder.join("lines.txt");
        let mutant = |number, change: &str| Mutant {
            number,
            file: "gm-a/src/a.rs".to_owned(),
            line: 7,
            function: "f".to_owned(),
            base_change: String::new(),
            change: change.to_owned(),
            built_in: true,
        };
        let mutants = [mutant(1, "`a | b` by `&`"), mutant(2, "returns 0"), mutant(3, "returns 1")];
        let mut lines = ReportLines::default();
        for (mutant, verdict) in
            mutants.iter().zip([Verdict::Survived, Verdict::Unreached, Verdict::Caught("t".to_owned())])
        {
            lines.set(mutant, &verdict, Duration::from_millis(20));
        }
        lines.write(&file, &[], &mutants[..2]).expect("written");
        let lines = ReportLines::read(&file);
        fs::remove_dir_all(&folder).expect("removed");
        let survived = mutants.each_ref().map(|mutant| lines.survived(&mutant.name()));
        assert_eq!(survived, [true, true, false], "the third does not exist any more");
    }

    #[test]
    fn a_caught_mutant_with_an_explanation_is_stale() {
        let mutant = Mutant {
            number: 1,
            file: "gm-a/src/a.rs".to_owned(),
            line: 7,
            function: "f".to_owned(),
            base_change: String::new(),
            change: "returns 0".to_owned(),
            built_in: true,
        };
        let caught = Verdict::Caught("t".to_owned());
        let mut counts = Counts::default();
        let (explained, unnoticed) = (Some(Expected::Explained), Some(Expected::Unnoticed));
        for (verdict, known) in [
            (&caught, None),
            (&Verdict::TimedOut, None),
            (&Verdict::Survived, None),
            (&Verdict::Survived, unnoticed),
            (&caught, unnoticed),
            (&Verdict::Unreached, explained),
            (&caught, explained),
        ] {
            counts.count(&mutant, verdict, known);
        }
        let Counts { tried, caught, explained, survivors, unnoticed, stale, .. } = counts;
        assert_eq!((tried, caught, explained, survivors, unnoticed, stale), (7, 3, 1, 2, 1, 1));
    }

    #[test]
    fn a_row_has_the_share_of_catchable_mutants() {
        let counts = Counts {
            package: "gm-a",
            mutants: 12,
            tried: 10,
            caught: 6,
            explained: 2,
            survivors: 2,
            ..Counts::default()
        };
        assert_eq!(counts.to_string(), "| gm-a | 12 | 10 | 6 (75.0 %) | 2 | 2 | 0 |");
    }
}
