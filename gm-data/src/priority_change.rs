//! Change of a priority as text: `N`, `+N` or `-N`. Command lines and the serialized form of
//! [`Change`] use it.

use core::fmt;
use core::str::FromStr;

use thiserror::Error;

use crate::{Change, KeyRange};

/// Change of a priority, as text `N`, `+N` or `-N`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PriorityChange {
    /// Replaces the priority.
    Set(u16),
    /// Adds to the priority.
    Raise(u16),
    /// Subtracts from the priority. At zero the range is withdrawn.
    Lower(u16),
}

/// A text that is no change of a priority.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Error)]
#[error("not a priority: N, +N or -N with N up to 65535")]
pub struct PriorityChangeError;

impl PriorityChange {
    /// The change of the priority of this range.
    #[must_use]
    pub const fn of_range(self, range: KeyRange) -> Change {
        match self {
            PriorityChange::Set(priority) => Change::Priority { range, priority },
            PriorityChange::Raise(by) => Change::Raise { range, by, port: None },
            PriorityChange::Lower(by) => Change::Lower { range, by },
        }
    }
}

impl FromStr for PriorityChange {
    type Err = PriorityChangeError;

    fn from_str(text: &str) -> Result<PriorityChange, PriorityChangeError> {
        let (change, digits): (fn(u16) -> PriorityChange, _) = match text.as_bytes().first() {
            Some(b'+') => (PriorityChange::Raise, &text[1..]),
            Some(b'-') => (PriorityChange::Lower, &text[1..]),
            _ => (PriorityChange::Set, text),
        };
        let is_number = digits.bytes().all(|byte| byte.is_ascii_digit());
        let number = digits.parse().ok().filter(|_| is_number);
        number.map(change).ok_or(PriorityChangeError)
    }
}

impl fmt::Display for PriorityChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PriorityChange::Set(number) => write!(f, "{number}"),
            PriorityChange::Raise(number) => write!(f, "+{number}"),
            PriorityChange::Lower(number) => write!(f, "-{number}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use alloc::string::ToString;

    use super::*;

    #[test]
    fn texts_are_read_as_they_are_written() {
        for (text, change) in [
            ("0", PriorityChange::Set(0)),
            ("1", PriorityChange::Set(1)),
            ("+7", PriorityChange::Raise(7)),
            ("-65535", PriorityChange::Lower(65_535)),
        ] {
            assert_eq!((text.parse(), change.to_string().as_str()), (Ok(change), text));
        }
        for text in ["", "+", "-", "--1", "+-1", "65536", "1.5", " 1", "x"] {
            assert_eq!(text.parse::<PriorityChange>(), Err(PriorityChangeError), "{text}");
        }
    }

    #[test]
    fn each_is_a_change_of_a_range() {
        let range = KeyRange::WHOLE;
        let changes = ["3", "+3", "-3"].map(|text| text.parse::<PriorityChange>().unwrap().of_range(range));
        assert_eq!(
            changes,
            [
                Change::Priority { range, priority: 3 },
                Change::Raise { range, by: 3, port: None },
                Change::Lower { range, by: 3 },
            ]
        );
    }
}
