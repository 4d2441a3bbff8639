//! The postal model: how many nodes a broadcast tree can inform in a given time. Arithmetic only.
//!
//! Every informed node starts a send each `gap`, and a send arrives a `latency` after its start; no
//! node is informed twice (A. Bar-Noy, S. Kipnis: Designing broadcasting algorithms in the postal
//! model, SPAA 1992; there the gap is the unit of time). All times are whole nanoseconds; a gap or
//! a latency counts as at least one and at most 2^56 of them, which is two years.
//!
//! # How many nodes are informed at a time
//! With gap `g` and latency `l`, N(t) = sum over j >= 0 with j l <= t of C(floor((t - j l) / g) +
//! j, j):
//! - A node is informed over j hops and i waits of one gap in all, at j l + i g: C(i + j - 1, j -
//!   1) nodes, the number of ways to distribute i waits over j hops.
//! - For one j, those with i <= I = floor((t - j l) / g) are C(I + j, j) in all (the hockey-stick
//!   identity); j = 0 is the origin.
//! - The same nodes summed by i, over all j >= 1 at once, are C(floor((t - i g) / l) + i, i + 1):
//!   the sum to take if g > l.
//!
//! Either sum has 1 + t / max(g, l) terms, and N(t) >= 2^floor(t / max(g, l)), as g and l then both
//! count as the greater. So at most 64 terms are needed before 64 bits overflow, however far apart
//! g and l are.
//!
//! # Estimates suffice
//! A plan by a latency that is wrong by a factor of two is late by a fifth as a rule and by a half
//! at worst (`plan/tests.rs`, at the costs of gigabit networks and of two sites); halving, which is
//! the plan for `gap == latency`, takes 4 to 7 times as long between sites.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::latency_class::PathCost;

/// Number of informed nodes, the origin among them, `within` after the origin starts; `u64::MAX` on
/// overflow.
#[must_use]
pub fn reached(cost: PathCost, within: Duration) -> u64 {
    PostalTimes::of(cost).reached(nanos(within))
}

/// The least time after which `nodes` are informed, the origin among them: the postal optimum, to
/// the nanosecond. Zero for one node.
#[must_use]
pub fn time_for(cost: PathCost, nodes: u64) -> Duration {
    Duration::from_nanos(PostalTimes::of(cost).time_for(nodes))
}

/// The time to inform `nodes`, the origin among them, if every node hands over half of its
/// remaining targets until none remain.
#[must_use]
pub fn halving(cost: PathCost, nodes: u64) -> Duration {
    Duration::from_nanos(halve(PostalTimes::of(cost), nodes.saturating_sub(1), &mut BTreeMap::new()))
}

/// The time to inform `nodes`, the origin among them, if the origin sends to each. At most 584
/// years.
#[must_use]
pub fn star(cost: PathCost, nodes: u64) -> Duration {
    Duration::from_nanos(PostalTimes::of(cost).star(nodes))
}

/// A cost in nanoseconds, within the range of the arithmetic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PostalTimes {
    /// 1 ..= 2^56 ns.
    pub(crate) gap: u64,
    /// 1 ..= 2^56 ns.
    pub(crate) latency: u64,
}

/// Two years in nanoseconds: more than 64 times this fits into 64 bits.
const MAX_NANOS: u64 = 1 << 56;

impl PostalTimes {
    pub(crate) fn of(cost: PathCost) -> PostalTimes {
        PostalTimes {
            gap: nanos(cost.gap).clamp(1, MAX_NANOS),
            latency: nanos(cost.latency).clamp(1, MAX_NANOS),
        }
    }

    /// [`reached`], in nanoseconds.
    pub(crate) fn reached(self, within: u64) -> u64 {
        let PostalTimes { gap, latency } = self;
        let last = within / gap.max(latency);
        if last >= 64 {
            return u64::MAX;
        }
        let mut sum: u64 = u64::from(gap > latency);
        for term in 0..=last {
            let count = if latency >= gap {
                binomial((within - term * latency) / gap + term, term)
            } else {
                binomial((within - term * gap) / latency + term, term + 1)
            };
            sum = sum.saturating_add(count);
        }
        sum
    }

