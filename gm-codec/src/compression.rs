//! Compression of payloads as snappy blocks, where a block is smaller than its payload.
//!
//! `docs/WIRE.md`, "Compression".

use snap::raw::{Decoder, Encoder, max_compress_len};

use crate::frame_error::FrameError;
use crate::limits::MAX_SNAPPY_RATIO;
use crate::varint;

/// Appends the payload compressed and returns true if that is smaller; otherwise leaves `out`
/// unchanged.
pub(crate) fn compress(encoder: &mut Encoder, payload: &[u8], out: &mut Vec<u8>) -> bool {
    let start = out.len();
    out.resize(start + max_compress_len(payload.len()), 0);
    let compressed = encoder.compress(payload, &mut out[start..]).ok().filter(|bytes| *bytes < payload.len());
    out.truncate(start + compressed.unwrap_or(0));
    compressed.is_some()
}

/// Decompresses a block into `out` and replaces its contents. Refuses the length that the block
/// announces, before it allocates memory, if the length is above `limit`, above what a block of
/// that size can produce, or not above the size of the block itself.
pub(crate) fn decompress(block: &[u8], limit: usize, out: &mut Vec<u8>) -> Result<(), FrameError> {
    let compressed = block.len() as u64;
    let (payload, _) = varint::read(block).map_err(|_| FrameError::BadCompression)?;
    let bytes = usize::try_from(payload).ok().filter(|bytes| *bytes <= limit);
    let bytes = bytes.ok_or(FrameError::PayloadTooLong { declared: payload, limit: limit as u64 })?;
    if payload <= compressed {
        return Err(FrameError::NotSmaller { payload, compressed });
    }
    if payload > compressed.saturating_mul(MAX_SNAPPY_RATIO) {
        return Err(FrameError::BadCompression);
    }
    out.clear();
    out.resize(bytes, 0);
    match Decoder::new().decompress(block, out) {
        Ok(made) if made == bytes => Ok(()),
        _ => Err(FrameError::BadCompression),
    }
}
