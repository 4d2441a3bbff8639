//! Which datagrams came already, by epoch and counter. Knows nothing of frames: ask only after one has opened.
//!
//! `docs/WIRE.md`, "Replay window".

use std::collections::BTreeMap;

use crate::limits::Limits;
use crate::nonce::Epoch;

const WORDS: usize = ReplayWindow::COUNTERS as usize / 64;

/// What is known of a frame's epoch and counter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Freshness {
    /// It did not come before, as far as is remembered; from now on it did.
    Fresh,
    /// It came before.
    Replayed,
    /// It is so far behind the newest of its epoch that nothing is remembered of it.
    TooOld,
}

impl Freshness {
    /// The name in `docs/WIRE.md` and in the vectors.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Freshness::Fresh => "Fresh",
            Freshness::Replayed => "Replayed",
            Freshness::TooOld => "TooOld",
        }
    }
}

/// The counters of the epochs last heard of. Bounded: a new epoch takes the place of the one that was fresh the longest ago,
/// which is forgotten, so its frames would be fresh once more.
#[derive(Debug)]
pub struct ReplayWindow {
    most: usize,
    epochs: BTreeMap<Epoch, Counters>,
    /// Each epoch by when it last was fresh.
    by_use: BTreeMap<u64, Epoch>,
    /// Fresh frames so far: the time of this module.
    now: u64,
}

/// The highest counter of an epoch, and which of the [`ReplayWindow::COUNTERS`] up to it came.
#[derive(Debug)]
struct Counters {
    highest: u32,
    /// Counter `c` has bit `c % COUNTERS`.
    came: [u64; WORDS],
    used: u64,
}

impl ReplayWindow {
    /// Counters that are remembered of an epoch: the highest and those before it.
    pub const COUNTERS: u32 = 1_024;

    /// Remembers [`Limits::replay_epochs`] epochs, and at least one.
    #[must_use]
    pub fn new(limits: &Limits) -> ReplayWindow {
        let most = limits.replay_epochs.max(1);
        ReplayWindow { most, epochs: BTreeMap::new(), by_use: BTreeMap::new(), now: 0 }
    }

    /// Epochs that are remembered.
    #[must_use]
    pub fn epochs(&self) -> usize {
        self.epochs.len()
    }

    /// Says whether a frame that opened came before, and remembers it. What is not fresh changes nothing, so whoever repeats
    /// old frames keeps no epoch alive and drives none out.
    pub fn check_and_set(&mut self, epoch: Epoch, counter: u32) -> Freshness {
        let used = self.now + 1;
        if let Some(known) = self.epochs.get_mut(&epoch) {
            let freshness = known.check_and_set(counter);
            if freshness == Freshness::Fresh {
                self.by_use.remove(&known.used);
                known.used = used;
                self.by_use.insert(used, epoch);
                self.now = used;
            }
            return freshness;
        }
        if self.epochs.len() >= self.most
            && let Some((_, oldest)) = self.by_use.pop_first()
        {
            self.epochs.remove(&oldest);
        }
        let mut counters = Counters { highest: counter, came: [0; WORDS], used };
        counters.set(counter);
        self.epochs.insert(epoch, counters);
        self.by_use.insert(used, epoch);
        self.now = used;
        Freshness::Fresh
    }
}

impl Counters {
    fn check_and_set(&mut self, counter: u32) -> Freshness {
        if counter > self.highest {
            if counter - self.highest >= ReplayWindow::COUNTERS {
                self.came = [0; WORDS];
            } else {
                (self.highest + 1..=counter).for_each(|passed| self.unset(passed));
            }
            self.highest = counter;
        } else if self.highest - counter >= ReplayWindow::COUNTERS {
            return Freshness::TooOld;
        } else if self.has(counter) {
            return Freshness::Replayed;
        }
        self.set(counter);
        Freshness::Fresh
    }

    fn place(counter: u32) -> (usize, u64) {
        let bit = counter % ReplayWindow::COUNTERS;
        ((bit / 64) as usize, 1 << (bit % 64))
    }

    fn has(&self, counter: u32) -> bool {
        let (word, bit) = Self::place(counter);
        self.came[word] & bit != 0
    }

    fn set(&mut self, counter: u32) {
        let (word, bit) = Self::place(counter);
        self.came[word] |= bit;
    }

    fn unset(&mut self, counter: u32) {
        let (word, bit) = Self::place(counter);
        self.came[word] &= !bit;
    }
}
