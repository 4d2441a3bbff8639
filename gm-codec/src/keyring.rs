//! The keys of a node: one seals, all open, so that keys change without a pause. Knows nothing of
//! frames.

use thiserror::Error;

use crate::key::Key;

/// Keys of a node: at least one, at most [`Keyring::MAX_KEYS`], all different. The first seals, all
/// open.
///
/// To change keys: add the new one behind on every node; then put it first on every node; then drop
/// the old one.
#[derive(Clone, Debug)]
pub struct Keyring {
    seal: Key,
    others: Vec<Key>,
}

/// Why a key was not added. The keyring is gone with the call: it was moved in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Error)]
pub enum KeyringError {
    /// It has [`Keyring::MAX_KEYS`] already: each costs whoever opens a try, in the worst case.
    #[error("a keyring holds {max} keys at max", max = Keyring::MAX_KEYS)]
    Full,
    /// It has that key already.
    #[error("the keyring has the key with id {key_id:#04x} already")]
    Duplicate {
        /// The id of the key, which is no secret.
        key_id: u8,
    },
}

impl KeyringError {
    /// The name of the error in `docs/WIRE.md` and in the vectors.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            KeyringError::Full => "Full",
            KeyringError::Duplicate { .. } => "Duplicate",
        }
    }
}

impl Keyring {
    /// Keys that a keyring may hold.
    pub const MAX_KEYS: usize = 16;

    /// A keyring of one key, which seals and opens.
    #[must_use]
    pub fn new(seal: Key) -> Keyring {
        Keyring { seal, others: Vec::new() }
    }

    /// The same with one more key, which opens.
    ///
    /// # Errors
    /// [`KeyringError::Duplicate`], then [`KeyringError::Full`].
    pub fn with(mut self, open: Key) -> Result<Keyring, KeyringError> {
        if self.keys().any(|key| *key == open) {
            return Err(KeyringError::Duplicate { key_id: open.id() });
        }
        if self.keys().count() >= Self::MAX_KEYS {
            return Err(KeyringError::Full);
        }
        self.others.push(open);
        Ok(self)
    }

    /// The key that seals.
    #[must_use]
    pub fn sealing_key(&self) -> &Key {
        &self.seal
    }

    /// All keys, in the order in which they are tried: the one that seals first.
    pub fn keys(&self) -> impl Iterator<Item = &Key> {
        std::iter::once(&self.seal).chain(&self.others)
    }

    /// The keys of an id, in the order of [`keys`](Keyring::keys).
    pub fn keys_with_id(&self, key_id: u8) -> impl Iterator<Item = &Key> {
        self.keys().filter(move |key| key.id() == key_id)
    }
}
