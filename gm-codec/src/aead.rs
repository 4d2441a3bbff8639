//! The cipher ChaCha20-Poly1305 (RFC 8439) behind the trait [`Aead`], which allows several
//! implementations. Every implementation produces the same bytes; the tests run all vectors through
//! each of them.

use std::fmt;

use chacha20poly1305::aead::{AeadInOut, KeyInit};
use chacha20poly1305::{ChaCha20Poly1305, Nonce, Tag};

use crate::limits::{NONCE_BYTES, TAG_BYTES};

#[cfg(feature = "ring")]
mod ring;
#[cfg(feature = "ring")]
pub use ring::Ring;

/// An implementation of ChaCha20-Poly1305.
pub trait Aead: fmt::Debug + Send + Sync {
    /// Encrypts in place and returns the tag, or `None` if the text is longer than the cipher can
    /// count (256 GiB).
    fn seal(
        &self,
        key: &[u8; 32],
        nonce: &[u8; NONCE_BYTES],
        associated: &[u8],
        text: &mut [u8],
    ) -> Option<[u8; TAG_BYTES]>;

    /// Checks the tag in constant time and decrypts in place. If it returns false, the contents of
    /// `text` are unspecified, but never a part of the plaintext.
    #[must_use]
    fn open(
        &self,
        key: &[u8; 32],
        nonce: &[u8; NONCE_BYTES],
        associated: &[u8],
        text: &mut [u8],
        tag: &[u8; TAG_BYTES],
    ) -> bool;
}

/// The implementation used unless the caller chooses another.
#[cfg(not(feature = "ring"))]
pub(crate) const DEFAULT: &dyn Aead = &Portable;
/// The implementation used unless the caller chooses another.
#[cfg(feature = "ring")]
pub(crate) const DEFAULT: &dyn Aead = &Ring;

/// The crate `chacha20poly1305`: pure Rust, and it overwrites its copies of keys after use.
#[derive(Clone, Copy, Debug, Default)]
pub struct Portable;

impl Aead for Portable {
    fn seal(
        &self,
        key: &[u8; 32],
        nonce: &[u8; NONCE_BYTES],
        associated: &[u8],
        text: &mut [u8],
    ) -> Option<[u8; TAG_BYTES]> {
        let cipher = ChaCha20Poly1305::new(key.into());
        let tag = cipher.encrypt_inout_detached(&Nonce::from(*nonce), associated, text.into());
        tag.ok().map(Into::into)
    }

    fn open(
        &self,
        key: &[u8; 32],
        nonce: &[u8; NONCE_BYTES],
        associated: &[u8],
        text: &mut [u8],
        tag: &[u8; TAG_BYTES],
    ) -> bool {
        let cipher = ChaCha20Poly1305::new(key.into());
        let opened =
            cipher.decrypt_inout_detached(&Nonce::from(*nonce), associated, text.into(), &Tag::from(*tag));
        opened.is_ok()
    }
}
