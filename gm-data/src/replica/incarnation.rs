//! The number and the clock of a new life of a member's writing, and the way back where no number
//! can be greater. Knows nothing of items.

use gm_clock::Incarnation;

use super::{Replica, WriteContext};
use crate::eviction::{Eviction, HORIZON};
use crate::planted_bugs::{Bug, planted};
use crate::{Record, Version};

/// A new life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct NewIncarnation {
    pub(super) incarnation: Incarnation,
    /// It is below what was heard: everybody has to drop that.
    pub(super) eviction: Option<Eviction>,
}

impl Replica {
    /// A new life, of a number that is greater than any of this node's on disk or heard of. Where
    /// these are beyond the [`HORIZON`], there is soon none: then it is of the number that the wall
    /// clock suggests, and what is above it is to be evicted.
    pub(super) fn new_incarnation(&self, context: WriteContext) -> NewIncarnation {
        let own = self.own_record().map_or(Incarnation::ORIGINAL, |own| own.version().incarnation);
        if planted(Bug::NoNewIncarnation) && self.own_record().is_some() {
            return NewIncarnation { incarnation: own, eviction: None };
        }
        // A wall clock that is out of all range is no hint.
        let hint =
            context.unix_seconds.checked_mul(1 << 16).and_then(|s| s.checked_add(context.entropy.into()));
        let hint = hint.filter(|&hint| hint < HORIZON / 2).unwrap_or(0);
        let next = own.max(self.highest_incarnation).get() + 1;
        let number = |number: u64| Incarnation::new(number).unwrap_or(Incarnation::MAX);
        if next <= HORIZON || planted(Bug::NoIncarnationReset) {
            return NewIncarnation { incarnation: number(next.max(hint)), eviction: None };
        }
        let above_own = Some(own.get() + 1).filter(|&next| next <= HORIZON / 2).unwrap_or(1);
        let incarnation = number(above_own.max(hint));
        NewIncarnation { incarnation, eviction: Some(Eviction::far_above(self.me, incarnation)) }
    }

    /// The clock of a new life that is to be above a version. It need not be greater, the life is;
    /// so a clock beyond the [`HORIZON`] is not followed, and one's own that is there begins anew.
    pub(super) fn new_clock(&self, seen: Option<Version>) -> u64 {
        let own = self.own_record().map(Record::version).map_or(0, |version| version.clock);
        let seen = seen.map_or(0, |version| version.clock);
        let within = |clock: u64| Some(clock).filter(|&clock| clock < HORIZON);
        within(own.max(seen)).or_else(|| within(own)).unwrap_or(0) + 1
    }

    /// This node lives that life from now on.
    pub(super) fn begin_incarnation(&mut self, life: NewIncarnation, millis: u64) {
        self.began_incarnation = true;
        match life.eviction {
            None => self.highest_incarnation = self.highest_incarnation.max(life.incarnation),
            Some(eviction) => {
                self.highest_incarnation = life.incarnation;
                self.resets += 1;
                self.evictions.remember(&[eviction], millis);
            }
        }
    }
}
