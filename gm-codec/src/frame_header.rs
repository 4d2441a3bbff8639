//! Encoding and decoding of the frame header.
//!
//! `docs/WIRE.md`, "Frames".

use crate::frame_error::FrameError;
use crate::limits::{CHECKSUM_BYTES, FIXED_HEADER_BYTES, NONCE_BYTES, TAG_BYTES};
use crate::varint::{self, VarintError};

/// The first byte of every frame: `g`.
pub(crate) const MAGIC: u8 = 0x67;
/// The version of the format, a draft.
pub(crate) const VERSION: u8 = 0;
const SEALED: u8 = 0b0001;
const COMPRESSED: u8 = 0b0010;

/// A header that is valid in itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FrameHeader {
    /// The id of the key, if the frame is sealed.
    pub(crate) key_id: Option<u8>,
    pub(crate) compressed: bool,
    /// Length of the body, the bytes after the header.
    pub(crate) body: usize,
}

impl FrameHeader {
    /// Length of the header itself in bytes.
    pub(crate) fn len(self) -> usize {
        FIXED_HEADER_BYTES + varint::len(self.body as u64)
    }

    /// Number of bytes after the header that do not belong to the payload.
    pub(crate) fn overhead(sealed: bool) -> usize {
        if sealed { NONCE_BYTES + TAG_BYTES } else { CHECKSUM_BYTES }
    }

    /// Writes the header over the first [`len`](FrameHeader::len) bytes of `to`.
    pub(crate) fn write(self, to: &mut [u8]) {
        let sealed = if self.key_id.is_some() { SEALED } else { 0 };
        let compressed = if self.compressed { COMPRESSED } else { 0 };
        let first = [MAGIC, VERSION << 4 | sealed | compressed, self.key_id.unwrap_or(0)];
        let targets = to.iter_mut().zip(first.into_iter().chain(varint::bytes(self.body as u64)));
        targets.for_each(|(target, byte)| *target = byte);
    }

    /// The header at the front of `bytes`. The first wrong byte decides, so the caller may pass a
    /// stream again after each byte that arrives.
    ///
    /// `limit` is the maximum length of a whole frame in bytes.
    pub(crate) fn read(bytes: &[u8], limit: usize) -> Result<FrameHeader, FrameError> {
        let magic = *bytes.first().ok_or(FrameError::Truncated)?;
        if magic != MAGIC {
            return Err(FrameError::BadMagic { byte: magic });
        }
        let (version, flags) =
            bytes.get(1).map(|byte| (byte >> 4, byte & 0x0f)).ok_or(FrameError::Truncated)?;
        if version != VERSION {
            return Err(FrameError::UnknownVersion { version });
        }
        if flags & !(SEALED | COMPRESSED) != 0 {
            return Err(FrameError::UnknownFlags { flags });
        }
        let (sealed, compressed) = (flags & SEALED != 0, flags & COMPRESSED != 0);
        let key_id = *bytes.get(2).ok_or(FrameError::Truncated)?;
        if !sealed && key_id != 0 {
            return Err(FrameError::KeyIdOfUnsealed { key_id });
        }
        let (declared, length_bytes) =
            varint::read(&bytes[FIXED_HEADER_BYTES..]).map_err(|error| match error {
                VarintError::Truncated => FrameError::Truncated,
                VarintError::OverLong => FrameError::LengthOverLong,
                VarintError::TooLarge => FrameError::LengthTooLarge,
            })?;
        let room = limit.saturating_sub(FIXED_HEADER_BYTES + length_bytes);
        let body = usize::try_from(declared).ok().filter(|body| *body <= room);
        let body = body.ok_or(FrameError::TooLong { declared, limit: room as u64 })?;
        let min = Self::overhead(sealed);
        if body < min {
            return Err(FrameError::TooShort { declared, min: min as u64 });
        }
        Ok(FrameHeader { key_id: sealed.then_some(key_id), compressed, body })
    }
}
