//! Who stands together: the targets of a broadcast, grouped by whose multicast they hear. Knows no
//! costs, no chance and no order of sending.

use gm_clock::NetId;

use crate::latency_class::LatencyClass;

/// A node that a broadcast is to reach over the tree, and what its sender knows of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Target {
    /// The node.
    pub node: NetId,
    /// The label of its island as it announced it, the smallest NetId of those who hear each
    /// other's multicast; nothing if it announced none. Whoever multicast to its own island already
    /// tells nothing here for nodes of it: one hop more would not inform the others.
    pub island_id: Option<NetId>,
    /// The way to it.
    pub class: LatencyClass,
    /// Whether it could not be reached lately.
    pub failing: bool,
}

/// Nodes of which one is sent to, since its multicast informs the others; or one node alone. Never
/// empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Island {
    class: LatencyClass,
    nodes: Vec<NetId>,
    live: usize,
}

impl Island {
    /// The best class among its nodes.
    #[must_use]
    pub const fn class(&self) -> LatencyClass {
        self.class
    }

    /// Its nodes, the failing ones last.
    #[must_use]
    pub fn nodes(&self) -> &[NetId] {
        &self.nodes
    }

    /// How many of its nodes are not failing.
    #[must_use]
    pub const fn live(&self) -> usize {
        self.live
    }

    /// Whether all of its nodes are failing.
    #[must_use]
    pub const fn failing(&self) -> bool {
        self.live == 0
    }

    /// The nodes that are not failing, and those that are, to be put into another order.
    pub(crate) fn parts_mut(&mut self) -> (&mut [NetId], &mut [NetId]) {
        self.nodes.split_at_mut(self.live)
    }

    /// The nodes, in their order.
    pub(crate) fn into_nodes(self) -> Vec<NetId> {
        self.nodes
    }
}

/// Groups targets: those with one label are an island, and each without a label is one alone.
/// Islands are in the order of their labels (for a node alone its own id, and before an island with
/// that label), the nodes of an island in their own, the failing ones last. So the order in which
/// the targets come does not matter. Of a node that comes twice, what is kept has no label rather
/// than one, the better class, and is not failing, in this order. O(n log n).
#[must_use]
pub fn islands(targets: impl IntoIterator<Item = Target>) -> Vec<Island> {
    let mut targets: Vec<Target> = targets.into_iter().collect();
    targets.sort_unstable_by_key(|target| (target.node, target.island_id, target.class, target.failing));
    targets.dedup_by_key(|target| target.node);
    targets.sort_by_key(|target| (target.island_id.unwrap_or(target.node), target.island_id, target.failing));
    targets
        .chunk_by(|one, next| one.island_id.is_some() && one.island_id == next.island_id)
        .map(island)
        .collect()
}

/// The island of some nodes, the failing ones last.
fn island(targets: &[Target]) -> Island {
    Island {
        class: targets.iter().map(|target| target.class).min().unwrap_or(LatencyClass::Wan),
        nodes: targets.iter().map(|target| target.node).collect(),
        live: targets.partition_point(|target| !target.failing),
    }
}

#[cfg(test)]
pub(crate) mod tests;
