//! Who is behind whom, and by how much. Knows nothing of how to catch up.

use core::cmp::Ordering;
use core::iter::FusedIterator;
use core::num::NonZeroU64;

use crate::{LocalClock, NetId};

/// One member's clock on which two [`WorldClock`](crate::WorldClock)s differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Lag {
    /// The member whose clock it is.
    pub member: NetId,
    /// Which of the two knows less of the member.
    pub side: Side,
    /// How much less.
    pub behind: Behind,
}

/// One of the two world clocks of a comparison `this.lag(&other)`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Side {
    /// The one that the method was called on.
    This,
    /// The argument.
    Other,
}

/// How far a side is behind on one member's clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Behind {
    /// So many ticks, within one incarnation.
    Ticks(NonZeroU64),
    /// By an unknown amount: the side knows an earlier incarnation only, and times of two
    /// incarnations do not compare.
    Unknown,
    /// The side does not know the member at all. (That is less than to know it at time 0.)
    Absent,
}

/// The members on whose clocks two world clocks differ, in the order of the members. Does not
/// allocate.
///
/// Made by [`WorldClock::lag`](crate::WorldClock::lag); a whole walk is linear in the sizes of the
/// two.
#[derive(Clone, Debug)]
pub struct Lags<'a> {
    // What is still to be compared; both sorted by member, each member once.
    this: &'a [LocalClock],
    other: &'a [LocalClock],
}

impl<'a> Lags<'a> {
    /// Both slices must be sorted by member, with each member once.
    pub(crate) fn new(this: &'a [LocalClock], other: &'a [LocalClock]) -> Lags<'a> {
        Lags { this, other }
    }
}

impl Iterator for Lags<'_> {
    type Item = Lag;

    fn next(&mut self) -> Option<Lag> {
        loop {
            let order = match (self.this, self.other) {
                ([], []) => return None,
                (_, []) => Ordering::Less,
                ([], _) => Ordering::Greater,
                ([mine, ..], [theirs, ..]) => mine.member().cmp(&theirs.member()),
            };
            match order {
                Ordering::Less => return self.this.split_off_first().map(|mine| absent(mine, Side::Other)),
                Ordering::Greater => {
                    return self.other.split_off_first().map(|theirs| absent(theirs, Side::This));
                }
                Ordering::Equal => {
                    let lag = lag(self.this.split_off_first()?, self.other.split_off_first()?);
                    if lag.is_some() {
                        return lag;
                    }
                }
            }
        }
    }
}

impl FusedIterator for Lags<'_> {}

fn absent(known: &LocalClock, side: Side) -> Lag {
    Lag { member: known.member(), side, behind: Behind::Absent }
}

/// `None` if the two clocks, which are the same member's, are equal.
fn lag(mine: &LocalClock, theirs: &LocalClock) -> Option<Lag> {
    let (side, older, newer) = match mine.incarnation_and_time().cmp(&theirs.incarnation_and_time()) {
        Ordering::Less => (Side::This, mine, theirs),
        Ordering::Equal => return None,
        Ordering::Greater => (Side::Other, theirs, mine),
    };
    let behind = if older.incarnation() == newer.incarnation() {
        Behind::Ticks(NonZeroU64::new(newer.time() - older.time())?)
    } else {
        Behind::Unknown
    };
    Some(Lag { member: mine.member(), side, behind })
}
