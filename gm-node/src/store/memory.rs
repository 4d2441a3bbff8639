//! Memory as storage: of a simulated disk, which can be slow, full, torn and lie, and of nothing at
//! all. Knows no file, no clock and no chance: time and chance are handed in, so a run is the same
//! every time.

mod contents;
mod faults;
mod simulated;
#[cfg(test)]
mod tests;

use gm_broadcast::Time;

pub use faults::DiskFaults;
pub use simulated::{DiskSnapshot, SimulatedDisk};

use super::{Batch, Store, StoreError};

/// A storage in memory. See [`SimulatedDisk`] for how it behaves on one.
#[derive(Debug)]
pub struct MemoryStore(Backend);

#[derive(Debug)]
enum Backend {
    /// Keeps nothing. Counts the batches of which nothing was reported yet.
    Ephemeral { open: usize },
    /// On a disk, in one of its lives.
    Simulated { disk: SimulatedDisk, life: u64 },
}

impl MemoryStore {
    /// For a node without a directory: everything is finished at once, and nothing is kept.
    #[must_use]
    pub const fn ephemeral() -> MemoryStore {
        MemoryStore(Backend::Ephemeral { open: 0 })
    }

    const fn on(disk: SimulatedDisk, life: u64) -> MemoryStore {
        MemoryStore(Backend::Simulated { disk, life })
    }
}

impl Store for MemoryStore {
    fn is_durable(&self) -> bool {
        matches!(self.0, Backend::Simulated { .. })
    }

    fn submit(&mut self, now: Time, batch: Batch) {
        match &mut self.0 {
            Backend::Ephemeral { open } => *open += 1,
            Backend::Simulated { disk, life } => disk.submit(*life, now, batch),
        }
    }

    fn poll_finished(&mut self, now: Time) -> Option<Result<(), StoreError>> {
        match &mut self.0 {
            Backend::Ephemeral { open } => {
                *open = open.checked_sub(1)?;
                Some(Ok(()))
            }
            Backend::Simulated { disk, life } => disk.finished(*life, now),
        }
    }

    fn next_poll(&self) -> Option<Time> {
        match &self.0 {
            Backend::Ephemeral { open } => (*open > 0).then_some(Time::ZERO),
            Backend::Simulated { disk, life } => disk.due(*life),
        }
    }

    fn exclude_loss(&mut self) {
        if let Backend::Simulated { disk, life } = &self.0 {
            disk.trust(*life);
        }
    }
}
