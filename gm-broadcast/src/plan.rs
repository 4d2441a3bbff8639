//! Planner of broadcast trees: cuts a list of islands into subtrees, one for each relay. A relay
//! cuts its subtree with the same function.
//!
//! # Rules
//! - Every node is in exactly one subtree, and an island is never cut: it is one unit, for one
//!   relay multicasts there.
//! - Units of the slowest class are sent to first, and the live units of a subtree are of one
//!   class. Within a class, the order is random.
//! - Failing nodes come after the others of their island. Islands with only failing nodes are
//!   leaves at the ends of the subtrees, where they delay no other node, as their number does not
//!   change the division of the others. Each sender keeps as many of them for itself as it hands to
//!   each of the relays, and sends to them last, each a subtree of its own.
//!
//! # The postal division
//! Each send starts a gap later than the one before, so its subtree can inform less in the time
//! that is left. The planner finds the least time T in which all subtrees, each as large as it can
//! be (see [`postal::reached`](crate::postal::reached)), hold all live units. With one class, T is
//! the optimum of the postal model (Bar-Noy and Kipnis 1992), and relays that divide their subtrees
//! again stay within it. With several classes, the subtree of a relay is sized as if its own sends
//! cost as much as the send to it. Estimated costs suffice: a division by wrong costs is later, and
//! still reaches all.

use gm_clock::NetId;

use crate::islands::Island;
use crate::latency_class::{LatencyClass, PathCosts};
use crate::postal::{PostalTimes, least_that};
use crate::rng::Rng;

/// Division of targets among relays.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum TreeShape {
    /// Subtrees as large as the relay can inform in the time that is left.
    #[default]
    Postal,
    /// Half of the remaining nodes of a class: binomial trees. Optimal if latency equals gap.
    Halving,
    /// Single units: the origin sends to every target.
    Star,
}

/// A subtree: the nodes that one send covers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subtree {
    /// Latency class of its live islands; of its failing one if it has no live one.
    pub class: LatencyClass,
    /// The first node is the proposed relay, the rest its targets; a relay that cannot be reached
    /// is replaced by the next node. Never empty.
    pub nodes: Vec<NetId>,
}

/// Divides islands into subtrees, in the order of sending: first those with a live relay, the
/// slowest class first, then the failing islands that the sender keeps for itself. Deterministic in
/// the islands, their order and the generator. O(n) for the nodes, and some thousand steps for the
/// division.
#[must_use]
pub fn plan(islands: Vec<Island>, classes: &PathCosts, shape: TreeShape, rng: &mut Rng) -> Vec<Subtree> {
    let mut rows = SLOWEST_FIRST.map(|class| ClassIslands { class, live: Vec::new(), failing: Vec::new() });
    for mut island in islands {
        let (live, failing) = island.parts_mut();
        rng.shuffle(live);
        rng.shuffle(failing);
        if let Some(row) = rows.iter_mut().find(|row| row.class == island.class()) {
            let units = if island.failing() { &mut row.failing } else { &mut row.live };
            units.push(island);
        }
    }
    for row in &mut rows {
        rng.shuffle(&mut row.live);
        rng.shuffle(&mut row.failing);
    }
    let costs = rows.each_ref().map(|row| (PostalTimes::of(classes.cost(row.class)), row.live.len() as u64));
    let sizes = sizes(costs, shape);

    let mut held = Vec::with_capacity(sizes.iter().map(Vec::len).sum());
    let mut failing = Vec::new();
    for (row, sizes) in rows.into_iter().zip(sizes) {
        let mut live = row.live.into_iter();
        held.extend(sizes.into_iter().map(|units| {
            let islands = live.by_ref().take(usize::try_from(units).unwrap_or(usize::MAX));
            SubtreeLoad { units, subtree: Subtree { class: row.class, nodes: joined(islands) } }
        }));
        failing.push((row.class, row.failing));
    }
    let mut kept = Vec::new();
    for (class, islands) in failing {
        let islands = if shape == TreeShape::Star { islands } else { deal(&mut held, class, islands) };
        kept.extend(islands.into_iter().map(|island| Subtree { class, nodes: island.into_nodes() }));
    }
    held.into_iter().map(|held| held.subtree).chain(kept).collect()
}

/// The order of sending: the slowest class first.
const SLOWEST_FIRST: [LatencyClass; CLASSES] = [LatencyClass::Wan, LatencyClass::Lan, LatencyClass::Island];

const CLASSES: usize = 3;

