//! Forgetting of other members, the only write about another member.

use std::collections::BTreeMap;

use gm_broadcast::{Time, Transport};
use gm_clock::NetId;
use gm_codec::{Body, GroupUpdate, MemberUpdate};
use gm_data::{ForgetError, GroupName, Record, Replica};

use super::NodeMachine;
use super::dissemination::GroupBroadcast;
use super::draft::{Draft, PendingAnswer};
use super::timers::NodeTimer;
use super::waiter::Subject;
use super::write::{QueuedWrite, waits};
use crate::command::{Forget, Wait, WriteError};
use crate::groups::millis;
use crate::store::Store;

impl<S: Store> NodeMachine<S> {
    pub(super) fn on_forget(&mut self, now: Time, forget: Forget) {
        let Forget { tag, group, member, wait } = forget;
        let groups: Vec<GroupName> = match group {
            Some(group) => vec![group],
            None => {
                let knows = |group: &&GroupName| {
                    self.groups.version(group, member).is_some_and(|version| !version.forgotten)
                };
                self.groups.hosted.keys().filter(knows).cloned().collect()
            }
        };
        if groups.is_empty() {
            let error = ForgetError::Unknown { member };
            return self.answer(tag, None, Err(error.into()));
        }
        for group in groups {
            match self.check_wait_limit(wait) {
                Err(error) => self.answer(tag, Some(group), Err(error)),
                Ok(()) => self.enqueue(now, QueuedWrite::Forget { tag, group, member, wait }),
            }
        }
    }

    /// Marks a member as forgotten in the draft of its group.
    pub(super) fn draft_forget(
        &mut self,
        drafts: &mut BTreeMap<GroupName, Draft>,
        group: GroupName,
        member: NetId,
        (tag, wait): (u64, Wait),
    ) {
        if self.groups.replica(&group).is_none() {
            let error = WriteError::UnknownGroup { group: group.clone() };
            return self.answer(tag, Some(group), Err(error));
        }
        let draft = self.draft(drafts, &group);
        match draft.replica.forget(member) {
            Ok(version) => {
                draft.forgotten.push((member, PendingAnswer { tag, wait, changed: true, version }))
            }
            Err(error) => self.answer(tag, Some(group), Err(error.into())),
        }
    }

    /// Broadcasts a forgotten record to all members and to the forgotten one: if it is alive, it
    /// refutes the record.
    pub(super) fn broadcast_forget(
        &mut self,
        now: Time,
        group: &GroupName,
        record: Record,
        answer: PendingAnswer,
    ) {
        let member = record.member();
        self.unlist_if_forgotten(now, member);
        let parts = vec![MemberUpdate::Record(record.clone())];
        let body = Body::GroupUpdate(GroupUpdate { name: group.clone(), updates: parts });
        let outgoing = |body, to| GroupBroadcast { body, whole_body: None, topic: None, to, multicast: true };
        if waits(answer.wait.count) {
            // The forgotten member may be dead, so the wait does not include it.
            self.send(now, member, body.clone(), Transport::Udp);
            let opened = self.open_waits(now, group, &Subject::Forgotten(record), vec![answer]);
            for wait in opened {
                let to = self.members_to_ask(wait);
                self.broadcast_for_acks(now, wait, outgoing(body.clone(), to), 0, true);
                self.check_wait(now, wait);
            }
        } else {
            self.answer_at_once(group, answer);
            let mut to = self.members_except(group, member);
            to.push(member);
            self.broadcast(now, group, outgoing(body, to), None);
        }
        self.hasten(now, self.config.timing.exchange_interval_active);
    }

    /// Unlists a forgotten member as a peer, if it is a member of no hosted group, until it sends a
    /// message itself.
    pub(super) fn unlist_if_forgotten(&mut self, now: Time, member: NetId) {
        let version = |group: &GroupName| self.groups.version(group, member);
        let versions: Vec<_> = self.groups.hosted.keys().filter_map(version).collect();
        if !versions.is_empty() && versions.iter().all(|version| version.forgotten) {
            self.command_broadcaster(now, gm_broadcast::BroadcastCommand::Unlist(member));
        }
    }

    /// Purges removed items beyond the retention, and expires contacts and evictions.
    pub(super) fn purge(&mut self, now: Time) {
        self.timers.set(NodeTimer::Purge, now + self.config.timing.purge_interval);
        let (policy, age) = (self.config.purge, self.config.timing.contact_ttl);
        let groups = &mut self.groups;
        groups.expire_contacts(now, age);
        let millis = millis(now);
        let names: Vec<GroupName> = groups.hosted.keys().cloned().collect();
        for name in names {
            let fingerprint = groups.set.group(&name).map_or(0, |replica| replica.state().fingerprint());
            let Some(hosted) = groups.hosted.get_mut(&name) else { continue };
            groups.set.edit(&name, |replica: &mut Replica| replica.expire_evictions(millis));
            // A removal changes the fingerprint, so an equal one means that nothing is to be
            // purged.
            if std::mem::replace(&mut hosted.purged_fingerprint, fingerprint) != fingerprint {
                groups.set.edit(&name, |replica: &mut Replica| replica.purge(policy));
            }
        }
    }
}
