//! Which multicasts are missed, and one that somebody missed. Knows nothing of when to ask and to
//! repeat.

use gm_clock::NetId;

use super::reader::Reader;
use super::table::Table;
use super::table_refs::{DeltaCoder, TableRefs, encode_node};
use super::trace::Trace;
use super::{PayloadError, check};
use crate::Limits;
use crate::varint;

/// Which multicasts the sender missed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Nack {
    /// At least one; sorted by node, each once.
    pub missed: Vec<MissedMulticasts>,
}

/// What was missed of one node, in one epoch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MissedMulticasts {
    /// Whose multicasts they are.
    pub node: NetId,
    /// The epoch in which it sent them.
    pub epoch: [u8; 8],
    /// The first and the last number of each run, both of them missed. 1 to 64 runs, sorted, with
    /// at least one number between two.
    pub runs: Vec<(u64, u64)>,
}

/// A multicast that somebody missed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Retransmission {
    /// Whose multicast it is.
    pub node: NetId,
    /// The epoch in which it sent it.
    pub epoch: [u8; 8],
    /// Its number.
    pub multicast_sequence: u64,
    /// Its payload as it was; nothing if the sender does not have it.
    pub payload: Vec<u8>,
}

/// Runs of a node, at most.
const MAX_RUNS: usize = 64;
/// Bytes of what was missed of a node, at least: distance, epoch, how many runs, one run.
const MIN_MISSED_BYTES: usize = 1 + 8 + 1 + 2;

impl Nack {
    pub(super) fn check(&self, limits: &Limits) -> Result<(), PayloadError> {
        check::not_empty("gaps", self.missed.len())?;
        check::at_most("gaps", self.missed.len(), limits.nodes)?;
        check::sorted("gaps", &self.missed, |after, before| after.node > before.node)?;
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
        let count = reader.nonzero_count("gaps", limits.nodes)?;
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

/// A run after one that ends there.
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
        // The rest of the payload: it needs no length of its own.
        out.extend_from_slice(&self.payload);
    }

    pub(super) fn decode<T: Trace>(
        reader: &mut Reader<'_, T>,
        refs: &mut TableRefs<'_>,
    ) -> Result<Retransmission, PayloadError> {
        let node = refs.node(reader, "node")?;
        let epoch = reader.array("epoch")?;
        let multicast_sequence = reader.varint("number")?;
        let payload = reader.bytes("payload", reader.remaining())?.to_vec();
        Ok(Retransmission { node, epoch, multicast_sequence, payload })
    }
}
