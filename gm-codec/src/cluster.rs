//! The name of a cluster, to which every frame is bound.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use thiserror::Error;

/// The name of a cluster: 1 to [`ClusterName::MAX_BYTES`] bytes of UTF-8 without control
/// characters. Cheap to clone.
///
/// The name is not a secret and is never sent. It is authenticated with every frame, so two
/// clusters that share a port, a network or, by mistake, even a key never merge. There is no
/// default name.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ClusterName(Arc<str>);

/// A cluster name that was refused. Nothing was changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Error)]
pub enum ClusterNameError {
    /// The name has no bytes.
    #[error("a cluster's name is empty")]
    Empty,
    /// The name has more than [`ClusterName::MAX_BYTES`] bytes.
    #[error("a cluster's name has {bytes} bytes; at most {max} are allowed", max = ClusterName::MAX_BYTES)]
    TooLong {
        /// Length of the name in bytes.
        bytes: usize,
    },
    /// The name has a control character; most likely the end of the line that it was read from.
    #[error("a cluster's name has the control character {character:?} at byte {at}")]
    Control {
        /// The character.
        character: char,
        /// Offset of the character in bytes.
        at: usize,
    },
}

impl ClusterName {
    /// Maximum length of a name in bytes.
    pub const MAX_BYTES: usize = 64;

    /// The cluster of that name.
    ///
    /// # Errors
    /// A [`ClusterNameError`] with the cause; the length is checked first.
    pub fn new(name: &str) -> Result<ClusterName, ClusterNameError> {
        if name.is_empty() {
            return Err(ClusterNameError::Empty);
        }
        if name.len() > Self::MAX_BYTES {
            return Err(ClusterNameError::TooLong { bytes: name.len() });
        }
        match name.char_indices().find(|(_, character)| character.is_control()) {
            Some((at, character)) => Err(ClusterNameError::Control { character, at }),
            None => Ok(ClusterName(Arc::from(name))),
        }
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for ClusterName {
    type Err = ClusterNameError;

    fn from_str(name: &str) -> Result<ClusterName, ClusterNameError> {
        ClusterName::new(name)
    }
}

impl fmt::Display for ClusterName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl fmt::Debug for ClusterName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}
