//! Who else there is, and who hears whose multicast. Knows nothing of how that was found.

use gm_clock::NetId;

use super::read::Reader;
use super::refs::{Distances, Refs, put_list};
use super::table::Table;
use super::trace::Trace;
use super::{PayloadError, check};
use crate::Limits;
use crate::varint;

/// Who else there is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Peers {
    /// The receiver is asked to tell what it knows.
    pub wanted: bool,
    /// Sorted by label, each label once.
    pub islands: Vec<Island>,
    /// Nodes that announced no label. Sorted, each once.
    pub others: Vec<NetId>,
}

/// Nodes that announced one label.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Island {
    /// The label, which is a node of it.
    pub label: NetId,
    /// The others that announced it. Sorted, each once, without the label.
    pub nodes: Vec<NetId>,
}

/// Bytes of an island, at least: its label's distance and how many others there are.
const LEAST: usize = 2;

impl Peers {
    pub(super) fn check(&self, limits: &Limits) -> Result<(), PayloadError> {
        check::at_most("islands", self.islands.len(), limits.nodes)?;
        check::sorted("islands", &self.islands, |after, before| after.label > before.label)?;
        for list in self.islands.iter().map(|island| &island.nodes).chain([&self.others]) {
            check::at_most("nodes", list.len(), limits.nodes)?;
            check::sorted("nodes", list, |after, before| after > before)?;
        }
        match self.islands.iter().find(|island| island.nodes.binary_search(&island.label).is_ok()) {
            Some(_) => Err(check::not_canonical("nodes")),
            None => Ok(()),
        }
    }

    pub(super) fn name_all(&self, named: &mut Vec<NetId>) {
        for island in &self.islands {
            named.push(island.label);
            named.extend_from_slice(&island.nodes);
        }
        named.extend_from_slice(&self.others);
    }

    pub(super) fn encode(&self, table: &Table, out: &mut Vec<u8>) {
        varint::write((self.islands.len() as u64) << 1 | u64::from(self.wanted), out);
        let mut distances = Distances::default();
        for island in &self.islands {
            varint::write(distances.to(table.position(island.label)), out);
            put_list(table, &island.nodes, out);
        }
        put_list(table, &self.others, out);
    }

    pub(super) fn decode<T: Trace>(
        reader: &mut Reader<'_, T>,
        refs: &mut Refs<'_>,
        limits: &Limits,
    ) -> Result<Peers, PayloadError> {
        let head = reader.varint_as("head", |head| {
            format!(
                "{} islands{}",
                head >> 1,
                if head & 1 == 1 { ", and what is known is wanted" } else { "" }
            )
        })?;
        let count = reader.checked_count("islands", head >> 1, limits.nodes)?;
        let mut islands = Vec::with_capacity(reader.room(count, LEAST).min(refs.len()));
        let mut distances = Distances::default();
        for _ in 0..count {
            let label = refs.next(reader, "label", &mut distances)?;
            let nodes = refs.list_or_none(reader, "nodes", limits.nodes, Some(label))?;
            islands.push(Island { label, nodes });
        }
        let others = refs.list_or_none(reader, "others", limits.nodes, None)?;
        Ok(Peers { wanted: head & 1 == 1, islands, others })
    }
}
