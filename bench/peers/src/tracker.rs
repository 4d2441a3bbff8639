//! Reception times of an update, one per node, written in the peers' own callbacks without polling.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::time::Instant;

/// The nodes that have the present update, and the number of big-state entries that each node has.
pub struct Tracker {
    epoch: Instant,
    /// Number of the present update.
    current: AtomicU64,
    /// Nanoseconds since the epoch at which each node had it; 0 before.
    seen: Vec<AtomicU64>,
    total: Vec<AtomicU64>,
}

impl Tracker {
    pub fn new(n: usize) -> Arc<Self> {
        let zeros = || (0..n).map(|_| AtomicU64::new(0)).collect();
        Arc::new(Self {
            epoch: Instant::now(),
            current: AtomicU64::new(u64::MAX),
            seen: zeros(),
            total: zeros(),
        })
    }

    fn now_ns(&self) -> u64 {
        self.epoch.elapsed().as_nanos() as u64
    }

    /// Begins update `seq`. Returns the time of the beginning.
    pub fn arm(&self, seq: u64) -> u64 {
        for seen in &self.seen {
            seen.store(0, SeqCst);
        }
        self.current.store(seq, SeqCst);
        self.now_ns()
    }

    /// Notes that the node has update `seq`; an earlier update is ignored.
    pub fn mark(&self, node: usize, seq: u64) {
        if self.current.load(SeqCst) == seq {
            let _ = self.seen[node].compare_exchange(0, self.now_ns().max(1), SeqCst, SeqCst);
        }
    }

    /// Number of nodes that have the update.
    pub fn count(&self) -> usize {
        self.seen.iter().filter(|seen| seen.load(SeqCst) != 0).count()
    }

    /// Milliseconds from `begin` to the reception, of the nodes that have the update.
    pub fn times(&self, begin: u64) -> Vec<f64> {
        let seen = self.seen.iter().map(|seen| seen.load(SeqCst)).filter(|&ns| ns != 0);
        seen.map(|ns| ns.saturating_sub(begin) as f64 / 1e6).collect()
    }

    /// Notes `count` further entries of the big state.
    pub fn add(&self, node: usize, count: u64) {
        self.total[node].fetch_add(count, SeqCst);
    }

    /// Sets the number of entries of a node that read its whole state again.
    pub fn set_total(&self, node: usize, count: u64) {
        self.total[node].store(count, SeqCst);
    }

    pub fn total(&self, node: usize) -> u64 {
        self.total[node].load(SeqCst)
    }
}
