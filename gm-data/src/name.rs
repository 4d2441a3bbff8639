//! [`GroupName`], the validated name of a group.

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

/// Reason why the name of a group was refused. Nothing was changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Error)]
pub enum NameError {
    /// The name is empty.
    #[error("a group's name is empty")]
    Empty,
    /// The name has more than [`GroupName::MAX_BYTES`] bytes.
    #[error("a group's name has {bytes} bytes, more than {max}", max = GroupName::MAX_BYTES)]
    TooLong {
        /// The length of the name in bytes.
        bytes: usize,
    },
    /// The name has a control character, which would garble tables and logs.
    #[error("a group's name has the control character {character:?} at byte {at}")]
    Control {
        /// The control character.
        character: char,
        /// The position of the character, in bytes.
        at: usize,
    },
}

impl GroupName {
    /// Maximum length of a name in bytes: the length is one byte on the wire.
    pub const MAX_BYTES: usize = 255;

    /// Creates a group name.
    ///
    /// # Errors
    /// A [`NameError`]. The length is checked first.
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

    /// The name as a string slice.
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
