//! Which multicasts are missed, and one that somebody missed. Knows nothing of when to ask and to repeat.

use gm_clock::NetId;

use super::read::Reader;
use super::refs::{Distances, Refs, put_node};
use super::table::Table;
use super::trace::Trace;
use super::{PayloadError, check};
use crate::Limits;
use crate::varint;

/// Which multicasts the sender missed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gaps {
    /// At least one; sorted by node, each once.
    pub nodes: Vec<Missed>,
}

/// What was missed of one node, in one epoch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Missed {
    /// Whose multicasts they are.
    pub node: NetId,
    /// The epoch in which it sent them.
    pub epoch: [u8; 8],
    /// The first and the last number of each run, both of them missed. 1 to 64 runs, sorted, with at least one number between two.
    pub runs: Vec<(u64, u64)>,
}

/// A multicast that somebody missed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Repeat {
    /// Whose multicast it is.
    pub node: NetId,
    /// The epoch in which it sent it.
    pub epoch: [u8; 8],
    /// Its number.
    pub number: u64,
    /// Its payload as it was; nothing if the sender does not have it.
    pub payload: Vec<u8>,
}

/// Runs of a node, at most.
const MOST_RUNS: usize = 64;
/// Bytes of what was missed of a node, at least: distance, epoch, how many runs, one run.
const LEAST: usize = 1 + 8 + 1 + 2;

impl Gaps {
    pub(super) fn check(&self, limits: &Limits) -> Result<(), PayloadError> {
        check::some("gaps", self.nodes.len())?;
        check::at_most("gaps", self.nodes.len(), limits.nodes)?;
        check::sorted("gaps", &self.nodes, |after, before| after.node > before.node)?;
        for Missed { runs, .. } in &self.nodes {
            check::some("runs", runs.len())?;
            check::at_most("runs", runs.len(), MOST_RUNS)?;
            check::in_range("runs", runs.iter().all(|(first, last)| first <= last))?;
            check::sorted("runs", runs, |after, before| {
                after.0.checked_sub(before.1).is_some_and(|more| more > 1)
            })?;
        }
        Ok(())
    }

    pub(super) fn name_all(&self, named: &mut Vec<NetId>) {
        named.extend(self.nodes.iter().map(|missed| missed.node));
    }

    pub(super) fn encode(&self, table: &Table, out: &mut Vec<u8>) {
        varint::write(self.nodes.len() as u64, out);
        let mut distances = Distances::default();
        for missed in &self.nodes {
            varint::write(distances.to(table.position(missed.node)), out);
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
        refs: &mut Refs<'_>,
        limits: &Limits,
    ) -> Result<Gaps, PayloadError> {
        let count = reader.some("gaps", limits.nodes)?;
        let mut nodes = Vec::with_capacity(reader.room(count, LEAST).min(refs.len()));
        let mut distances = Distances::default();
        for _ in 0..count {
            let node = refs.next(reader, "node", &mut distances)?;
            let epoch = reader.array("epoch")?;
            let count = reader.some("runs", MOST_RUNS)?;
            let mut runs: Vec<(u64, u64)> = Vec::with_capacity(count);
            for _ in 0..count {
                let run = run(reader, runs.last().map(|run| run.1))?;
                runs.push(run);
            }
            nodes.push(Missed { node, epoch, runs });
        }
        Ok(Gaps { nodes })
    }
}

/// A run after one that ends there.
fn run<T: Trace>(reader: &mut Reader<'_, T>, before: Option<u64>) -> Result<(u64, u64), PayloadError> {
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

impl Repeat {
    pub(super) fn encode(&self, table: &Table, out: &mut Vec<u8>) {
        put_node(table, self.node, out);
        out.extend_from_slice(&self.epoch);
        varint::write(self.number, out);
        // The rest of the payload: it needs no length of its own.
        out.extend_from_slice(&self.payload);
    }

    pub(super) fn decode<T: Trace>(
        reader: &mut Reader<'_, T>,
        refs: &mut Refs<'_>,
    ) -> Result<Repeat, PayloadError> {
        let node = refs.node(reader, "node")?;
        let epoch = reader.array("epoch")?;
        let number = reader.varint("number")?;
        let payload = reader.bytes("payload", reader.left())?.to_vec();
        Ok(Repeat { node, epoch, number, payload })
    }
}
