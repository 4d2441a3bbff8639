//! [`LocalClock`], the logical clock of one member's writing.

use crate::{CEILING, ClockError, Incarnation, NetId};

/// The logical clock of one member: (member, incarnation, time).
///
/// The time counts the member's writes (ticks) in the group, in `0..=CEILING`. Time 0 is valid:
/// members of the original implementation start there. Only the member itself advances its clock.
/// Ordered by (member, incarnation, time).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LocalClock {
    // The order of the fields defines the order of the type.
    member: NetId,
    incarnation: Incarnation,
    time: u64,
}

impl LocalClock {
    /// The clock of `member` at `time` ticks in `incarnation`.
    ///
    /// # Errors
    /// [`ClockError::TimeTooLarge`] if `time` is above [`CEILING`].
    pub const fn new(member: NetId, incarnation: Incarnation, time: u64) -> Result<LocalClock, ClockError> {
        if time > CEILING {
            return Err(ClockError::TimeTooLarge { time });
        }
        Ok(LocalClock { member, incarnation, time })
    }

    /// The member that owns the clock.
    pub const fn member(&self) -> NetId {
        self.member
    }

    /// The incarnation in which the time is counted.
    pub const fn incarnation(&self) -> Incarnation {
        self.incarnation
    }

    /// Number of ticks, in `0..=CEILING`.
    pub const fn time(&self) -> u64 {
        self.time
    }

    /// The pair (incarnation, time). Of two clocks of one member, the one with the greater pair is
    /// newer.
    pub const fn incarnation_and_time(&self) -> (Incarnation, u64) {
        (self.incarnation, self.time)
    }

    /// The clock after one more write: the same incarnation, time + 1. Only the member's own node
    /// calls this.
    ///
    /// # Errors
    /// [`ClockError::Exhausted`] if the time is [`CEILING`].
    pub const fn tick(self) -> Result<LocalClock, ClockError> {
        let LocalClock { member, incarnation, time } = self;
        if time >= CEILING {
            return Err(ClockError::Exhausted { member, incarnation });
        }
        Ok(LocalClock { member, incarnation, time: time + 1 })
    }
}
