//! Varints: numbers of up to 64 bits in as few bytes as they need (unsigned LEB128).
//!
//! `docs/WIRE.md`, "Varints". One number has one encoding; a decoder refuses every other one.

use thiserror::Error;

/// Bytes of the longest varint, that of [`u64::MAX`].
pub const MAX_BYTES: usize = 10;

/// The reason why bytes do not begin with a varint. Nothing was consumed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Error)]
pub enum VarintError {
    /// The bytes end within the number. On a stream, more may come.
    #[error("the bytes end within a number")]
    Truncated,
    /// The last byte adds nothing: the number has a shorter encoding.
    #[error("a number is encoded with more bytes than it needs")]
    OverLong,
    /// The number needs more than 64 bits.
    #[error("a number needs more than 64 bits")]
    TooLarge,
}

impl VarintError {
    /// The name of the error in `docs/WIRE.md` and in the vectors.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            VarintError::Truncated => "Truncated",
            VarintError::OverLong => "OverLong",
            VarintError::TooLarge => "TooLarge",
        }
    }
}

/// Length of the encoded number: 1 to [`MAX_BYTES`] bytes.
#[must_use]
pub fn len(value: u64) -> usize {
    let bits = 64 - (value | 1).leading_zeros();
    bits.div_ceil(7) as usize
}

/// The encoded number.
pub fn bytes(value: u64) -> impl Iterator<Item = u8> {
    let last = len(value) - 1;
    (0..=last).map(move |at| ((value >> (7 * at)) & 0x7f) as u8 | if at < last { 0x80 } else { 0 })
}

/// Appends the number.
pub fn write(value: u64, out: &mut Vec<u8>) {
    out.extend(bytes(value));
}

/// The number at the front of `bytes`, and the length of its encoding.
///
/// # Errors
/// A [`VarintError`]. The first wrong byte decides, so the bytes after it make no difference.
pub fn read(bytes: &[u8]) -> Result<(u64, usize), VarintError> {
    let mut value = 0;
    for (at, byte) in bytes.iter().take(MAX_BYTES).enumerate() {
        // The tenth byte has room for one bit and for no continuation.
        if at == MAX_BYTES - 1 && *byte > 1 {
            return Err(VarintError::TooLarge);
        }
        value |= u64::from(byte & 0x7f) << (7 * at);
        if byte & 0x80 == 0 {
            return if *byte == 0 && at > 0 { Err(VarintError::OverLong) } else { Ok((value, at + 1)) };
        }
    }
    Err(VarintError::Truncated)
}
