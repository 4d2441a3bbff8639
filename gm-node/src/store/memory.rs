//! Memory as storage: of a simulated disk, which can be slow, full, torn and lie, and of nothing at all. Knows no file, no clock and no chance:
//! time and chance are handed in, so a run is the same every time.

mod contents;
mod faults;
mod simulated;
#[cfg(test)]
mod tests;

use gm_broadcast::Time;

pub use faults::DiskFaults;
pub use simulated::{Disk, Snapshot};

use super::{Batch, Store, StoreError};

/// A storage in memory. See [`Disk`] for how it behaves on one.
#[derive(Debug)]
pub struct MemoryStore(Kind);

#[derive(Debug)]
enum Kind {
    /// Keeps nothing. Counts the batches of which nothing was reported yet.
    ThrowAway { open: usize },
    /// On a disk, in one of its lives.
    On { disk: Disk, life: u64 },
}

impl MemoryStore {
    /// For a node without a directory: everything is finished at once, and nothing is kept.
    #[must_use]
    pub const fn throw_away() -> MemoryStore {
        MemoryStore(Kind::ThrowAway { open: 0 })
    }

    const fn on(disk: Disk, life: u64) -> MemoryStore {
        MemoryStore(Kind::On { disk, life })
    }
}

impl Store for MemoryStore {
    fn keeps(&self) -> bool {
        matches!(self.0, Kind::On { .. })
    }

    fn submit(&mut self, now: Time, batch: Batch) {
        match &mut self.0 {
            Kind::ThrowAway { open } => *open += 1,
            Kind::On { disk, life } => disk.submit(*life, now, batch),
        }
    }

    fn finished(&mut self, now: Time) -> Option<Result<(), StoreError>> {
        match &mut self.0 {
            Kind::ThrowAway { open } => {
                *open = open.checked_sub(1)?;
                Some(Ok(()))
            }
            Kind::On { disk, life } => disk.finished(*life, now),
        }
    }

    fn due(&self) -> Option<Time> {
        match &self.0 {
            Kind::ThrowAway { open } => (*open > 0).then_some(Time::ZERO),
            Kind::On { disk, life } => disk.due(*life),
        }
    }

    fn trust(&mut self) {
        if let Kind::On { disk, life } = &self.0 {
            disk.trust(*life);
        }
    }
}
