//! What a process says, line by line, and when. Knows nothing of what it means.

use std::io::{BufRead, BufReader, Read};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

/// The lines of one process, or of its lives.
#[derive(Clone, Default)]
pub(super) struct ProcessLog(Arc<Mutex<Vec<(Instant, String)>>>);

impl ProcessLog {
    /// Keeps what a stream says, each line behind a mark.
    pub(super) fn read_from(&self, stream: Option<impl Read + Send + 'static>, mark: &'static str) {
        let Some(stream) = stream else { return };
        let lines = self.clone();
        std::thread::spawn(move || {
            for line in BufReader::new(stream).lines().map_while(Result::ok) {
                lines.push(format!("{mark}{line}"));
            }
        });
    }

    pub(super) fn push(&self, line: String) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push((Instant::now(), line));
    }

    pub(super) fn all(&self) -> Vec<(Instant, String)> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The last lines.
    pub(super) fn last(&self, count: usize) -> Vec<String> {
        let all = self.all();
        all.iter().skip(all.len().saturating_sub(count)).map(|(_, line)| line.clone()).collect()
    }
}
