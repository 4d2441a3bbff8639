//! Reading of numbers and bytes from a payload. Every length is checked before use.

use bytes::Bytes;

use super::PayloadError;
use super::trace::{Trace, hex};
use crate::received::is_most_of;
use crate::varint::{self, VarintError};

/// A position in a payload. Each field that is read is reported to the trace.
pub(super) struct Reader<'a, T: Trace = ()> {
    bytes: &'a [u8],
    /// The same bytes, if their buffer may be shared.
    shared: Option<&'a Bytes>,
    at: usize,
    trace: T,
}

impl<'a, T: Trace> Reader<'a, T> {
    pub(super) const fn new(bytes: &'a [u8], trace: T) -> Reader<'a, T> {
        Reader { bytes, shared: None, at: 0, trace }
    }

    pub(super) fn of_shared(bytes: &'a Bytes, trace: T) -> Reader<'a, T> {
        Reader { shared: Some(bytes), ..Reader::new(bytes, trace) }
    }

    /// Offset from the start in bytes.
    pub(super) const fn at(&self) -> usize {
        self.at
    }

    /// Number of bytes to the end.
    pub(super) const fn remaining(&self) -> usize {
        self.bytes.len() - self.at
    }

    pub(super) const fn trace(&self) -> &T {
        &self.trace
    }

    /// Reports the field that was read since `from`.
    #[inline]
    pub(super) fn trace_field(&mut self, from: usize, name: &'static str, value: impl FnOnce() -> String) {
        self.trace.field(from, self.at, name, value);
    }

    /// Reads a byte; `value` describes it in the trace.
    #[inline]
    pub(super) fn byte_as(
        &mut self,
        name: &'static str,
        value: impl FnOnce(u8) -> String,
    ) -> Result<u8, PayloadError> {
        let from = self.at;
        let byte = *self.bytes.get(from).ok_or_else(|| self.truncated())?;
        self.at += 1;
        self.trace_field(from, name, || value(byte));
        Ok(byte)
    }

    pub(super) fn byte(&mut self, name: &'static str) -> Result<u8, PayloadError> {
        self.byte_as(name, |byte| byte.to_string())
    }

    /// Reads bytes; `value` describes them in the trace.
    #[inline]
    pub(super) fn bytes_as(
        &mut self,
        name: &'static str,
        count: usize,
        value: impl FnOnce(&[u8]) -> String,
    ) -> Result<&'a [u8], PayloadError> {
        let from = self.at;
        let bytes = self.take(count)?;
        self.trace_field(from, name, || value(bytes));
        Ok(bytes)
    }

    /// Reads bytes that are not reported yet.
    #[inline]
    fn take(&mut self, count: usize) -> Result<&'a [u8], PayloadError> {
        let max = self.bytes.len();
        let end = self.at.checked_add(count).filter(|end| *end <= max);
        let end = end.ok_or_else(|| self.truncated())?;
        let bytes = &self.bytes[self.at..end];
        self.at = end;
        Ok(bytes)
    }