struct ClassIslands {
    class: LatencyClass,
    live: Vec<Island>,
    failing: Vec<Island>,
}

/// A subtree, and how many live units it holds.
struct SubtreeLoad {
    units: u64,
    subtree: Subtree,
}

/// The nodes of islands, one island after the other. A subtree of one unit allocates nothing.
fn joined(mut islands: impl Iterator<Item = Island>) -> Vec<NetId> {
    let mut nodes = islands.next().map(Island::into_nodes).unwrap_or_default();
    for island in islands {
        nodes.extend(island.into_nodes());
    }
    nodes
}

/// Appends failing islands to the subtrees of their class, or to all if it has none, as many for
/// each live unit as for the sender; returns the sender's.
fn deal(held: &mut [SubtreeLoad], class: LatencyClass, islands: Vec<Island>) -> Vec<Island> {
    let alone = held.iter().all(|held| held.subtree.class != class);
    let takes = |held: &&mut SubtreeLoad| alone || held.subtree.class == class;
    let units: u64 = held.iter_mut().filter(takes).map(|held| held.units).sum();
    let all = islands.len() as u64;
    let mut islands = islands.into_iter();
    let (mut before, mut dealt) = (0, 0);
    for held in held.iter_mut().filter(takes) {
        before += held.units;
        let until = all * before / (units + 1);
        let count = usize::try_from(until - dealt).unwrap_or(usize::MAX);
        held.subtree.nodes.extend(islands.by_ref().take(count).flat_map(Island::into_nodes));
        dealt = until;
    }
    islands.collect()
}

/// Number of live units in each subtree, for each class in the order of sending; `classes` has the
/// cost and the number of units of each.
fn sizes(classes: [(PostalTimes, u64); CLASSES], shape: TreeShape) -> [Vec<u64>; CLASSES] {
    match shape {
        TreeShape::Postal => postal(classes),
        TreeShape::Halving => classes.map(|(_, units)| halves(units)),
        TreeShape::Star => classes.map(|(_, units)| (0..units).map(|_| 1).collect()),
    }
}

/// Half of the remaining units, rounded up, until none remain.
fn halves(units: u64) -> Vec<u64> {
    let mut rest = units;
    let mut sizes = Vec::new();
    while rest > 0 {
        sizes.push(rest - rest / 2);
        rest /= 2;
    }
    sizes
}

/// Sizes of the postal division: each subtree as large as its relay can inform within the least
/// sufficient time; the last one of a class has the rest.
fn postal(classes: [(PostalTimes, u64); CLASSES]) -> [Vec<u64>; CLASSES] {
    let mut left = least_time(classes);
    classes.map(|(cost, units)| {
        let mut rest = units;
        let mut sizes = Vec::new();
        while rest > 0 {
            let size = cost.reached(left.saturating_sub(cost.latency)).min(rest);
            sizes.push(size);
            rest -= size;
            left = left.saturating_sub(cost.gap);
        }
        sizes
    })
}

/// The least time in nanoseconds, from the first send on, in which all units of all classes can be
/// informed.
fn least_time(classes: [(PostalTimes, u64); CLASSES]) -> u64 {
    let present = classes.iter().filter(|(_, units)| *units > 0);
    // Each class alone needs `low`; `high` suffices if each class is one subtree.
    let low = present.clone().map(|(cost, units)| cost.time_for(units + 1)).max().unwrap_or(0);
    let whole = present.clone().map(|(cost, units)| cost.latency + cost.time_for(*units)).max().unwrap_or(0);
    let high = present.map(|(cost, _)| cost.gap).sum::<u64>() + whole;
    least_that(low.min(high), high, |time| suffices(classes, time))
}

/// Whether all units can be informed in a time. Monotone: with more time, no class needs more
/// sends, so none starts later.
fn suffices(classes: [(PostalTimes, u64); CLASSES], time: u64) -> bool {
    let mut left = Some(time);
    let last = classes.iter().rposition(|(_, units)| *units > 0);
    for (place, (cost, units)) in classes.into_iter().enumerate().filter(|(_, (_, units))| *units > 0) {
        let Some(within) = left else { return false };
        if cost.reached(within) <= units {
            return false;
        }
        // The number of sends of the last class does not matter.
        if Some(place) != last {
            let sends = cost.sends(within, units);
            left = sends.and_then(|sends| within.checked_sub(sends.saturating_mul(cost.gap)));
        }
    }
    true
}

#[cfg(test)]
mod speed;
#[cfg(test)]
mod tests;
