//! Checks on a value before it is encoded.

use super::PayloadError;

/// Refuses a count above the limit.
pub(super) const fn at_most(what: &'static str, count: usize, max: usize) -> Result<(), PayloadError> {
    if count > max {
        return Err(PayloadError::TooMany { what, count: count as u64, max: max as u64 });
    }
    Ok(())
}

/// Refuses an empty list where the wire format has no encoding for one.
pub(super) const fn not_empty(what: &'static str, count: usize) -> Result<(), PayloadError> {
    if count == 0 { Err(not_canonical(what)) } else { Ok(()) }
}

/// The error for a value that has no encoding, or a shorter one.
pub(super) const fn not_canonical(what: &'static str) -> PayloadError {
    PayloadError::NotCanonical { what, at: 0 }
}

/// Refuses a number that is out of range.
pub(super) const fn in_range(what: &'static str, is: bool) -> Result<(), PayloadError> {
    if is { Ok(()) } else { Err(PayloadError::OutOfRange { what, at: 0 }) }
}

/// Refuses a list unless each element is above the one before.
pub(super) fn sorted<T>(
    what: &'static str,
    list: &[T],
    above: impl Fn(&T, &T) -> bool,
) -> Result<(), PayloadError> {
    if list.is_sorted_by(|before, after| above(after, before)) {
        Ok(())
    } else {
        Err(PayloadError::Unsorted { what })
    }
}