    pub(super) fn bytes(&mut self, name: &'static str, count: usize) -> Result<&'a [u8], PayloadError> {
        self.bytes_as(name, count, hex)
    }

    /// Reads bytes that the decoded value owns. They share the buffer of the payload if that is
    /// allowed and they are most of it; otherwise they are copied.
    pub(super) fn content(&mut self, name: &'static str, count: usize) -> Result<Bytes, PayloadError> {
        let content = self.bytes(name, count)?;
        let shared = self.shared.filter(|whole| is_most_of(content.len(), whole.len()));
        Ok(shared.map_or_else(|| Bytes::copy_from_slice(content), |whole| whole.slice_ref(content)))
    }

    pub(super) fn array<const N: usize>(&mut self, name: &'static str) -> Result<[u8; N], PayloadError> {
        let mut array = [0; N];
        array.copy_from_slice(self.bytes(name, N)?);
        Ok(array)
    }

    /// Reads a varint in its only encoding; `value` describes it in the trace.
    #[inline]
    pub(super) fn varint_as(
        &mut self,
        name: &'static str,
        value: impl FnOnce(u64) -> String,
    ) -> Result<u64, PayloadError> {
        let from = self.at;
        let (number, length) = varint::read(&self.bytes[from..]).map_err(|error| match error {
            VarintError::Truncated => self.truncated(),
            VarintError::OverLong => PayloadError::OverLong { at: from },
            VarintError::TooLarge => PayloadError::TooLarge { at: from },
        })?;
        self.at += length;
        self.trace_field(from, name, || value(number));
        Ok(number)
    }

    pub(super) fn varint(&mut self, name: &'static str) -> Result<u64, PayloadError> {
        self.varint_as(name, |number| number.to_string())
    }

    /// Reads a varint of at most 32 bits; `value` describes it in the trace.
    #[inline]
    pub(super) fn varint32_as(
        &mut self,
        name: &'static str,
        value: impl FnOnce(u64) -> String,
    ) -> Result<u32, PayloadError> {
        let number = self.varint_as(name, value)?;
        u32::try_from(number).map_err(|_| self.out_of_range(name))
    }

    pub(super) fn varint32(&mut self, name: &'static str) -> Result<u32, PayloadError> {
        self.varint32_as(name, |number| number.to_string())
    }

    pub(super) fn port(&mut self, name: &'static str) -> Result<u16, PayloadError> {
        let from = self.at;
        let mut port = [0; 2];
        port.copy_from_slice(self.take(2)?);
        let port = u16::from_be_bytes(port);
        self.trace_field(from, name, || port.to_string());
        Ok(port)
    }

    /// Reads flags, and refuses those without a name in `known`.
    pub(super) fn flags(
        &mut self,
        name: &'static str,
        known: &[(u64, &'static str)],
    ) -> Result<u64, PayloadError> {
        let flags = self.varint_as(name, |flags| {
            let set = known.iter().filter(|(flag, _)| flags & flag != 0);
            let names: Vec<&str> = set.map(|(_, name)| *name).collect();
            format!("{flags}: {}", if names.is_empty() { "none".to_owned() } else { names.join(", ") })
        })?;
        let all = known.iter().fold(0, |all, (flag, _)| all | flag);
        if flags & !all == 0 { Ok(flags) } else { Err(PayloadError::UnknownFlags { flags }) }
    }

    /// Reads a count, and refuses it before any memory is allocated if it is above the limit or
    /// above the number of remaining bytes.
    pub(super) fn count(&mut self, what: &'static str, max: usize) -> Result<usize, PayloadError> {
        let count = self.varint(what)?;
        self.checked_count(what, count, max)
    }

    /// Reads a count that must not be 0.
    pub(super) fn nonzero_count(&mut self, what: &'static str, max: usize) -> Result<usize, PayloadError> {
        match self.count(what, max)? {
            0 => Err(self.not_canonical(what)),
            count => Ok(count),
        }
    }

    /// Checks a count that was read.
    pub(super) fn checked_count(
        &self,
        what: &'static str,
        count: u64,
        max: usize,
    ) -> Result<usize, PayloadError> {
        if count > max as u64 {
            return Err(PayloadError::TooMany { what, count, max: max as u64 });
        }
        let count = usize::try_from(count).ok().filter(|count| *count <= self.remaining());
        count.ok_or_else(|| self.truncated())
    }

    /// Initial capacity for `count` elements of at least `min` bytes each: never more than the
    /// remaining bytes can hold.
    pub(super) fn capacity_for(&self, count: usize, min: usize) -> usize {
        count.min(self.remaining() / min)
    }

    pub(super) const fn expect_end(&self) -> Result<(), PayloadError> {
        match self.remaining() {
            0 => Ok(()),
            extra => Err(PayloadError::Trailing { extra }),
        }
    }

    const fn truncated(&self) -> PayloadError {
        PayloadError::Truncated { at: self.bytes.len() }
    }

    pub(super) const fn not_canonical(&self, what: &'static str) -> PayloadError {
        PayloadError::NotCanonical { what, at: self.at }
    }

    pub(super) const fn out_of_range(&self, what: &'static str) -> PayloadError {
        PayloadError::OutOfRange { what, at: self.at }
    }
}
