//! Peer exchange (tag 4): the nodes that the sender knows, by island.

use gm_clock::NetId;

use super::reader::Reader;
use super::table::Table;
use super::table_refs::{DeltaCoder, TableRefs, encode_list};
use super::trace::Trace;
use super::{PayloadError, check};
use crate::Limits;
use crate::varint;

/// The nodes that the sender knows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PeerExchange {
    /// Whether the receiver is asked to reply with the nodes that it knows.
    pub reply_requested: bool,
    /// The known islands, sorted by id, without duplicates.
    pub islands: Vec<PeerIsland>,
    /// Nodes that announced no island. Sorted, without duplicates.
    pub without_island: Vec<NetId>,
}

/// An island: nodes that receive each other's multicast.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeerIsland {
    /// Id of the island, a member node of it.
    pub id: NetId,
    /// The other nodes that announced the island. Sorted, without duplicates, without `id`.
    pub nodes: Vec<NetId>,
}

/// Minimum length of an island in bytes: distance of the id and number of other nodes.
const MIN_ISLAND_BYTES: usize = 2;

impl PeerExchange {
    pub(super) fn check(&self, limits: &Limits) -> Result<(), PayloadError> {
        check::at_most("islands", self.islands.len(), limits.nodes)?;
        check::sorted("islands", &self.islands, |after, before| after.id > before.id)?;
        for list in self.islands.iter().map(|island| &island.nodes).chain([&self.without_island]) {
            check::at_most("nodes", list.len(), limits.nodes)?;
            check::sorted("nodes", list, |after, before| after > before)?;
        }
        match self.islands.iter().find(|island| island.nodes.binary_search(&island.id).is_ok()) {
            Some(_) => Err(check::not_canonical("nodes")),
            None => Ok(()),
        }
    }

    pub(super) fn collect_nodes(&self, nodes: &mut Vec<NetId>) {
        for island in &self.islands {
            nodes.push(island.id);
            nodes.extend_from_slice(&island.nodes);
        }
        nodes.extend_from_slice(&self.without_island);
    }

    pub(super) fn encode(&self, table: &Table, out: &mut Vec<u8>) {
        varint::write((self.islands.len() as u64) << 1 | u64::from(self.reply_requested), out);
        let mut distances = DeltaCoder::default();
        for island in &self.islands {
            varint::write(distances.encode(table.position(island.id)), out);
            encode_list(table, &island.nodes, out);
        }
        encode_list(table, &self.without_island, out);
    }

    pub(super) fn decode<T: Trace>(
        reader: &mut Reader<'_, T>,
        refs: &mut TableRefs<'_>,
        limits: &Limits,
    ) -> Result<PeerExchange, PayloadError> {
        let head = reader.varint_as("head", |head| {
            format!("{} islands{}", head >> 1, if head & 1 == 1 { ", reply requested" } else { "" })
        })?;
        let count = reader.checked_count("islands", head >> 1, limits.nodes)?;
        let mut islands = Vec::with_capacity(reader.capacity_for(count, MIN_ISLAND_BYTES).min(refs.len()));
        let mut distances = DeltaCoder::default();
        for _ in 0..count {
            let id = refs.node_at_delta(reader, "island", &mut distances)?;
            let nodes = refs.list(reader, "nodes", limits.nodes, Some(id))?;
            islands.push(PeerIsland { id, nodes });
        }
        let without_island = refs.list(reader, "without_island", limits.nodes, None)?;
        Ok(PeerExchange { reply_requested: head & 1 == 1, islands, without_island })
    }
}
