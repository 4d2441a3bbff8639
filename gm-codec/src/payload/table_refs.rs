//! Nodes as positions in the table, written and read. Says nothing of what the nodes are named for.

use gm_clock::NetId;

use super::PayloadError;
use super::reader::Reader;
use super::table::Table;
use super::trace::Trace;
use crate::varint;

/// Sorted positions or indexes, each as its distance to the one before minus 1; the first as it is.
#[derive(Clone, Copy, Default)]
pub(super) struct DeltaCoder {
    /// One more than the one before.
    next: u64,
}

impl DeltaCoder {
    /// The distance of the next one, which is above the one before.
    pub(super) const fn encode(&mut self, place: u64) -> u64 {
        let distance = place - self.next;
        self.next = place + 1;
        distance
    }

    /// Where the distance leads; above all that can be if it is beyond 64 bits.
    pub(super) const fn decode(&mut self, distance: u64) -> u64 {
        let place = self.peek(distance);
        self.next = place.saturating_add(1);
        place
    }

    /// The same, without going there.
    pub(super) const fn peek(self, distance: u64) -> u64 {
        self.next.saturating_add(distance)
    }
}

/// A node's position.
pub(super) fn encode_node(table: &Table, node: NetId, out: &mut Vec<u8>) {
    varint::write(table.position(node), out);
}

/// A sorted list: how many, then the distances of their positions.
pub(super) fn encode_list(table: &Table, list: &[NetId], out: &mut Vec<u8>) {
    varint::write(list.len() as u64, out);
    let mut distances = DeltaCoder::default();
    for node in list {
        varint::write(distances.encode(table.position(*node)), out);
    }
}

/// The table as it is referred to: what nothing refers to is refused in the end.
pub(super) struct TableRefs<'a> {
    table: &'a Table,
    used: Vec<bool>,
}

impl<'a> TableRefs<'a> {
    pub(super) fn new(table: &'a Table) -> TableRefs<'a> {
        TableRefs { table, used: vec![false; table.len()] }
    }

    /// How many different nodes there are to name: no list of different nodes is longer.
    pub(super) fn len(&self) -> usize {
        self.table.len()
    }

    /// The node at a position that is read.
    pub(super) fn node<T: Trace>(
        &mut self,
        reader: &mut Reader<'_, T>,
        what: &'static str,
    ) -> Result<NetId, PayloadError> {
        let index = reader.varint_as(what, |index| self.describe(index))?;
        self.node_at(index)
    }

    /// The node at the distance that is read.
    pub(super) fn node_at_delta<T: Trace>(
        &mut self,
        reader: &mut Reader<'_, T>,
        what: &'static str,
        distances: &mut DeltaCoder,
    ) -> Result<NetId, PayloadError> {
        let distance = reader.varint_as(what, |distance| self.describe(distances.peek(distance)))?;
        self.node_at(distances.decode(distance))
    }

    /// The node at that position.
    pub(super) fn node_at(&mut self, index: u64) -> Result<NetId, PayloadError> {
        let place = usize::try_from(index).ok().filter(|place| *place < self.table.len());
        let place = place.ok_or(PayloadError::NoSuchEntry { index, len: self.table.len() })?;
        self.used[place] = true;
        Ok(self.table.get(place))
    }

    /// What a position means, for a human.
    pub(super) fn describe(&self, index: u64) -> String {
        match usize::try_from(index).ok().filter(|place| *place < self.table.len()) {
            Some(place) => format!("{}, entry {place}", self.table.get(place)),
            None => format!("entry {index}, which is not there"),
        }
    }

    /// A list with somebody in it.
    pub(super) fn nonempty_list<T: Trace>(
        &mut self,
        reader: &mut Reader<'_, T>,
        what: &'static str,
        max: usize,
    ) -> Result<Vec<NetId>, PayloadError> {
        let count = reader.nonzero_count(what, max)?;
        self.nodes(reader, what, count, None)
    }

    /// A list that may be empty, and must not have that node.
    pub(super) fn list<T: Trace>(
        &mut self,
        reader: &mut Reader<'_, T>,
        what: &'static str,
        max: usize,
        without: Option<NetId>,
    ) -> Result<Vec<NetId>, PayloadError> {
        let count = reader.count(what, max)?;
        self.nodes(reader, what, count, without)
    }

    fn nodes<T: Trace>(
        &mut self,
        reader: &mut Reader<'_, T>,
        what: &'static str,
        count: usize,
        without: Option<NetId>,
    ) -> Result<Vec<NetId>, PayloadError> {
        let mut distances = DeltaCoder::default();
        let mut list = Vec::with_capacity(count.min(self.len()));
        for _ in 0..count {
            let node = self.node_at_delta(reader, what, &mut distances)?;
            if without == Some(node) {
                return Err(reader.not_canonical(what));
            }
            list.push(node);
        }
        Ok(list)
    }

    pub(super) fn check_all_used(&self) -> Result<(), PayloadError> {
        match self.used.iter().position(|used| !used) {
            Some(index) => Err(PayloadError::UnusedEntry { index }),
            None => Ok(()),
        }
    }
}
