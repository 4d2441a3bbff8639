//! Equality and debug output of group states.

use alloc::vec::Vec;
use core::fmt;

use super::GroupState;

/// Two states are equal if they have the same name, and every record has the same version and the
/// same live items with the same stamps. Kept removals and floors are not compared.
impl PartialEq for GroupState {
    fn eq(&self, other: &GroupState) -> bool {
        self.name == other.name
            && self.records().len() == other.records().len()
            && self.records().zip(other.records()).all(|(mine, theirs)| {
                mine.member() == theirs.member()
                    && mine.version() == theirs.version()
                    && mine.live_items().eq(theirs.live_items())
            })
    }
}

impl Eq for GroupState {}

impl fmt::Debug for GroupState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GroupState")
            .field("name", &self.name)
            .field("records", &self.records().collect::<Vec<_>>())
            .finish_non_exhaustive()
    }
}
