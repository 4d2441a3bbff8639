//! Who has got a broadcast. Knows nothing of who waits for it.

use gm_clock::NetId;

use super::reader::Reader;
use super::table::Table;
use super::table_refs::{TableRefs, encode_list, encode_node};
use super::trace::Trace;
use super::{PayloadError, check};
use crate::varint;

/// Who has got a broadcast.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ack {
    /// The broadcast.
    pub broadcast: BroadcastId,
    /// What is said of it.
    pub status: AckStatus,
}

/// What tells a broadcast from all others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BroadcastId {
    /// Who began it.
    pub origin: NetId,
    /// The epoch in which it did.
    pub epoch: [u8; 8],
    /// Its number within the epoch.
    pub sequence: u64,
}

/// What is said of a broadcast.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AckStatus {
    /// The sender has it.
    Received,
    /// The sender knows of it, has it not and wants it.
    ContentWanted,
    /// How far the sender's share is.
    Summary(AckSummary),
}

/// How far a share is: everything so far, not since the last sum. The last that came holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AckSummary {
    /// Nothing more will come.
    pub is_final: bool,
    /// It answers a share that was another's before.
    pub reassigned: bool,
    /// Nodes of the share that have it and count, the sender included if it does.
    pub delivered: u64,
    /// Nodes of it that have it and do not count.
    pub refused: u64,
    /// Nodes of it that could not be reached.
    pub missing: u64,
    /// Some of the missing: at most 16, and at most `missing`. Sorted, each once.
    pub missing_sample: Vec<NetId>,
}

/// Names of the missing, at most.
const MAX_MISSING_SAMPLE: usize = 16;

mod code {
    pub(super) const RECEIVED: u64 = 0;
    pub(super) const CONTENT_WANTED: u64 = 1;
    pub(super) const SUMMARY: u64 = 2;
}

mod flag {
    pub(super) const FINAL: u64 = 1;
    pub(super) const REASSIGNED: u64 = 1 << 1;
    pub(super) const KNOWN: [(u64, &str); 2] = [(FINAL, "final"), (REASSIGNED, "again")];
}

impl Ack {
    pub(super) fn check(&self) -> Result<(), PayloadError> {
        let AckStatus::Summary(sum) = &self.status else { return Ok(()) };
        check::at_most("names", sum.missing_sample.len(), max_missing_sample(sum.missing))?;
        check::sorted("names", &sum.missing_sample, |after, before| after > before)
    }

    pub(super) fn collect_nodes(&self, nodes: &mut Vec<NetId>) {
        nodes.push(self.broadcast.origin);
        if let AckStatus::Summary(sum) = &self.status {
            nodes.extend_from_slice(&sum.missing_sample);
        }
    }

    pub(super) fn encode(&self, table: &Table, out: &mut Vec<u8>) {
        encode_node(table, self.broadcast.origin, out);
        out.extend_from_slice(&self.broadcast.epoch);
        varint::write(self.broadcast.sequence, out);
        match &self.status {
            AckStatus::Received => varint::write(code::RECEIVED, out),
            AckStatus::ContentWanted => varint::write(code::CONTENT_WANTED, out),
            AckStatus::Summary(sum) => {
                varint::write(code::SUMMARY, out);
                varint::write(u64::from(sum.reassigned) << 1 | u64::from(sum.is_final), out);
                for number in [sum.delivered, sum.refused, sum.missing] {
                    varint::write(number, out);
                }
                encode_list(table, &sum.missing_sample, out);
            }
        }
    }

    pub(super) fn decode<T: Trace>(
        reader: &mut Reader<'_, T>,
        refs: &mut TableRefs<'_>,
    ) -> Result<Ack, PayloadError> {
        let origin = refs.node(reader, "origin")?;
        let epoch = reader.array("epoch")?;
        let broadcast = BroadcastId { origin, epoch, sequence: reader.varint("sequence")? };
        let status = match reader.varint_as("code", |code| match code {
            code::RECEIVED => "have".to_owned(),
            code::CONTENT_WANTED => "send me".to_owned(),
            code::SUMMARY => "sum".to_owned(),
            code => code.to_string(),
        })? {
            code::RECEIVED => AckStatus::Received,
            code::CONTENT_WANTED => AckStatus::ContentWanted,
            code::SUMMARY => {
                let flags = reader.flags("flags", &flag::KNOWN)?;
                let delivered = reader.varint("delivered")?;
                let refused = reader.varint("refused")?;
                let missing = reader.varint("missing")?;
                let missing_sample = refs.list(reader, "names", max_missing_sample(missing), None)?;
                let (is_final, reassigned) = (flags & flag::FINAL != 0, flags & flag::REASSIGNED != 0);
                AckStatus::Summary(AckSummary {
                    is_final,
                    reassigned,
                    delivered,
                    refused,
                    missing,
                    missing_sample,
                })
            }
            code => return Err(PayloadError::UnknownCode { what: "receipt", code }),
        };
        Ok(Ack { broadcast, status })
    }
}

/// Names that may be given if so many are missing.
fn max_missing_sample(missing: u64) -> usize {
    usize::try_from(missing).map_or(MAX_MISSING_SAMPLE, |missing| missing.min(MAX_MISSING_SAMPLE))
}
