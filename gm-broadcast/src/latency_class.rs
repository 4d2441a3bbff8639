//! Latency classes of paths, and their estimated costs for the planner of trees.

use std::time::Duration;

/// A class of paths with similar latency.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LatencyClass {
    /// To a neighbor, which receives this node's multicast.
    Island,
    /// To another node of the site.
    Lan,
    /// To a node of another site.
    Wan,
}

/// Cost of a send in a class. An estimate suffices; `postal.rs` shows how little an error of a
/// factor of two costs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct PathCost {
    /// Time from the start of one send to the start of the next one of the same node; at least a
    /// nanosecond.
    pub gap: Duration,
    /// Time from the start of a send to its arrival; at least a nanosecond.
    pub latency: Duration,
}

/// Costs of the three classes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct PathCosts {
    /// Within the island.
    pub island: PathCost,
    /// Within the site.
    pub lan: PathCost,
    /// Between sites.
    pub wan: PathCost,
}

impl PathCosts {
    /// 20 µs per send, 0.25 ms of latency within a site, 50 ms between sites: typical of gigabit
    /// networks and of two sites on one continent.
    pub const DEFAULT: PathCosts = PathCosts {
        island: PathCost { gap: Duration::from_micros(20), latency: Duration::from_micros(250) },
        lan: PathCost { gap: Duration::from_micros(20), latency: Duration::from_micros(250) },
        wan: PathCost { gap: Duration::from_micros(20), latency: Duration::from_millis(50) },
    };

    /// The cost of a class.
    #[must_use]
    pub const fn cost(&self, class: LatencyClass) -> PathCost {
        match class {
            LatencyClass::Island => self.island,
            LatencyClass::Lan => self.lan,
            LatencyClass::Wan => self.wan,
        }
    }
}

impl Default for PathCosts {
    fn default() -> PathCosts {
        PathCosts::DEFAULT
    }
}
