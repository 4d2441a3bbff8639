//! Tables whose rows are found by as many threads as there are processors. Knows no world.

use std::collections::VecDeque;
use std::fmt::{Display, Write as _};
use std::sync::{Mutex, PoisonError};
use std::thread;

/// One or more rows.
pub(super) type Rows = Vec<Vec<String>>;
/// Finds them.
pub(super) type Job = Box<dyn FnOnce() -> Rows + Send>;

/// A table, what is said above it, and how its rows are found.
pub(crate) struct Table {
    pub(super) title: &'static str,
    pub(super) text: &'static str,
    pub(super) columns: &'static [&'static str],
    pub(super) rows: Vec<Job>,
}

/// A row of anything.
pub(super) fn row(cells: &[&dyn Display]) -> Vec<String> {
    cells.iter().map(ToString::to_string).collect()
}

/// The tables in their order, as text.
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
        // A string takes everything.
        let _ = write!(out, "\n## {title}\n\n{text}\n\n| {} |\n|", columns.join(" | "));
        let _ = writeln!(out, "{}", "--:|".repeat(columns.len()));
        for row in found.iter().filter(|(of, _)| *of == table).flat_map(|(_, rows)| rows) {
            let _ = writeln!(out, "| {} |", row.join(" | "));
        }
    }
    out
}

/// Does all jobs; what they found, in their order.
fn find(jobs: VecDeque<(usize, Job)>) -> Vec<(usize, Rows)> {
    let many = jobs.len();
    let jobs = Mutex::new(jobs.into_iter().enumerate());
    let next = || jobs.lock().unwrap_or_else(PoisonError::into_inner).next();
    let work = || {
        let mut found = Vec::new();
        while let Some((place, (table, job))) = next() {
            found.push((place, (table, job())));
        }
        found
    };
    let workers = thread::available_parallelism().map_or(1, usize::from).min(many);
    let mut found: Vec<_> = thread::scope(|scope| {
        let threads: Vec<_> = (0..workers).map(|_| scope.spawn(work)).collect();
        // Whoever panicked has said so.
        threads.into_iter().flat_map(|thread| thread.join().unwrap_or_default()).collect()
    });
    found.sort_by_key(|(place, _)| *place);
    found.into_iter().map(|(_, found)| found).collect()
}
