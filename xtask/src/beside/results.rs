//! Results of a run: what the programs printed, and the file that keeps it.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::machine::{self, DISTURBED};
use super::plan::{Measurement, Part, Size, System, measurements};

/// File of the last run, in the folder of output.
const FILE: &str = "results.json";

/// Outcome of one run of a program.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Attempt {
    /// The lines that it printed.
    lines: Vec<Value>,
    /// The reason if it did not do its work.
    pub(crate) why: Option<String>,
    /// The load averages at its start.
    pub(crate) load: String,
    /// Share of the machine that other processes had.
    pub(crate) foreign: f64,
}

impl Attempt {
    /// Parses the program's output.
    pub(crate) fn parse(stdout: &str, why: Option<String>) -> Attempt {
        let lines: Vec<Value> = stdout.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
        let why = why.or_else(|| lines.is_empty().then(|| "printed no result".to_owned()));
        Attempt { lines, why, ..Attempt::default() }
    }

    /// Attempt that could not even begin.
    pub(crate) fn failed(why: String) -> Attempt {
        Attempt { why: Some(why), ..Attempt::default() }
    }

    /// Notes the machine's load at the start and the share of other processes.
    pub(crate) fn note_machine(&mut self, load: String, foreign: f64) {
        self.load = load;
        self.foreign = foreign;
    }

    pub(crate) fn is_disturbed(&self) -> bool {
        self.foreign > DISTURBED
    }

    /// Whether this attempt counts instead of an earlier one.
    pub(crate) fn is_better_than(&self, other: &Attempt) -> bool {
        (self.why.is_some(), self.foreign) < (other.why.is_some(), other.foreign)
    }

    /// Processor seconds of the program and its nodes; 0 if it did not end by itself.
    pub(crate) fn own_cpu(&self) -> f64 {
        self.line("end").map_or(0.0, |line| line.number("cpu_s").unwrap_or(0.0))
    }

    /// The first line of a kind.
    pub(crate) fn line(&self, kind: &str) -> Option<Line<'_>> {
        self.lines(kind).next()
    }

    /// The lines of a kind.
    pub(crate) fn lines(&self, kind: &str) -> impl Iterator<Item = Line<'_>> {
        self.lines.iter().filter(move |line| line["kind"] == kind).map(Line)
    }

    /// The attempt in a few words, for the log.
    pub(crate) fn summary(&self) -> String {
        let mark = if self.is_disturbed() { ", disturbed" } else { "" };
        let machine = format!("load {}, others {:.0} %{mark}", self.load, self.foreign * 100.0);
        match &self.why {
            Some(why) => format!("{why} ({machine})"),
            None => machine,
        }
    }
}

/// Result that a program printed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Line<'a>(&'a Value);

impl Line<'_> {
    pub(crate) fn number(&self, field: &str) -> Option<f64> {
        self.0[field].as_f64()
    }

    pub(crate) fn numbers(&self, field: &str) -> Vec<f64> {
        self.0[field].as_array().into_iter().flatten().filter_map(Value::as_f64).collect()
    }
}

/// Outcomes of a run.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Results {
    #[serde(skip)]
    folder: PathBuf,
    pub(crate) size: Size,
    pub(crate) machine: String,
    /// The plan, so that a missing outcome has its row.
    planned: Vec<Measurement>,
    outcomes: Vec<(Measurement, Attempt)>,
    /// Rows from the crates' own benches: name, value.
    pub(crate) benches: Vec<(String, String)>,
}

impl Results {
    pub(crate) fn begin(folder: &Path, size: Size, planned: &[Measurement]) -> Result<Results> {
        let results = Results {
            folder: folder.to_owned(),
            size,
            machine: machine::description(),
            planned: planned.to_vec(),
            outcomes: Vec::new(),
            benches: Vec::new(),
        };
        results.write()?;
        Ok(results)
    }

    /// Reads the results of the last run.
    pub(crate) fn read(folder: &Path) -> Result<Results> {
        let text =
            fs::read_to_string(folder.join(FILE)).context("there is no run whose tables could be written")?;
        let results: Results = serde_json::from_str(&text).context("the file of the last run is damaged")?;
        Ok(Results { folder: folder.to_owned(), ..results })
    }

    pub(crate) fn write(&self) -> Result<()> {
        let text = serde_json::to_string(self).context("cannot write the results")?;
        fs::write(self.folder.join(FILE), text).context("cannot write the results")
    }

    /// Adds an outcome and writes the file, so that an aborted run keeps what it has.
    pub(crate) fn push(&mut self, measurement: Measurement, attempt: Attempt) -> Result<()> {
        self.outcomes.push((measurement, attempt));
        self.write()
    }

    /// Whether a part of the measurements was chosen.
    pub(crate) fn is_partial(&self) -> bool {
        self.planned.len() < measurements(self.size).len()
    }

