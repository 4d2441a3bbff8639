//! Who has got a broadcast. Knows nothing of who waits for it.

use gm_clock::NetId;

use super::read::Reader;
use super::refs::{Refs, put_list, put_node};
use super::table::Table;
use super::trace::Trace;
use super::{PayloadError, check};
use crate::varint;

/// Who has got a broadcast.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// The broadcast.
    pub about: BroadcastId,
    /// What is said of it.
    pub answer: Answer,
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
pub enum Answer {
    /// The sender has it.
    Have,
    /// The sender knows of it, has it not and wants it.
    SendMe,
    /// How far the sender's share is.
    Sum(Sum),
}

/// How far a share is: everything so far, not since the last sum. The last that came holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sum {
    /// Nothing more will come.
    pub last: bool,
    /// It answers a share that was another's before.
    pub again: bool,
    /// Nodes of the share that have it and count, the sender included if it does.
    pub delivered: u64,
    /// Nodes of it that have it and do not count.
    pub refused: u64,
    /// Nodes of it that could not be reached.
    pub missing: u64,
    /// Some of the missing: at most 16, and at most `missing`. Sorted, each once.
    pub names: Vec<NetId>,
}

/// Names of the missing, at most.
const MOST_NAMES: usize = 16;

mod code {
    pub(super) const HAVE: u64 = 0;
    pub(super) const SEND_ME: u64 = 1;
    pub(super) const SUM: u64 = 2;
}

mod flag {
    pub(super) const FINAL: u64 = 1;
    pub(super) const AGAIN: u64 = 1 << 1;
    pub(super) const KNOWN: [(u64, &str); 2] = [(FINAL, "final"), (AGAIN, "again")];
}

impl Receipt {
    pub(super) fn check(&self) -> Result<(), PayloadError> {
        let Answer::Sum(sum) = &self.answer else { return Ok(()) };
        check::at_most("names", sum.names.len(), most_names(sum.missing))?;
        check::sorted("names", &sum.names, |after, before| after > before)
    }

    pub(super) fn name_all(&self, named: &mut Vec<NetId>) {
        named.push(self.about.origin);
        if let Answer::Sum(sum) = &self.answer {
            named.extend_from_slice(&sum.names);
        }
    }

    pub(super) fn encode(&self, table: &Table, out: &mut Vec<u8>) {
        put_node(table, self.about.origin, out);
        out.extend_from_slice(&self.about.epoch);
        varint::write(self.about.sequence, out);
        match &self.answer {
            Answer::Have => varint::write(code::HAVE, out),
            Answer::SendMe => varint::write(code::SEND_ME, out),
            Answer::Sum(sum) => {
                varint::write(code::SUM, out);
                varint::write(u64::from(sum.again) << 1 | u64::from(sum.last), out);
                for number in [sum.delivered, sum.refused, sum.missing] {
                    varint::write(number, out);
                }
                put_list(table, &sum.names, out);
            }
        }
    }

    pub(super) fn decode<T: Trace>(
        reader: &mut Reader<'_, T>,
        refs: &mut Refs<'_>,
    ) -> Result<Receipt, PayloadError> {
        let origin = refs.node(reader, "origin")?;
        let epoch = reader.array("epoch")?;
        let about = BroadcastId { origin, epoch, sequence: reader.varint("sequence")? };
        let answer = match reader.varint_as("code", |code| match code {
            code::HAVE => "have".to_owned(),
            code::SEND_ME => "send me".to_owned(),
            code::SUM => "sum".to_owned(),
            code => code.to_string(),
        })? {
            code::HAVE => Answer::Have,
            code::SEND_ME => Answer::SendMe,
            code::SUM => {
                let flags = reader.flags("flags", &flag::KNOWN)?;
                let delivered = reader.varint("delivered")?;
                let refused = reader.varint("refused")?;
                let missing = reader.varint("missing")?;
                let names = refs.list_or_none(reader, "names", most_names(missing), None)?;
                let (last, again) = (flags & flag::FINAL != 0, flags & flag::AGAIN != 0);
                Answer::Sum(Sum { last, again, delivered, refused, missing, names })
            }
            code => return Err(PayloadError::UnknownCode { what: "receipt", code }),
        };
        Ok(Receipt { about, answer })
    }
}

/// Names that may be given if so many are missing.
fn most_names(missing: u64) -> usize {
    usize::try_from(missing).map_or(MOST_NAMES, |missing| missing.min(MOST_NAMES))
}
