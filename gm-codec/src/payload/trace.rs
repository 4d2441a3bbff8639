//! Who is told of each field that is read, for humans: nobody, as a rule, which costs nothing. Knows nothing of what fields mean.

use thiserror::Error;

use super::PayloadError;

/// A field of a payload, as it was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Field {
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
pub struct Fault {
    /// Where the field begins that cannot be read, or whose value decided; of an entry that is not used, where it begins.
    pub at: usize,
    /// What is wrong.
    pub error: PayloadError,
}

/// Is told of each field. `()` is told nothing, at no cost: the value is made only for who wants it.
pub(super) trait Trace {
    fn field(&mut self, at: usize, end: usize, name: &'static str, value: impl FnOnce() -> String);
}

impl Trace for () {
    #[inline(always)]
    fn field(&mut self, _at: usize, _end: usize, _name: &'static str, _value: impl FnOnce() -> String) {}
}

/// Tells a human, and remembers enough to say where a fault is.
pub(super) struct Sink<'f, F> {
    to: &'f mut F,
    /// Where the last field begins.
    last: usize,
    /// Where each entry of the table begins.
    entries: Vec<usize>,
}

/// What the first field of an entry of the table is called.
pub(super) const ENTRY: &str = "entry";

impl<'f, F: FnMut(Field)> Sink<'f, F> {
    pub(super) const fn new(to: &'f mut F) -> Sink<'f, F> {
        Sink { to, last: 0, entries: Vec::new() }
    }

    /// Where the fault is, if what was read ends at `read`.
    pub(super) fn fault(&self, read: usize, error: PayloadError) -> Fault {
        let at = match &error {
            PayloadError::Truncated { .. }
            | PayloadError::OverLong { .. }
            | PayloadError::TooLarge { .. }
            | PayloadError::Trailing { .. } => read,
            PayloadError::UnusedEntry { index } => self.entries.get(*index).copied().unwrap_or(read),
            _ => self.last,
        };
        Fault { at, error }
    }
}

impl<F: FnMut(Field)> Trace for Sink<'_, F> {
    fn field(&mut self, at: usize, end: usize, name: &'static str, value: impl FnOnce() -> String) {
        self.last = at;
        if name == ENTRY {
            self.entries.push(at);
        }
        (self.to)(Field { at, len: end - at, name, value: value() });
    }
}

/// Bytes as text.
pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
