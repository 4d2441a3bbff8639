//! Before its first write in a group a node without a record, or with a storage that is doubted,
//! asks what others know of it, so that a lost disk, or one that lacks something, is found before
//! it is written over. Knows nothing of what is to be written.

use std::collections::BTreeSet;

use gm_broadcast::{Time, Transport};
use gm_clock::NetId;
use gm_codec::{Body, Versions};
use gm_data::GroupName;

use super::NodeMachine;
use super::anti_entropy::exchange::Route;
use super::write::QueuedWrite;
use crate::store::Store;

/// A first write in a group waits for what others know of us.
#[derive(Clone, Debug)]
pub(super) struct FirstWriteProbe {
    /// No longer than this.
    until: Time,
    /// When to ask the next.
    ask_at: Time,
    /// How many were asked.
    asked: u32,
}

/// How often others are asked within the time of hearing.
const MAX_PROBES: u32 = 4;

impl FirstWriteProbe {
    /// When something is to be done about it.
    pub(super) fn due(&self) -> Time {
        self.ask_at.min(self.until)
    }
}

impl<S: Store> NodeMachine<S> {
    /// Whether a first write in a group has to wait for what others know of us: so a lost disk is
    /// found before it is written over.
    fn needs_probe(&self, group: &GroupName) -> bool {
        let me = self.me();
        let hear = !self.config.timing.first_write_probe.is_zero() && !self.config.single_node;
        let is_sure = self.groups().record(group, me).is_some() && !self.loss_suspected_in.contains(group);
        hear && !self.probed.contains(group) && !is_sure
    }

    /// Others said what they know of us in the group, or that they know nothing.
    pub(super) fn on_probe_answered(&mut self, now: Time, group: &GroupName) {
        self.exclude_loss_in(group);
        if self.first_write_probes.remove(group).is_some() {
            self.probed.insert(group.clone());
            self.write_due = Some(self.write_due.map_or(now, |set| set.min(now)));
        }
    }

    /// First writes that came begin to wait, those that waited long enough end, and others are
    /// asked what they know of us.
    pub(super) fn probe_before_writing(&mut self, now: Time) {
        let times = self.config.timing;
        let queued = self.write_queue.iter().filter_map(|queued| match queued {
            QueuedWrite::Write(write) => Some(write.group.clone()),
            QueuedWrite::Readdress { .. } | QueuedWrite::Forget { .. } => None,
        });
        let queued: BTreeSet<GroupName> = queued.collect();
        let over: Vec<GroupName> = self
            .first_write_probes
            .iter()
            .filter(|(group, probe)| {
                probe.until <= now || !queued.contains(*group) || !self.needs_probe(group)
            })
            .map(|(group, _)| group.clone())
            .collect();
        for group in over {
            self.first_write_probes.remove(&group);
            self.probed.insert(group);
        }
        for group in queued {
            if self.needs_probe(&group)
                && !self.first_write_probes.contains_key(&group)
                && self.groups_mut().host(now, &group)
            {
                self.first_write_probes.insert(
                    group,
                    FirstWriteProbe { until: now + times.first_write_probe, ask_at: now, asked: 0 },
                );
            }
        }
        let due: Vec<GroupName> = self
            .first_write_probes
            .iter()
            .filter(|(_, probe)| probe.ask_at <= now)
            .map(|(group, _)| group.clone())
            .collect();
        for group in due {
            let Some(probe) = self.first_write_probes.get_mut(&group) else { continue };
            probe.ask_at = now + times.first_write_probe / MAX_PROBES;
            probe.asked += 1;
            let turn = probe.asked - 1;
            if let Some(to) = self.choose_probe_target(&group, turn) {
                // What was not answered twice may get through by a connection.
                let by = if turn < 2 { Transport::Udp } else { Transport::Tcp };
                self.send_probe(now, group, (to, by));
            }
        }
    }

    pub(super) fn send_probe(&mut self, now: Time, name: GroupName, (to, by): Route) {
        let versions = vec![(self.me(), None)];
        let body = Body::Versions(Versions { name, digests: false, buckets: None, versions });
        self.send(now, to, body, by);
    }

    /// A node was found: if the members of a group that we are about to write in meet there, it is
    /// asked.
    pub(super) fn probe_rendezvous(&mut self, now: Time, node: NetId) {
        let open = self.first_write_probes.iter().filter(|(_, probe)| probe.asked < MAX_PROBES / 2);
        let groups = open.map(|(group, _)| group).filter(|group| self.rendezvous_of(group).contains(&node));
        let groups: Vec<GroupName> = groups.cloned().collect();
        for group in groups {
            if let Some(probe) = self.first_write_probes.get_mut(&group) {
                probe.asked += 1;
            }
            self.send_probe(now, group, (node, Transport::Udp));
        }
    }

    /// Somebody knows a member of a group that we are about to write in.
    pub(super) fn probe_contact(&mut self, now: Time, group: &GroupName, member: NetId) {
        if self.first_write_probes.contains_key(group) && member != self.me() {
            self.send_probe(now, group.clone(), (member, Transport::Udp));
        }
    }
}
