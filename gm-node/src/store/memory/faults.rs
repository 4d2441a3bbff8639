//! What a simulated disk has really done to a node. Knows nothing of how.

/// What a simulated disk has really done to a node since it was made: a fault that could have hit
/// something and did not is not counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DiskFaults {
    /// Batches reported as failed, because the disk was full.
    pub failed: u64,
    /// Batches that a crash lost wholly before they were reported as finished.
    pub unfinished: u64,
    /// Batches that a crash tore while they were written, and which are therefore not there.
    pub torn: u64,
    /// Batches that need not be durable, reported as finished, and lost by a crash.
    pub unsynced: u64,
    /// Durable batches reported as finished, and lost by a crash because the sync was a lie.
    pub lied: u64,
    /// Batches reported as failed, and there after a crash all the same.
    pub resurfaced: u64,
    /// Times that another content was brought back.
    pub stale: u64,
    /// Times that a content was lost altogether.
    pub wiped: u64,
}
