//! The counters of the runtime, shared by its tasks.

use std::sync::{Arc, Mutex, PoisonError};

use crate::counter::{Counter, Counters};

#[derive(Clone, Debug, Default)]
pub(super) struct RuntimeStats(Arc<Mutex<Counters>>);

impl RuntimeStats {
    pub(super) fn count(&self, counter: Counter) {
        self.add(counter, 1);
    }

    pub(super) fn count_reason(&self, counter: Counter, reason: &'static str) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).count_reason(counter, reason);
    }

    pub(super) fn add(&self, counter: Counter, more: u64) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).add(counter, more);
    }

    /// A copy of all counters.
    pub(super) fn read(&self) -> Counters {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
