//! [`Incarnation`], one life of a member's writing, and [`CEILING`], the upper limit of all
//! counters.

use core::fmt;

use crate::ClockError;

/// The greatest time and the greatest incarnation that are accepted: `2^62 - 1`.
///
/// Greater numbers are refused and never wrap: otherwise a peer that pushed a counter to its last
/// value would silence the counter's owner permanently. The limit is 62 bits rather than 64 so that
/// the sum of two times, or of a time and a small count, cannot wrap, and so that two bits remain
/// for flags packed beside a counter. A member that ticks a million times a second reaches the
/// limit after 146 thousand years.
pub const CEILING: u64 = (1 << 62) - 1;

const _: () = assert!(CEILING.checked_add(CEILING).is_some() && CEILING.leading_zeros() == 2);

/// Number of one life of a member's writing, in `0..=CEILING`. A later life has a greater number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Incarnation(u64);

impl Incarnation {
    /// 0, the incarnation of a node of the original implementation, which has no incarnations.
    pub const ORIGINAL: Incarnation = Incarnation(0);

    /// The greatest incarnation, [`CEILING`].
    pub const MAX: Incarnation = Incarnation(CEILING);

    /// The incarnation with the given number.
    ///
    /// # Errors
    /// [`ClockError::IncarnationTooLarge`] above [`CEILING`].
    pub const fn new(incarnation: u64) -> Result<Incarnation, ClockError> {
        if incarnation > CEILING {
            return Err(ClockError::IncarnationTooLarge { incarnation });
        }
        Ok(Incarnation(incarnation))
    }

    /// The number, in `0..=CEILING`.
    pub const fn get(self) -> u64 {
        self.0
    }

    /// The least incarnation above this one.
    ///
    /// # Errors
    /// [`ClockError::IncarnationTooLarge`], with the number that would have been next, at
    /// [`Incarnation::MAX`].
    pub const fn next(self) -> Result<Incarnation, ClockError> {
        Incarnation::new(self.0 + 1)
    }
}

impl fmt::Display for Incarnation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl From<Incarnation> for u64 {
    fn from(incarnation: Incarnation) -> u64 {
        incarnation.get()
    }
}

impl TryFrom<u64> for Incarnation {
    type Error = ClockError;

    fn try_from(incarnation: u64) -> Result<Incarnation, ClockError> {
        Incarnation::new(incarnation)
    }
}
