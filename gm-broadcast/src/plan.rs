//! Who is sent to first, and who is left to whom: a list of islands cut into shares. Knows no
//! payload and no connection, and nothing of what its shares become: whoever gets one cuts it by
//! the same function.
//!
//! # The rules
//! - Every node is in exactly one share, and an island is never cut: it is one unit, for one hop
//!   multicasts there.
//! - Units of the slowest class are sent to first, and a share has live units of one class only.
//!   Within a class, chance decides.
//! - Failing nodes stand behind the others of their island. Islands with only failing nodes are
//!   leaves at the ends of the shares: they hold up nobody, as their number changes nothing in how
//!   the others are shared out. Each sender keeps as many of them for itself as it leaves to each
//!   of the others, and sends to them last, each a share of its own.
//!
//! # The postal split
//! Each send is a gap later than the one before, so what its share can inform in the time that
//! remains is less. The least time T is found in which all shares, each as large as it can be (see
//! [`postal::reached`](crate::postal::reached)), hold all live units. With one class, T is the
//! postal optimum, and everybody who splits a share again stays within it. With several, a hop's
//! share counts as if its own sends cost what the one to it does. An estimate of the costs will do:
//! a split by wrong ones is later, and still reaches all.

use gm_clock::NetId;

use crate::islands::Island;
use crate::latency_class::{LatencyClass, PathCosts};
use crate::postal::{PostalTimes, least_that};
use crate::rng::Rng;

/// How large shares are made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum TreeShape {
    /// As large as the hop can inform in the time that remains.
    #[default]
    Postal,
    /// Half of what remains of the class: the classic, and the same if a hop takes as long as a
    /// send.
    Halving,
    /// One unit each: everybody is sent to by the origin.
    Star,
}

/// What one send hands on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subtree {
    /// The class of its live islands; of its failing one if it has only that.
    pub class: LatencyClass,
    /// The first is the proposed hop, and its list is the rest; who cannot be reached is replaced
    /// by the next. Never empty.
    pub nodes: Vec<NetId>,
}

/// Cuts a list into shares, in the order in which they are to be sent: those with a live hop, the
/// slowest class first, and then the failing islands that the sender keeps for itself. The same for
/// the same islands in the same order and the same chance. O(n) and the split: O(shares), and some
/// thousand steps.
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
    let paces = rows.each_ref().map(|row| (PostalTimes::of(classes.cost(row.class)), row.live.len() as u64));
    let sizes = sizes(paces, shape);

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

/// The order in which classes are sent to: what takes longest begins first.
const SLOWEST_FIRST: [LatencyClass; CLASSES] = [LatencyClass::Wan, LatencyClass::Lan, LatencyClass::Island];

const CLASSES: usize = 3;

/// The units of one class.
struct ClassIslands {
    class: LatencyClass,
    live: Vec<Island>,
    failing: Vec<Island>,
}

/// A share, and how many live units it holds.
struct SubtreeLoad {
    units: u64,
    subtree: Subtree,
}

/// The nodes of islands, one island after the other. A share of one unit takes no new memory.
fn joined(mut islands: impl Iterator<Item = Island>) -> Vec<NetId> {
    let mut nodes = islands.next().map(Island::into_nodes).unwrap_or_default();
    for island in islands {
        nodes.extend(island.into_nodes());
    }
    nodes
}

/// Puts failing islands behind the shares of their class, or behind all if it has none, as many for
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

/// How many live units each share holds, for each class in the order of sending, of which there are
/// so many units at that pace.
fn sizes(classes: [(PostalTimes, u64); CLASSES], shape: TreeShape) -> [Vec<u64>; CLASSES] {
    match shape {
        TreeShape::Postal => postal(classes),
        TreeShape::Halving => classes.map(|(_, units)| halves(units)),
        TreeShape::Star => classes.map(|(_, units)| (0..units).map(|_| 1).collect()),
    }
}

/// Half of what remains, and the odd one, until nothing does.
fn halves(units: u64) -> Vec<u64> {
    let mut rest = units;
    let mut sizes = Vec::new();
    while rest > 0 {
        sizes.push(rest - rest / 2);
        rest /= 2;
    }
    sizes
}

/// Each share as large as its hop can inform until the least time that suffices; the last of a
/// class has what is left.
fn postal(classes: [(PostalTimes, u64); CLASSES]) -> [Vec<u64>; CLASSES] {
    let mut left = least_time(classes);
    classes.map(|(pace, units)| {
        let mut rest = units;
        let mut sizes = Vec::new();
        while rest > 0 {
            let size = pace.reached(left.saturating_sub(pace.latency)).min(rest);
            sizes.push(size);
            rest -= size;
            left = left.saturating_sub(pace.gap);
        }
        sizes
    })
}

/// The least time in nanoseconds from the first send until all units of all classes are informed.
fn least_time(classes: [(PostalTimes, u64); CLASSES]) -> u64 {
    let there = classes.iter().filter(|(_, units)| *units > 0);
    // Each class alone needs so long; and so long is enough if each class is one share.
    let low = there.clone().map(|(pace, units)| pace.time_for(units + 1)).max().unwrap_or(0);
    let whole = there.clone().map(|(pace, units)| pace.latency + pace.time_for(*units)).max().unwrap_or(0);
    let high = there.map(|(pace, _)| pace.gap).sum::<u64>() + whole;
    least_that(low.min(high), high, |time| suffices(classes, time))
}

/// Whether all units are informed in a time. Whatever suffices, more does: no class then needs more
/// sends, so none begins later.
fn suffices(classes: [(PostalTimes, u64); CLASSES], time: u64) -> bool {
    let mut left = Some(time);
    let last = classes.iter().rposition(|(_, units)| *units > 0);
    for (place, (pace, units)) in classes.into_iter().enumerate().filter(|(_, (_, units))| *units > 0) {
        let Some(within) = left else { return false };
        if pace.reached(within) <= units {
            return false;
        }
        // How many sends the last class takes does not matter.
        if Some(place) != last {
            let sends = pace.sends(within, units);
            left = sends.and_then(|sends| within.checked_sub(sends.saturating_mul(pace.gap)));
        }
    }
    true
}

#[cfg(test)]
mod speed;
#[cfg(test)]
mod tests;
