//! Tracing of decoded fields, for diagnostics. The usual trace is `()`, which costs nothing.

use thiserror::Error;

use super::PayloadError;

/// A decoded field of a payload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TracedField {
    /// Offset from the start of the payload, in bytes.
    pub at: usize,
    /// Length in bytes.
    pub len: usize,
    /// Name of the field in `docs/WIRE.md`.
    pub name: &'static str,
    /// The value as text. A distance on the wire is shown as the value to which it leads.
    pub value: String,
}

/// An error in a payload, and its offset.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{name} at byte {at}: {error}", name = error.name())]
pub struct TracedError {
    /// Offset of the field that cannot be decoded or whose value is wrong; for an unused entry, the
    /// offset of the entry.
    pub at: usize,
    /// The error.
    pub error: PayloadError,
}

/// A receiver of decoded fields. For `()` this is free: the text of the value is not even made.
pub(super) trait Trace {
    fn field(&mut self, at: usize, end: usize, name: &'static str, value: impl FnOnce() -> String);
}

impl Trace for () {
    #[inline(always)]
    fn field(&mut self, _at: usize, _end: usize, _name: &'static str, _value: impl FnOnce() -> String) {}
}

/// A trace that reports each field to a closure, and remembers enough to locate an error.
pub(super) struct FieldSink<'f, F> {
    report: &'f mut F,
    /// Offset of the last field.
    last_start: usize,
    /// Offset of each entry of the table.
    entry_starts: Vec<usize>,
}

/// Name of the first field of a table entry.
pub(super) const ENTRY: &str = "entry";

impl<'f, F: FnMut(TracedField)> FieldSink<'f, F> {
    pub(super) const fn new(report: &'f mut F) -> FieldSink<'f, F> {
        FieldSink { report, last_start: 0, entry_starts: Vec::new() }
    }

    /// The offset of an error, if decoding stopped at `read`.
    pub(super) fn locate(&self, read: usize, error: PayloadError) -> TracedError {
        let at = match &error {
            PayloadError::Truncated { .. }
            | PayloadError::OverLong { .. }
            | PayloadError::TooLarge { .. }
            | PayloadError::Trailing { .. } => read,
            PayloadError::UnusedEntry { index } => self.entry_starts.get(*index).copied().unwrap_or(read),
            _ => self.last_start,
        };
        TracedError { at, error }
    }
}

impl<F: FnMut(TracedField)> Trace for FieldSink<'_, F> {
    fn field(&mut self, at: usize, end: usize, name: &'static str, value: impl FnOnce() -> String) {
        self.last_start = at;
        if name == ENTRY {
            self.entry_starts.push(at);
        }
        (self.report)(TracedField { at, len: end - at, name, value: value() });
    }
}

/// Bytes as hex digits.
pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
