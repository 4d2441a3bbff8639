//! NACK-based repair of multicast: the request for missed multicasts (tag 6), and a multicast that
//! is sent again (tag 7).

use bytes::Bytes;
use gm_clock::NetId;

use super::reader::Reader;
use super::table::Table;
use super::table_refs::{DeltaCoder, TableRefs, encode_node};
use super::trace::Trace;
use super::{PayloadError, check};
use crate::Limits;
use crate::varint;

/// A request for multicasts that the sender missed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Nack {
    /// The missed multicasts, at least one node, sorted by node, without duplicates.
    pub missed: Vec<MissedMulticasts>,
}

/// The missed multicasts of one node in one epoch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MissedMulticasts {
    /// The node that sent the multicasts.
    pub node: NetId,
    /// The epoch in which it sent them.
    pub epoch: [u8; 8],
    /// First and last sequence number of each run, both missed. 1 to 64 runs, sorted, with at least
    /// one number between two runs.
    pub runs: Vec<(u64, u64)>,
}

/// A multicast that is sent again on request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Retransmission {
    /// The node that sent the multicast.
    pub node: NetId,
    /// The epoch in which it sent it.
    pub epoch: [u8; 8],
    /// Sequence number of the multicast.
    pub multicast_sequence: u64,
    /// Its payload, unchanged; empty if the sender no longer has it.
    pub payload: Bytes,
}

/// Maximum number of runs for a node.
const MAX_RUNS: usize = 64;
/// Minimum length of an entry in bytes: distance, epoch, number of runs, one run.
const MIN_MISSED_BYTES: usize = 1 + 8 + 1 + 2;

impl Nack {
    pub(super) fn check(&self, limits: &Limits) -> Result<(), PayloadError> {
        check::not_empty("missed", self.missed.len())?;
        check::at_most("missed", self.missed.len(), limits.nodes)?;
        check::sorted("missed", &self.missed, |after, before| after.node > before.node)?;
        for MissedMulticasts { runs, .. } in &self.missed {
            check::not_empty("runs", runs.len())?;
            check::at_most("runs", runs.len(), MAX_RUNS)?;
            check::in_range("runs", runs.iter().all(|(first, last)| first <= last))?;
            check::sorted("runs", runs, |after, before| {
                after.0.checked_sub(before.1).is_some_and(|more| more > 1)
            })?;
        }
        Ok(())
    }

    pub(super) fn collect_nodes(&self, nodes: &mut Vec<NetId>) {
        nodes.extend(self.missed.iter().map(|missed| missed.node));
    }

    pub(super) fn encode(&self, table: &Table, out: &mut Vec<u8>) {
        varint::write(self.missed.len() as u64, out);
        let mut distances = DeltaCoder::default();
        for missed in &self.missed {
            varint::write(distances.encode(table.position(missed.node)), out);
            out.extend_from_slice(&missed.epoch);
            varint::write(missed.runs.len() as u64, out);
            let mut before: Option<u64> = None;
            for (first, last) in &missed.runs {
                varint::write(before.map_or(*first, |before| first - before - 2), out);
                varint::write(last - first, out);
                before = Some(*last);
            }
        }
    }

    pub(super) fn decode<T: Trace>(
        reader: &mut Reader<'_, T>,
        refs: &mut TableRefs<'_>,
        limits: &Limits,
    ) -> Result<Nack, PayloadError> {
        let count = reader.nonzero_count("missed", limits.nodes)?;
        let mut missed = Vec::with_capacity(reader.capacity_for(count, MIN_MISSED_BYTES).min(refs.len()));
        let mut distances = DeltaCoder::default();
        for _ in 0..count {
            let node = refs.node_at_delta(reader, "node", &mut distances)?;
            let epoch = reader.array("epoch")?;
            let count = reader.nonzero_count("runs", MAX_RUNS)?;
            let mut runs: Vec<(u64, u64)> = Vec::with_capacity(count);
            for _ in 0..count {
                let run = decode_run(reader, runs.last().map(|run| run.1))?;
                runs.push(run);
            }
            missed.push(MissedMulticasts { node, epoch, runs });
        }
        Ok(Nack { missed })
    }
}

/// Decodes a run that follows a run with the last number `before`.
fn decode_run<T: Trace>(reader: &mut Reader<'_, T>, before: Option<u64>) -> Result<(u64, u64), PayloadError> {
    let text = |number: Option<u64>| number.map_or("above 64 bits".to_owned(), |number| number.to_string());
    let first_at = |distance: u64| match before {
        None => Some(distance),
        Some(before) => before.checked_add(2)?.checked_add(distance),
    };
    let distance = reader.varint_as("first", |distance| text(first_at(distance)))?;
    let first = first_at(distance).ok_or(reader.out_of_range("first"))?;
    let more = reader.varint_as("more", |more| format!("{more}, up to {}", text(first.checked_add(more))))?;
    let last = first.checked_add(more).ok_or(reader.out_of_range("more"))?;
    Ok((first, last))
}

impl Retransmission {
    pub(super) fn encode(&self, table: &Table, out: &mut Vec<u8>) {
        encode_node(table, self.node, out);
        out.extend_from_slice(&self.epoch);
        varint::write(self.multicast_sequence, out);
        // The payload fills the rest, so it has no length field.
        out.extend_from_slice(&self.payload);
    }

    pub(super) fn decode<T: Trace>(
        reader: &mut Reader<'_, T>,
        refs: &mut TableRefs<'_>,
    ) -> Result<Retransmission, PayloadError> {
        let node = refs.node(reader, "node")?;
        let epoch = reader.array("epoch")?;
        let multicast_sequence = reader.varint("multicast_sequence")?;
        let payload = reader.content("payload", reader.remaining())?;
        Ok(Retransmission { node, epoch, multicast_sequence, payload })
    }
}
