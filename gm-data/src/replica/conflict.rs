//! How often a node has to defend its record, and when it gives up for a while because another
//! writes under its identity. Knows nothing of records.

use super::{Replica, WriteContext};
use crate::{ChangeError, VersionDigest};

/// How often a node had to defend its record of late.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct IdentityConflict {
    // When the last re-assertions were, in milliseconds, the oldest first.
    recent_refutations: [Option<u64>; IdentityConflict::MAX_REFUTATIONS],
    paused_until: Option<u64>,
    /// The greatest claim that was heard: what is not above it is an old one that others pass on.
    greatest_claim: Option<VersionDigest>,
    /// Pauses that came one soon after another.
    pauses: u32,
    /// When the last one was over.
    last_pause_end: Option<u64>,
}

impl IdentityConflict {
    /// Re-assertions that are borne within [`WINDOW`](IdentityConflict::WINDOW).
    pub const MAX_REFUTATIONS: usize = 3;
    /// A minute, in milliseconds. A node that lost its disk or was forgotten needs one
    /// re-assertion, a group that heals after a split perhaps a second; two nodes with one identity
    /// need one for every write of either.
    pub const WINDOW: u64 = 60_000;
    /// Writing stops until no new claim was heard for so long, in milliseconds: ten seconds. Each
    /// pause that follows soon after another is twice as long, up to
    /// [`MAX_PAUSE`](IdentityConflict::MAX_PAUSE).
    pub const PAUSE: u64 = 10_000;
    /// Ten minutes, in milliseconds: no load, where another node goes on for ever. After as long
    /// without a conflict pauses are short again.
    pub const MAX_PAUSE: u64 = 600_000;

    pub(super) const fn new() -> IdentityConflict {
        IdentityConflict {
            recent_refutations: [None; IdentityConflict::MAX_REFUTATIONS],
            paused_until: None,
            greatest_claim: None,
            pauses: 0,
            last_pause_end: None,
        }
    }

    /// Until when writing stops if no new claim is heard, in the milliseconds of
    /// [`WriteContext::millis`]; `None` if it does not.
    pub const fn paused_until(&self) -> Option<u64> {
        self.paused_until
    }

    /// The greatest version, with its digest, that was heard of this node and that it did not
    /// write.
    pub const fn greatest_claim(&self) -> Option<VersionDigest> {
        self.greatest_claim
    }

    /// Whether writing stops at that time.
    const fn is_paused(&self, millis: u64) -> bool {
        matches!(self.paused_until, Some(until) if millis < until)
    }

    /// For how long writing stops after the last claim.
    fn pause_length(&self) -> u64 {
        let doubled = Self::PAUSE.saturating_mul(1 << self.pauses.saturating_sub(1).min(16));
        doubled.min(Self::MAX_PAUSE)
    }

    /// A claim was heard. One that is news while writing stops is a sign that whoever makes them is
    /// still there.
    pub(super) fn note_claim(&mut self, claim: VersionDigest, millis: u64) {
        let is_news = self.greatest_claim.is_none_or(|greatest| claim > greatest);
        if is_news {
            self.greatest_claim = Some(claim);
            if self.is_paused(millis) {
                self.paused_until = Some(millis.saturating_add(self.pause_length()));
            }
        }
    }

    /// Counts a re-assertion that would be made now, and says whether it may be.
    pub(super) fn admit_refutation(&mut self, millis: u64) -> bool {
        if self.is_paused(millis) {
            return false;
        }
        if let Some(until) = self.paused_until.take() {
            self.recent_refutations = [None; IdentityConflict::MAX_REFUTATIONS];
            self.last_pause_end = Some(until);
        }
        let in_window =
            |time: Option<u64>| time.is_some_and(|time| millis.saturating_sub(time) < Self::WINDOW);
        if self.recent_refutations.iter().all(|&time| in_window(time)) {
            let soon =
                self.last_pause_end.is_some_and(|ended| millis.saturating_sub(ended) < Self::MAX_PAUSE);
            self.pauses = if soon { self.pauses.saturating_add(1) } else { 1 };
            self.paused_until = Some(millis.saturating_add(self.pause_length()));
            return false;
        }
        self.recent_refutations.rotate_left(1);
        self.recent_refutations[Self::MAX_REFUTATIONS - 1] = Some(millis);
        true
    }
}

impl Replica {
    /// Ends the pause after an identity conflict, because somebody has seen to its cause: this node
    /// may write, and put its record above what was [claimed](IdentityConflict::greatest_claim).
    /// Says whether there was a pause.
    pub fn end_conflict(&mut self, context: WriteContext) -> bool {
        let held = self.conflict.is_paused(context.millis);
        self.conflict =
            IdentityConflict { greatest_claim: self.conflict.greatest_claim, ..IdentityConflict::new() };
        held
    }

    /// Notes what somebody claims of this node while it does not write.
    pub fn note_claim(&mut self, claim: VersionDigest, context: WriteContext) {
        self.conflict.note_claim(claim, context.millis);
    }

    /// Refuses to write while another node writes under this identity.
    pub(super) const fn check_conflict(&self, context: WriteContext) -> Result<(), ChangeError> {
        if self.conflict.is_paused(context.millis) {
            return Err(ChangeError::IdentityConflict { member: self.me });
        }
        Ok(())
    }
}
