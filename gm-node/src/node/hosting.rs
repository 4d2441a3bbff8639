//! Hosting of groups: which are needed, what a release keeps, and purges. A node that left a group
//! keeps hosting it until a peer has acknowledged the leave, and then keeps only its own record.

use gm_broadcast::{BroadcastCommand, Time};
use gm_clock::NetId;
use gm_data::{Eviction, GroupName, Replica};

use super::context::Context;
use super::timers::NodeTimer;
use crate::event::NodeEvent;
use crate::groups::{Effect, Source, millis};

/// Whether a group has nine tenths of the maximum number of records.
pub(super) const fn is_near_limit(records: usize, max: usize) -> bool {
    records >= max - max / 10
}

impl Context {
    /// Keeps hosting a group after a leave, until a peer has acknowledged it or the timeout passes.
    pub(super) fn start_leaving(&mut self, group: &GroupName) {
        let until = self.now + self.config.timing.leave_timeout;
        if let Some(hosted) = self.groups.hosted.get_mut(group) {
            hosted.leaving_until.get_or_insert(until);
        }
    }

    /// Hosts a group as a member.
    pub(super) fn start_membership(&mut self, group: &GroupName) {
        self.groups.host(self.now, group);
        if let Some(hosted) = self.groups.hosted.get_mut(group) {
            hosted.leaving_until = None;
        }
    }

    /// Whether this node left a group and still hosts it.
    pub(super) fn is_leaving(&self, group: &GroupName) -> bool {
        self.groups.hosted.get(group).is_some_and(|hosted| hosted.leaving_until.is_some())
    }

    /// The hosted groups of which this node is a member, in the order of their names.
    pub(super) fn own_groups(&self) -> Vec<GroupName> {
        let is_own = |group: &&GroupName| {
            self.groups.replica(group).is_some_and(|replica| replica.state().is_member(self.me()))
        };
        self.groups.hosted.keys().filter(is_own).cloned().collect()
    }

    /// Whether a group that was left can be released: its time is over, or no other member exists.
    pub(super) fn has_left(&self, group: &GroupName) -> bool {
        let Some(hosted) = self.groups.hosted.get(group) else { return false };
        let Some(until) = hosted.leaving_until else { return false };
        // Before the group was compared, there may be unknown members.
        let is_certain = hosted.was_compared() || self.config.single_node;
        until <= self.now || is_certain && !self.groups.has_other_members(group)
    }

    /// Whether a group is hosted for its own sake: this node is a member or an observer.
    pub(super) fn is_wanted(&self, group: &GroupName) -> bool {
        self.config.observe
            || self.groups.hosted.get(group).is_none_or(|hosted| hosted.leaving_until.is_some())
            || self.groups.replica(group).is_some_and(|replica| replica.state().is_member(self.me()))
    }

    /// Whether a node is known as a member of a group that was compared since the start: to hear
    /// from it is no news.
    pub(super) fn is_compared_member(&self, node: NetId) -> bool {
        let hosted = self.groups.hosted.iter().filter(|(_, hosted)| hosted.was_compared());
        let mut replicas = hosted.filter_map(|(name, _)| self.groups.set.group(name));
        replicas.any(|replica| replica.state().is_member(node))
    }

    /// The groups that this node left and still hosts.
    pub(super) fn leaving_groups(&self) -> Vec<GroupName> {
        let leaving = self.groups.hosted.iter().filter(|(_, hosted)| hosted.leaving_until.is_some());
        leaving.map(|(name, _)| name.clone()).collect()
    }

