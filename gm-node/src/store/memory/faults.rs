//! Counts of the faults that a simulated disk has injected.

/// Counts of the faults that a simulated disk has injected; a fault without effect is not counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DiskFaults {
    /// Batches reported as failed, because the disk was full.
    pub failed: u64,
    /// Batches that a crash lost completely before they were reported as finished.
    pub unfinished: u64,
    /// Batches that a crash tore while they were written, and which are therefore lost.
    pub torn: u64,
    /// Batches that need not be durable, reported as finished, and lost by a crash.
    pub unsynced: u64,
    /// Durable batches reported as finished, and lost by a crash because the sync was a lie.
    pub lied: u64,
    /// Batches reported as failed, and present after a crash nonetheless.
    pub resurfaced: u64,
    /// Restores of an older content.
    pub stale: u64,
    /// Losses of the whole content.
    pub wiped: u64,
}
