//! A key, and the byte that names it on the wire. Knows nothing of files: whoever reads one hands
//! its 32 bytes in.

use std::fmt;

use subtle::ConstantTimeEq;
use zeroize::Zeroize;

use crate::aead::{Aead, Portable};
use crate::limits::NONCE_BYTES;

/// What the key id authenticates: a text that nothing else authenticates.
const KEY_ID_LABEL: &[u8] = b"gm key id";

/// The nonce of the key id. No frame has it: its epoch is [reserved](crate::ReservedEpoch).
const KEY_ID_NONCE: [u8; NONCE_BYTES] = [0; NONCE_BYTES];

/// A secret of 32 random bytes that all nodes of a cluster share. Not a password: whoever has a
/// frame can try passwords.
///
/// Overwritten with zeros when dropped; compared in constant time; `Debug` shows its [id](Key::id)
/// only.
#[derive(Clone)]
pub struct Key {
    secret: [u8; Key::BYTES],
    id: u8,
}

impl Key {
    /// Bytes of a key.
    pub const BYTES: usize = 32;

    /// The key of these bytes. The caller's copy stays the caller's to overwrite.
    #[must_use]
    pub fn new(secret: [u8; Key::BYTES]) -> Key {
        let id = Portable.seal(&secret, &KEY_ID_NONCE, KEY_ID_LABEL, &mut []).map_or(0, |tag| tag[0]);
        Key { secret, id }
    }

    /// The byte by which frames name their key: the first of the tag over an empty message with a
    /// fixed label and a nonce that no frame has. It narrows a guess by 1 in 256 and tells nothing
    /// else. Different keys may have one id.
    #[must_use]
    pub fn id(&self) -> u8 {
        self.id
    }

    /// The bytes, for the cipher alone.
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
