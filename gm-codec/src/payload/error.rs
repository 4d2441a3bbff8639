//! Errors of encoding and decoding payloads.

use gm_clock::NetIdError;
use gm_data::{NameError, RecordError};
use thiserror::Error;

/// The reason why a payload was refused or cannot be encoded. [`PayloadError::name`] is the name
/// that every implementation uses.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum PayloadError {
    /// The payload ends within a field.
    #[error("the payload ends early, at byte {at}")]
    Truncated {
        /// Offset in bytes.
        at: usize,
    },
    /// Bytes follow the body.
    #[error("{extra} bytes follow the payload's end")]
    Trailing {
        /// Number of bytes after the body.
        extra: usize,
    },
    /// A number is encoded with more bytes than it needs.
    #[error("the number at byte {at} has a shorter encoding")]
    OverLong {
        /// Offset of the number in bytes.
        at: usize,
    },
    /// A number needs more than 64 bits.
    #[error("the number at byte {at} needs more than 64 bits")]
    TooLarge {
        /// Offset of the number in bytes.
        at: usize,
    },
    /// A number is out of its range.
    #[error("{what} is out of range at byte {at}")]
    OutOfRange {
        /// The number.
        what: &'static str,
        /// Offset of its end in bytes; 0 when encoding.
        at: usize,
    },
    /// The value has a shorter encoding, or is missing where at least one is required.
    #[error("{what} at byte {at} is missing or has a shorter encoding")]
    NotCanonical {
        /// The value.
        what: &'static str,
        /// Offset of its end in bytes; 0 when encoding.
        at: usize,
    },
    /// A list is unsorted or has duplicates.
    #[error("{what}: not sorted, or with duplicates")]
    Unsorted {
        /// The list.
        what: &'static str,
    },
    /// A list or a text is longer than the limits allow.
    #[error("{what}: {count}; at most {max} are allowed")]
    TooMany {
        /// The list or text.
        what: &'static str,
        /// Number of elements that it would have.
        count: u64,
        /// Maximum number of elements.
        max: u64,
    },
    /// A position that is not in the table.
    #[error("position {index} is outside of a table of {len} entries")]
    NoSuchEntry {
        /// The position.
        index: u64,
        /// Number of entries in the table.
        len: usize,
    },
    /// An entry of the table to which nothing refers.
    #[error("nothing refers to entry {index} of the table")]
    UnusedEntry {
        /// Position of the entry.
        index: usize,
    },
    /// A flag that this version does not know, or that another flag excludes.
    #[error("unknown flags {flags:#x}")]
    UnknownFlags {
        /// The flags of the field.
        flags: u64,
    },
    /// The tag of a body that this version does not know.
    #[error("unknown tag {tag}")]
    UnknownTag {
        /// The tag.
        tag: u64,
    },
    /// A body that must be direct, in a broadcast.
    #[error("a body with tag {tag} must be direct, but is in a broadcast")]
    NotDirect {
        /// The tag.
        tag: u64,
    },
    /// An op, a kind of member update, or another code that this version does not know.
    #[error("unknown {what} {code}")]
    UnknownCode {
        /// The field.
        what: &'static str,
        /// The code.
        code: u64,
    },
    /// An address that is not valid for a node.
    #[error(transparent)]
    NetId(#[from] NetIdError),
    /// A group name that is not valid.
    #[error(transparent)]
    Name(#[from] NameError),
    /// The name of an application's payload type that is not valid.
    #[error("the name of an application's payload type is empty or has a control character")]
    BadApplicationName,
    /// A name that is not UTF-8.
    #[error("a name is not UTF-8")]
    NotUtf8,
    /// A record or an increment that is not valid.
    #[error(transparent)]
    Record(#[from] RecordError),
}

impl PayloadError {
    /// The name of the error. It is the same in every implementation and in the vectors, and serves
    /// as the label of a counter.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            PayloadError::Truncated { .. } => "Truncated",
            PayloadError::Trailing { .. } => "Trailing",
            PayloadError::OverLong { .. } => "OverLong",
            PayloadError::TooLarge { .. } => "TooLarge",
            PayloadError::OutOfRange { .. } => "OutOfRange",
            PayloadError::NotCanonical { .. } => "NotCanonical",
            PayloadError::Unsorted { .. } => "Unsorted",
            PayloadError::TooMany { .. } => "TooMany",
            PayloadError::NoSuchEntry { .. } => "NoSuchEntry",
            PayloadError::UnusedEntry { .. } => "UnusedEntry",
            PayloadError::UnknownFlags { .. } => "UnknownFlags",
            PayloadError::UnknownTag { .. } => "UnknownTag",
            PayloadError::NotDirect { .. } => "NotDirect",
            PayloadError::UnknownCode { .. } => "UnknownCode",
            PayloadError::NetId(_) => "BadNetId",
            PayloadError::Name(_) | PayloadError::BadApplicationName => "BadName",
            PayloadError::NotUtf8 => "NotUtf8",
            PayloadError::Record(_) => "BadRecord",
        }
    }
}
