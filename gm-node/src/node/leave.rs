//! Leaving: a node that left a group keeps hosting it until a peer has acknowledged the leave, and
//! then keeps only its own record.

use gm_broadcast::Time;
use gm_clock::NetId;
use gm_data::GroupName;

use super::NodeMachine;
use super::timers::NodeTimer;
use crate::event::NodeEvent;
use crate::groups::Source;
use crate::store::{Batch, Store};

impl<S: Store> NodeMachine<S> {
    /// Starts or continues hosting a group after a leave, until a peer has acknowledged it.
    pub(super) fn on_left(&mut self, now: Time, group: &GroupName) {
        if self.config.observe {
            return;
        }
        let until = now + self.config.timing.leave_timeout;
        let Some(hosted) = self.groups.hosted.get_mut(group) else { return };
        hosted.leaving_until.get_or_insert(until);
        self.release_if_left(now, group);
    }

    /// Releases a group that was left, if its time is over or no other member exists.
    pub(super) fn release_if_left(&mut self, now: Time, group: &GroupName) {
        let groups = &self.groups;
        let Some(hosted) = groups.hosted.get(group) else { return };
        let Some(until) = hosted.leaving_until else { return };
        let me = self.me();
        let members = groups.set.group(group).map(|replica| replica.state().members());
        let alone = !members.into_iter().flatten().any(|member| member != me);
        // Before the group was compared, there may be unknown members.
        let is_last_member = alone && (hosted.was_compared() || self.config.single_node);
        if (until <= now || is_last_member) && !self.is_needed(group) {
            self.release(now, group);
        }
    }

    /// Notes that another host of a group is in sync.
    pub(super) fn note_in_sync(&mut self, now: Time, group: &GroupName, with: NetId) {
        let Some(hosted) = self.groups.hosted.get_mut(group) else { return };
        (hosted.last_equal, hosted.differs_since, hosted.unsettled_turns) = (Some((with, now)), None, 0);
        if hosted.leaving_until.is_some() {
            // The peer has the leave.
            hosted.leaving_until = Some(now);
        }
        if !std::mem::replace(&mut hosted.in_sync, true) {
            self.emit(NodeEvent::InSync { group: group.clone(), with });
            self.on_knows_all(now, group);
        }
        self.on_probe_answered(now, group);
        self.release_if_left(now, group);
    }

    /// Notes that an exchange confirmed that no other member of a group is known.
    pub(super) fn note_sole_member(&mut self, now: Time, group: &GroupName) {
        let Some(hosted) = self.groups.hosted.get_mut(group) else { return };
        hosted.is_sole = true;
        self.on_probe_answered(now, group);
        self.release_if_left(now, group);
    }

    /// Whether a group that was left is still needed: a write in it waits for the store or for
    /// acks.
    fn is_needed(&self, group: &GroupName) -> bool {
        self.write_queue.iter().any(|queued| queued.group() == group) || self.waits.is_any_in(group)
    }

    /// Releases a group that nothing requires to be hosted.
    pub(super) fn release_if_idle(&mut self, now: Time, group: &GroupName) {
        let me = self.me();
        let wanted = self.config.observe
            || self.groups.hosted.get(group).is_none_or(|hosted| hosted.leaving_until.is_some())
            || self.first_write_probes.contains_key(group)
            || self.is_needed(group)
            || self.groups.replica(group).is_some_and(|replica| replica.state().is_member(me));
        if !wanted {
            self.release(now, group);
        }
    }

    /// Stops hosting a group: keeps this node's own record, and one member as a contact.
    fn release(&mut self, now: Time, group: &GroupName) {
        let me = self.me();
        let groups = &mut self.groups;
        let candidate = groups.hosted.remove(group).and_then(|hosted| hosted.host_candidates.last().copied());
        groups.changed_groups.insert(group.clone());
        let (mut others, mut contact) = (Vec::new(), candidate.map(|candidate| candidate.node));
        if let Some(replica) = groups.set.group(group) {
            let state = replica.state();
            others = state.records().map(gm_data::Record::member).filter(|member| *member != me).collect();
            contact = state.members().find(|member| *member != me).or(contact);
        }
        groups.set.edit(group, gm_data::Replica::retain_own_record);
        groups.dirty.retain(|(name, member)| name != group || *member == me);
        if let Some(contact) = contact {
            groups.discover(now, group, contact, Source::Gossip, contact);
        }
        self.unenroll(group);
        self.timers.cancel(&NodeTimer::Announcement(group.clone()));
        self.topics.remove(group);
        self.end_pulls(group);
        // Records of the group that are not stored yet never will be. The same may hold for
        // broadcasts whose group is not known.
        if !others.is_empty() {
            self.released_at = Some(now);
        }
        let unstored = std::mem::take(&mut self.unstored_broadcasts).into_iter();
        let (gone, rest): (Vec<_>, Vec<_>) =
            unstored.partition(|(of, _)| of.as_ref().is_none_or(|of| of == group));
        self.unstored_broadcasts = rest.into();
        for (_, id) in gone {
            self.command_broadcaster(now, gm_broadcast::BroadcastCommand::NotStored(id));
        }
        if !others.is_empty() {
            let dropped = others.into_iter().map(|member| (group.clone(), member)).collect();
            self.store.submit(now, Batch { removed: dropped, ..Batch::default() });
            let pending = super::PendingBatch::Learned {
                records: vec![],
                broadcasts: vec![],
                contacts: false,
                peers: false,
            };
            self.pending_batches.push_back(pending);
        }
    }

    /// Releases the groups whose leave has timed out.
    pub(super) fn end_leaving(&mut self, now: Time) {
        let left = self
            .groups
            .hosted
            .iter()
            .filter(|(_, hosted)| hosted.leaving_until.is_some())
            .map(|(name, _)| name);
        let names: Vec<GroupName> = left.cloned().collect();
        names.iter().for_each(|name| self.release_if_left(now, name));
    }
}
