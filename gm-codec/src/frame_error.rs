//! Reasons to refuse a received frame.

use thiserror::Error;

/// The reason why a received frame was refused. Bytes from outside are the cause, never the caller.
/// After an error a connection is unusable.
///
/// The variants are named as in `docs/WIRE.md`, "Error names", which also defines their precedence.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Error)]
#[non_exhaustive]
pub enum FrameError {
    /// The bytes end before the frame does. On a stream, more may come.
    #[error("the bytes end before the frame does")]
    Truncated,
    /// The first byte is not the magic byte.
    #[error("the first byte is {byte:#04x}, which is not the magic byte of a frame")]
    BadMagic {
        /// The first byte.
        byte: u8,
    },
    /// This implementation does not know the frame's version.
    #[error("unknown frame version {version}")]
    UnknownVersion {
        /// The version, 0 to 15.
        version: u8,
    },
    /// This implementation does not know a flag of the frame.
    #[error("unknown frame flags in {flags:#06b}")]
    UnknownFlags {
        /// The four flags, with the first flag in the lowest bit.
        flags: u8,
    },
    /// The frame is unsealed but has a key id.
    #[error("the frame is not sealed but has the key id {key_id:#04x}")]
    KeyIdOfUnsealed {
        /// The key id.
        key_id: u8,
    },
    /// The length is encoded with more bytes than it needs.
    #[error("the frame's length is encoded with more bytes than it needs")]
    LengthOverLong,
    /// The length needs more than 64 bits.
    #[error("the frame's length needs more than 64 bits")]
    LengthTooLarge,
    /// The frame is longer than the receiver accepts.
    #[error("the frame announces {declared} bytes after its header; at most {limit} are accepted")]
    TooLong {
        /// Bytes announced after the header.
        declared: u64,
        /// Maximum number of bytes that may follow this header.
        limit: u64,
    },
    /// The frame is too short for the fields that every frame has.
    #[error("the frame announces {declared} bytes after its header; the minimum is {min}")]
    TooShort {
        /// Bytes announced after the header.
        declared: u64,
        /// Minimum number of bytes after the header of such a frame.
        min: u64,
    },
    /// Bytes follow the only frame that is allowed here.
    #[error("{extra} bytes follow the frame")]
    TrailingBytes {
        /// Number of bytes after the frame.
        extra: usize,
    },
    /// The frame is unsealed, and the receiver accepts sealed frames only.
    #[error("the frame is not sealed")]
    NotSealed,
    /// The receiver has no key with the frame's key id, or no keys at all.
    #[error("unknown key id {key_id:#04x}")]
    UnknownKey {
        /// The key id.
        key_id: u8,
    },
    /// The nonce uses the epoch that is reserved for key ids.
    #[error("the frame's nonce uses the reserved epoch of zeros")]
    ReservedEpoch,
    /// The tag is wrong: the frame has another key, cluster, connection or position, or was
    /// modified.
    #[error("the frame is not authentic: another key, cluster or connection, or it was modified")]
    NotAuthentic,
    /// The checksum of an unsealed frame is wrong: the frame has another cluster or connection, or
    /// was modified.
    #[error("the frame's checksum is wrong: another cluster or connection, or it was modified")]
    BadChecksum,
    /// The payload would be longer than the receiver accepts.
    #[error("the payload announces {declared} bytes; at most {limit} are accepted")]
    PayloadTooLong {
        /// Announced length of the payload in bytes.
        declared: u64,
        /// Maximum length of a payload in bytes.
        limit: u64,
    },
    /// The payload was compressed although that does not make it smaller.
    #[error("a payload of {payload} bytes was compressed to {compressed} bytes, which is not smaller")]
    NotSmaller {
        /// Announced length of the payload in bytes.
        payload: u64,
        /// Length of its compressed form in bytes.
        compressed: u64,
    },
    /// The payload is not a valid snappy block.
    #[error("the compressed payload is not a valid snappy block")]
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
