//! [`Version`] and [`VersionDigest`], which decide between two records of a member.

use core::fmt;

use gm_clock::{CEILING, ClockError, Incarnation};

/// The version of a member's record. Ordered by (incarnation, forgotten, clock); the record with
/// the greater version wins as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Version {
    // The order of the fields defines the order of the type.
    /// The incarnation in which the record was written.
    pub incarnation: Incarnation,
    /// Whether the record was forgotten: then no write of this incarnation supersedes it, only a
    /// later incarnation does.
    pub forgotten: bool,
    /// The number of the member's writes in this group, in ticks, in `0..=CEILING`.
    pub clock: u64,
}

impl Version {
    /// Creates a version.
    ///
    /// # Errors
    /// [`ClockError::TimeTooLarge`] if the clock is above [`CEILING`].
    pub const fn new(incarnation: Incarnation, forgotten: bool, clock: u64) -> Result<Version, ClockError> {
        if clock > CEILING {
            return Err(ClockError::TimeTooLarge { time: clock });
        }
        Ok(Version { incarnation, forgotten, clock })
    }

    /// Checks that the clock is in range. The fields are public, so every function that accepts a
    /// version calls this.
    pub(crate) const fn check(self) -> Result<(), ClockError> {
        match Version::new(self.incarnation, self.forgotten, self.clock) {
            Ok(_) => Ok(()),
            Err(error) => Err(error),
        }
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let forgotten = if self.forgotten { " gone" } else { "" };
        write!(f, "{}.{}{forgotten}", self.incarnation, self.clock)
    }
}

/// Version and digest of a record, by which a merge decides between two records of a member. Equal
/// versions have equal live items, except after a fault; the digest decides then.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct VersionDigest {
    /// The version, which is compared first.
    pub version: Version,
    /// The sum of the hashes of the live items, specified in `hash.rs`.
    pub digest: u64,
}

/// The predecessor of an incarnation. A holder of the earlier incarnation's record with a clock up
/// to `clock`, and not below the floor, can be updated by an increment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Predecessor {
    /// The earlier incarnation.
    pub incarnation: Incarnation,
    /// The clock of the earlier incarnation when the new one began, in ticks.
    pub clock: u64,
}
