//! First-write probe: before its first write in a group, a node without a stored record, or with a
//! suspect store, asks peers for its record. So a disk that was lost, or that lost its last
//! commits, is detected before old state is overwritten.

use std::collections::BTreeSet;

use gm_broadcast::{Time, Transport};
use gm_clock::NetId;
use gm_codec::{Body, Versions};
use gm_data::GroupName;

use super::NodeMachine;
use super::anti_entropy::exchange::Route;
use super::write::QueuedWrite;
use crate::store::Store;

/// The probe before a first write in a group.
#[derive(Clone, Debug)]
pub(super) struct FirstWriteProbe {
    /// Time at which the write goes ahead without an answer.
    until: Time,
    /// Time of the next question.
    ask_at: Time,
    /// Number of questions sent.
    asked: u32,
}

/// Number of questions within the time of the probe.
const MAX_PROBES: u32 = 4;

impl FirstWriteProbe {
    /// Time at which this probe needs action.
    fn due(&self) -> Time {
        self.ask_at.min(self.until)
    }
}

impl<S: Store> NodeMachine<S> {
    /// Whether a first write in a group must wait for a probe.
    fn needs_probe(&self, group: &GroupName) -> bool {
        let me = self.me();
        let is_enabled = !self.config.timing.first_write_probe.is_zero() && !self.config.single_node;
        let is_certain = self.groups.record(group, me).is_some() && !self.loss_suspected_in.contains(group);
        is_enabled && !self.probed.contains(group) && !is_certain
    }

    /// A peer reported our record in the group, or that it has none.
    pub(super) fn on_probe_answered(&mut self, now: Time, group: &GroupName) {
        self.exclude_loss_in(group);
        if self.first_write_probes.remove(group).is_some() {
            self.probed.insert(group.clone());
            self.schedule_write(now);
        }
    }

    /// Starts probes for new first writes, ends those that timed out, and sends the questions that
    /// are due.
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
                && self.groups.host(now, &group)
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
                // After two unanswered questions, a connection may get through.
                let by = if turn < 2 { Transport::Udp } else { Transport::Tcp };
                self.send_probe(now, group, (to, by));
            }
        }
        if let Some(next) = self.first_write_probes.values().map(FirstWriteProbe::due).min() {
            self.schedule_write(next);
        }
    }

    pub(super) fn send_probe(&mut self, now: Time, name: GroupName, (to, by): Route) {
        let versions = vec![(self.me(), None)];
        let body = Body::Versions(Versions { name, digests: false, buckets: None, versions });
        self.send(now, to, body, by);
    }

    /// Handles a discovered peer: if it is a rendezvous node of a group that is being probed, it is
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

    /// A peer named a member of a group that is being probed: asks that member.
    pub(super) fn probe_contact(&mut self, now: Time, group: &GroupName, member: NetId) {
        if self.first_write_probes.contains_key(group) && member != self.me() {
            self.send_probe(now, group.clone(), (member, Transport::Udp));
        }
    }
}
