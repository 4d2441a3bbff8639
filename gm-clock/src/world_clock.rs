//! [`WorldClock`], a version vector with one clock per member. Merging of records never depends on
//! it.

use alloc::vec::Vec;
use core::cmp::Ordering;
use core::{iter, slice};

use crate::{Lags, LocalClock, NetId, Side};

/// A version vector: at most one [`LocalClock`] for each known member, in the order of the members.
///
/// A member without an entry is *absent*, which is less than being known at time 0. World clocks
/// are partially ordered: one is less than or equal to another if nothing in it is newer.
/// [`merge`](WorldClock::merge) is the least upper bound.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct WorldClock {
    // Sorted by member, each member once.
    clocks: Vec<LocalClock>,
}

/// Causal relation of one world clock to another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Causality {
    /// The first is older: some of its entries are older or absent, and none is newer.
    Before,
    /// The first is newer: some of its entries are newer, and none is older or absent.
    After,
    /// The two are equal.
    Equal,
    /// Neither is older: each has an entry that is newer than the other's.
    Concurrent,
}

impl WorldClock {
    /// The empty world clock. Does not allocate.
    pub const fn new() -> WorldClock {
        WorldClock { clocks: Vec::new() }
    }

    /// Number of known members.
    pub const fn len(&self) -> usize {
        self.clocks.len()
    }

    /// Whether no member is known.
    pub const fn is_empty(&self) -> bool {
        self.clocks.is_empty()
    }

    /// The member's clock; `None` if the member is not known. Logarithmic.
    pub fn get(&self, member: NetId) -> Option<LocalClock> {
        self.position(member).ok().map(|at| self.clocks[at])
    }

    /// Stores `clock` if its member is unknown or has an older clock here. Returns whether it was
    /// stored.
    ///
    /// Of two clocks of a member, the one with the greater (incarnation, time) is newer. Takes
    /// logarithmic time for a known member and linear time for a new one: to add many new members,
    /// collect them into a `WorldClock` and merge that.
    pub fn set(&mut self, clock: LocalClock) -> bool {
        match self.position(clock.member()) {
            Ok(at) => advance(&mut self.clocks[at], &clock),
            Err(at) => {
                self.clocks.insert(at, clock);
                true
            }
        }
    }

    /// Takes over each clock of `other` that is newer or unknown here. Returns the number of
    /// members whose clock changed.
    ///
    /// The resulting state is commutative, associative and idempotent. Takes time linear in the
    /// sizes of the two clocks; allocates only if `other` knows members that are unknown here.
    pub fn merge(&mut self, other: &WorldClock) -> usize {
        let (advanced, unknown) = self.advance_known(other);
        if unknown > 0 {
            self.insert_unknown(other, unknown);
        }
        advanced + unknown
    }

    /// The causal relation of this world clock to `other`, where an absent member is before any
    /// present one. Takes linear time and does not allocate.
    pub fn compare(&self, other: &WorldClock) -> Causality {
        let (mut before, mut after) = (false, false);
        for lag in self.lag(other) {
            match lag.side {
                Side::This => before = true,
                Side::Other => after = true,
            }
            if before && after {
                return Causality::Concurrent;
            }
        }
        match (before, after) {
            (true, _) => Causality::Before,
            (false, true) => Causality::After,
            (false, false) => Causality::Equal,
        }
    }

    /// The differences between this world clock and `other`: one [`Lag`](crate::Lag) for each
    /// member on whose clock they differ, in the order of the members. Empty if they are equal.
    pub fn lag<'a>(&'a self, other: &'a WorldClock) -> Lags<'a> {
        Lags::new(&self.clocks, &other.clocks)
    }

    /// The clocks, in the order of their members.
    pub fn iter(&self) -> iter::Copied<slice::Iter<'_, LocalClock>> {
        self.clocks.iter().copied()
    }

    /// The index of the member's clock, or as an error the index at which to insert it.
    fn position(&self, member: NetId) -> Result<usize, usize> {
        self.clocks.binary_search_by_key(&member, LocalClock::member)
    }

    /// Advances the known members to their clocks in `other`. Returns the number of members that
    /// advanced, and the number of members of `other` that are unknown here.
    fn advance_known(&mut self, other: &WorldClock) -> (usize, usize) {
        let (mut advanced, mut unknown) = (0, 0);
        let mut mine = self.clocks.iter_mut().peekable();
        for theirs in other.iter() {
            while mine.next_if(|mine| mine.member() < theirs.member()).is_some() {}
            match mine.next_if(|mine| mine.member() == theirs.member()) {
                Some(mine) => advanced += usize::from(advance(mine, &theirs)),
                None => unknown += 1,
            }
        }
        (advanced, unknown)
    }

    /// Inserts the `unknown` clocks of `other` whose members are unknown here. The known members
    /// must have advanced before.
    fn insert_unknown(&mut self, other: &WorldClock, mut unknown: usize) {
        // Merge both lists from their ends into the grown list: `mine` clocks from here and
        // `unknown` ones from `other` remain to be placed, and fill the list up to `mine +
        // unknown`.
        let mut mine = self.clocks.len();
        self.clocks.extend_from_slice(&other.clocks[..unknown]); // Only makes room; overwritten below.
        for theirs in other.clocks.iter().rev() {
            while mine > 0 && self.clocks[mine - 1].member() > theirs.member() {
                mine -= 1;
                self.clocks[mine + unknown] = self.clocks[mine];
            }
            if mine == 0 || self.clocks[mine - 1].member() < theirs.member() {
                unknown -= 1;
                self.clocks[mine + unknown] = *theirs;
            }
            if unknown == 0 {
                return;
            }
        }
    }
}

/// Replaces `mine` by `theirs`, a clock of the same member, if that is newer. Returns whether it
/// was.
fn advance(mine: &mut LocalClock, theirs: &LocalClock) -> bool {
    let newer = theirs.incarnation_and_time() > mine.incarnation_and_time();
    if newer {
        *mine = *theirs;
    }
    newer
}

impl PartialOrd for WorldClock {
    /// Same as [`WorldClock::compare`], where `None` is [`Causality::Concurrent`].
    fn partial_cmp(&self, other: &WorldClock) -> Option<Ordering> {
        match self.compare(other) {
            Causality::Before => Some(Ordering::Less),
            Causality::After => Some(Ordering::Greater),
            Causality::Equal => Some(Ordering::Equal),
            Causality::Concurrent => None,
        }
    }
}

impl FromIterator<LocalClock> for WorldClock {
    /// Collects clocks in any order. If a member has several, the newest is kept.
    fn from_iter<I: IntoIterator<Item = LocalClock>>(clocks: I) -> WorldClock {
        let mut clocks: Vec<LocalClock> = clocks.into_iter().collect();
        // A member's newest clock is the last of its clocks; it replaces the one that was kept.
        clocks.sort_unstable();
        clocks.dedup_by(|newer, kept| {
            let same = newer.member() == kept.member();
            if same {
                *kept = *newer;
            }
            same
        });
        WorldClock { clocks }
    }
}

impl<'a> IntoIterator for &'a WorldClock {
    type Item = LocalClock;
    type IntoIter = iter::Copied<slice::Iter<'a, LocalClock>>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}
