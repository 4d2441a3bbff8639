//! Evictions received from peers: drops and refuses the records that they cover.

use gm_broadcast::{Path, Time};
use gm_clock::NetId;
use gm_codec::{GroupUpdate, MemberUpdate};
use gm_data::{Eviction, GroupName, Replica};

use super::{Effect, Groups};
use crate::counter::NodeCounter;

/// The time in milliseconds, the unit in which replicas keep evictions.
pub(crate) const fn millis(now: Time) -> u64 {
    now.as_nanos() / 1_000_000
}

impl Groups {
    /// Drops the records of other members that the evictions cover, and refuses those versions for
    /// an hour. Returns the members whose records were dropped.
    pub(crate) fn evict(&mut self, now: Time, group: &GroupName, evictions: &[Eviction]) -> Vec<NetId> {
        if evictions.is_empty() {
            return Vec::new();
        }
        let evicted = self.set.edit(group, |replica: &mut Replica| replica.evict(evictions, millis(now)));
        self.counters.add(NodeCounter::RecordsEvicted, evicted.len() as u64);
        if let Some(hosted) = self.hosted.get_mut(group).filter(|_| !evicted.is_empty()) {
            // There is space again, so the limits are reported anew when reached.
            (hosted.limit_reported, hosted.near_limit_reported) = (false, false);
        }
        evicted
    }

    /// The eviction that covers a received part, if any.
    pub(crate) fn eviction_of(
        &self,
        group: &GroupName,
        member: NetId,
        part: &MemberUpdate,
    ) -> Option<Eviction> {
        let version = match part {
            MemberUpdate::Record(record) => record.version(),
            MemberUpdate::Increment(increment) => increment.version_digest().version,
            MemberUpdate::Eviction(_) => return None,
        };
        self.set.group(group)?.eviction_covering(member, version)
    }

    /// Queues a reply with the evictions that cover the refused parts.
    pub(super) fn refuse_evicted(
        &mut self,
        name: &GroupName,
        from: NetId,
        path: Path,
        group: &GroupUpdate,
        refused: &[NetId],
    ) {
        let is_refused = |part: &&MemberUpdate| refused.contains(&part.member());
        let why = |part: &MemberUpdate| self.eviction_of(name, part.member(), part);
        let evictions: Vec<Eviction> = group.updates.iter().filter(is_refused).filter_map(why).collect();
        if !evictions.is_empty() {
            self.counters.add(NodeCounter::EvictedRecordsRefused, evictions.len() as u64);
            self.effects.push_back(Effect::EvictedShown { group: name.clone(), from, path, evictions });
        }
    }

    /// Handles a received part about this node itself.
    pub(super) fn on_own_part(&mut self, group: &GroupName, from: NetId, path: Path, part: &MemberUpdate) {
        match part {
            MemberUpdate::Record(record) => self.on_own_stamp(group, from, path, record.version_digest()),
            MemberUpdate::Increment(increment) => {
                self.on_own_stamp(group, from, path, increment.version_digest())
            }
            MemberUpdate::Eviction(eviction) => {
                let own = self.set.group(group);
                if own.is_some_and(|own| own.is_evicted_by(eviction)) {
                    let (group, eviction) = (group.clone(), *eviction);
                    self.effects.push_back(Effect::OwnEvicted { group, from, path, eviction });
                }
            }
        }
    }
}
