//! Evictions, as they come from others, and what they refuse. Knows nothing of how they are sent.

use gm_broadcast::{Path, Time};
use gm_clock::NetId;
use gm_codec::{GroupUpdate, MemberUpdate};
use gm_data::{Eviction, GroupName, Replica};

use super::{Effect, Groups};

/// The milliseconds by which a replica remembers evictions.
pub(crate) const fn millis(now: Time) -> u64 {
    now.as_nanos() / 1_000_000
}

impl Groups {
    /// Drops what the evictions cover of others, and refuses it for an hour. Returns whose records
    /// went.
    pub(crate) fn evict(&mut self, now: Time, group: &GroupName, evictions: &[Eviction]) -> Vec<NetId> {
        if evictions.is_empty() {
            return Vec::new();
        }
        let evicted = self.set.edit(group, |replica: &mut Replica| replica.evict(evictions, millis(now)));
        self.counters.add("evicted", "records", evicted.len() as u64);
        if let Some(hosted) = self.hosted.get_mut(group).filter(|_| !evicted.is_empty()) {
            // There is room again, and what is full or crowded is said anew.
            (hosted.limit_reported, hosted.near_limit_reported) = (false, false);
        }
        evicted
    }

    /// The eviction because of which what somebody shows of a member is refused.
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

    /// What somebody sent of those members is refused, and it is to be sent why.
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
            self.counters.add("evicted", "records refused", evictions.len() as u64);
            self.effects.push_back(Effect::EvictedShown { group: name.clone(), from, path, evictions });
        }
    }

    /// Somebody sent this of ourselves.
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
