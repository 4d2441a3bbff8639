//! The keys of a node. One key seals and all keys open, so a cluster changes keys without a pause.

use thiserror::Error;

use crate::key::Key;

/// The keys of a node: 1 to [`Keyring::MAX_KEYS`] different keys. The first key seals; all keys
/// open.
///
/// To change keys, append the new key on every node, then move it to the front on every node, then
/// drop the old key.
#[derive(Clone, Debug)]
pub struct Keyring {
    seal: Key,
    others: Vec<Key>,
}

/// The reason why a key was not added. The keyring was moved into the call and is lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Error)]
pub enum KeyringError {
    /// The keyring is full. The number is limited because each key costs the receiver an attempt to
    /// open, in the worst case.
    #[error("a keyring holds at most {max} keys", max = Keyring::MAX_KEYS)]
    Full,
    /// The keyring already has this key.
    #[error("the keyring already has the key with id {key_id:#04x}")]
    Duplicate {
        /// The id of the key, which is not a secret.
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

impl From<Key> for Keyring {
    fn from(key: Key) -> Keyring {
        Keyring::new(key)
    }
}

impl Keyring {
    /// Maximum number of keys in a keyring.
    pub const MAX_KEYS: usize = 16;

    /// A keyring of one key, which seals and opens.
    #[must_use]
    pub fn new(seal: Key) -> Keyring {
        Keyring { seal, others: Vec::new() }
    }

    /// The same keyring with one more key, which only opens.
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

    /// The keys in the order in which they are tried, the sealing key first.
    pub fn keys(&self) -> impl Iterator<Item = &Key> {
        std::iter::once(&self.seal).chain(&self.others)
    }

    /// The keys with that key id, in the order of [`keys`](Keyring::keys).
    pub fn keys_with_id(&self, key_id: u8) -> impl Iterator<Item = &Key> {
        self.keys().filter(move |key| key.id() == key_id)
    }
}
