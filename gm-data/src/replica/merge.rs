//! Hearing what others pass on: records of others are joined, and what they say of oneself is never
//! joined but answered by a greater record of one's own.

use alloc::sync::Arc;
use alloc::vec::Vec;

use gm_clock::NetId;

use super::incarnation::NewIncarnation;
use super::{Replica, WriteContext};
use crate::eviction::Eviction;
use crate::group_state::{MergeOutcome, WrongGroup};
use crate::packed_item::PackedItem;
use crate::planted_bugs::{Bug, planted};
use crate::{ApplyOutcome, GroupState, Increment, Record, Version, VersionDigest};

/// What came of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReplicaMergeOutcome {
    /// Whose records were newer, and whose were older than held here. Says nothing of this node's
    /// own.
    pub others: MergeOutcome,
    /// What came of what it said of this node.
    pub own: OwnRecordOutcome,
}

/// What came of a record or an increment about this node itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum OwnRecordOutcome {
    /// It said nothing of this node, or what is held here.
    Nothing,
    /// It was older than what is held here: answer with one's own version.
    Older,
    /// It was what this node did not write. The record here now stands above it in a new life: make
    /// it durable, then broadcast it whole.
    Refuted(Version),
    /// The same, but nothing can stand above it, or soon nothing could: the record here is of a new
    /// life below it. Make it durable, then have everybody evict what is far above it, and
    /// broadcast it whole.
    Reset {
        /// The version of the record.
        version: Version,
        /// What is to be evicted.
        eviction: Eviction,
    },
    /// It was what this node had evicted, and somebody who has not heard of that still holds: send
    /// the eviction. Nothing was changed.
    AlreadyEvicted(Eviction),
    /// It was what this node did not write, but too often of late: another node writes under this
    /// identity. Nothing was changed; writing stops until no such claim was news for a while.
    Conflict,
}

/// How what somebody holds of this node stands against what is held here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PeerCopy {
    /// It is what is held here.
    Same,
    /// It is older than what is held here: to be answered with one's own version.
    Older,
    /// It is what this node did not write, or does not know any longer to have written: above what
    /// is held here, or of its version with another digest. One's own record must be put above it.
    Foreign,
}

impl Replica {
    /// Takes in the state, or a part of it, that somebody sent.
    ///
    /// # Errors
    /// [`WrongGroup`] if it is of another group. Nothing was changed.
    pub fn merge(
        &mut self,
        state: &GroupState,
        context: WriteContext,
    ) -> Result<ReplicaMergeOutcome, WrongGroup> {
        let merged = self.merge_others(state)?;
        let own = state.record(self.me).map_or(OwnRecordOutcome::Nothing, |record| {
            self.observe_own_record(record.version_digest(), context)
        });
        Ok(ReplicaMergeOutcome { others: merged, own })
    }

    /// As [`merge`](Replica::merge), but passing by what it says of this node: for that there is
    /// [`classify_copy`](Replica::classify_copy).
    ///
    /// # Errors
    /// [`WrongGroup`] if it is of another group. Nothing was changed.
    pub fn merge_others(&mut self, state: &GroupState) -> Result<MergeOutcome, WrongGroup> {
        let me = self.me;
        if self.evictions.is_empty() {
            return self.state_mut().merge_except(state, Some(me));
        }
        let refused = |record: &&Record| {
            let member = record.member();
            member != me && self.evictions.covering(member, record.version()).is_some()
        };
        let refused: Vec<NetId> = state.records().filter(refused).map(Record::member).collect();
        let mut left = state.clone();
        if !refused.is_empty() {
            left.drop_records(|member| refused.binary_search(&member).is_ok());
        }
        let merged = self.state_mut().merge_except(&left, Some(me))?;
        Ok(MergeOutcome { refused, ..merged })
    }

    /// Takes in an increment that somebody sent.
    ///
    /// One about this node is never applied: [`ApplyOutcome::AlreadyKnown`] is returned with what
    /// came of it.
    pub fn apply_increment(
        &mut self,
        increment: &Increment,
        context: WriteContext,
    ) -> (ApplyOutcome, OwnRecordOutcome) {
        if increment.member() == self.me {
            return (
                ApplyOutcome::AlreadyKnown,
                self.observe_own_record(increment.version_digest(), context),
            );
        }
        if self.evictions.covering(increment.member(), increment.version_digest().version).is_some() {
            return (ApplyOutcome::Refused, OwnRecordOutcome::Nothing);
        }
        (self.state_mut().apply(increment), OwnRecordOutcome::Nothing)
    }

    /// Hears that somebody holds a record of this node with that stamp. Also what a mere version
    /// with its digest leads to.
    pub fn observe_own_record(&mut self, seen: VersionDigest, context: WriteContext) -> OwnRecordOutcome {
        if let Some(eviction) = self.evictions.covering(self.me, seen.version) {
            return OwnRecordOutcome::AlreadyEvicted(eviction);
        }
        self.highest_incarnation = self.highest_incarnation.max(seen.version.incarnation);
        match self.classify_copy(seen) {
            PeerCopy::Same => OwnRecordOutcome::Nothing,
            PeerCopy::Older => OwnRecordOutcome::Older,
            PeerCopy::Foreign => self.refute(seen, context),
        }
    }

    /// What [`observe_own_record`](Replica::observe_own_record) would find, without doing anything
    /// about it.
    pub fn classify_copy(&self, seen: VersionDigest) -> PeerCopy {
        let Some(own) = self.own_record().map(Record::version_digest) else { return PeerCopy::Foreign };
        if seen == own || (planted(Bug::DigestNotCompared) && seen.version == own.version) {
            return PeerCopy::Same;
        }
        if seen.version < own.version { PeerCopy::Older } else { PeerCopy::Foreign }
    }

    /// Puts one's record above what was heard, in a new life, with what is live in it.
    fn refute(&mut self, seen: VersionDigest, context: WriteContext) -> OwnRecordOutcome {
        self.conflict.note_claim(seen, context.millis);
        if !self.conflict.admit_refutation(context.millis) {
            return OwnRecordOutcome::Conflict;
        }
        let life = self.new_incarnation(context);
        let mut clock = self.new_clock(Some(seen.version));
        if planted(Bug::RefutationBelow) {
            clock = self.own_record().map_or(0, |own| own.version().clock) + 1;
        }
        let version = self.rewrite_own_record(life, clock, context);
        match life.eviction {
            None => OwnRecordOutcome::Refuted(version),
            Some(eviction) => OwnRecordOutcome::Reset { version, eviction },
        }
    }

    /// One's record goes on in that life, as if all that is live in it was written at that clock.
    pub(super) fn rewrite_own_record(
        &mut self,
        life: NewIncarnation,
        clock: u64,
        context: WriteContext,
    ) -> Version {
        let version = Version { incarnation: life.incarnation, forgotten: false, clock };
        let mut packed_items: Vec<PackedItem> =
            self.own_record().map(|own| own.live_items().collect()).unwrap_or_default();
        let mut floor = clock;
        if planted(Bug::RefutationKeepsStamps) {
            floor = self.own_record().map_or(0, Record::floor);
        } else {
            packed_items.iter_mut().for_each(|packed| *packed = packed.with_stamp(clock));
        }
        let record = Record::from_packed(self.me, version, None, floor, &packed_items);
        self.state_mut().put_record(Arc::new(record));
        self.begin_incarnation(life, context.millis);
        version
    }
}
