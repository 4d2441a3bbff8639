//! Locations of a world's nodes, and the indexes by address and by island.

use gm_broadcast::Machine;
use gm_clock::NetId;

use super::World;
use crate::active_faults::PathEnds;
use crate::node::{Location, NodeIndex, NodeState};

impl<M: Machine> World<M> {
    /// Every node, in order.
    pub fn indices(&self) -> impl Iterator<Item = NodeIndex> + use<M> {
        (0..u32::try_from(self.nodes.len()).unwrap_or(u32::MAX)).map(NodeIndex)
    }

    /// Location of a node, if it exists.
    #[must_use]
    pub fn location(&self, node: NodeIndex) -> Option<&Location> {
        self.nodes.get(node.index()).map(|node| &node.location)
    }

    /// The node that is reached at this address.
    #[must_use]
    pub fn find(&self, id: NetId) -> Option<NodeIndex> {
        let at = self.by_id.partition_point(|(other, _)| *other < id);
        self.by_id.get(at).filter(|(other, _)| *other == id).map(|(_, node)| *node)
    }

    /// Adds a node, and returns its index. Its process is not started.
    pub fn add_node(&mut self, location: Location) -> NodeIndex {
        self.nodes.push(NodeState::new(location));
        self.index_locations();
        NodeIndex(u32::try_from(self.nodes.len() - 1).unwrap_or(u32::MAX))
    }

    /// Moves a node to another island; its address and its connections stay. Multicasts in flight
    /// still arrive where they were sent to.
    pub fn move_to_island(&mut self, node: NodeIndex, island: u32) {
        if let Some(state) = self.nodes.get_mut(node.index()) {
            state.location.island = island;
            self.index_locations();
        }
    }

    /// Sorts the nodes by address and by island again, after a change of locations.
    pub(super) fn index_locations(&mut self) {
        let locations = || (0..).map(NodeIndex).zip(self.nodes.iter().map(|node| node.location));
        self.by_id = locations().map(|(node, location)| (location.id, node)).collect();
        self.by_island = locations().map(|(node, location)| (location.island, node)).collect();
        self.by_id.sort_unstable();
        self.by_island.sort_unstable();
    }

    pub(super) fn path_ends(&self, from: NodeIndex, to: NodeIndex) -> PathEnds<'_> {
        PathEnds { from, from_location: self.location(from), to, to_location: self.location(to) }
    }
}
