//! What a replica drops and refuses because somebody had it evicted. Its own record is never
//! dropped, but put above. Knows nothing of how evictions are sent.

use alloc::vec::Vec;

use gm_clock::NetId;

use super::{OwnRecordOutcome, Replica, WriteContext};
use crate::eviction::Eviction;
use crate::planted_bugs::{Bug, planted};
use crate::{Record, Version, VersionDigest};

impl Replica {
    /// Drops the records of others that evictions cover, refuses them for an hour, and returns
    /// whose they were. One of this node itself is passed by: for that there is
    /// [`observe_eviction`](Replica::observe_eviction).
    pub fn evict(&mut self, evictions: &[Eviction], millis: u64) -> Vec<NetId> {
        let me = self.me;
        let others: Vec<Eviction> =
            evictions.iter().filter(|eviction| eviction.member != me).copied().collect();
        if !planted(Bug::EvictedReturns) {
            self.evictions.remember(&others, millis);
        }
        self.state_mut().evict(&others)
    }

    /// Hears that others refuse what the eviction covers of this node. If that is what it wrote, it
    /// puts its record where they take it; or, if it came back from there already, it is to send
    /// them its own eviction, which takes the place of theirs.
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

    /// What this node had evicted when it came back below it, while it still stands there.
    pub fn reset_eviction(&self) -> Option<Eviction> {
        self.evictions.get(self.me).filter(|own| !self.is_evicted_by(own))
    }

    /// Whether the eviction covers what this node wrote.
    pub fn is_evicted_by(&self, eviction: &Eviction) -> bool {
        eviction.member == self.me && self.own_record().is_some_and(|own| eviction.covers(own.version()))
    }

    /// The eviction because of which a record of that version is refused now; of this node's own,
    /// what it had evicted itself. Whoever shows such a record is to be sent it.
    pub fn eviction_covering(&self, member: NetId, version: Version) -> Option<Eviction> {
        self.evictions.covering(member, version)
    }

    /// Refuses no longer what was evicted an hour ago. To be called now and then.
    pub fn expire_evictions(&mut self, millis: u64) {
        self.evictions.expire(millis);
    }

    /// The evictions that drop the record of every forgotten member for good, and of every other
    /// member that `also` names.
    pub fn evictions_of_forgotten(&self, also: impl Fn(NetId) -> bool) -> Vec<Eviction> {
        let goes = |record: &&Record| {
            record.member() != self.me && (record.version().forgotten || also(record.member()))
        };
        let evict = |record: &Record| Eviction::up_to(record.member(), record.version());
        self.state().records().filter(goes).map(evict).collect()
    }
}
