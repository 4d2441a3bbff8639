//! The name of a cluster, which every frame is bound to. Knows nothing of frames.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use thiserror::Error;

/// The name of a cluster: 1 to [`ClusterName::MAX_BYTES`] bytes of UTF-8 without control
/// characters. Cheap to clone.
///
/// It is no secret and never on the wire; it is authenticated with every frame, so that two
/// clusters that share a port, a network, even a key by mistake never merge. There is no default
/// name.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ClusterName(Arc<str>);

/// Why a cluster's name was refused. Nothing was changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Error)]
pub enum ClusterNameError {
    /// The name has no bytes.
    #[error("a cluster's name is empty")]
    Empty,
    /// The name has more than [`ClusterName::MAX_BYTES`] bytes.
    #[error("a cluster's name has {bytes} bytes, more than {max}", max = ClusterName::MAX_BYTES)]
    TooLong {
        /// Bytes that it has.
        bytes: usize,
    },
    /// The name has a control character: most likely the end of the line that it was read from.
    #[error("a cluster's name has the control character {character:?} at byte {at}")]
    Control {
        /// The character.
        character: char,
        /// Where it begins, in bytes.
        at: usize,
    },
}

impl ClusterName {
    /// Bytes that a name may have.
    pub const MAX_BYTES: usize = 64;

    /// The cluster of that name.
    ///
    /// # Errors
    /// A [`ClusterNameError`] that says what is wrong; the length is looked at first.
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
