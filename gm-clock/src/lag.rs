//! Differences between two world clocks, member by member.

use core::cmp::Ordering;
use core::iter::FusedIterator;
use core::num::NonZeroU64;

use crate::{LocalClock, NetId};

/// A member on whose clock two [`WorldClock`](crate::WorldClock)s differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Lag {
    /// The member that owns the clock.
    pub member: NetId,
    /// The world clock that is behind on this member.
    pub side: Side,
    /// Distance by which that side is behind.
    pub behind: Behind,
}

/// Side of a comparison `this.lag(&other)`: one of the two world clocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Side {
    /// The world clock on which the method was called.
    This,
    /// The world clock passed as the argument.
    Other,
}

/// Distance by which one side is behind on a member's clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Behind {
    /// Number of ticks, within one incarnation.
    Ticks(NonZeroU64),
    /// An unknown number of ticks: the side knows only an earlier incarnation, and times of two
    /// incarnations are not comparable.
    Unknown,
    /// The side does not know the member at all. (This is less than knowing it at time 0.)
    Absent,
}

/// Iterator over the members on whose clocks two world clocks differ, in the order of the members.
/// Does not allocate.
///
/// Returned by [`WorldClock::lag`](crate::WorldClock::lag). A full iteration takes time linear in
/// the sizes of the two clocks.
#[derive(Clone, Debug)]
pub struct Lags<'a> {
    // The clocks not yet compared, sorted by member, each member once.
    this: &'a [LocalClock],
    other: &'a [LocalClock],
}

impl<'a> Lags<'a> {
    /// Creates the iterator. Both slices must be sorted by member, with each member once.
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

/// The difference between two clocks of one member; `None` if they are equal.
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
