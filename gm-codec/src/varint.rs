//! Numbers of up to 64 bits in as few bytes as they need (unsigned LEB128). Knows nothing of what
//! the numbers mean.
//!
//! `docs/WIRE.md`, "Varints". One number has one spelling: a decoder refuses every other.

use thiserror::Error;

/// Bytes of the longest varint, that of [`u64::MAX`].
pub const MAX_BYTES: usize = 10;

/// Why bytes do not begin with a varint. Nothing was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Error)]
pub enum VarintError {
    /// The bytes end within the number: of a stream, more may come.
    #[error("the bytes end within a number")]
    Truncated,
    /// The last byte adds nothing: there is a shorter spelling.
    #[error("a number is spelt with more bytes than it needs")]
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

/// Bytes that the number takes: 1 to [`MAX_BYTES`].
#[must_use]
pub fn len(value: u64) -> usize {
    let bits = 64 - (value | 1).leading_zeros();
    bits.div_ceil(7) as usize
}

/// The bytes of the number.
pub fn bytes(value: u64) -> impl Iterator<Item = u8> {
    let last = len(value) - 1;
    (0..=last).map(move |at| ((value >> (7 * at)) & 0x7f) as u8 | if at < last { 0x80 } else { 0 })
}

/// Appends the number.
pub fn write(value: u64, out: &mut Vec<u8>) {
    out.extend(bytes(value));
}

/// The number that `bytes` begin with, and how many bytes it takes.
///
/// # Errors
/// A [`VarintError`]; the first byte that decides is the one that is reported, so what follows
/// makes no difference.
pub fn read(bytes: &[u8]) -> Result<(u64, usize), VarintError> {
    let mut value = 0;
    for (at, byte) in bytes.iter().take(MAX_BYTES).enumerate() {
        // The tenth byte has room for one bit, and none for a continuation.
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
