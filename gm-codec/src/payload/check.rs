//! What must hold of a value before it can be written. Knows nothing of bytes.

use super::PayloadError;

/// Not more than the limit.
pub(super) const fn at_most(what: &'static str, count: usize, max: usize) -> Result<(), PayloadError> {
    if count > max {
        return Err(PayloadError::TooMany { what, count: count as u64, max: max as u64 });
    }
    Ok(())
}

/// At least one, where none has no spelling.
pub(super) const fn not_empty(what: &'static str, count: usize) -> Result<(), PayloadError> {
    if count == 0 { Err(not_canonical(what)) } else { Ok(()) }
}

/// Something that has no spelling, or not this one.
pub(super) const fn not_canonical(what: &'static str) -> PayloadError {
    PayloadError::NotCanonical { what, at: 0 }
}

/// A number that cannot be.
pub(super) const fn in_range(what: &'static str, is: bool) -> Result<(), PayloadError> {
    if is { Ok(()) } else { Err(PayloadError::OutOfRange { what, at: 0 }) }
}

/// Each above the one before.
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
