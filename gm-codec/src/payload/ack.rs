//! Acknowledgements of broadcasts (tag 5), also aggregated for a subtree.

use gm_clock::NetId;

use super::reader::Reader;
use super::table::Table;
use super::table_refs::{TableRefs, encode_list, encode_node};
use super::trace::Trace;
use super::{PayloadError, check};
use crate::varint;

/// The acknowledgement of a broadcast.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ack {
    /// The acknowledged broadcast.
    pub broadcast: BroadcastId,
    /// The status that the sender reports.
    pub status: AckStatus,
}

/// The identity of a broadcast.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BroadcastId {
    /// The origin, the node that began it.
    pub origin: NetId,
    /// The origin's epoch when it began the broadcast.
    pub epoch: [u8; 8],
    /// Sequence number of the broadcast within the epoch.
    pub sequence: u64,
}

/// The status of a broadcast at the sender of an ack.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AckStatus {
    /// The sender has the content.
    Received,
    /// The sender received an announcement, lacks the content and requests it.
    ContentWanted,
    /// The progress within the sender's subtree.
    Summary(AckSummary),
    /// The sender accepted a broadcast that came by a datagram, with its targets if it had any: the
    /// receiver of this ack need not send it again.
    Accepted,
}

/// The progress of a broadcast within a subtree. Counts are totals, not changes since the previous
/// summary: the last one received is valid.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AckSummary {
    /// Whether this is the last summary.
    pub is_final: bool,
    /// Whether it answers a subtree that was assigned to another relay before.
    pub reassigned: bool,
    /// Number of nodes of the subtree that have the content and acknowledge it, including the
    /// sender if it does.
    pub delivered: u64,
    /// Number of nodes of the subtree that have the content and do not acknowledge it, for example
    /// because it is not on disk.
    pub refused: u64,
    /// Number of nodes of the subtree that could not be reached.
    pub missing: u64,
    /// Some of the missing nodes: at most 16 and at most `missing`, sorted, without duplicates.
    pub missing_sample: Vec<NetId>,
}

/// Maximum number of nodes in a sample.
const MAX_MISSING_SAMPLE: usize = 16;

mod code {
    pub(super) const RECEIVED: u64 = 0;
    pub(super) const CONTENT_WANTED: u64 = 1;
    pub(super) const SUMMARY: u64 = 2;
    pub(super) const ACCEPTED: u64 = 3;
}

mod flag {
    pub(super) const FINAL: u64 = 1;
    pub(super) const REASSIGNED: u64 = 1 << 1;
    pub(super) const KNOWN: [(u64, &str); 2] = [(FINAL, "final"), (REASSIGNED, "reassigned")];
}

impl Ack {
    pub(super) fn check(&self) -> Result<(), PayloadError> {
        let AckStatus::Summary(summary) = &self.status else { return Ok(()) };
        check::at_most("missing_sample", summary.missing_sample.len(), max_missing_sample(summary.missing))?;
        check::sorted("missing_sample", &summary.missing_sample, |after, before| after > before)
    }

    pub(super) fn collect_nodes(&self, nodes: &mut Vec<NetId>) {
        nodes.push(self.broadcast.origin);
        if let AckStatus::Summary(summary) = &self.status {
            nodes.extend_from_slice(&summary.missing_sample);
        }
    }

    pub(super) fn encode(&self, table: &Table, out: &mut Vec<u8>) {
        encode_node(table, self.broadcast.origin, out);
        out.extend_from_slice(&self.broadcast.epoch);
        varint::write(self.broadcast.sequence, out);
        match &self.status {
            AckStatus::Received => varint::write(code::RECEIVED, out),
            AckStatus::ContentWanted => varint::write(code::CONTENT_WANTED, out),
            AckStatus::Accepted => varint::write(code::ACCEPTED, out),
            AckStatus::Summary(summary) => {
                varint::write(code::SUMMARY, out);
                varint::write(u64::from(summary.reassigned) << 1 | u64::from(summary.is_final), out);
                for number in [summary.delivered, summary.refused, summary.missing] {
                    varint::write(number, out);
                }
                encode_list(table, &summary.missing_sample, out);
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
        let status = match reader.varint_as("status", |code| match code {
            code::RECEIVED => "received".to_owned(),
            code::CONTENT_WANTED => "content wanted".to_owned(),
            code::SUMMARY => "summary".to_owned(),
            code::ACCEPTED => "accepted".to_owned(),
            code => code.to_string(),
        })? {
            code::RECEIVED => AckStatus::Received,
            code::CONTENT_WANTED => AckStatus::ContentWanted,
            code::ACCEPTED => AckStatus::Accepted,
            code::SUMMARY => {
                let flags = reader.flags("flags", &flag::KNOWN)?;
                let delivered = reader.varint("delivered")?;
                let refused = reader.varint("refused")?;
                let missing = reader.varint("missing")?;
                let missing_sample =
                    refs.list(reader, "missing_sample", max_missing_sample(missing), None)?;
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
            code => return Err(PayloadError::UnknownCode { what: "ack status", code }),
        };
        Ok(Ack { broadcast, status })
    }
}

/// Maximum number of nodes in the sample if `missing` nodes are missing.
fn max_missing_sample(missing: u64) -> usize {
    usize::try_from(missing).map_or(MAX_MISSING_SAMPLE, |missing| missing.min(MAX_MISSING_SAMPLE))
}
