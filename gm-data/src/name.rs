//! The name of a group. Knows nothing of what the group holds.

use alloc::sync::Arc;
use core::fmt;
use core::str::FromStr;

use thiserror::Error;

/// The name of a group: 1 to [`GroupName::MAX_BYTES`] bytes of UTF-8 without control characters.
/// Cheap to clone.
///
/// Ordered by its bytes.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GroupName(Arc<str>);

/// Why a group's name was refused. Nothing was changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Error)]
pub enum NameError {
    /// The name has no bytes.
    #[error("a group's name is empty")]
    Empty,
    /// The name has more than [`GroupName::MAX_BYTES`] bytes.
    #[error("a group's name has {bytes} bytes, more than {max}", max = GroupName::MAX_BYTES)]
    TooLong {
        /// Bytes that it has.
        bytes: usize,
    },
    /// The name has a control character, which would tear tables and logs.
    #[error("a group's name has the control character {character:?} at byte {at}")]
    Control {
        /// The character.
        character: char,
        /// Where it begins, in bytes.
        at: usize,
    },
}

impl GroupName {
    /// Bytes that a name may have: one byte of length on the wire.
    pub const MAX_BYTES: usize = 255;

    /// The group of that name.
    ///
    /// # Errors
    /// A [`NameError`] that says what is wrong; the length is looked at first.
    pub fn new(name: &str) -> Result<GroupName, NameError> {
        if name.is_empty() {
            return Err(NameError::Empty);
        }
        if name.len() > Self::MAX_BYTES {
            return Err(NameError::TooLong { bytes: name.len() });
        }
        match name.char_indices().find(|(_, character)| character.is_control()) {
            Some((at, character)) => Err(NameError::Control { character, at }),
            None => Ok(GroupName(Arc::from(name))),
        }
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for GroupName {
    type Err = NameError;

    fn from_str(name: &str) -> Result<GroupName, NameError> {
        GroupName::new(name)
    }
}

impl fmt::Display for GroupName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl fmt::Debug for GroupName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}