    /// [`time_for`], in nanoseconds: below 2^63.
    pub(crate) fn time_for(self, nodes: u64) -> u64 {
        if nodes <= 1 {
            return 0;
        }
        // Doubling takes no longer than the greater of gap and latency, and no less than the
        // smaller.
        let doublings = u64::from(u64::BITS - (nodes - 1).leading_zeros());
        let low = self.latency.max(doublings * self.gap.min(self.latency));
        let high = self.star(nodes).min(doublings * self.gap.max(self.latency));
        least_that(low, high, |within| self.reached(within) >= nodes)
    }

    /// The least number of sends, one each gap, whose subtrees contain `nodes` in all `within`
    /// after the first send starts; `None` if no number suffices.
    pub(crate) fn sends(self, within: u64, nodes: u64) -> Option<u64> {
        if nodes == 0 {
            return Some(0);
        }
        let rest = within.checked_sub(self.latency)?;
        let total = self.reached(within);
        if total <= nodes {
            return None;
        }
        if total == u64::MAX || nodes <= SMALL_TREE {
            return self.sends_one_by_one(rest, nodes);
        }
        // The first k sends inform N(t) - N(t - k g) nodes, as all of them inform N(t) - 1. So t -
        // k g must be before the time at which more than N(t) - nodes are informed.
        let before = self.time_for(total - nodes + 1);
        Some((within - before) / self.gap + 1)
    }

    /// The same by addition; `rest` is the time left when the first send arrives. At most `nodes`
    /// steps.
    fn sends_one_by_one(self, rest: u64, nodes: u64) -> Option<u64> {
        let (mut left, mut sends, mut rest) = (nodes, 0, rest);
        loop {
            left = left.saturating_sub(self.reached(rest));
            sends += 1;
            if left == 0 {
                return Some(sends);
            }
            rest = rest.checked_sub(self.gap)?;
        }
    }

    /// [`star`], in nanoseconds.
    fn star(self, nodes: u64) -> u64 {
        let Some(waits) = nodes.checked_sub(2) else { return 0 };
        waits.saturating_mul(self.gap).saturating_add(self.latency)
    }
}

/// Number of nodes up to which addition is cheaper than bisection.
const SMALL_TREE: u64 = 64;

/// The least number in `low ..= high` for which `holds` is true. It must be monotone, and true for
/// `high`.
pub(crate) fn least_that(low: u64, high: u64, holds: impl Fn(u64) -> bool) -> u64 {
    let (mut low, mut high) = (low, high);
    while low < high {
        let middle = low + (high - low) / 2;
        if holds(middle) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    high
}

/// The time in which a node with `rest` targets informs them by halving. There are two or three
/// different lengths at each depth, so `known` stays small.
fn halve(cost: PostalTimes, rest: u64, known: &mut BTreeMap<u64, u64>) -> u64 {
    if rest == 0 {
        return 0;
    }
    if let Some(time) = known.get(&rest) {
        return *time;
    }
    let kept = rest / 2;
    let handed = cost.latency + halve(cost, rest - kept - 1, known);
    let own = if kept == 0 { 0 } else { cost.gap + halve(cost, kept, known) };
    let time = handed.max(own);
    known.insert(rest, time);
    time
}

/// C(n, k); `u64::MAX` on overflow.
fn binomial(n: u64, k: u64) -> u64 {
    if k > n {
        return 0;
    }
    let k = k.min(n - k);
    let mut value: u64 = 1;
    for step in 1..=k {
        // C(n - k + step, step): an integer, and never less than the one before, so the first
        // overflow decides.
        let factor = n - k + step;
        value = match value.checked_mul(factor) {
            Some(product) => product / step,
            None => match u64::try_from(u128::from(value) * u128::from(factor) / u128::from(step)) {
                Ok(value) => value,
                Err(_) => return u64::MAX,
            },
        };
    }
    value
}

/// A duration in nanoseconds, saturating.
fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
pub(crate) mod tests;
