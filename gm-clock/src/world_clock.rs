//! One clock per member: a version vector. Knows nothing of records, and is never what decides
//! whose record wins.

use alloc::vec::Vec;
use core::cmp::Ordering;
use core::{iter, slice};

use crate::{Lags, LocalClock, NetId, Side};

/// How far the writing of each known member has come: at most one [`LocalClock`] per member, in the
/// order of the members.
///
/// A member that is not in it is *absent*, which is less than being known at time 0. Partially
/// ordered: less or equal means that nothing in the one is newer than in the other.
/// [`merge`](WorldClock::merge) is the least upper bound.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct WorldClock {
    // Sorted by member, each member once.
    clocks: Vec<LocalClock>,
}

/// How one world clock stands to another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Causality {
    /// It lacks something that the other has, and has nothing that the other lacks.
    Before,
    /// It has something that the other lacks, and lacks nothing that the other has.
    After,
    /// They are equal.
    Equal,
    /// Each has something that the other lacks.
    Concurrent,
}

impl WorldClock {
    /// The world clock that knows nobody. Does not allocate.
    pub const fn new() -> WorldClock {
        WorldClock { clocks: Vec::new() }
    }

    /// Known members.
    pub const fn len(&self) -> usize {
        self.clocks.len()
    }

    /// Whether nobody is known.
    pub const fn is_empty(&self) -> bool {
        self.clocks.is_empty()
    }

    /// The member's clock; `None` if the member is not known. Logarithmic.
    pub fn get(&self, member: NetId) -> Option<LocalClock> {
        self.position(member).ok().map(|at| self.clocks[at])
    }

    /// Takes `clock` in, if its member is unknown or has an older clock here, and says whether it
    /// did.
    ///
    /// Newer is the greater (incarnation, time). Logarithmic for a known member, linear for a new
    /// one: many new ones are better collected, and merged.
    pub fn set(&mut self, clock: LocalClock) -> bool {
        match self.position(clock.member()) {
            Ok(at) => advance(&mut self.clocks[at], &clock),
            Err(at) => {
                self.clocks.insert(at, clock);
                true
            }
        }
    }

    /// Takes in whatever is newer in `other`, member by member, and says for how many members that
    /// changed the clock.
    ///
    /// Commutative, associative and idempotent in what it leaves. Linear in the sizes of the two;
    /// allocates only if `other` knows members that are unknown here.
    pub fn merge(&mut self, other: &WorldClock) -> usize {
        let (advanced, unknown) = self.advance_known(other);
        if unknown > 0 {
            self.insert_unknown(other, unknown);
        }
        advanced + unknown
    }

    /// How this stands to `other`; absent is before anything present. Linear, does not allocate.
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

    /// Who is behind, this or `other`, and by how much: one [`Lag`](crate::Lag) for each member on
    /// whose clock they differ, in the order of the members. Nothing, if they are equal.
    pub fn lag<'a>(&'a self, other: &'a WorldClock) -> Lags<'a> {
        Lags::new(&self.clocks, &other.clocks)
    }

    /// The clocks, in the order of their members.
    pub fn iter(&self) -> iter::Copied<slice::Iter<'_, LocalClock>> {
        self.clocks.iter().copied()
    }

    /// Where the member's clock is, or would be put.
    fn position(&self, member: NetId) -> Result<usize, usize> {
        self.clocks.binary_search_by_key(&member, LocalClock::member)
    }

    /// Brings the known members up to `other`; returns how many advanced, and how many members of
    /// `other` are unknown.
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

    /// Puts the `unknown` clocks of `other` whose members are unknown here in their places. The
    /// others here must already have advanced.
    fn insert_unknown(&mut self, other: &WorldClock, mut unknown: usize) {
        // Both lists are merged from their ends into the grown list: `mine` clocks from here and
        // `unknown` ones from `other` are still to be placed, and fill the list up to `mine +
        // unknown`.
        let mut mine = self.clocks.len();
        self.clocks.extend_from_slice(&other.clocks[..unknown]); // Room only: what it holds is overwritten.
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

/// Replaces `mine` by `theirs`, the same member's clock, if that is newer; says whether it was.
fn advance(mine: &mut LocalClock, theirs: &LocalClock) -> bool {
    let newer = theirs.incarnation_and_time() > mine.incarnation_and_time();
    if newer {
        *mine = *theirs;
    }
    newer
}

impl PartialOrd for WorldClock {
    /// [`WorldClock::compare`]; `None` is [`Causality::Concurrent`].
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
    /// Takes clocks in any order; of several clocks of one member, the newest.
    fn from_iter<I: IntoIterator<Item = LocalClock>>(clocks: I) -> WorldClock {
        let mut clocks: Vec<LocalClock> = clocks.into_iter().collect();
        // The newest clock of a member comes last among its clocks; it replaces the one that is
        // kept.
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