    /// Stops hosting a group: keeps this node's own record, and one member as a contact. Returns
    /// the members whose records are dropped.
    pub(super) fn release(&mut self, group: &GroupName) -> Vec<NetId> {
        let me = self.me();
        let groups = &mut self.groups;
        let candidate = groups.hosted.remove(group).and_then(|hosted| hosted.host_candidates.last().copied());
        groups.changed_groups.insert(group.clone());
        // As an effect it follows `Hosted`, which is one too.
        groups.effects.push_back(Effect::Emit(NodeEvent::Released { group: group.clone() }));
        let (mut others, mut contact) = (Vec::new(), candidate.map(|candidate| candidate.node));
        if let Some(replica) = groups.set.group(group) {
            let state = replica.state();
            others = state.records().map(gm_data::Record::member).filter(|member| *member != me).collect();
            contact = state.members().find(|member| *member != me).or(contact);
        }
        groups.set.edit(group, Replica::retain_own_record);
        groups.dirty.retain(|(name, member)| name != group || *member == me);
        if let Some(contact) = contact {
            groups.discover(self.now, group, contact, Source::Gossip, contact);
        }
        others
    }

    /// Unlists a forgotten member as a peer, if it is a member of no hosted group, until it sends a
    /// message itself.
    pub(super) fn unlist_if_forgotten(&mut self, member: NetId) {
        let version = |group: &GroupName| self.groups.version(group, member);
        let versions: Vec<_> = self.groups.hosted.keys().filter_map(version).collect();
        if !versions.is_empty() && versions.iter().all(|version| version.forgotten) {
            self.command(BroadcastCommand::Unlist(member));
            if self.peers().is_known(member) {
                self.emit(NodeEvent::PeerUnlisted(member));
            }
        }
    }

    /// Reports, once, that a group nearly has the maximum number of records.
    pub(super) fn warn_if_near_limit(&mut self, group: &GroupName) {
        let max = self.config.limits.records;
        let Some(records) = self.groups.replica(group).map(|replica| replica.state().records().len()) else {
            return;
        };
        let Some(hosted) = self.groups.hosted.get_mut(group) else { return };
        if is_near_limit(records, max) && !std::mem::replace(&mut hosted.near_limit_reported, true) {
            self.emit(NodeEvent::NearRecordLimit { group: group.clone(), records, max });
        }
    }

    /// Evictions for the records of forgotten members that can be purged and, with
    /// `include_absent`, of members that were not heard from since the start.
    pub(super) fn purgeable(&self, group: &GroupName, include_absent: bool) -> Vec<Eviction> {
        let was_heard = |member: NetId| self.peers().was_heard(member);
        let evictions =
            |replica: &Replica| replica.evictions_of_forgotten(|member| include_absent && !was_heard(member));
        self.groups.replica(group).map(evictions).unwrap_or_default()
    }

    /// Drops evicted records; returns whether there were any.
    pub(super) fn evict(&mut self, group: &GroupName, evictions: &[Eviction]) -> bool {
        let evicted = self.groups.evict(self.now, group, evictions);
        let any = !evicted.is_empty();
        if any {
            self.groups.mark_changed(group, evicted);
        }
        any
    }

    /// Purges removed items beyond the retention, and expires contacts and evictions.
    pub(super) fn purge(&mut self) {
        let now: Time = self.now;
        self.timers.set(NodeTimer::Purge, now + self.config.timing.purge_interval);
        let (policy, age) = (self.config.purge, self.config.timing.contact_ttl);
        let groups = &mut self.groups;
        groups.expire_contacts(now, age);
        let names: Vec<GroupName> = groups.hosted.keys().cloned().collect();
        for name in names {
            let fingerprint = groups.set.group(&name).map_or(0, |replica| replica.state().fingerprint());
            let Some(hosted) = groups.hosted.get_mut(&name) else { continue };
            groups.set.edit(&name, |replica: &mut Replica| replica.expire_evictions(millis(now)));
            // A removal changes the fingerprint, so an equal one means that nothing is to be
            // purged.
            if std::mem::replace(&mut hosted.purged_fingerprint, fingerprint) != fingerprint {
                groups.set.edit(&name, |replica: &mut Replica| replica.purge(policy));
            }
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic)]
mod tests;
