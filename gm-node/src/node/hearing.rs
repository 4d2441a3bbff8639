//! Before its first write in a group a node without a record, or with a storage that is doubted, asks what others know of it, so that a lost disk, or one that
//! lacks something, is found before it is written over. Knows nothing of what is to be written.

use std::collections::BTreeSet;

use gm_broadcast::{Time, Transport};
use gm_clock::NetId;
use gm_codec::{Body, Versions};
use gm_data::GroupName;

use super::Node;
use super::compare::Way;
use super::write::Queued;
use crate::store::Store;

/// A first write in a group waits for what others know of us.
#[derive(Clone, Debug)]
pub(super) struct Hearing {
    /// No longer than this.
    until: Time,
    /// When to ask the next.
    ask: Time,
    /// How many were asked.
    asked: u32,
}

/// How often others are asked within the time of hearing.
const ASKS: u32 = 4;

impl Hearing {
    /// When something is to be done about it.
    pub(super) fn due(&self) -> Time {
        self.ask.min(self.until)
    }
}

impl<S: Store> Node<S> {
    /// Whether a first write in a group has to wait for what others know of us: so a lost disk is found before it is written over.
    fn has_to_hear(&self, group: &GroupName) -> bool {
        let me = self.me();
        let hear = !self.config.times.hear.is_zero() && !self.config.alone;
        let is_sure = self.groups().record(group, me).is_some() && !self.doubted.contains(group);
        hear && !self.heard.contains(group) && !is_sure
    }

    /// Others said what they know of us in the group, or that they know nothing.
    pub(super) fn on_heard(&mut self, now: Time, group: &GroupName) {
        self.doubt_no_longer(group);
        if self.hearing.remove(group).is_some() {
            self.heard.insert(group.clone());
            self.tick = Some(self.tick.map_or(now, |set| set.min(now)));
        }
    }

    /// First writes that came begin to wait, those that waited long enough end, and others are asked what they know of us.
    pub(super) fn hear_before_writing(&mut self, now: Time) {
        let times = self.config.times;
        let queued = self.queue.iter().filter_map(|queued| match queued {
            Queued::Write(write) => Some(write.group.clone()),
            Queued::Move { .. } | Queued::Forget { .. } => None,
        });
        let queued: BTreeSet<GroupName> = queued.collect();
        let over: Vec<GroupName> = self
            .hearing
            .iter()
            .filter(|(group, hearing)| {
                hearing.until <= now || !queued.contains(*group) || !self.has_to_hear(group)
            })
            .map(|(group, _)| group.clone())
            .collect();
        for group in over {
            self.hearing.remove(&group);
            self.heard.insert(group);
        }
        for group in queued {
            if self.has_to_hear(&group)
                && !self.hearing.contains_key(&group)
                && self.groups_mut().hold(now, &group)
            {
                self.hearing.insert(group, Hearing { until: now + times.hear, ask: now, asked: 0 });
            }
        }
        let due: Vec<GroupName> = self
            .hearing
            .iter()
            .filter(|(_, hearing)| hearing.ask <= now)
            .map(|(group, _)| group.clone())
            .collect();
        for group in due {
            let Some(hearing) = self.hearing.get_mut(&group) else { continue };
            hearing.ask = now + times.hear / ASKS;
            hearing.asked += 1;
            let turn = hearing.asked - 1;
            if let Some(to) = self.whom_to_ask(&group, turn) {
                // What was not answered twice may get through by a connection.
                let by = if turn < 2 { Transport::Udp } else { Transport::Tcp };
                self.ask_what_is_known(now, group, (to, by));
            }
        }
    }

    pub(super) fn ask_what_is_known(&mut self, now: Time, name: GroupName, (to, by): Way) {
        let versions = vec![(self.me(), None)];
        let body = Body::Versions(Versions { name, digests: false, buckets: None, versions });
        self.send(now, to, body, by);
    }

    /// A node was found: if the members of a group that we are about to write in meet there, it is asked.
    pub(super) fn ask_rendezvous(&mut self, now: Time, node: NetId) {
        let open = self.hearing.iter().filter(|(_, hearing)| hearing.asked < ASKS / 2);
        let groups = open.map(|(group, _)| group).filter(|group| self.rendezvous_of(group).contains(&node));
        let groups: Vec<GroupName> = groups.cloned().collect();
        for group in groups {
            if let Some(hearing) = self.hearing.get_mut(&group) {
                hearing.asked += 1;
            }
            self.ask_what_is_known(now, group, (node, Transport::Udp));
        }
    }

    /// Somebody knows a member of a group that we are about to write in.
    pub(super) fn ask_contact(&mut self, now: Time, group: &GroupName, member: NetId) {
        if self.hearing.contains_key(group) && member != self.me() {
            self.ask_what_is_known(now, group.clone(), (member, Transport::Udp));
        }
    }
}
