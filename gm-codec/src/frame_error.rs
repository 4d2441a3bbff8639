//! Why bytes that came are no frame for us. Knows nothing of how frames are read.

use thiserror::Error;

/// Why a frame was refused. Bytes from outside are the cause, never the caller; on a stream the
/// connection is of no more use.
///
/// The names of the variants are those of `docs/WIRE.md`, "Error names", which also says which
/// comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Error)]
#[non_exhaustive]
pub enum FrameError {
    /// The bytes end before the frame does: of a stream, more may come.
    #[error("the bytes end before the frame does")]
    Truncated,
    /// The first byte is not that of a frame.
    #[error("the first byte is {byte:#04x}, not that of a frame")]
    BadMagic {
        /// The byte.
        byte: u8,
    },
    /// The frame has a version that is not known here.
    #[error("the frame has version {version}, which is not known here")]
    UnknownVersion {
        /// The version, 0 to 15.
        version: u8,
    },
    /// The frame has flags that are not known here.
    #[error("the frame has flags {flags:#06b}, not all of which are known here")]
    UnknownFlags {
        /// All four flags, the first in the lowest bit.
        flags: u8,
    },
    /// The frame is not sealed and yet names a key.
    #[error("the frame is not sealed and yet names the key {key_id:#04x}")]
    KeyIdOfUnsealed {
        /// The key id.
        key_id: u8,
    },
    /// The length has a shorter spelling.
    #[error("the frame's length is spelt with more bytes than it needs")]
    LengthOverLong,
    /// The length needs more than 64 bits.
    #[error("the frame's length needs more than 64 bits")]
    LengthTooLarge,
    /// The frame is longer than what is taken here.
    #[error("the frame announces {declared} bytes after its header; at max {limit} are taken")]
    TooLong {
        /// Bytes announced after the header.
        declared: u64,
        /// Bytes that may follow this header.
        limit: u64,
    },
    /// The frame has no room for what every frame has.
    #[error("the frame announces {declared} bytes after its header, less than {min}")]
    TooShort {
        /// Bytes announced after the header.
        declared: u64,
        /// Bytes that every frame of its kind has.
        min: u64,
    },
    /// Bytes follow where there must be one frame alone.
    #[error("{extra} bytes follow the frame")]
    TrailingBytes {
        /// How many.
        extra: usize,
    },
    /// The frame is not sealed, and only sealed ones are taken.
    #[error("the frame is not sealed")]
    NotSealed,
    /// None of our keys has the frame's key id (or we have no keys at all).
    #[error("no key has the frame's key id {key_id:#04x}")]
    UnknownKey {
        /// The key id.
        key_id: u8,
    },
    /// The nonce is in the epoch that is reserved for key ids.
    #[error("the frame's nonce is in the reserved epoch of zeros")]
    ReservedEpoch,
    /// The tag is wrong: another key, another cluster, another connection or place on it, or a
    /// changed frame.
    #[error("the frame is not authentic: another key, cluster or connection, or it was changed")]
    NotAuthentic,
    /// The checksum of an unsealed frame is wrong: another cluster or connection, or a changed
    /// frame.
    #[error("the frame's checksum is wrong: another cluster or connection, or it was changed")]
    BadChecksum,
    /// The payload would be larger than what is taken here.
    #[error("the payload announces {declared} bytes; at max {limit} are taken")]
    PayloadTooLong {
        /// Bytes of the payload.
        declared: u64,
        /// Bytes that are taken.
        limit: u64,
    },
    /// The payload was compressed and is not smaller for it.
    #[error("a payload of {payload} bytes was compressed to {compressed}")]
    NotSmaller {
        /// Bytes of the payload.
        payload: u64,
        /// Bytes of its compressed form.
        compressed: u64,
    },
    /// The payload is no snappy block.
    #[error("the compressed payload is no snappy block")]
    BadCompression,
}

impl FrameError {
    /// The name of the error in `docs/WIRE.md` and in the vectors, for counters and logs.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            FrameError::Truncated => "Truncated",
            FrameError::BadMagic { .. } => "BadMagic",
            FrameError::UnknownVersion { .. } => "UnknownVersion",
            FrameError::UnknownFlags { .. } => "UnknownFlags",
            FrameError::KeyIdOfUnsealed { .. } => "KeyIdOfUnsealed",
            FrameError::LengthOverLong => "LengthOverLong",
            FrameError::LengthTooLarge => "LengthTooLarge",
            FrameError::TooLong { .. } => "TooLong",
            FrameError::TooShort { .. } => "TooShort",
            FrameError::TrailingBytes { .. } => "TrailingBytes",
            FrameError::NotSealed => "NotSealed",
            FrameError::UnknownKey { .. } => "UnknownKey",
            FrameError::ReservedEpoch => "ReservedEpoch",
            FrameError::NotAuthentic => "NotAuthentic",
            FrameError::BadChecksum => "BadChecksum",
            FrameError::PayloadTooLong { .. } => "PayloadTooLong",
            FrameError::NotSmaller { .. } => "NotSmaller",
            FrameError::BadCompression => "BadCompression",
        }
    }
}
