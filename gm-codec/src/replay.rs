//! Which datagrams came already, by epoch and counter. Knows nothing of frames: ask only after one
//! has opened.
//!
//! `docs/WIRE.md`, "Replay window".

use std::collections::BTreeMap;

use crate::limits::Limits;
use crate::nonce::Epoch;

const WORDS: usize = ReplayWindow::COUNTERS as usize / 64;

/// What is known of a frame's epoch and counter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ReplayStatus {
    /// It did not come before, as far as is remembered; from now on it did.
    Fresh,
    /// It came before.
    Replayed,
    /// It is so far behind the newest of its epoch that nothing is remembered of it.
    TooOld,
}

impl ReplayStatus {
    /// The name in `docs/WIRE.md` and in the vectors.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            ReplayStatus::Fresh => "Fresh",
            ReplayStatus::Replayed => "Replayed",
            ReplayStatus::TooOld => "TooOld",
        }
    }
}

/// The counters of the epochs last heard of. Bounded: a new epoch takes the place of the one that
/// was fresh the longest ago, which is forgotten, so its frames would be fresh once more.
#[derive(Debug)]
pub struct ReplayWindow {
    max_epochs: usize,
    epochs: BTreeMap<Epoch, SeenCounters>,
    /// Each epoch by when it last was fresh.
    by_last_use: BTreeMap<u64, Epoch>,
    /// Fresh frames so far: the time of this module.
    now: u64,
}

/// The highest counter of an epoch, and which of the [`ReplayWindow::COUNTERS`] up to it came.
#[derive(Debug)]
struct SeenCounters {
    highest: u32,
    /// Counter `c` has bit `c % COUNTERS`.
    seen: [u64; WORDS],
    last_use: u64,
}

impl ReplayWindow {
    /// Counters that are remembered of an epoch: the highest and those before it.
    pub const COUNTERS: u32 = 1_024;

    /// Remembers [`Limits::replay_epochs`] epochs, and at least one.
    #[must_use]
    pub fn new(limits: &Limits) -> ReplayWindow {
        let max = limits.replay_epochs.max(1);
        ReplayWindow { max_epochs: max, epochs: BTreeMap::new(), by_last_use: BTreeMap::new(), now: 0 }
    }

    /// Epochs that are remembered.
    #[must_use]
    pub fn epochs(&self) -> usize {
        self.epochs.len()
    }

    /// Says whether a frame that opened came before, and remembers it. What is not fresh changes
    /// nothing, so whoever repeats old frames keeps no epoch alive and drives none out.
    pub fn check_and_set(&mut self, epoch: Epoch, counter: u32) -> ReplayStatus {
        let used = self.now + 1;
        if let Some(known) = self.epochs.get_mut(&epoch) {
            let freshness = known.check_and_set(counter);
            if freshness == ReplayStatus::Fresh {
                self.by_last_use.remove(&known.last_use);
                known.last_use = used;
                self.by_last_use.insert(used, epoch);
                self.now = used;
            }
            return freshness;
        }
        if self.epochs.len() >= self.max_epochs
            && let Some((_, oldest)) = self.by_last_use.pop_first()
        {
            self.epochs.remove(&oldest);
        }
        let mut counters = SeenCounters { highest: counter, seen: [0; WORDS], last_use: used };
        counters.set(counter);
        self.epochs.insert(epoch, counters);
        self.by_last_use.insert(used, epoch);
        self.now = used;
        ReplayStatus::Fresh
    }
}

impl SeenCounters {
    fn check_and_set(&mut self, counter: u32) -> ReplayStatus {
        if counter > self.highest {
            if counter - self.highest >= ReplayWindow::COUNTERS {
                self.seen = [0; WORDS];
            } else {
                (self.highest + 1..=counter).for_each(|passed| self.unset(passed));
            }
            self.highest = counter;
        } else if self.highest - counter >= ReplayWindow::COUNTERS {
            return ReplayStatus::TooOld;
        } else if self.has(counter) {
            return ReplayStatus::Replayed;
        }
        self.set(counter);
        ReplayStatus::Fresh
    }

    fn bit_position(counter: u32) -> (usize, u64) {
        let bit = counter % ReplayWindow::COUNTERS;
        ((bit / 64) as usize, 1 << (bit % 64))
    }

    fn has(&self, counter: u32) -> bool {
        let (word, bit) = Self::bit_position(counter);
        self.seen[word] & bit != 0
    }

    fn set(&mut self, counter: u32) {
        let (word, bit) = Self::bit_position(counter);
        self.seen[word] |= bit;
    }

    fn unset(&mut self, counter: u32) {
        let (word, bit) = Self::bit_position(counter);
        self.seen[word] &= !bit;
    }
}
