//! Tables whose rows are computed on as many threads as there are processors.

use std::collections::VecDeque;
use std::fmt::{Display, Write as _};
use std::sync::{Mutex, PoisonError};
use std::thread;

/// Rows of a table.
pub(super) type Rows = Vec<Vec<String>>;
/// A computation of rows.
pub(super) type Job = Box<dyn FnOnce() -> Rows + Send>;

/// A table with its title, its text, and the jobs that compute its rows.
pub(crate) struct Table {
    pub(super) title: &'static str,
    pub(super) text: &'static str,
    pub(super) columns: &'static [&'static str],
    pub(super) rows: Vec<Job>,
}

/// A row of displayable cells.
pub(super) fn row(cells: &[&dyn Display]) -> Vec<String> {
    cells.iter().map(ToString::to_string).collect()
}

/// The tables as Markdown, in their order.
pub(super) fn markdown(tables: Vec<Table>) -> String {
    let mut jobs = VecDeque::new();
    let mut heads = Vec::new();
    for (table, Table { title, text, columns, rows }) in tables.into_iter().enumerate() {
        heads.push((title, text, columns));
        jobs.extend(rows.into_iter().map(|job| (table, job)));
    }
    let found = find(jobs);
    let mut out = String::new();
    for (table, (title, text, columns)) in heads.into_iter().enumerate() {
        // Writing to a `String` cannot fail.
        let _ = write!(out, "\n## {title}\n\n{text}\n\n| {} |\n|", columns.join(" | "));
        let _ = writeln!(out, "{}", "--:|".repeat(columns.len()));
        for row in found.iter().filter(|(of, _)| *of == table).flat_map(|(_, rows)| rows) {
            let _ = writeln!(out, "| {} |", row.join(" | "));
        }
    }
    out
}

/// Runs all jobs; returns their rows with their indices, in order.
fn find(jobs: VecDeque<(usize, Job)>) -> Vec<(usize, Rows)> {
    let many = jobs.len();
    let jobs = Mutex::new(jobs.into_iter().enumerate());
    let next = || jobs.lock().unwrap_or_else(PoisonError::into_inner).next();
    let work = || {
        let mut found = Vec::new();
        while let Some((index, (table, job))) = next() {
            found.push((index, (table, job())));
        }
        found
    };
    let workers = thread::available_parallelism().map_or(1, usize::from).min(many);
    let mut found: Vec<_> = thread::scope(|scope| {
        let threads: Vec<_> = (0..workers).map(|_| scope.spawn(work)).collect();
        // A panic has been printed by its thread.
        threads.into_iter().flat_map(|thread| thread.join().unwrap_or_default()).collect()
    });
    found.sort_by_key(|(index, _)| *index);
    found.into_iter().map(|(_, found)| found).collect()
}
