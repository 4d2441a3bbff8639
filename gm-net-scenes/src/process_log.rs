//! Log of a process: the lines of its output with the time of each.

use std::io::{BufRead, BufReader, Read};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

/// The lines of a process and of its restarts.
#[derive(Clone, Default)]
pub(crate) struct ProcessLog(Arc<Mutex<Vec<(Instant, String)>>>);

impl ProcessLog {
    /// Records the lines of a stream, each with a prefix.
    pub(crate) fn read_from(&self, stream: Option<impl Read + Send + 'static>, prefix: &'static str) {
        let Some(stream) = stream else { return };
        let lines = self.clone();
        std::thread::spawn(move || {
            for line in BufReader::new(stream).lines().map_while(Result::ok) {
                lines.push(format!("{prefix}{line}"));
            }
        });
    }

    pub(crate) fn push(&self, line: String) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push((Instant::now(), line));
    }

    pub(crate) fn all(&self) -> Vec<(Instant, String)> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The last lines.
    pub(crate) fn last(&self, count: usize) -> Vec<String> {
        let all = self.all();
        all.iter().skip(all.len().saturating_sub(count)).map(|(_, line)| line.clone()).collect()
    }
}
