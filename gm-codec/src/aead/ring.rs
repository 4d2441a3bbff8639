//! The cipher from the crate `ring`.

use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, Nonce, Tag, UnboundKey};

use super::Aead;
use crate::limits::{NONCE_BYTES, TAG_BYTES};

/// The crate `ring`, with assembly code for the common processors. Unlike
/// [`Portable`](crate::Portable) it leaves its copy of a key on the stack without overwriting it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Ring;

fn less_safe_key(key: &[u8; 32]) -> Option<LessSafeKey> {
    UnboundKey::new(&CHACHA20_POLY1305, key).ok().map(LessSafeKey::new)
}

impl Aead for Ring {
    fn seal(
        &self,
        key: &[u8; 32],
        nonce: &[u8; NONCE_BYTES],
        associated: &[u8],
        text: &mut [u8],
    ) -> Option<[u8; TAG_BYTES]> {
        let nonce = Nonce::assume_unique_for_key(*nonce);
        let tag = less_safe_key(key)?.seal_in_place_separate_tag(nonce, Aad::from(associated), text).ok()?;
        tag.as_ref().try_into().ok()
    }

    fn open(
        &self,
        key: &[u8; 32],
        nonce: &[u8; NONCE_BYTES],
        associated: &[u8],
        text: &mut [u8],
        tag: &[u8; TAG_BYTES],
    ) -> bool {
        let Some(key) = less_safe_key(key) else { return false };
        let nonce = Nonce::assume_unique_for_key(*nonce);
        key.open_in_place_separate_tag(nonce, Aad::from(associated), Tag::from(*tag), text, 0..).is_ok()
    }
}
