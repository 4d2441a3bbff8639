//! A key, and the byte that identifies it on the wire. The caller reads keys from files and passes
//! in their 32 bytes.

use std::fmt;

use subtle::ConstantTimeEq;
use zeroize::Zeroize;

use crate::aead::{Aead, Portable};
use crate::limits::NONCE_BYTES;

/// The label that the key id authenticates; nothing else authenticates this text.
const KEY_ID_LABEL: &[u8] = b"gm key id";

/// The nonce of the key id. No frame uses it, since its epoch is [reserved](crate::ReservedEpoch).
const KEY_ID_NONCE: [u8; NONCE_BYTES] = [0; NONCE_BYTES];

/// A secret of 32 random bytes that all nodes of a cluster share. It must not be a password: an
/// attacker who has captured one frame can try passwords against it.
///
/// It is overwritten with zeros when dropped and compared in constant time; `Debug` shows only its
/// [id](Key::id).
#[derive(Clone)]
pub struct Key {
    secret: [u8; Key::BYTES],
    id: u8,
}

impl Key {
    /// Length of a key in bytes.
    pub const BYTES: usize = 32;

    /// The key of these bytes. The caller must overwrite its own copy.
    #[must_use]
    pub fn new(secret: [u8; Key::BYTES]) -> Key {
        let id = Portable.seal(&secret, &KEY_ID_NONCE, KEY_ID_LABEL, &mut []).map_or(0, |tag| tag[0]);
        Key { secret, id }
    }

    /// The key id: the byte by which frames identify their key. It is the first byte of the tag
    /// over an empty message with a fixed label and a nonce that no frame uses. It rules out 255 of
    /// 256 guesses and reveals nothing else. Different keys may have the same id.
    #[must_use]
    pub fn id(&self) -> u8 {
        self.id
    }

    /// The secret bytes, for the cipher only.
    pub(crate) fn secret(&self) -> &[u8; Key::BYTES] {
        &self.secret
    }
}

impl Drop for Key {
    fn drop(&mut self) {
        self.secret.zeroize();
    }
}

impl PartialEq for Key {
    fn eq(&self, other: &Key) -> bool {
        self.secret.ct_eq(&other.secret).into()
    }
}

impl Eq for Key {}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Key(id {:#04x})", self.id)
    }
}