    pub(crate) fn set_benches(&mut self, rows: Vec<(String, String)>) {
        self.benches = rows;
    }

    /// Whether a program failed; one that is not installed, or has no such measurement, did not.
    pub(crate) fn has_failures(&self) -> bool {
        let failed = |attempt: &Attempt| {
            attempt.why.as_ref().is_some_and(|why| {
                !["not installed", "not measured"].iter().any(|known| why.starts_with(known))
            })
        };
        self.outcomes.iter().any(|(_, attempt)| failed(attempt))
    }

    /// Number of outcomes, and of disturbed ones among them.
    pub(crate) fn disturbed(&self) -> (usize, usize) {
        let disturbed = self.outcomes.iter().filter(|(_, attempt)| attempt.is_disturbed()).count();
        (self.outcomes.len(), disturbed)
    }

    /// Smallest and greatest load of a minute at the start of a program.
    pub(crate) fn loads(&self) -> Option<(f64, f64)> {
        let first = |attempt: &Attempt| attempt.load.split(' ').next()?.parse::<f64>().ok();
        let loads: Vec<f64> = self.outcomes.iter().filter_map(|(_, attempt)| first(attempt)).collect();
        let (first, rest) = loads.split_first()?;
        Some(rest.iter().fold((*first, *first), |(low, high), &load| (low.min(load), high.max(load))))
    }

    /// Rows of a part: each number of nodes and system once, in the order of the plan, with all
    /// attempts.
    pub(crate) fn rows(&self, part: Part) -> Vec<(u32, System, Vec<&Attempt>)> {
        let mut rows: Vec<(u32, System, Vec<&Attempt>)> = Vec::new();
        for planned in self.planned.iter().filter(|planned| planned.part == part) {
            if !rows.iter().any(|(n, system, _)| (*n, system) == (planned.n, &planned.system)) {
                let attempts = self.attempts(part, planned.n, &planned.system);
                rows.push((planned.n, planned.system.clone(), attempts));
            }
        }
        rows
    }

    /// The attempts of one row.
    pub(crate) fn attempts(&self, part: Part, n: u32, system: &System) -> Vec<&Attempt> {
        let is_row = |one: &Measurement| one.part == part && one.n == n && &one.system == system;
        self.outcomes.iter().filter(|(one, _)| is_row(one)).map(|(_, attempt)| attempt).collect()
    }
}

#[cfg(test)]
pub(super) fn sample(size: Size, outcomes: Vec<(Measurement, Attempt)>) -> Results {
    Results {
        folder: PathBuf::new(),
        size,
        machine: "2 cores".to_owned(),
        planned: measurements(size),
        outcomes,
        benches: Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::tables::page;
    use super::*;

    #[test]
    fn output_is_parsed_by_kind() {
        let stdout = "noise\n{\"kind\":\"join\",\"ms\":null,\"bytes\":7}\n{\"kind\":\"end\",\"cpu_s\":0.5}\n";
        let attempt = Attempt::parse(stdout, None);
        let join = attempt.line("join").expect("it is there");
        assert_eq!((join.number("ms"), join.number("bytes")), (None, Some(7.0)));
        assert!((attempt.own_cpu() - 0.5).abs() < 1e-9 && attempt.why.is_none());
        assert!(attempt.line("idle").is_none());
        assert_eq!(Attempt::parse("", None).why.as_deref(), Some("printed no result"));
    }

    #[test]
    fn the_least_disturbed_attempt_that_worked_counts() {
        let attempt = |foreign, why: Option<&str>| Attempt {
            foreign,
            why: why.map(str::to_owned),
            ..Attempt::default()
        };
        assert!(attempt(0.2, None).is_better_than(&attempt(0.3, None)));
        assert!(attempt(0.9, None).is_better_than(&attempt(0.0, Some("failed"))));
        assert!(!attempt(0.1, Some("failed")).is_better_than(&attempt(0.9, None)));
        assert!(attempt(0.11, None).is_disturbed() && !attempt(0.1, None).is_disturbed());
    }

    #[test]
    fn a_partial_run_has_only_tables_with_rows() {
        let whole = sample(Size::Quick, vec![]);
        assert!(!whole.is_partial() && page(&whole).contains("### Growth"));
        let join = whole.planned.iter().take(1).cloned().collect();
        let partial = Results { planned: join, ..sample(Size::Quick, vec![]) };
        let titles: Vec<_> =
            page(&partial).lines().filter(|line| line.starts_with('#')).map(str::to_owned).collect();
        assert_eq!(titles, ["### Join: all nodes at once, through one seed"]);
    }

    #[test]
    fn a_planned_row_without_outcome_is_a_row() {
        let results = sample(Size::Quick, vec![]);
        let rows = results.rows(Part::Join);
        assert_eq!(rows.len(), 12, "3 numbers of nodes, 4 systems");
        assert!(rows.iter().all(|(_, _, attempts)| attempts.is_empty()));
    }
}
