//! Encoding and decoding of nodes as positions in the table.

use gm_clock::NetId;

use super::PayloadError;
use super::reader::Reader;
use super::table::Table;
use super::trace::Trace;
use crate::varint;

/// Coder of sorted positions or indexes: each is encoded as its distance to the one before minus 1,
/// and the first as it is.
#[derive(Clone, Copy, Default)]
pub(super) struct DeltaCoder {
    /// The previous position plus 1.
    next: u64,
}

impl DeltaCoder {
    /// The distance of the next position, which is above the one before.
    pub(super) const fn encode(&mut self, position: u64) -> u64 {
        let distance = position - self.next;
        self.next = position + 1;
        distance
    }

    /// The position at this distance; `u64::MAX` if it is beyond 64 bits.
    pub(super) const fn decode(&mut self, distance: u64) -> u64 {
        let position = self.peek(distance);
        self.next = position.saturating_add(1);
        position
    }

    /// The position at this distance, without a step to it.
    pub(super) const fn peek(self, distance: u64) -> u64 {
        self.next.saturating_add(distance)
    }
}

/// Encodes the position of a node.
pub(super) fn encode_node(table: &Table, node: NetId, out: &mut Vec<u8>) {
    varint::write(table.position(node), out);
}

/// Encodes a sorted list: its length, then the distances of the positions.
pub(super) fn encode_list(table: &Table, list: &[NetId], out: &mut Vec<u8>) {
    varint::write(list.len() as u64, out);
    let mut distances = DeltaCoder::default();
    for node in list {
        varint::write(distances.encode(table.position(*node)), out);
    }
}

/// The table during decoding. It records which entries are used, because unused ones are refused at
/// the end.
pub(super) struct TableRefs<'a> {
    table: &'a Table,
    used: Vec<bool>,
}

impl<'a> TableRefs<'a> {
    pub(super) fn new(table: &'a Table) -> TableRefs<'a> {
        TableRefs { table, used: vec![false; table.len()] }
    }

    /// Number of nodes in the table. No list of different nodes is longer.
    pub(super) fn len(&self) -> usize {
        self.table.len()
    }

    /// Decodes a position and returns its node.
    pub(super) fn node<T: Trace>(
        &mut self,
        reader: &mut Reader<'_, T>,
        what: &'static str,
    ) -> Result<NetId, PayloadError> {
        let index = reader.varint_as(what, |index| self.describe(index))?;
        self.node_at(index)
    }

    /// Decodes a distance and returns its node.
    pub(super) fn node_at_delta<T: Trace>(
        &mut self,
        reader: &mut Reader<'_, T>,
        what: &'static str,
        distances: &mut DeltaCoder,
    ) -> Result<NetId, PayloadError> {
        let distance = reader.varint_as(what, |distance| self.describe(distances.peek(distance)))?;
        self.node_at(distances.decode(distance))
    }

    /// The node at a position.
    pub(super) fn node_at(&mut self, index: u64) -> Result<NetId, PayloadError> {
        let position = usize::try_from(index).ok().filter(|position| *position < self.table.len());
        let position = position.ok_or(PayloadError::NoSuchEntry { index, len: self.table.len() })?;
        self.used[position] = true;
        Ok(self.table.get(position))
    }

    /// A position as text.
    pub(super) fn describe(&self, index: u64) -> String {
        match usize::try_from(index).ok().filter(|position| *position < self.table.len()) {
            Some(position) => format!("{}, entry {position}", self.table.get(position)),
            None => format!("entry {index}, not in the table"),
        }
    }

    /// Decodes a list that must not be empty.
    pub(super) fn nonempty_list<T: Trace>(
        &mut self,
        reader: &mut Reader<'_, T>,
        what: &'static str,
        max: usize,
    ) -> Result<Vec<NetId>, PayloadError> {
        let count = reader.nonzero_count(what, max)?;
        self.nodes(reader, what, count, None)
    }

    /// Decodes a list that may be empty and must not contain `without`.
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
