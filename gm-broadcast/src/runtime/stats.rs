//! What the shell counts, from all its tasks. Knows nothing of what is counted.

use std::sync::{Arc, Mutex, PoisonError};

use crate::event::Counters;

/// Counters that several tasks count in.
#[derive(Clone, Debug, Default)]
pub(super) struct RuntimeStats(Arc<Mutex<Counters>>);

impl RuntimeStats {
    pub(super) fn count(&self, what: &'static str, why: &'static str) {
        self.add(what, why, 1);
    }

    pub(super) fn add(&self, what: &'static str, why: &'static str, more: u64) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).add(what, why, more);
    }

    /// All, as they stand.
    pub(super) fn read(&self) -> Counters {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
