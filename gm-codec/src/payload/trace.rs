//! Who is told of each field that is read, for humans: nobody, as a rule, which costs nothing.
//! Knows nothing of what fields mean.

use thiserror::Error;

use super::PayloadError;

/// A field of a payload, as it was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TracedField {
    /// Where it begins, in bytes from the payload's start.
    pub at: usize,
    /// Bytes that it takes.
    pub len: usize,
    /// What it is called in `docs/WIRE.md`.
    pub name: &'static str,
    /// What it says, for a human: what is a distance on the wire is what it leads to here.
    pub value: String,
}

/// What is wrong with a payload, and where.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{name} at byte {at}: {error}", name = error.name())]
pub struct TracedError {
    /// Where the field begins that cannot be read, or whose value decided; of an entry that is not
    /// used, where it begins.
    pub at: usize,
    /// What is wrong.
    pub error: PayloadError,
}

/// Is told of each field. `()` is told nothing, at no cost: the value is made only for who wants
/// it.
pub(super) trait Trace {
    fn field(&mut self, at: usize, end: usize, name: &'static str, value: impl FnOnce() -> String);
}

impl Trace for () {
    #[inline(always)]
    fn field(&mut self, _at: usize, _end: usize, _name: &'static str, _value: impl FnOnce() -> String) {}
}

/// Tells a human, and remembers enough to say where a fault is.
pub(super) struct FieldSink<'f, F> {
    report: &'f mut F,
    /// Where the last field begins.
    last_start: usize,
    /// Where each entry of the table begins.
    entry_starts: Vec<usize>,
}

/// What the first field of an entry of the table is called.
pub(super) const ENTRY: &str = "entry";

impl<'f, F: FnMut(TracedField)> FieldSink<'f, F> {
    pub(super) const fn new(to: &'f mut F) -> FieldSink<'f, F> {
        FieldSink { report: to, last_start: 0, entry_starts: Vec::new() }
    }

    /// Where the fault is, if what was read ends at `read`.
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

/// Bytes as text.
pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
