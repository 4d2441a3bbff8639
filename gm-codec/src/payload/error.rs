//! What can be wrong with a payload. Knows nothing of what is done about it.

use gm_clock::NetIdError;
use gm_data::{NameError, RecordError};
use thiserror::Error;

/// Why a payload was refused, or cannot be said. [`PayloadError::name`] is the name that every
/// implementation uses.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum PayloadError {
    /// The payload ends within something.
    #[error("the payload ends early, at byte {at}")]
    Truncated {
        /// Where, in bytes.
        at: usize,
    },
    /// There is more after the body.
    #[error("{extra} bytes follow the payload's end")]
    Trailing {
        /// How many.
        extra: usize,
    },
    /// A number is spelt with more bytes than it needs.
    #[error("the number at byte {at} has a shorter spelling")]
    OverLong {
        /// Where it begins.
        at: usize,
    },
    /// A number needs more than 64 bits.
    #[error("the number at byte {at} needs more than 64 bits")]
    TooLarge {
        /// Where it begins.
        at: usize,
    },
    /// A number is out of its range.
    #[error("{what} is out of range at byte {at}")]
    OutOfRange {
        /// Which number.
        what: &'static str,
        /// Where it ends; 0 if it was to be written.
        at: usize,
    },
    /// The value has another, shorter spelling, or is none where there must be some.
    #[error("{what} has another spelling or none, at byte {at}")]
    NotCanonical {
        /// What was spelled so.
        what: &'static str,
        /// Where it ends; 0 if it was to be written.
        at: usize,
    },
    /// A list is not in its order, or has something twice.
    #[error("{what} is not sorted, each once")]
    Unsorted {
        /// Which list.
        what: &'static str,
    },
    /// A list or a text is longer than the limits allow.
    #[error("{what}: {count}, more than {max}")]
    TooMany {
        /// Of what.
        what: &'static str,
        /// How many there would be.
        count: u64,
        /// How many there may be.
        max: u64,
    },
    /// A position that the table does not have.
    #[error("position {index} in a table of {len}")]
    NoSuchEntry {
        /// The position.
        index: u64,
        /// Entries of the table.
        len: usize,
    },
    /// An entry of the table that nothing refers to.
    #[error("entry {index} of the table is not used")]
    UnusedEntry {
        /// Its position.
        index: usize,
    },
    /// A flag that this version does not know, or that does not go with another.
    #[error("unknown flags {flags:#x}")]
    UnknownFlags {
        /// All flags that were met.
        flags: u64,
    },
    /// A tag of a body that this version does not know.
    #[error("unknown tag {tag}")]
    UnknownTag {
        /// The tag.
        tag: u64,
    },
    /// What must be said to one node alone, in a broadcast.
    #[error("tag {tag} in a broadcast")]
    NotDirect {
        /// The tag.
        tag: u64,
    },
    /// An op, a kind of part, or another code that this version does not know.
    #[error("unknown {what} {code}")]
    UnknownCode {
        /// Of what.
        what: &'static str,
        /// The code.
        code: u64,
    },
    /// An address that no node can have.
    #[error(transparent)]
    NetId(#[from] NetIdError),
    /// A group's name that cannot be.
    #[error(transparent)]
    Name(#[from] NameError),
    /// The name of an application's payload type that cannot be.
    #[error("the name of an application's payload type is empty or has a control character")]
    BadApplicationName,
    /// A name that is not UTF-8.
    #[error("a name is not UTF-8")]
    NotUtf8,
    /// A record or an increment that cannot be.
    #[error(transparent)]
    Record(#[from] RecordError),
}

impl PayloadError {
    /// The error's name: the same in every implementation, in the vectors, and as the label of a
    /// counter.
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
