//! [`KeyRange`], a range of the key space.

use core::fmt;
use core::ops::RangeInclusive;
use core::str::FromStr;

use thiserror::Error;

/// The keys `start..=end` of the 32-bit key space, both ends included. Never empty, and never wraps
/// around.
///
/// Ordered by start, then end. Displayed as `0x00000000-0xffffffff`; parsed from hex (`0x`, either
/// case) or decimal, as one key (`7`) or two (`0x0-255`).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyRange {
    // The order of the fields defines the order of the type.
    start: u32,
    end: u32,
}

/// Reason why a range was refused. Nothing was changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Error)]
pub enum RangeError {
    /// The start is above the end. Ranges do not wrap: use two ranges instead.
    #[error("the range {start:#010x}-{end:#010x} is inverted: its start is above its end")]
    Inverted {
        /// The given first key.
        start: u32,
        /// The given last key.
        end: u32,
    },
    /// The text is neither `START-END` nor one key, each in decimal or hex (`0x`) and in
    /// `0..=0xffffffff`.
    #[error("not a range: expected START-END or one KEY, each decimal or 0x hex, at most 0xffffffff")]
    Malformed,
}

impl KeyRange {
    /// The whole key space, `0..=0xffff_ffff`.
    pub const WHOLE: KeyRange = KeyRange { start: 0, end: u32::MAX };

    /// The keys from `start` to `end`, both included.
    ///
    /// # Errors
    /// [`RangeError::Inverted`] if `start > end`.
    pub const fn new(start: u32, end: u32) -> Result<KeyRange, RangeError> {
        if start > end {
            return Err(RangeError::Inverted { start, end });
        }
        Ok(KeyRange { start, end })
    }

    /// The range of a single key.
    pub const fn single(key: u32) -> KeyRange {
        KeyRange { start: key, end: key }
    }

    /// The first key.
    pub const fn start(self) -> u32 {
        self.start
    }

    /// The last key, which is part of the range.
    pub const fn end(self) -> u32 {
        self.end
    }

    /// The number of keys, in `1..=2^32`.
    pub const fn width(self) -> u64 {
        self.end as u64 - self.start as u64 + 1
    }

    /// Whether the key is in the range.
    pub const fn contains(self, key: u32) -> bool {
        self.start <= key && key <= self.end
    }

    /// Whether the two ranges have a key in common.
    pub const fn overlaps(self, other: KeyRange) -> bool {
        self.start <= other.end && other.start <= self.end
    }
}

impl TryFrom<RangeInclusive<u32>> for KeyRange {
    type Error = RangeError;

    fn try_from(range: RangeInclusive<u32>) -> Result<KeyRange, RangeError> {
        KeyRange::new(*range.start(), *range.end())
    }
}

impl fmt::Display for KeyRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#010x}-{:#010x}", self.start, self.end)
    }
}

impl fmt::Debug for KeyRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for KeyRange {
    type Err = RangeError;

    fn from_str(text: &str) -> Result<KeyRange, RangeError> {
        match text.split_once('-') {
            Some((start, end)) => KeyRange::new(key(start)?, key(end)?),
            None => key(text).map(KeyRange::single),
        }
    }
}

/// Parses one key. Only digits are accepted, because std's parser also accepts a sign (`+7`).
fn key(text: &str) -> Result<u32, RangeError> {
    let (digits, radix) = match text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        Some(hex) => (hex, 16),
        None => (text, 10),
    };
    if !digits.chars().all(|c| c.is_digit(radix)) {
        return Err(RangeError::Malformed);
    }
    u32::from_str_radix(digits, radix).map_err(|_| RangeError::Malformed)
}
