//! Hearing what others pass on: records of others are joined, and what they say of oneself is never joined but answered
//! by a greater record of one's own.

use alloc::sync::Arc;
use alloc::vec::Vec;

use gm_clock::{CEILING, Incarnation, NetId};

use super::{Moment, Replica};
use crate::message::{Merged, WrongGroup};
use crate::plant::{Bug, planted};
use crate::slot::Slot;
use crate::{Applied, ChangeError, Increment, Message, Record, Stamp, Version};

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
    /// As above, but too often of late: another node writes under this identity. Nothing was changed; writing stops, and is
    /// tried again later.
    Conflict,
    /// As above, but the clock or the incarnation heard is at the end of its range, and nothing can stand above it.
    Exhausted,
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

/// How often a node had to defend its record of late.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Conflict {
    // When the last re-assertions were, in milliseconds, the oldest first.
    recent: [Option<u64>; Conflict::TIMES],
    until: Option<u64>,
}

impl Conflict {
    /// Re-assertions that are borne within [`WINDOW`](Conflict::WINDOW).
    pub const TIMES: usize = 3;
    /// A minute, in milliseconds. A node that lost its disk or was forgotten needs one re-assertion, a group that heals after
    /// a split perhaps a second; two nodes with one identity need one for every write of either.
    pub const WINDOW: u64 = 60_000;
    /// How long writing stops, in milliseconds: ten minutes, long enough for somebody to look, and to be no load.
    pub const PAUSE: u64 = 600_000;

    pub(super) const fn new() -> Conflict {
        Conflict { recent: [None; Conflict::TIMES], until: None }
    }

    /// Until when writing stops, in the milliseconds of [`Moment::millis`]; `None` if it does not.
    pub const fn until(&self) -> Option<u64> {
        self.until
    }

    /// Whether writing stops at that time.
    const fn holds(&self, millis: u64) -> bool {
        matches!(self.until, Some(until) if millis < until)
    }

    /// Counts a re-assertion that would be made now, and says whether it may be.
    fn allows(&mut self, millis: u64) -> bool {
        if self.holds(millis) {
            return false;
        }
        self.until = None;
        let in_window =
            |time: Option<u64>| time.is_some_and(|time| millis.saturating_sub(time) < Self::WINDOW);
        if self.recent.iter().all(|&time| in_window(time)) {
            self.until = Some(millis.saturating_add(Self::PAUSE));
            return false;
        }
        self.recent.rotate_left(1);
        self.recent[Self::TIMES - 1] = Some(millis);
        true
    }
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
        self.state_mut().merge_but(message, Some(me))
    }

    /// Takes in an increment that somebody sent.
    ///
    /// One about this node is never applied: [`Applied::Known`] is returned with what came of it.
    pub fn hear_increment(&mut self, increment: &Increment, moment: Moment) -> (Applied, OwnOutcome) {
        if increment.member() == self.me {
            return (Applied::Known, self.hear_of_oneself(increment.stamp(), moment));
        }
        (self.state_mut().apply(increment), OwnOutcome::Nothing)
    }

    /// Hears that somebody holds a record of this node with that stamp. Also what a mere version with its digest leads to.
    pub fn hear_of_oneself(&mut self, heard: Stamp, moment: Moment) -> OwnOutcome {
        // The last incarnation is refused: kept as the highest heard of, it would end all writing here.
        if heard.version.incarnation < Incarnation::MAX {
            self.highest = self.highest.max(heard.version.incarnation);
        }
        match self.stands_against(heard) {
            Standing::Same => OwnOutcome::Nothing,
            Standing::Older => OwnOutcome::Older,
            Standing::Foreign => self.reassert(heard.version, moment),
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
    fn reassert(&mut self, heard: Version, moment: Moment) -> OwnOutcome {
        let own_clock = self.own().map_or(0, |own| own.version().clock);
        let clock = own_clock.max(heard.clock);
        let Ok(incarnation) = self.new_incarnation(moment) else { return OwnOutcome::Exhausted };
        if clock >= CEILING || heard.incarnation == Incarnation::MAX {
            return OwnOutcome::Exhausted;
        }
        if !self.conflict.allows(moment.millis) {
            return OwnOutcome::Conflict;
        }
        let clock = if planted(Bug::ReassertionBelow) { own_clock + 1 } else { clock + 1 };
        let version = Version { incarnation, gone: false, clock };
        let mut slots: Vec<Slot> = self.own().map(|own| own.live().collect()).unwrap_or_default();
        let mut floor = clock;
        if planted(Bug::ReassertionKeepsStamps) {
            floor = self.own().map_or(0, Record::floor);
        } else {
            slots.iter_mut().for_each(|slot| *slot = slot.with_stamp(clock));
        }
        let record = Record::from_slots(self.me, version, None, floor, &slots);
        self.state_mut().put(Arc::new(record));
        self.alive = true;
        self.highest = self.highest.max(incarnation);
        OwnOutcome::Reasserted(version)
    }

    /// Refuses to write while another node writes under this identity.
    pub(super) const fn check_conflict(&self, moment: Moment) -> Result<(), ChangeError> {
        if self.conflict.holds(moment.millis) {
            let member: NetId = self.me;
            return Err(ChangeError::IdentityConflict { member });
        }
        Ok(())
    }
}
