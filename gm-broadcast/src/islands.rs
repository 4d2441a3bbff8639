//! Grouping of a broadcast's targets by island, for the planner of trees.

use gm_clock::NetId;

use crate::latency_class::LatencyClass;

/// A target of a broadcast over the tree, and what its sender knows about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Target {
    /// The node.
    pub node: NetId,
    /// The id of its island as the node announced it: the smallest NetId of the neighbors that
    /// receive each other's multicast. `None` if it announced none. A sender that has multicast to
    /// its own island passes `None` for the nodes of that island: a relay there would inform no
    /// other node.
    pub island_id: Option<NetId>,
    /// Latency class of the path to it.
    pub class: LatencyClass,
    /// Whether the last attempts to reach it failed.
    pub failing: bool,
}

/// A group of nodes that need one send, since the receiver multicasts to the others; or a single
/// node. Never empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Island {
    class: LatencyClass,
    nodes: Vec<NetId>,
    live: usize,
}

impl Island {
    /// The best latency class among its nodes.
    #[must_use]
    pub const fn class(&self) -> LatencyClass {
        self.class
    }

    /// The nodes, failing ones last.
    #[must_use]
    pub fn nodes(&self) -> &[NetId] {
        &self.nodes
    }

    /// Number of nodes that are not failing.
    #[must_use]
    pub const fn live(&self) -> usize {
        self.live
    }

    /// Whether all nodes are failing.
    #[must_use]
    pub const fn failing(&self) -> bool {
        self.live == 0
    }

    /// The nodes that are not failing and those that are, for shuffling.
    pub(crate) fn parts_mut(&mut self) -> (&mut [NetId], &mut [NetId]) {
        self.nodes.split_at_mut(self.live)
    }

    pub(crate) fn into_nodes(self) -> Vec<NetId> {
        self.nodes
    }
}

/// Groups targets by island id; a target without an id is a group of its own. Islands are ordered
/// by id (a single node by its own, before an island with that id), the nodes of an island by
/// NetId, failing ones last. So the order of the input does not matter. Of duplicates, the kept one
/// has no id rather than one, the better class, and is not failing, in this order of precedence.
/// O(n log n).
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

/// Makes an island of some nodes, failing ones last.
fn island(targets: &[Target]) -> Island {
    Island {
        class: targets.iter().map(|target| target.class).min().unwrap_or(LatencyClass::Wan),
        nodes: targets.iter().map(|target| target.node).collect(),
        live: targets.partition_point(|target| !target.failing),
    }
}

#[cfg(test)]
pub(crate) mod tests;
