//! How far one member's writing has come. Knows nothing of other members, and nothing of what was
//! written.

use crate::{CEILING, ClockError, Incarnation, NetId};

/// How far one member's writing has come: (member, incarnation, time).
///
/// The time counts the member's writes (ticks) within the group, in `0..=CEILING`; 0 is legal,
/// members of the original implementation start there. Only the member itself advances it. Ordered
/// by (member, incarnation, time).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LocalClock {
    // The order of the fields is the order of the type.
    member: NetId,
    incarnation: Incarnation,
    time: u64,
}

impl LocalClock {
    /// The clock of `member` that stands at `time` ticks in `incarnation`.
    ///
    /// # Errors
    /// [`ClockError::TimeTooLarge`] if `time` is above [`CEILING`].
    pub const fn new(member: NetId, incarnation: Incarnation, time: u64) -> Result<LocalClock, ClockError> {
        if time > CEILING {
            return Err(ClockError::TimeTooLarge { time });
        }
        Ok(LocalClock { member, incarnation, time })
    }

    /// Whose clock it is.
    pub const fn member(&self) -> NetId {
        self.member
    }

    /// The life of the member in which the time counts.
    pub const fn incarnation(&self) -> Incarnation {
        self.incarnation
    }

    /// Ticks, in `0..=CEILING`.
    pub const fn time(&self) -> u64 {
        self.time
    }

    /// (incarnation, time): of two clocks of one member, the one with the greater stamp is the
    /// newer.
    pub const fn incarnation_and_time(&self) -> (Incarnation, u64) {
        (self.incarnation, self.time)
    }

    /// The clock after one more write: the same incarnation, time + 1. Called by the member's own
    /// node only.
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
