//! Reading numbers and bytes from a payload. Every length is checked before it is believed.

use super::PayloadError;
use crate::varint::{self, VarintError};

/// A place in a payload.
pub(super) struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    pub(super) const fn new(bytes: &'a [u8]) -> Reader<'a> {
        Reader { bytes, at: 0 }
    }

    /// Bytes from the start.
    pub(super) const fn at(&self) -> usize {
        self.at
    }

    /// Bytes to the end.
    pub(super) const fn left(&self) -> usize {
        self.bytes.len() - self.at
    }

    pub(super) fn byte(&mut self) -> Result<u8, PayloadError> {
        let byte = self.bytes.get(self.at).ok_or(PayloadError::Truncated { at: self.bytes.len() })?;
        self.at += 1;
        Ok(*byte)
    }

    pub(super) fn bytes(&mut self, count: usize) -> Result<&'a [u8], PayloadError> {
        let end = self.at.checked_add(count).filter(|end| *end <= self.bytes.len());
        let end = end.ok_or(PayloadError::Truncated { at: self.bytes.len() })?;
        let bytes = &self.bytes[self.at..end];
        self.at = end;
        Ok(bytes)
    }

    pub(super) fn array<const N: usize>(&mut self) -> Result<[u8; N], PayloadError> {
        let mut array = [0; N];
        array.copy_from_slice(self.bytes(N)?);
        Ok(array)
    }

    /// A number in its one spelling.
    pub(super) fn varint(&mut self) -> Result<u64, PayloadError> {
        let (number, length) = varint::read(&self.bytes[self.at..]).map_err(|error| match error {
            VarintError::Truncated => PayloadError::Truncated { at: self.bytes.len() },
            VarintError::OverLong => PayloadError::OverLong { at: self.at },
            VarintError::TooLarge => PayloadError::TooLarge { at: self.at },
        })?;
        self.at += length;
        Ok(number)
    }

    /// A number that fits into 32 bits.
    pub(super) fn varint32(&mut self, what: &'static str) -> Result<u32, PayloadError> {
        let number = self.varint()?;
        u32::try_from(number).map_err(|_| PayloadError::OutOfRange { what, at: self.at })
    }

    pub(super) fn port(&mut self) -> Result<u16, PayloadError> {
        Ok(u16::from_be_bytes(self.array()?))
    }

    /// How many of something follow, each at least `each` bytes long: more than the limit, or than the payload can hold, is
    /// refused before anything is made room for.
    pub(super) fn count(
        &mut self,
        what: &'static str,
        most: usize,
        each: usize,
    ) -> Result<usize, PayloadError> {
        let count = self.varint()?;
        if count > most as u64 {
            return Err(PayloadError::TooMany { what, count, most: most as u64 });
        }
        // Within a limit that is a usize.
        let count = usize::try_from(count).map_err(|_| PayloadError::OutOfRange { what, at: self.at })?;
        if count.saturating_mul(each) > self.left() {
            return Err(PayloadError::Truncated { at: self.bytes.len() });
        }
        Ok(count)
    }

    pub(super) const fn end(&self) -> Result<(), PayloadError> {
        match self.left() {
            0 => Ok(()),
            left => Err(PayloadError::Trailing { left }),
        }
    }

    pub(super) const fn not_canonical(&self, what: &'static str) -> PayloadError {
        PayloadError::NotCanonical { what, at: self.at }
    }

    pub(super) const fn out_of_range(&self, what: &'static str) -> PayloadError {
        PayloadError::OutOfRange { what, at: self.at }
    }
}
