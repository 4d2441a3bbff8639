//! Evictions: removes records of forgotten members for good, and foreign records of this node
//! beyond the horizon.

use gm_broadcast::{Path, Time, Transport};
use gm_clock::NetId;
use gm_codec::{Body, GroupUpdate, MemberUpdate};
use gm_data::{Eviction, GroupName, Replica};

use super::NodeMachine;
use super::dissemination::GroupBroadcast;
use crate::counter::NodeCounter;
use crate::event::NodeEvent;
use crate::groups::millis;
use crate::store::Store;

/// Maximum number of evictions in one broadcast.
const MAX_PER_MESSAGE: usize = 1_000;

impl<S: Store> NodeMachine<S> {
    /// Evictions for the records of forgotten members that can be purged and, with `unheard`, of
    /// members that were not heard from since the start.
    pub fn purgeable(&self, group: &GroupName, include_absent: bool) -> Vec<Eviction> {
        let broadcaster = &self.broadcaster;
        let was_heard = |member: NetId| broadcaster.was_heard(member);
        let evictions =
            |replica: &Replica| replica.evictions_of_forgotten(|member| include_absent && !was_heard(member));
        self.groups.replica(group).map(evictions).unwrap_or_default()
    }

    /// Drops the records of forgotten members here and at all reachable members. Others are sent
    /// the evictions when they send such a record within the hour.
    pub(super) fn purge_members(&mut self, now: Time, group: &GroupName, include_absent: bool) {
        let evictions = self.purgeable(group, include_absent);
        self.evict(now, group, &evictions);
        for piece in evictions.chunks(MAX_PER_MESSAGE) {
            self.broadcast_evictions(now, group, piece);
        }
    }

    fn evict(&mut self, now: Time, group: &GroupName, evictions: &[Eviction]) {
        let evicted = self.groups.evict(now, group, evictions);
        if !evicted.is_empty() {
            self.groups.mark_changed(group, evicted);
            self.schedule_write_back(now, false);
            self.hasten(now, self.config.timing.exchange_interval_active);
        }
    }

    /// Broadcasts evictions to all members.
    pub(super) fn broadcast_evictions(&mut self, now: Time, group: &GroupName, evictions: &[Eviction]) {
        let me = self.me();
        let body = evictions_body(group, evictions);
        let to = self.members_except(group, me);
        self.broadcast(
            now,
            group,
            GroupBroadcast { body, whole_body: None, topic: None, to, multicast: true },
            None,
        );
    }

    /// Replies to a peer that sent evicted records.
    pub(super) fn send_evictions(
        &mut self,
        now: Time,
        group: &GroupName,
        (to, path): (NetId, Path),
        evictions: &[Eviction],
    ) {
        if !self.reply_rate.take(now) {
            return self.count(NodeCounter::RecordRepliesRateLimited);
        }
        let by = self.transport_for(to, Transport::from(path));
        self.send(now, to, evictions_body(group, evictions), by);
    }

    /// Handles a peer's eviction of our own record: writes a version that is not covered, or sends
    /// the peer the eviction that already resulted.
    pub(super) fn on_own_evicted(
        &mut self,
        now: Time,
        group: &GroupName,
        route: (NetId, Path),
        eviction: Eviction,
    ) {
        let Some(own) = self.groups.set.group(group) else { return };
        let is_paused = own.conflict().paused_until().is_some_and(|until| until > millis(now));
        if let Some(later) = own.reset_eviction() {
            self.send_evictions(now, group, route, &[later]);
        } else if is_paused {
            self.count(NodeCounter::ClaimsDuringConflict);
        } else if self.own_evictions.len() < self.config.limits.groups {
            self.own_evictions.insert(group.clone(), eviction);
            self.schedule_write(now);
        }
    }

    /// Broadcasts the eviction of claims beyond the horizon: otherwise no member would accept our
    /// records.
    pub(super) fn announce_own_eviction(&mut self, now: Time, group: &GroupName, eviction: Eviction) {
        self.count(NodeCounter::HorizonResets);
        self.emit(NodeEvent::HorizonClaimEvicted { group: group.clone(), above: eviction.least });
        self.broadcast_evictions(now, group, &[eviction]);
    }
}

fn evictions_body(group: &GroupName, evictions: &[Eviction]) -> Body {
    let mut parts: Vec<MemberUpdate> = evictions.iter().copied().map(MemberUpdate::Eviction).collect();
    parts.sort_by_key(MemberUpdate::member);
    Body::GroupUpdate(GroupUpdate { name: group.clone(), updates: parts })
}
