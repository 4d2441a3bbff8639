//! Compression of payloads as snappy blocks, where a block is smaller than its payload.
//!
//! `docs/WIRE.md`, "Compression".

use snap::raw::{Decoder, Encoder, max_compress_len};

use crate::frame_error::FrameError;
use crate::limits::MAX_SNAPPY_RATIO;
use crate::varint;

/// Largest buffer that a compressor keeps for the next payload, in bytes. It holds the compressed
/// form of a payload of 64 KiB.
const MAX_KEPT_BUFFER: usize = 80 << 10;

/// A compressor with a buffer that it uses again. The compressor needs more room than the result
/// takes, so a frame would keep that room if it were compressed in place.
pub(crate) struct Compressor {
    encoder: Encoder,
    buffer: Vec<u8>,
}

impl Compressor {
    pub(crate) fn new() -> Compressor {
        Compressor { encoder: Encoder::new(), buffer: Vec::new() }
    }

    /// The payload compressed, if that is smaller.
    pub(crate) fn compress(&mut self, payload: &[u8]) -> Option<&[u8]> {
        let room = max_compress_len(payload.len());
        if self.buffer.len() < room {
            self.buffer.resize(room, 0);
        }
        let bytes = self.encoder.compress(payload, &mut self.buffer).ok()?;
        self.buffer.get(..bytes).filter(|_| bytes < payload.len())
    }

    /// Frees the buffer if it is large.
    pub(crate) fn release(&mut self) {
        if self.buffer.len() > MAX_KEPT_BUFFER {
            self.buffer = Vec::new();
        }
    }
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

#[cfg(test)]
mod tests;
