//! Discovery of the nodes that host a group: host candidates for hosted groups, contacts for all
//! others.

use std::time::Duration;

use gm_broadcast::Time;
use gm_clock::NetId;
use gm_codec::{GroupUpdate, MemberUpdate};
use gm_data::{GroupName, StampedItem};

use super::{AddedContact, Effect, Groups, HostedGroup, Source, is_reserved};
use crate::counter::NodeCounter;
use crate::event::NodeEvent;

/// Delay before a node that announced itself is probed: an exchange with it is running already, and
/// a probe is needed only if that fails.
const DIRECT_PROBE_DELAY: Duration = Duration::from_millis(500);

impl Groups {
    /// Hosts a group from now on, unless the limit of groups is reached.
    pub(crate) fn host(&mut self, now: Time, group: &GroupName) -> bool {
        if !self.hosted.contains_key(group) {
            if self.hosted.len() >= self.limits.groups || is_reserved(group) {
                return false;
            }
            let mut hosted = HostedGroup::new(self.me(), group);
            for member in self.contacts.remove(group).into_iter().rev() {
                hosted.add_candidate(member, now);
                self.schedule_host_probe(now);
            }
            self.hosted.insert(group.clone(), hosted);
            self.effects.push_back(Effect::Emit(NodeEvent::Hosted { group: group.clone() }));
        }
        true
    }

    /// Handles a report that a node hosts a group.
    pub(crate) fn discover(
        &mut self,
        now: Time,
        group: &GroupName,
        member: NetId,
        source: Source,
        by: NetId,
    ) -> AddedContact {
        if member == self.me() || is_reserved(group) {
            return AddedContact::default();
        }
        if self.observe {
            self.host(now, group);
        }
        // Gossip about a member that left or was forgotten is ignored.
        let record = self.record(group, member);
        let known = record.is_some_and(|record| source == Source::Gossip || record.is_member());
        if let Some(hosted) = self.hosted.get_mut(group) {
            if !known {
                let due = if source == Source::Direct { now + DIRECT_PROBE_DELAY } else { now };
                hosted.add_candidate(member, due);
                self.schedule_host_probe(due);
            }
            return AddedContact { is_new: !known, ..AddedContact::default() };
        }
        let added = self.contacts.add(now, group, member, source, by);
        if added.is_full {
            self.counters.count(NodeCounter::ContactsDropped);
            if !std::mem::replace(&mut self.contacts_full, true) {
                let max = self.limits.contacts;
                self.effects.push_back(Effect::Emit(NodeEvent::ContactsFull { max }));
            }
        }
        added
    }

    /// Handles a write in a group that is not hosted here.
    pub(super) fn discover_writer(&mut self, now: Time, writer: NetId, group: &GroupUpdate) {
        let name = &group.name;
        let part = group.updates.iter().find(|part| part.member() == writer);
        let is_live = |timed: StampedItem| timed.item.op().is_live();
        match part {
            Some(MemberUpdate::Record(record)) if !record.is_member() => self.remove_candidate(name, writer),
            // The writer may have left, or have more items than the increment.
            Some(MemberUpdate::Increment(increment)) if !increment.items().any(is_live) => {}
            Some(_) => drop(self.discover(now, name, writer, Source::Direct, writer)),
            None => drop(self.discover(now, name, writer, Source::Gossip, writer)),
        }
    }

    /// Handles a node's own report that it does not host a group.
    pub(crate) fn remove_candidate(&mut self, group: &GroupName, node: NetId) {
        if let Some(hosted) = self.hosted.get_mut(group) {
            hosted.host_candidates.retain(|candidate| candidate.node != node);
        }
        self.contacts.remove_member(group, node);
    }

    /// Drops contacts that were not confirmed for this time.
    pub(crate) fn expire_contacts(&mut self, now: Time, age: Duration) {
        self.contacts.expire(now, age);
        let max = self.limits.contacts;
        if self.contacts.len() < max - max / 10 {
            self.contacts_full = false;
        }
    }

    fn schedule_host_probe(&mut self, due: Time) {
        self.effects.push_back(Effect::HostReported { due });
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
