//! Errors of clocks and incarnations.

use thiserror::Error;

use crate::{CEILING, Incarnation, NetId};

/// Error of an operation on a clock or an incarnation. The value on which the call was made is
/// unchanged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Error)]
pub enum ClockError {
    /// The time is above [`CEILING`].
    #[error("time {time} is above {CEILING}, too near the end of the range")]
    TimeTooLarge {
        /// The time that was refused, in ticks.
        time: u64,
    },
    /// The incarnation is above [`CEILING`].
    #[error("incarnation {incarnation} is above {CEILING}, too near the end of the range")]
    IncarnationTooLarge {
        /// The incarnation that was refused.
        incarnation: u64,
    },
    /// The member's time in this incarnation stands at [`CEILING`] and cannot advance. A later
    /// incarnation can.
    #[error("the clock of {member} in incarnation {incarnation} is at {CEILING} and cannot advance")]
    Exhausted {
        /// The member that owns the clock.
        member: NetId,
        /// The incarnation that has no ticks left.
        incarnation: Incarnation,
    },
}
