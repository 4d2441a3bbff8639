//! How fast a way to a node is, as far as a plan needs to know it. Knows nothing of who is where.

use std::time::Duration;

/// The kinds of ways that a node tells apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LatencyClass {
    /// To a node of our own island, which hears our multicast.
    Island,
    /// To a node nearby.
    Lan,
    /// To a node far away.
    Wan,
}

/// What a class costs. An estimate does: being wrong by two costs little (the page on the postal
/// recurrence, `postal.rs`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct PathCost {
    /// From the beginning of a send to that of the next one of the same node; at least a
    /// nanosecond.
    pub gap: Duration,
    /// From the beginning of a send to its arrival; at least a nanosecond.
    pub latency: Duration,
}

/// What the three classes cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct PathCosts {
    /// Within our island.
    pub island: PathCost,
    /// Nearby.
    pub lan: PathCost,
    /// Far away.
    pub wan: PathCost,
}

impl PathCosts {
    /// 20 microseconds a send, 0.25 ms to a neighbour, 50 ms to another site: what gigabit networks
    /// and two sites of one continent have.
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
