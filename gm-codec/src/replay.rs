//! The replay window: detects datagrams that arrived before, by epoch and counter. Query it only
//! after a frame has opened.
//!
//! `docs/WIRE.md`, "Replay window".

use std::collections::BTreeMap;

use crate::limits::Limits;
use crate::nonce::Epoch;

const WORDS: usize = ReplayWindow::COUNTERS as usize / 64;

/// The result of a query.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ReplayStatus {
    /// The frame did not arrive before, as far as the window remembers. It is recorded now.
    Fresh,
    /// The frame arrived before.
    Replayed,
    /// The counter is so far below the highest of its epoch that the window no longer knows.
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

/// The counters received in the most recently used epochs. The number of epochs is limited: a new
/// epoch replaces the least recently fresh one. Frames of a replaced epoch would be accepted once
/// more.
#[derive(Debug)]
pub struct ReplayWindow {
    max_epochs: usize,
    epochs: BTreeMap<Epoch, SeenCounters>,
    /// Each epoch by the time of its last fresh frame.
    by_last_use: BTreeMap<u64, Epoch>,
    /// Number of fresh frames so far, the clock of this module.
    now: u64,
}

/// The highest counter of an epoch, and a bit for each of the [`ReplayWindow::COUNTERS`] up to it.
#[derive(Debug)]
struct SeenCounters {
    highest: u32,
    /// Counter `c` has bit `c % COUNTERS`.
    seen: [u64; WORDS],
    last_use: u64,
}

impl ReplayWindow {
    /// Number of counters that the window remembers in each epoch: the highest and those below it.
    pub const COUNTERS: u32 = 1_024;

    /// A window of [`Limits::replay_epochs`] epochs, at least one.
    #[must_use]
    pub fn new(limits: &Limits) -> ReplayWindow {
        let max = limits.replay_epochs.max(1);
        ReplayWindow { max_epochs: max, epochs: BTreeMap::new(), by_last_use: BTreeMap::new(), now: 0 }
    }

    /// Number of epochs that the window currently remembers.
    #[must_use]
    pub fn epochs(&self) -> usize {
        self.epochs.len()
    }

    /// Checks whether an opened frame arrived before, and records it if it is fresh. Other frames
    /// change nothing, so an attacker who replays old frames can neither keep an epoch alive nor
    /// displace one.
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
