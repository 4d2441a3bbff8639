//! The number and the clock of a new life of a member's writing, and the way back where no number can be greater. Knows nothing of items.

use gm_clock::Incarnation;

use super::{Moment, Replica};
use crate::eviction::{Eviction, HORIZON};
use crate::plant::{Bug, planted};
use crate::{Record, Version};

/// A new life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Life {
    pub(super) incarnation: Incarnation,
    /// It is below what was heard: everybody has to drop that.
    pub(super) eviction: Option<Eviction>,
}

impl Replica {
    /// A new life, of a number that is greater than any of this node's on disk or heard of. Where these are beyond the [`HORIZON`], there is soon none:
    /// then it is of the number that the wall clock suggests, and what is above it is to be evicted.
    pub(super) fn new_life(&self, moment: Moment) -> Life {
        let own = self.own().map_or(Incarnation::ORIGINAL, |own| own.version().incarnation);
        if planted(Bug::NoNewIncarnation) && self.own().is_some() {
            return Life { incarnation: own, eviction: None };
        }
        // A wall clock that is out of all range is no hint.
        let hint = moment.unix_seconds.checked_mul(1 << 16).and_then(|s| s.checked_add(moment.chance.into()));
        let hint = hint.filter(|&hint| hint < HORIZON / 2).unwrap_or(0);
        let next = own.max(self.highest).get() + 1;
        let number = |number: u64| Incarnation::new(number).unwrap_or(Incarnation::MAX);
        if next <= HORIZON || planted(Bug::NoWayBack) {
            return Life { incarnation: number(next.max(hint)), eviction: None };
        }
        let above_own = Some(own.get() + 1).filter(|&next| next <= HORIZON / 2).unwrap_or(1);
        let incarnation = number(above_own.max(hint));
        Life { incarnation, eviction: Some(Eviction::far_above(self.me, incarnation)) }
    }

    /// The clock of a new life that is to be above a version. It need not be greater, the life is; so a clock beyond the [`HORIZON`] is not
    /// followed, and one's own that is there begins anew.
    pub(super) fn new_clock(&self, heard: Option<Version>) -> u64 {
        let own = self.own().map(Record::version).map_or(0, |version| version.clock);
        let heard = heard.map_or(0, |version| version.clock);
        let within = |clock: u64| Some(clock).filter(|&clock| clock < HORIZON);
        within(own.max(heard)).or_else(|| within(own)).unwrap_or(0) + 1
    }

    /// This node lives that life from now on.
    pub(super) fn begin(&mut self, life: Life, millis: u64) {
        self.alive = true;
        match life.eviction {
            None => self.highest = self.highest.max(life.incarnation),
            Some(eviction) => {
                self.highest = life.incarnation;
                self.returns += 1;
                self.evictions.remember(&[eviction], millis);
            }
        }
    }
}
