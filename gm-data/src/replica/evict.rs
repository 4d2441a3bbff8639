//! Evictions at a replica: dropping and refusing records of other members, and answering evictions
//! of this node's own record, which is never dropped.

use alloc::vec::Vec;

use gm_clock::NetId;

use super::{OwnRecordOutcome, Replica, WriteContext};
use crate::eviction::Eviction;
use crate::{Record, Version, VersionDigest};

impl Replica {
    /// Drops the records of other members that the evictions cover, and refuses such records for an
    /// hour. Returns the members whose records were dropped. Evictions of this node itself are
    /// skipped: pass these to [`observe_eviction`](Replica::observe_eviction).
    pub fn evict(&mut self, evictions: &[Eviction], millis: u64) -> Vec<NetId> {
        let me = self.me;
        let others: Vec<Eviction> =
            evictions.iter().filter(|eviction| eviction.member != me).copied().collect();
        self.evictions.remember(&others, millis);
        self.state_mut().evict(&others)
    }

    /// Reacts to an eviction of this node's own record by peers. If it covers the present record,
    /// the record is refuted: republished with a version that peers accept. If the node was reset
    /// below it already, the outcome contains the node's own eviction, which replaces theirs.
    pub fn observe_eviction(&mut self, eviction: &Eviction, context: WriteContext) -> OwnRecordOutcome {
        if eviction.member != self.me || !self.is_evicted_by(eviction) {
            return OwnRecordOutcome::Nothing;
        }
        if let Some(later) = self.reset_eviction() {
            return OwnRecordOutcome::AlreadyEvicted(later);
        }
        self.evictions.remove(self.me);
        self.observe_own_record(VersionDigest { version: eviction.greatest, digest: 0 }, context)
    }

    /// This node's own eviction of foreign versions above its reset record, as long as it does not
    /// cover the present record.
    pub fn reset_eviction(&self) -> Option<Eviction> {
        self.evictions.get(self.me).filter(|own| !self.is_evicted_by(own))
    }

    /// Whether the eviction covers this node's present record.
    pub fn is_evicted_by(&self, eviction: &Eviction) -> bool {
        eviction.member == self.me && self.own_record().is_some_and(|own| eviction.covers(own.version()))
    }

    /// The eviction by which a record of the given version is refused now. For this node's own
    /// record it is the eviction that the node issued. Send it to any peer that sends such a
    /// record.
    pub fn eviction_covering(&self, member: NetId, version: Version) -> Option<Eviction> {
        self.evictions.covering(member, version)
    }

    /// Drops evictions that are older than an hour. Call this occasionally.
    pub fn expire_evictions(&mut self, millis: u64) {
        self.evictions.expire(millis);
    }

    /// The evictions that permanently drop the record of every forgotten member, and of every other
    /// member that `also` selects.
    pub fn evictions_of_forgotten(&self, also: impl Fn(NetId) -> bool) -> Vec<Eviction> {
        let is_evicted = |record: &&Record| {
            record.member() != self.me && (record.version().forgotten || also(record.member()))
        };
        let evict = |record: &Record| Eviction::up_to(record.member(), record.version());
        self.state().records().filter(is_evicted).map(evict).collect()
    }
}
