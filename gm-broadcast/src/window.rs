//! Which broadcasts were handled already. Knows nothing of what they are.

use std::collections::BTreeMap;

use gm_clock::NetId;
use gm_codec::BroadcastId;

use crate::plant::{Bug, planted};

/// Sequences that are remembered of an origin's epoch: the highest that came and those before it.
pub const SEQUENCES: u64 = 256;
const WORDS: usize = (SEQUENCES / 64) as usize;

type Source = (NetId, [u8; 8]);

/// What was done with a broadcast.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Past {
    /// Nothing yet.
    New,
    /// This or that.
    Known {
        /// Its content was handed to the handler.
        delivered: bool,
        /// A share of it was passed on.
        forwarded: bool,
    },
    /// So old that it is not known: it counts as done.
    TooOld,
}

/// The broadcasts of the origins last heard of. Bounded: a new (origin, epoch) takes the place of the one unused the longest, whose
/// broadcasts would be new again.
#[derive(Debug)]
pub(crate) struct Window {
    most: usize,
    sources: BTreeMap<Source, Seen>,
    by_use: BTreeMap<u64, Source>,
    uses: u64,
}

#[derive(Debug)]
struct Seen {
    highest: u64,
    delivered: [u64; WORDS],
    forwarded: [u64; WORDS],
    used: u64,
}

impl Window {
    pub(crate) const fn new(most: usize) -> Window {
        Window { most, sources: BTreeMap::new(), by_use: BTreeMap::new(), uses: 0 }
    }

    pub(crate) fn past(&self, id: &BroadcastId) -> Past {
        let Some(seen) = self.sources.get(&source(id)) else { return Past::New };
        if id.sequence > seen.highest {
            return Past::New;
        }
        if seen.highest - id.sequence >= SEQUENCES {
            return Past::TooOld;
        }
        let (word, bit) = place(id.sequence);
        match (seen.delivered[word] & bit != 0, seen.forwarded[word] & bit != 0) {
            (false, false) => Past::New,
            (delivered, forwarded) => Past::Known { delivered, forwarded },
        }
    }

    pub(crate) fn deliver(&mut self, id: &BroadcastId) {
        if let Some(seen) = self.touch(id) {
            let (word, bit) = place(id.sequence);
            seen.delivered[word] |= bit;
        }
    }

    pub(crate) fn forward(&mut self, id: &BroadcastId) {
        if let Some(seen) = self.touch(id) {
            let (word, bit) = place(id.sequence);
            seen.forwarded[word] |= bit;
        }
    }

    /// The entry of a broadcast that is not too old, with its place made.
    fn touch(&mut self, id: &BroadcastId) -> Option<&mut Seen> {
        let source = source(id);
        self.uses += 1;
        let uses = self.uses;
        if let Some(seen) = self.sources.get(&source) {
            self.by_use.remove(&seen.used);
        } else {
            if self.sources.len() >= self.most
                && let Some((_, oldest)) = self.by_use.pop_first()
            {
                self.sources.remove(&oldest);
            }
            let fresh =
                Seen { highest: id.sequence, delivered: [0; WORDS], forwarded: [0; WORDS], used: uses };
            self.sources.insert(source, fresh);
        }
        self.by_use.insert(uses, source);
        let seen = self.sources.get_mut(&source)?;
        seen.used = uses;
        if id.sequence > seen.highest {
            let passed = (id.sequence - seen.highest).min(SEQUENCES);
            for back in 0..passed {
                let (word, bit) = place(id.sequence - back);
                seen.delivered[word] &= !bit;
                seen.forwarded[word] &= !bit;
            }
            seen.highest = id.sequence;
        }
        (seen.highest - id.sequence < SEQUENCES).then_some(seen)
    }
}

fn source(id: &BroadcastId) -> Source {
    (id.origin, if planted(Bug::EpochNotInIdentity) { [0; 8] } else { id.epoch })
}

const fn place(sequence: u64) -> (usize, u64) {
    let bit = sequence % SEQUENCES;
    ((bit / 64) as usize, 1 << (bit % 64))
}

#[cfg(test)]
mod tests;
