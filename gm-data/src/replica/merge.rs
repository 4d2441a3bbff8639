//! Merging of received states and increments into a replica. Records of other members are merged; a
//! foreign record of the node itself never is, but is refuted by a greater own record (compare
//! refutation in SWIM, Das et al. 2002).

use alloc::sync::Arc;
use alloc::vec::Vec;

use gm_clock::NetId;

use super::incarnation::NewIncarnation;
use super::{Replica, WriteContext};
use crate::eviction::Eviction;
use crate::group_state::{MergeOutcome, WrongGroup};
use crate::packed_item::PackedItem;
use crate::{ApplyOutcome, GroupState, Increment, Record, Version, VersionDigest};

/// Outcome of merging a received state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReplicaMergeOutcome {
    /// Members whose records were newer or older than the local ones, without this node's own.
    pub others: MergeOutcome,
    /// Outcome for this node's own record.
    pub own: OwnRecordOutcome,
}

/// Outcome of receiving a record or an increment of this node itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum OwnRecordOutcome {
    /// No reaction is needed: there was none, or it equals the own record.
    Nothing,
    /// It was older than the own record. Answer with the own version.
    Older,
    /// It was not written by this node, and is refuted: the own record now has a greater version in
    /// a new incarnation. Make it durable, then broadcast it as a whole.
    Refuted(Version),
    /// It was not written by this node, and no greater version is possible, or soon none would be:
    /// the own record was reset to a lower incarnation. Make it durable, then send the eviction to
    /// all nodes, and broadcast the record as a whole.
    Reset {
        /// The version of the own record.
        version: Version,
        /// The eviction of the versions far above it.
        eviction: Eviction,
    },
    /// It is covered by this node's own eviction, which the sender does not know yet: send the
    /// eviction. Nothing was changed.
    AlreadyEvicted(Eviction),
    /// It was not written by this node, and there were too many such records recently: another node
    /// writes under this identity. Nothing was changed. Writing is paused until no new claim
    /// arrives for a while.
    Conflict,
}

/// Comparison of a peer's copy of this node's record with the own record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PeerCopy {
    /// The copy equals the own record.
    Same,
    /// The copy is older than the own record. Answer with the own version.
    Older,
    /// The copy was not written by this node, or the node has no memory of writing it: it is above
    /// the own record, or has its version with another digest. It must be refuted.
    Foreign,
}

impl Replica {
    /// Merges a state, or a part of one, that a peer sent.
    ///
    /// # Errors
    /// [`WrongGroup`] if it belongs to another group. Nothing was changed.
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

    /// Same as [`merge`](Replica::merge), but ignores the record of this node: use
    /// [`classify_copy`](Replica::classify_copy) for that.
    ///
    /// # Errors
    /// [`WrongGroup`] if it belongs to another group. Nothing was changed.
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

    /// Applies an increment that a peer sent.
    ///
    /// An increment of this node itself is never applied: the result is
    /// [`ApplyOutcome::AlreadyKnown`] with the outcome for the own record.
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

    /// Reacts to a peer's copy of this node's record with the given version and digest, be it a
    /// record, an increment or a mere report of version and digest.
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

    /// The comparison that [`observe_own_record`](Replica::observe_own_record) makes, without any
    /// effect.
    pub fn classify_copy(&self, seen: VersionDigest) -> PeerCopy {
        let Some(own) = self.own_record().map(Record::version_digest) else { return PeerCopy::Foreign };
        if seen == own {
            return PeerCopy::Same;
        }
        if seen.version < own.version { PeerCopy::Older } else { PeerCopy::Foreign }
    }

    /// Refutes a foreign record: rewrites the own record in a new incarnation, above the version
    /// seen, with its live items.
    fn refute(&mut self, seen: VersionDigest, context: WriteContext) -> OwnRecordOutcome {
        self.conflict.note_claim(seen, context.millis);
        if !self.conflict.admit_refutation(context.millis) {
            return OwnRecordOutcome::Conflict;
        }
        let new = self.new_incarnation(context);
        let clock = self.new_clock(Some(seen.version));
        let version = self.rewrite_own_record(new, clock, context);
        match new.eviction {
            None => OwnRecordOutcome::Refuted(version),
            Some(eviction) => OwnRecordOutcome::Reset { version, eviction },
        }
    }

    /// Rewrites the own record in the given incarnation, with all live items stamped with the given
    /// clock.
    pub(super) fn rewrite_own_record(
        &mut self,
        new: NewIncarnation,
        clock: u64,
        context: WriteContext,
    ) -> Version {
        let version = Version { incarnation: new.incarnation, forgotten: false, clock };
        let live_items = self.own_record().into_iter().flat_map(Record::live_items);
        let packed_items: Vec<PackedItem> = live_items.map(|packed| packed.with_stamp(clock)).collect();
        let record = Record::from_packed(self.me, version, None, clock, &packed_items);
        self.state_mut().put_record(Arc::new(record));
        self.begin_incarnation(new, context.millis);
        version
    }
}
