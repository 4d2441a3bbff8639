//! Hearing what others pass on: records of others are joined, and what they say of oneself is never joined but answered
//! by a greater record of one's own.

use alloc::sync::Arc;
use alloc::vec::Vec;

use gm_clock::NetId;

use super::life::Life;
use super::{Moment, Replica};
use crate::eviction::Eviction;
use crate::message::{Merged, WrongGroup};
use crate::plant::{Bug, planted};
use crate::slot::Slot;
use crate::{Applied, Increment, Message, Record, Stamp, Version};

/// What came of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Heard {
    /// Whose records were newer, and whose were older than held here. Says nothing of this node's own.
    pub merged: Merged,
    /// What came of what it said of this node.
    pub own: OwnOutcome,
}

/// What came of a record or an increment about this node itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum OwnOutcome {
    /// It said nothing of this node, or what is held here.
    Nothing,
    /// It was older than what is held here: answer with one's own version.
    Older,
    /// It was what this node did not write. The record here now stands above it in a new life: make it durable, then
    /// broadcast it whole.
    Reasserted(Version),
    /// The same, but nothing can stand above it, or soon nothing could: the record here is of a new life below it. Make it durable, then have everybody
    /// evict what is far above it, and broadcast it whole.
    Returned {
        /// The version of the record.
        version: Version,
        /// What is to be evicted.
        eviction: Eviction,
    },
    /// It was what this node had evicted, and somebody who has not heard of that still holds: send the eviction. Nothing was changed.
    Evicted(Eviction),
    /// It was what this node did not write, but too often of late: another node writes under this identity. Nothing was changed; writing stops until no such
    /// claim was news for a while.
    Conflict,
}

/// How what somebody holds of this node stands against what is held here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Standing {
    /// It is what is held here.
    Same,
    /// It is older than what is held here: to be answered with one's own version.
    Older,
    /// It is what this node did not write, or does not know any longer to have written: above what is held here, or of its
    /// version with another digest. One's own record must be put above it.
    Foreign,
}

impl Replica {
    /// Takes in the state, or a part of it, that somebody sent.
    ///
    /// # Errors
    /// [`WrongGroup`] if it is of another group. Nothing was changed.
    pub fn hear(&mut self, message: &Message, moment: Moment) -> Result<Heard, WrongGroup> {
        let merged = self.hear_others(message)?;
        let own = message
            .record(self.me)
            .map_or(OwnOutcome::Nothing, |record| self.hear_of_oneself(record.stamp(), moment));
        Ok(Heard { merged, own })
    }

    /// As [`hear`](Replica::hear), but passing by what it says of this node: for that there is
    /// [`stands_against`](Replica::stands_against).
    ///
    /// # Errors
    /// [`WrongGroup`] if it is of another group. Nothing was changed.
    pub fn hear_others(&mut self, message: &Message) -> Result<Merged, WrongGroup> {
        let me = self.me;
        if self.evictions.is_empty() {
            return self.state_mut().merge_but(message, Some(me));
        }
        let refused = |record: &&Record| {
            let member = record.member();
            member != me && self.evictions.covering(member, record.version()).is_some()
        };
        let refused: Vec<NetId> = message.records().filter(refused).map(Record::member).collect();
        let mut left = message.clone();
        if !refused.is_empty() {
            left.drop_records(|member| refused.binary_search(&member).is_ok());
        }
        let merged = self.state_mut().merge_but(&left, Some(me))?;
        Ok(Merged { refused, ..merged })
    }

    /// Takes in an increment that somebody sent.
    ///
    /// One about this node is never applied: [`Applied::Known`] is returned with what came of it.
    pub fn hear_increment(&mut self, increment: &Increment, moment: Moment) -> (Applied, OwnOutcome) {
        if increment.member() == self.me {
            return (Applied::Known, self.hear_of_oneself(increment.stamp(), moment));
        }
        if self.evictions.covering(increment.member(), increment.stamp().version).is_some() {
            return (Applied::Refused, OwnOutcome::Nothing);
        }
        (self.state_mut().apply(increment), OwnOutcome::Nothing)
    }

    /// Hears that somebody holds a record of this node with that stamp. Also what a mere version with its digest leads to.
    pub fn hear_of_oneself(&mut self, heard: Stamp, moment: Moment) -> OwnOutcome {
        if let Some(eviction) = self.evictions.covering(self.me, heard.version) {
            return OwnOutcome::Evicted(eviction);
        }
        self.highest = self.highest.max(heard.version.incarnation);
        match self.stands_against(heard) {
            Standing::Same => OwnOutcome::Nothing,
            Standing::Older => OwnOutcome::Older,
            Standing::Foreign => self.reassert(heard, moment),
        }
    }

    /// What [`hear_of_oneself`](Replica::hear_of_oneself) would find, without doing anything about it.
    pub fn stands_against(&self, heard: Stamp) -> Standing {
        let Some(own) = self.own().map(Record::stamp) else { return Standing::Foreign };
        if heard == own || (planted(Bug::DigestNotCompared) && heard.version == own.version) {
            return Standing::Same;
        }
        if heard.version < own.version { Standing::Older } else { Standing::Foreign }
    }

    /// Puts one's record above what was heard, in a new life, with what is live in it.
    fn reassert(&mut self, heard: Stamp, moment: Moment) -> OwnOutcome {
        self.conflict.heard(heard, moment.millis);
        if !self.conflict.allows(moment.millis) {
            return OwnOutcome::Conflict;
        }
        let life = self.new_life(moment);
        let mut clock = self.new_clock(Some(heard.version));
        if planted(Bug::ReassertionBelow) {
            clock = self.own().map_or(0, |own| own.version().clock) + 1;
        }
        let version = self.live_on(life, clock, moment);
        match life.eviction {
            None => OwnOutcome::Reasserted(version),
            Some(eviction) => OwnOutcome::Returned { version, eviction },
        }
    }

    /// One's record goes on in that life, as if all that is live in it was written at that clock.
    pub(super) fn live_on(&mut self, life: Life, clock: u64, moment: Moment) -> Version {
        let version = Version { incarnation: life.incarnation, gone: false, clock };
        let mut slots: Vec<Slot> = self.own().map(|own| own.live().collect()).unwrap_or_default();
        let mut floor = clock;
        if planted(Bug::ReassertionKeepsStamps) {
            floor = self.own().map_or(0, Record::floor);
        } else {
            slots.iter_mut().for_each(|slot| *slot = slot.with_stamp(clock));
        }
        let record = Record::from_slots(self.me, version, None, floor, &slots);
        self.state_mut().put(Arc::new(record));
        self.begin(life, moment.millis);
        version
    }
}
