//! How fast a message can spread, by numbers alone: the postal model. Knows no node, no list and no
//! network.
//!
//! Every informed node begins a send each `gap`, and what it sends arrives a `latency` after the
//! send began; nobody is told twice. (A. Bar-Noy, S. Kipnis: Designing broadcasting algorithms in
//! the postal model, SPAA 1992; there the gap is the unit of time.) Inside, all times are whole
//! nanoseconds; a gap or a latency counts as at least one and at most 2^56 of them, which is two
//! years.
//!
//! # How many are informed at a time
//! With gap `g` and latency `l`, N(t) = sum over j >= 0 with j l <= t of C(floor((t - j l) / g) +
//! j, j):
//! - A node is told by j hops and i waits of a gap in all, at j l + i g: C(i + j - 1, j - 1) nodes,
//!   for so many ways have j hops to wait i.
//! - For one j, those with i <= I = floor((t - j l) / g) are C(I + j, j) in all (the hockey stick);
//!   j = 0 is the origin.
//! - The same nodes summed by i, over all j >= 1 at once, are C(floor((t - i g) / l) + i, i + 1):
//!   the sum to take where g > l.
//!
//! Either sum has 1 + t / max(g, l) terms, and N(t) >= 2^floor(t / max(g, l)), as both g and l then
//! count as the greater. So there are at most 64 terms before 64 bits are full, however far g and l
//! are apart.
//!
//! # An estimate will do
//! A plan by a latency that is wrong by two is late by a fifth as a rule and by a half at worst
//! (`plan/tests.rs`, at the costs of gigabit networks and of two sites); halving, the plan for `gap
//! == latency`, takes 4 to 7 times as long between sites.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::latency_class::PathCost;

/// How many nodes are informed, the origin among them, `within` after the origin begins; `u64::MAX`
/// if they are more.
#[must_use]
pub fn reached(cost: PathCost, within: Duration) -> u64 {
    PostalTimes::of(cost).reached(nanos(within))
}

/// The least time after which `nodes` are informed, the origin among them: the postal optimum, to
/// the nanosecond. Nothing for one node.
#[must_use]
pub fn time_for(cost: PathCost, nodes: u64) -> Duration {
    Duration::from_nanos(PostalTimes::of(cost).time_for(nodes))
}

/// The time to inform `nodes`, the origin among them, if everybody hands on half of what remains of
/// its list until nothing does.
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

/// A cost in nanoseconds, within the bounds that the arithmetic needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PostalTimes {
    /// 1 ..= 2^56 ns.
    pub(crate) gap: u64,
    /// 1 ..= 2^56 ns.
    pub(crate) latency: u64,
}

/// Two years in nanoseconds: 64 of them, and some more, fit into 64 bits.
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

    /// The least number of sends, one each gap, after which the nodes sent to inform `nodes` in
    /// all, themselves among them, `within` after the first send begins; nothing if they cannot.
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
        // What the first k sends inform is N(t) - N(t - k g), as all of them inform N(t) - 1. So t
        // - k g must come before the time at which more than N(t) - nodes are informed.
        let before = self.time_for(total - nodes + 1);
        Some((within - before) / self.gap + 1)
    }

    /// The same by adding up; `rest` is what is left of the time when the first send arrives. At
    /// most `nodes` steps.
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

/// Up to so many nodes, adding up is cheaper than a bisection.
const SMALL_TREE: u64 = 64;

/// The least number of `low ..= high` of which `holds`, which holds of all from some number on, and
/// of `high`.
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

/// The time in which a node with a list of `rest` informs it by halving. There are two or three
/// different lengths at each depth, so what is `known` stays small.
fn halve(pace: PostalTimes, rest: u64, known: &mut BTreeMap<u64, u64>) -> u64 {
    if rest == 0 {
        return 0;
    }
    if let Some(time) = known.get(&rest) {
        return *time;
    }
    let kept = rest / 2;
    let handed = pace.latency + halve(pace, rest - kept - 1, known);
    let own = if kept == 0 { 0 } else { pace.gap + halve(pace, kept, known) };
    let time = handed.max(own);
    known.insert(rest, time);
    time
}

/// C(n, k); `u64::MAX` if it is more.
fn binomial(n: u64, k: u64) -> u64 {
    if k > n {
        return 0;
    }
    let k = k.min(n - k);
    let mut value: u64 = 1;
    for step in 1..=k {
        // C(n - k + step, step): whole, and never less than the one before, so the first that is
        // too large decides.
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

/// A duration in nanoseconds; the greatest number if it is longer.
fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
pub(crate) mod tests;
