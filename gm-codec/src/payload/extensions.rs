//! Header extensions: room for fields that a receiver may ignore.

use super::reader::Reader;
use super::trace::Trace;
use super::{PayloadError, check};
use crate::varint;

/// A header extension. A receiver ignores kinds that it does not know, and relays never copy
/// extensions into what they forward.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Extension {
    /// The kind: one of the constants below, or one of a later version.
    pub kind: u64,
    /// The content. All extensions of a payload have at most 1,024 bytes in total.
    pub bytes: Vec<u8>,
}

impl Extension {
    /// Eight random bytes in a direct datagram: asks the receiver to prove that it is present.
    pub const PRESENCE_CHALLENGE: u64 = 1;
    /// The same eight bytes, returned: the sender is present, and was when the challenge arrived.
    pub const PRESENCE_RESPONSE: u64 = 2;
    /// For each node of `neighbors_gained`, its epoch and the counter of its last frame: the sender
    /// received that frame by multicast, and knows that the node is present.
    pub const NEIGHBOR_FRAMES: u64 = 3;
    /// A salt and digests of the nodes that the sender hears by multicast, with their epochs.
    pub const HEARD_NODES: u64 = 4;
    /// The last multicast numbers of other nodes.
    pub const MULTICAST_NUMBERS: u64 = 5;
}

/// Maximum number of extensions in a payload.
const MAX_COUNT: usize = 16;
/// Maximum total length of all extensions of a payload; kinds and lengths do not count.
const MAX_BYTES: usize = 1_024;

pub(super) fn check(extensions: &[Extension]) -> Result<(), PayloadError> {
    check::at_most("extensions", extensions.len(), MAX_COUNT)?;
    check::at_most(
        "extension bytes",
        extensions.iter().map(|extension| extension.bytes.len()).sum(),
        MAX_BYTES,
    )?;
    check::sorted("extensions", extensions, |after, before| after.kind > before.kind)
}

pub(super) fn encode(extensions: &[Extension], out: &mut Vec<u8>) {
    varint::write(extensions.len() as u64, out);
    for extension in extensions {
        varint::write(extension.kind, out);
        varint::write(extension.bytes.len() as u64, out);
        out.extend_from_slice(&extension.bytes);
    }
}

pub(super) fn decode<T: Trace>(reader: &mut Reader<'_, T>) -> Result<Vec<Extension>, PayloadError> {
    let count = reader.nonzero_count("extensions", MAX_COUNT)?;
    let mut extensions: Vec<Extension> = Vec::with_capacity(count);
    let mut all = 0;
    for _ in 0..count {
        let kind = reader.varint("kind")?;
        if extensions.last().is_some_and(|last| last.kind >= kind) {
            return Err(PayloadError::Unsorted { what: "extensions" });
        }
        let length = reader.count("bytes", MAX_BYTES)?;
        all += length;
        check::at_most("extension bytes", all, MAX_BYTES)?;
        extensions.push(Extension { kind, bytes: reader.bytes("extension", length)?.to_vec() });
    }
    Ok(extensions)
}
