//! How often a node has to defend its record, and when it gives up for a while because another writes under its identity. Knows nothing of records.

use super::{Moment, Replica};
use crate::{ChangeError, Stamp};

/// How often a node had to defend its record of late.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Conflict {
    // When the last re-assertions were, in milliseconds, the oldest first.
    recent: [Option<u64>; Conflict::TIMES],
    until: Option<u64>,
    /// The greatest claim that was heard: what is not above it is an old one that others pass on.
    claim: Option<Stamp>,
    /// Pauses that came one soon after another.
    pauses: u32,
    /// When the last one was over.
    ended: Option<u64>,
}

impl Conflict {
    /// Re-assertions that are borne within [`WINDOW`](Conflict::WINDOW).
    pub const TIMES: usize = 3;
    /// A minute, in milliseconds. A node that lost its disk or was forgotten needs one re-assertion, a group that heals after
    /// a split perhaps a second; two nodes with one identity need one for every write of either.
    pub const WINDOW: u64 = 60_000;
    /// Writing stops until no new claim was heard for so long, in milliseconds: ten seconds. Each pause that follows soon after another is twice as
    /// long, up to [`LONGEST`](Conflict::LONGEST).
    pub const QUIET: u64 = 10_000;
    /// Ten minutes, in milliseconds: no load, where another node goes on for ever. After as long without a conflict pauses are short again.
    pub const LONGEST: u64 = 600_000;

    pub(super) const fn new() -> Conflict {
        Conflict { recent: [None; Conflict::TIMES], until: None, claim: None, pauses: 0, ended: None }
    }

    /// Until when writing stops if no new claim is heard, in the milliseconds of [`Moment::millis`]; `None` if it does not.
    pub const fn until(&self) -> Option<u64> {
        self.until
    }

    /// The greatest version, with its digest, that was heard of this node and that it did not write.
    pub const fn claim(&self) -> Option<Stamp> {
        self.claim
    }

    /// Whether writing stops at that time.
    const fn holds(&self, millis: u64) -> bool {
        matches!(self.until, Some(until) if millis < until)
    }

    /// For how long writing stops after the last claim.
    fn quiet(&self) -> u64 {
        let doubled = Self::QUIET.saturating_mul(1 << self.pauses.saturating_sub(1).min(16));
        doubled.min(Self::LONGEST)
    }

    /// A claim was heard. One that is news while writing stops is a sign that whoever makes them is still there.
    pub(super) fn heard(&mut self, claim: Stamp, millis: u64) {
        let is_news = self.claim.is_none_or(|greatest| claim > greatest);
        if is_news {
            self.claim = Some(claim);
            if self.holds(millis) {
                self.until = Some(millis.saturating_add(self.quiet()));
            }
        }
    }

    /// Counts a re-assertion that would be made now, and says whether it may be.
    pub(super) fn allows(&mut self, millis: u64) -> bool {
        if self.holds(millis) {
            return false;
        }
        if let Some(until) = self.until.take() {
            self.recent = [None; Conflict::TIMES];
            self.ended = Some(until);
        }
        let in_window =
            |time: Option<u64>| time.is_some_and(|time| millis.saturating_sub(time) < Self::WINDOW);
        if self.recent.iter().all(|&time| in_window(time)) {
            let soon = self.ended.is_some_and(|ended| millis.saturating_sub(ended) < Self::LONGEST);
            self.pauses = if soon { self.pauses.saturating_add(1) } else { 1 };
            self.until = Some(millis.saturating_add(self.quiet()));
            return false;
        }
        self.recent.rotate_left(1);
        self.recent[Self::TIMES - 1] = Some(millis);
        true
    }
}

impl Replica {
    /// Ends the pause after an identity conflict, because somebody has seen to its cause: this node may write, and put its record above what
    /// was [claimed](Conflict::claim). Says whether there was a pause.
    pub fn end_conflict(&mut self, moment: Moment) -> bool {
        let held = self.conflict.holds(moment.millis);
        self.conflict = Conflict { claim: self.conflict.claim, ..Conflict::new() };
        held
    }

    /// Notes what somebody claims of this node while it does not write.
    pub fn hear_claim(&mut self, claim: Stamp, moment: Moment) {
        self.conflict.heard(claim, moment.millis);
    }

    /// Refuses to write while another node writes under this identity.
    pub(super) const fn check_conflict(&self, moment: Moment) -> Result<(), ChangeError> {
        if self.conflict.holds(moment.millis) {
            return Err(ChangeError::IdentityConflict { member: self.me });
        }
        Ok(())
    }
}
