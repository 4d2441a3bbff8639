//! Memory stores: a simulated disk, which can be slow, full, torn or lying, and an ephemeral store,
//! which keeps nothing. Time and randomness are arguments, so every run is reproducible.

mod contents;
mod faults;
mod simulated;
#[cfg(test)]
mod tests;

use gm_broadcast::Time;

pub use faults::DiskFaults;
pub use simulated::{DiskSnapshot, SimulatedDisk};

use super::{Batch, Store, StoreError};

/// A store in memory. See [`SimulatedDisk`] for its behaviour.
#[derive(Debug)]
pub struct MemoryStore(Backend);

#[derive(Debug)]
enum Backend {
    /// Keeps nothing, and counts the batches without a reported result.
    Ephemeral { open: usize },
    /// A session of a simulated disk.
    Simulated { disk: SimulatedDisk, session: u64 },
}

impl MemoryStore {
    /// A store for a node without a directory: every batch is finished at once, and nothing is
    /// kept.
    #[must_use]
    pub const fn ephemeral() -> MemoryStore {
        MemoryStore(Backend::Ephemeral { open: 0 })
    }

    const fn on(disk: SimulatedDisk, session: u64) -> MemoryStore {
        MemoryStore(Backend::Simulated { disk, session })
    }
}

impl Store for MemoryStore {
    fn is_durable(&self) -> bool {
        matches!(self.0, Backend::Simulated { .. })
    }

    fn submit(&mut self, now: Time, batch: Batch) {
        match &mut self.0 {
            Backend::Ephemeral { open } => *open += 1,
            Backend::Simulated { disk, session } => disk.submit(*session, now, batch),
        }
    }

    fn poll_finished(&mut self, now: Time) -> Option<Result<(), StoreError>> {
        match &mut self.0 {
            Backend::Ephemeral { open } => {
                *open = open.checked_sub(1)?;
                Some(Ok(()))
            }
            Backend::Simulated { disk, session } => disk.finished(*session, now),
        }
    }

    fn next_poll(&self) -> Option<Time> {
        match &self.0 {
            Backend::Ephemeral { open } => (*open > 0).then_some(Time::ZERO),
            Backend::Simulated { disk, session } => disk.due(*session),
        }
    }

    fn exclude_loss(&mut self) {
        if let Backend::Simulated { disk, session } = &self.0 {
            disk.exclude_loss(*session);
        }
    }
}
