//! Evicting records: those of forgotten members for good, and those by which somebody had the last word about us. Knows nothing of when a record is
//! out of range.

use gm_broadcast::{Path, Time, Transport};
use gm_clock::NetId;
use gm_codec::{Body, GroupUpdate, MemberUpdate};
use gm_data::{Eviction, GroupName, Replica};

use super::Node;
use super::tell::Telling;
use crate::event::Event;
use crate::groups::millis;
use crate::store::Store;

/// Evictions of one broadcast.
const PIECE: usize = 1_000;

impl<S: Store> Node<S> {
    /// The records of forgotten members that would be dropped, and, if that is wanted, of members that were not heard since our start.
    pub fn purgeable(&self, group: &GroupName, unheard: bool) -> Vec<Eviction> {
        let caster = &self.caster;
        let was_heard = |member: NetId| caster.was_heard(member);
        let evictions =
            |replica: &Replica| replica.evictions_of_forgotten(|member| unheard && !was_heard(member));
        self.groups().held(group).map(evictions).unwrap_or_default()
    }

    /// Drops the records of forgotten members here and at all members that are reached. Others drop them when they show them, within the hour.
    pub(super) fn purge_members(&mut self, now: Time, group: &GroupName, unheard: bool) {
        let evictions = self.purgeable(group, unheard);
        self.evict(now, group, &evictions);
        for piece in evictions.chunks(PIECE) {
            self.tell_evictions(now, group, piece);
        }
    }

    fn evict(&mut self, now: Time, group: &GroupName, evictions: &[Eviction]) {
        let evicted = self.groups_mut().evict(now, group, evictions);
        if !evicted.is_empty() {
            self.groups_mut().changed(group, evicted);
            self.flush_soon(now, false);
            self.hasten(now, self.config.times.moving);
        }
    }

    /// All members are to drop what the evictions cover.
    pub(super) fn tell_evictions(&mut self, now: Time, group: &GroupName, evictions: &[Eviction]) {
        let me = self.me();
        let body = body(group, evictions);
        let to = self.others_than(group, me);
        self.broadcast(now, group, Telling { body, instead: None, topic: None, to, multicast: true }, None);
    }

    /// Somebody shows what was evicted, and is sent why that is refused.
    pub(super) fn send_evictions(
        &mut self,
        now: Time,
        group: &GroupName,
        (to, path): (NetId, Path),
        evictions: &[Eviction],
    ) {
        if !self.answers.take(now) {
            return self.count("dropped", "answer, too many");
        }
        let by = self.by_for(to, Transport::from(path));
        self.send(now, to, body(group, evictions), by);
    }

    /// Others refuse what we wrote: we write where they take it, or tell them that we do already.
    pub(super) fn on_own_evicted(
        &mut self,
        now: Time,
        group: &GroupName,
        way: (NetId, Path),
        eviction: Eviction,
    ) {
        let Some(own) = self.groups().topology.group(group) else { return };
        let is_paused = own.conflict().paused_until().is_some_and(|until| until > millis(now));
        if let Some(later) = own.reset_eviction() {
            self.send_evictions(now, group, way, &[later]);
        } else if is_paused {
            self.count("own", "conflict goes on");
        } else if self.evicted.len() < self.config.bounds.groups {
            self.evicted.insert(group.clone(), eviction);
            self.tick = Some(self.tick.map_or(now, |set| set.min(now)));
        }
    }

    /// We came back below what somebody claims that we wrote: it is to be dropped everywhere, or we are not heard.
    pub(super) fn tell_return(&mut self, now: Time, group: &GroupName, eviction: Eviction) {
        self.count("own", "came back below what was claimed");
        self.emit(Event::Returned { group: group.clone(), above: eviction.least });
        self.tell_evictions(now, group, &[eviction]);
    }
}

fn body(group: &GroupName, evictions: &[Eviction]) -> Body {
    let mut parts: Vec<MemberUpdate> = evictions.iter().copied().map(MemberUpdate::Eviction).collect();
    parts.sort_by_key(MemberUpdate::member);
    Body::GroupUpdate(GroupUpdate { name: group.clone(), updates: parts })
}
