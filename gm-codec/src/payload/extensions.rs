//! Room in the header for what a receiver need not understand. Knows the kinds by number only.

use super::reader::Reader;
use super::trace::Trace;
use super::{PayloadError, check};
use crate::varint;

/// Something that need not be understood: not to be acted on if its kind is not known, and not
/// copied into what is passed on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Extension {
    /// What it is: [`PRESENCE_CHALLENGE`](Extension::PRESENCE_CHALLENGE),
    /// [`PRESENCE_RESPONSE`](Extension::PRESENCE_RESPONSE), or of a later version.
    pub kind: u64,
    /// What it says. All sections of a payload together: at most 1,024 bytes.
    pub bytes: Vec<u8>,
}

impl Extension {
    /// Eight random bytes, in a direct payload by datagram: is the receiver there?
    pub const PRESENCE_CHALLENGE: u64 = 1;
    /// The same eight bytes: it is, and was when it heard the question.
    pub const PRESENCE_RESPONSE: u64 = 2;
}

/// Sections of a payload, at most.
const MAX_COUNT: usize = 16;
/// Bytes of all sections of a payload, at most; their kinds and lengths are not counted.
const MAX_BYTES: usize = 1_024;

pub(super) fn check(sections: &[Extension]) -> Result<(), PayloadError> {
    check::at_most("sections", sections.len(), MAX_COUNT)?;
    check::at_most("section bytes", sections.iter().map(|section| section.bytes.len()).sum(), MAX_BYTES)?;
    check::sorted("sections", sections, |after, before| after.kind > before.kind)
}

pub(super) fn encode(sections: &[Extension], out: &mut Vec<u8>) {
    varint::write(sections.len() as u64, out);
    for section in sections {
        varint::write(section.kind, out);
        varint::write(section.bytes.len() as u64, out);
        out.extend_from_slice(&section.bytes);
    }
}

pub(super) fn decode<T: Trace>(reader: &mut Reader<'_, T>) -> Result<Vec<Extension>, PayloadError> {
    let count = reader.nonzero_count("sections", MAX_COUNT)?;
    let mut sections: Vec<Extension> = Vec::with_capacity(count);
    let mut all = 0;
    for _ in 0..count {
        let kind = reader.varint("kind")?;
        if sections.last().is_some_and(|last| last.kind >= kind) {
            return Err(PayloadError::Unsorted { what: "sections" });
        }
        let length = reader.count("bytes", MAX_BYTES)?;
        all += length;
        check::at_most("section bytes", all, MAX_BYTES)?;
        sections.push(Extension { kind, bytes: reader.bytes("section", length)?.to_vec() });
    }
    Ok(sections)
}
