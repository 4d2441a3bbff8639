//! Forgetting other members: the one thing that a node writes about others. Knows nothing of whether they live.

use gm_broadcast::Time;
use gm_codec::{Body, Group, Part};
use gm_data::{ForgetError, GroupName, Replica};

use super::Node;
use super::commit::{Answer, Telling};
use super::write::waits;
use crate::command::{Forget, WriteError};
use crate::plant::{Bug, planted};
use crate::store::Store;

impl<S: Store> Node<S> {
    pub(super) fn on_forget(&mut self, now: Time, forget: Forget) {
        let Forget { tag, group, member, wait } = forget;
        let all = group.is_none();
        let groups: Vec<GroupName> = match group {
            Some(group) => vec![group],
            None => {
                let knows = |group: &&GroupName| {
                    self.groups().version(group, member).is_some_and(|version| !version.gone)
                };
                self.groups().held.keys().filter(knows).cloned().collect()
            }
        };
        if groups.is_empty() && all {
            // An answer names a group: the first that is held and does not know the member.
            let group = self.groups().held.keys().next().cloned();
            if let Some(group) = group {
                let error = ForgetError::Unknown { member };
                self.answer(tag, group, Err(error.into()));
            }
            return;
        }
        for group in groups {
            let result = self.room_for(wait).and_then(|()| self.forget(&group, member));
            match result {
                Err(error) => self.answer(tag, group, Err(error)),
                Ok(version) => {
                    let answer = Answer { tag, wait, changed: true, version };
                    self.tell_forgotten(now, &group, member, answer);
                }
            }
        }
    }

    fn forget(&mut self, group: &GroupName, member: gm_clock::NetId) -> Result<gm_data::Version, WriteError> {
        if self.groups().held(group).is_none() {
            return Err(WriteError::UnknownGroup { group: group.clone() });
        }
        let version = self.groups_mut().topology.edit(group, |replica| {
            let written = if planted(Bug::ForgettingNotWritten) { &mut replica.clone() } else { replica };
            written.forget(member)
        })?;
        self.groups_mut().changed(group, [member]);
        Ok(version)
    }

    /// All members are told, and the one who is forgotten: if it lives, it comes back in a new life.
    fn tell_forgotten(&mut self, now: Time, group: &GroupName, member: gm_clock::NetId, answer: Answer) {
        let me = self.me();
        let Some(replica) = self.groups().topology.group(group) else { return };
        let mut to: Vec<_> = replica.state().members().filter(|node| *node != me).collect();
        let Some(record) = replica.state().record(member).cloned() else { return };
        let body = Body::Group(Group { name: group.clone(), parts: vec![Part::Record(record)] });
        let answers = if waits(answer.wait.count) {
            vec![answer]
        } else {
            self.answer_at_once(group, answer);
            // Nobody waits for who is forgotten: it may be dead.
            to.push(member);
            Vec::new()
        };
        let alone = !to.contains(&member);
        self.broadcast(now, group, Telling { body: body.clone(), instead: None, topic: None, to }, answers);
        if alone {
            self.send(now, member, body, gm_broadcast::By::Datagram);
        }
        self.flush_soon(now, false);
        self.hasten(now, self.config.times.moving);
    }

    /// Drops removals that are kept for too long.
    pub(super) fn purge(&mut self, now: Time) {
        self.purge_at = now + self.config.times.purge;
        let policy = self.config.purge;
        let groups = self.groups_mut();
        let names: Vec<GroupName> = groups.held.keys().cloned().collect();
        for name in names {
            let fingerprint = groups.topology.group(&name).map_or(0, |replica| replica.state().fingerprint());
            let Some(held) = groups.held.get_mut(&name) else { continue };
            // Removals change the fingerprint when they are made.
            if std::mem::replace(&mut held.purged, fingerprint) != fingerprint {
                groups.topology.edit(&name, |replica: &mut Replica| replica.purge(policy));
            }
        }
    }
}
