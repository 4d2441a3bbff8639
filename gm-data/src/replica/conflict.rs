//! [`IdentityConflict`], the detection of another node that writes under the same identity: counts
//! refutations, and pauses writing if there are too many.

use super::{Replica, WriteContext};
use crate::{ChangeError, VersionDigest};

/// Recent refutations by a node, and the pause of its writing after too many.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct IdentityConflict {
    // Times of the latest refutations in milliseconds, the oldest first.
    recent_refutations: [Option<u64>; IdentityConflict::MAX_REFUTATIONS],
    paused_until: Option<u64>,
    /// The greatest claim received. A claim that is not above it is an old one that peers pass on.
    greatest_claim: Option<VersionDigest>,
    /// Number of consecutive pauses, each soon after the previous one.
    pauses: u32,
    /// Time at which the latest pause ended.
    last_pause_end: Option<u64>,
}

impl IdentityConflict {
    /// Maximum number of refutations within [`WINDOW`](IdentityConflict::WINDOW); one more pauses
    /// writing.
    pub const MAX_REFUTATIONS: usize = 3;
    /// Period in which refutations are counted, in milliseconds: one minute. A node that lost its
    /// disk or was forgotten needs one refutation, and a group that heals after a partition perhaps
    /// a second one. Two nodes with one identity need one for every write of either.
    pub const WINDOW: u64 = 60_000;
    /// Initial duration of a pause in milliseconds, ten seconds, counted from the latest new claim.
    /// Each pause that follows soon after another is twice as long, up to
    /// [`MAX_PAUSE`](IdentityConflict::MAX_PAUSE).
    pub const PAUSE: u64 = 10_000;
    /// Maximum duration of a pause in milliseconds: ten minutes, which limits the load if another
    /// node never stops. After an equally long time without a conflict, pauses are short again.
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

    /// The time at which the pause ends if no new claim arrives, in the milliseconds of
    /// [`WriteContext::millis`]; `None` if writing is not paused.
    pub const fn paused_until(&self) -> Option<u64> {
        self.paused_until
    }

    /// The greatest foreign version of this node's record that was received, with its digest.
    pub const fn greatest_claim(&self) -> Option<VersionDigest> {
        self.greatest_claim
    }

    /// Whether writing is paused at the given time.
    const fn is_paused(&self, millis: u64) -> bool {
        matches!(self.paused_until, Some(until) if millis < until)
    }

    /// Duration of the pause after the latest claim.
    fn pause_length(&self) -> u64 {
        let doubled = Self::PAUSE.saturating_mul(1 << self.pauses.saturating_sub(1).min(16));
        doubled.min(Self::MAX_PAUSE)
    }

    /// Records a claim, which is a version of this node's record that it did not write. A new claim
    /// during a pause shows that its writer is still active.
    pub(super) fn note_claim(&mut self, claim: VersionDigest, millis: u64) {
        let is_news = self.greatest_claim.is_none_or(|greatest| claim > greatest);
        if is_news {
            self.greatest_claim = Some(claim);
            if self.is_paused(millis) {
                self.paused_until = Some(millis.saturating_add(self.pause_length()));
            }
        }
    }

    /// Counts a refutation at the given time. Returns whether it is allowed.
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
    /// Ends the pause after an identity conflict, because an operator removed its cause: this node
    /// may write, and refute the [greatest claim](IdentityConflict::greatest_claim). Returns
    /// whether there was a pause.
    pub fn end_conflict(&mut self, context: WriteContext) -> bool {
        let was_paused = self.conflict.is_paused(context.millis);
        self.conflict =
            IdentityConflict { greatest_claim: self.conflict.greatest_claim, ..IdentityConflict::new() };
        was_paused
    }

    /// Records a foreign version of this node's record while it does not write.
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
