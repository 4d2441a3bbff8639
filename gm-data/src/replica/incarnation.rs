//! Number and clock of a new incarnation of the node's own record, and the reset to a lower
//! incarnation if no greater one is possible.

use gm_clock::Incarnation;

use super::{Replica, WriteContext};
use crate::eviction::{Eviction, HORIZON};
use crate::{Record, Version};

/// A new incarnation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct NewIncarnation {
    pub(super) incarnation: Incarnation,
    /// Set after a reset to a lower incarnation: all nodes must drop the greater versions that this
    /// eviction covers.
    pub(super) eviction: Option<Eviction>,
}

impl Replica {
    /// A new incarnation, greater than any of this node that is known from disk or from peers. If
    /// these are beyond the [`HORIZON`], greater numbers would soon run out: then the number comes
    /// from the wall clock, and the eviction covers all versions far above it.
    pub(super) fn new_incarnation(&self, context: WriteContext) -> NewIncarnation {
        let own = self.own_record().map_or(Incarnation::ORIGINAL, |own| own.version().incarnation);
        // Ignore a wall clock that is out of range.
        let hint =
            context.unix_seconds.checked_mul(1 << 16).and_then(|s| s.checked_add(context.entropy.into()));
        let hint = hint.filter(|&hint| hint < HORIZON / 2).unwrap_or(0);
        let next = own.max(self.highest_incarnation).get() + 1;
        let number = |number: u64| Incarnation::new(number).unwrap_or(Incarnation::MAX);
        if next <= HORIZON {
            return NewIncarnation { incarnation: number(next.max(hint)), eviction: None };
        }
        let above_own = Some(own.get() + 1).filter(|&next| next <= HORIZON / 2).unwrap_or(1);
        let incarnation = number(above_own.max(hint));
        NewIncarnation { incarnation, eviction: Some(Eviction::far_above(self.me, incarnation)) }
    }

    /// The clock of a new incarnation that must be above the version `seen`. It need not be
    /// greater, because the incarnation is. So a foreign clock beyond the [`HORIZON`] is ignored,
    /// and an own clock beyond it starts again at 1.
    pub(super) fn new_clock(&self, seen: Option<Version>) -> u64 {
        let own = self.own_record().map(Record::version).map_or(0, |version| version.clock);
        let seen = seen.map_or(0, |version| version.clock);
        let within = |clock: u64| Some(clock).filter(|&clock| clock < HORIZON);
        within(own.max(seen)).or_else(|| within(own)).unwrap_or(0) + 1
    }

    /// Makes the given incarnation the present one.
    pub(super) fn begin_incarnation(&mut self, new: NewIncarnation, millis: u64) {
        self.began_incarnation = true;
        match new.eviction {
            None => self.highest_incarnation = self.highest_incarnation.max(new.incarnation),
            Some(eviction) => {
                self.highest_incarnation = new.incarnation;
                self.resets += 1;
                self.evictions.remember(&[eviction], millis);
            }
        }
    }
}
