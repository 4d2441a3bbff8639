//! Deduplication of broadcasts: a sliding window of sequence numbers for each epoch of each origin.

use std::collections::BTreeMap;

use gm_clock::NetId;
use gm_codec::BroadcastId;

/// Sequence numbers that are remembered per epoch of an origin: the highest received and those
/// before it.
pub const DEDUP_WINDOW: u64 = 256;
const WORDS: usize = (DEDUP_WINDOW / 64) as usize;

type OriginEpoch = (NetId, [u8; 8]);

/// Whether a broadcast was handled before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DedupStatus {
    /// It is new.
    New,
    /// It was handled in part or in full.
    Known {
        /// Its content was passed to the handler.
        delivered: bool,
        /// A subtree of it was forwarded.
        forwarded: bool,
    },
    /// It is older than the window, and counts as handled.
    TooOld,
}

/// Windows of the most recent origins. The table is bounded: a new pair of origin and epoch
/// replaces the one unused longest, whose broadcasts would count as new again.
#[derive(Debug)]
pub(crate) struct Dedup {
    max_sources: usize,
    sources: BTreeMap<OriginEpoch, SourceWindow>,
    by_use: BTreeMap<u64, OriginEpoch>,
    uses: u64,
}

#[derive(Debug)]
struct SourceWindow {
    highest: u64,
    delivered: [u64; WORDS],
    forwarded: [u64; WORDS],
    last_use: u64,
}

impl Dedup {
    pub(crate) const fn new(max_sources: usize) -> Dedup {
        Dedup { max_sources, sources: BTreeMap::new(), by_use: BTreeMap::new(), uses: 0 }
    }

    pub(crate) fn status(&self, id: &BroadcastId) -> DedupStatus {
        let Some(seen) = self.sources.get(&origin_epoch(id)) else { return DedupStatus::New };
        if id.sequence > seen.highest {
            return DedupStatus::New;
        }
        if seen.highest - id.sequence >= DEDUP_WINDOW {
            return DedupStatus::TooOld;
        }
        let (word, bit) = bit_position(id.sequence);
        match (seen.delivered[word] & bit != 0, seen.forwarded[word] & bit != 0) {
            (false, false) => DedupStatus::New,
            (delivered, forwarded) => DedupStatus::Known { delivered, forwarded },
        }
    }

    pub(crate) fn mark_delivered(&mut self, id: &BroadcastId) {
        if let Some(seen) = self.touch(id) {
            let (word, bit) = bit_position(id.sequence);
            seen.delivered[word] |= bit;
        }
    }

    pub(crate) fn mark_forwarded(&mut self, id: &BroadcastId) {
        if let Some(seen) = self.touch(id) {
            let (word, bit) = bit_position(id.sequence);
            seen.forwarded[word] |= bit;
        }
    }

    /// The window of a broadcast, moved so that it contains the broadcast; `None` if the broadcast
    /// is too old.
    fn touch(&mut self, id: &BroadcastId) -> Option<&mut SourceWindow> {
        let source = origin_epoch(id);
        self.uses += 1;
        let uses = self.uses;
        if let Some(seen) = self.sources.get(&source) {
            self.by_use.remove(&seen.last_use);
        } else {
            if self.sources.len() >= self.max_sources
                && let Some((_, oldest)) = self.by_use.pop_first()
            {
                self.sources.remove(&oldest);
            }
            let fresh = SourceWindow {
                highest: id.sequence,
                delivered: [0; WORDS],
                forwarded: [0; WORDS],
                last_use: uses,
            };
            self.sources.insert(source, fresh);
        }
        self.by_use.insert(uses, source);
        let seen = self.sources.get_mut(&source)?;
        seen.last_use = uses;
        if id.sequence > seen.highest {
            let passed = (id.sequence - seen.highest).min(DEDUP_WINDOW);
            for back in 0..passed {
                let (word, bit) = bit_position(id.sequence - back);
                seen.delivered[word] &= !bit;
                seen.forwarded[word] &= !bit;
            }
            seen.highest = id.sequence;
        }
        (seen.highest - id.sequence < DEDUP_WINDOW).then_some(seen)
    }
}

fn origin_epoch(id: &BroadcastId) -> OriginEpoch {
    (id.origin, id.epoch)
}

const fn bit_position(sequence: u64) -> (usize, u64) {
    let bit = sequence % DEDUP_WINDOW;
    ((bit / 64) as usize, 1 << (bit % 64))
}

#[cfg(test)]
mod tests;
