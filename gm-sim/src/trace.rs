//! Trace: a hash over all inputs of all machines, in order. Equal seeds have equal traces in every
//! build.

use std::collections::VecDeque;
use std::hash::{Hash, Hasher};

use gm_broadcast::{DialFailure, Input, Time, Via};

use crate::node::NodeIndex;

/// FNV-1a (Fowler, Noll and Vo; 64 bits), computed over words of 8 bytes instead of single bytes,
/// and with its upper half folded in, for speed.
#[derive(Clone, Copy, Debug)]
pub struct WordHasher(u64);

impl WordHasher {
    /// The hash of no input.
    #[must_use]
    pub const fn new() -> WordHasher {
        WordHasher(0xcbf2_9ce4_8422_2325)
    }

    /// Adds a number.
    pub const fn number(&mut self, number: u64) {
        let mixed = (self.0 ^ number).wrapping_mul(0x0000_0100_0000_01b3);
        self.0 = mixed ^ mixed >> 32;
    }

    /// Adds bytes and their length.
    pub fn bytes(&mut self, bytes: &[u8]) {
        self.number(bytes.len() as u64);
        let (words, rest) = bytes.as_chunks::<8>();
        for word in words {
            self.number(u64::from_le_bytes(*word));
        }
        let mut last = [0; 8];
        last[..rest.len()].copy_from_slice(rest);
        self.number(u64::from_le_bytes(last));
    }

    /// The hash of everything added so far.
    #[must_use]
    pub const fn value(self) -> u64 {
        self.0
    }
}

impl Default for WordHasher {
    fn default() -> WordHasher {
        WordHasher::new()
    }
}

impl Hasher for WordHasher {
    fn write(&mut self, bytes: &[u8]) {
        self.bytes(bytes);
    }

    fn write_u64(&mut self, number: u64) {
        self.number(number);
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

/// The inputs of all machines.
#[derive(Debug, Default)]
pub struct Trace {
    hash: WordHasher,
    inputs: u64,
    keep: usize,
    lines: VecDeque<String>,
}

impl Trace {
    /// Hash of all inputs so far: (time, node, kind, link, length, bytes) of each.
    #[must_use]
    pub const fn hash(&self) -> u64 {
        self.hash.value()
    }

    /// Number of inputs.
    #[must_use]
    pub const fn inputs(&self) -> u64 {
        self.inputs
    }

    /// Keeps the last `lines` lines as text from now on: 0 for none, `usize::MAX` for all.
    pub fn keep(&mut self, lines: usize) {
        self.keep = lines;
        self.trim();
    }

    /// The lines kept, one for each input: time in seconds, node, kind, link, length, hash of the
    /// bytes.
    pub fn lines(&self) -> impl Iterator<Item = &str> {
        self.lines.iter().map(String::as_str)
    }

    fn trim(&mut self) {
        while self.lines.len() > self.keep {
            self.lines.pop_front();
        }
    }

    /// Adds a line that is not an input, for readers only; it does not enter the hash.
    pub(crate) fn note(&mut self, at: Time, node: NodeIndex, text: impl FnOnce() -> String) {
        if self.keep > 0 {
            self.lines.push_back(format!("{at} {node} * {}", text()));
            self.trim();
        }
    }

    pub(crate) fn input<C>(&mut self, at: Time, node: NodeIndex, input: &Input<C>) {
        let (kind, name, length) = describe(input);
        let mut own = WordHasher::new();
        match input {
            Input::Datagram { bytes, .. } => own.bytes(bytes),
            Input::ConnectionBytes { link, bytes } => {
                link.hash(&mut own);
                own.bytes(bytes);
            }
            Input::ConnectionOpened { link, .. }
            | Input::ConnectionSent { link, .. }
            | Input::ConnectionClosed { link, .. }
            | Input::ConnectionRefused { link, .. } => link.hash(&mut own),
            Input::Entropy(bytes) => own.bytes(bytes),
            Input::Command(_) | Input::Wake => {}
        }
        for number in [at.as_nanos(), u64::from(node.0) << 8 | kind, length as u64, own.value()] {
            self.hash.number(number);
        }
        self.inputs += 1;
        if self.keep > 0 {
            let link = link_of(input);
            self.lines.push_back(format!("{at} {node} {name}{link} {length} {:016x}", own.value()));
            self.trim();
        }
    }
}

fn link_of<C>(input: &Input<C>) -> String {
    match input {
        Input::ConnectionOpened { link, .. }
        | Input::ConnectionBytes { link, .. }
        | Input::ConnectionSent { link, .. }
        | Input::ConnectionClosed { link, .. }
        | Input::ConnectionRefused { link, .. } => format!(" {link:?}"),
        Input::Datagram { .. } | Input::Entropy(_) | Input::Command(_) | Input::Wake => String::new(),
    }
}

fn describe<C>(input: &Input<C>) -> (u64, &'static str, usize) {
    match input {
        Input::Datagram { via: Via::Multicast, bytes, .. } => (1, "multicast", bytes.len()),
        Input::Datagram { via: Via::Unicast, bytes, .. } => (2, "datagram", bytes.len()),
        Input::ConnectionOpened { .. } => (3, "opened", 0),
        Input::ConnectionBytes { bytes, .. } => (4, "bytes", bytes.len()),
        Input::ConnectionSent { bytes, .. } => (5, "sent", *bytes),
        Input::ConnectionClosed { .. } => (6, "closed", 0),
        Input::ConnectionRefused { refusal: DialFailure::Refused, .. } => (7, "refused", 0),
        Input::ConnectionRefused { refusal: DialFailure::Unreachable, .. } => (8, "silent", 0),
        Input::Entropy(_) => (9, "entropy", 32),
        Input::Command(_) => (10, "command", 0),
        Input::Wake => (11, "wake", 0),
    }
}
