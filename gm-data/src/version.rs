//! Which of two records of a member is the newer. Knows nothing of items.

use core::fmt;

use gm_clock::{CEILING, ClockError, Incarnation};

/// The version of a member's record. Ordered by (incarnation, gone, clock); the record with the
/// greater one wins whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Version {
    // The order of the fields is the order of the type.
    /// The life of the member's writing.
    pub incarnation: Incarnation,
    /// Forgotten: nothing that was written in this incarnation comes back, only a later one does.
    pub forgotten: bool,
    /// The member's writes in this group, in ticks, in `0..=CEILING`.
    pub clock: u64,
}

impl Version {
    /// The version of those parts.
    ///
    /// # Errors
    /// [`ClockError::TimeTooLarge`] if the clock is above [`CEILING`].
    pub const fn new(incarnation: Incarnation, forgotten: bool, clock: u64) -> Result<Version, ClockError> {
        if clock > CEILING {
            return Err(ClockError::TimeTooLarge { time: clock });
        }
        Ok(Version { incarnation, forgotten, clock })
    }

    /// Whether the clock is in its range: the fields are public, so whoever takes a version in
    /// asks.
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

/// What decides between two records of a member: the version, and the digest of the live items.
/// Equal versions have equal live items, except after a fault, which the digest resolves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct VersionDigest {
    /// Compared first.
    pub version: Version,
    /// The sum of the hashes of the live items, see the crate's page on hashes.
    pub digest: u64,
}

/// What an incarnation was opened from: whoever holds the record of the former life up to that
/// clock, and not below the floor, can be brought up by an increment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Predecessor {
    /// The former life.
    pub incarnation: Incarnation,
    /// Its clock when the new life began, in ticks.
    pub clock: u64,
}
