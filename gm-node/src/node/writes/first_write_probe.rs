//! First-write probe: before its first write in a group, a node without a stored record, or with a
//! suspect store, asks peers for its record. So a disk that was lost, or that lost its last
//! commits, is detected before old state is overwritten.

use std::collections::{BTreeMap, BTreeSet};

use gm_broadcast::{Time, Transport};
use gm_clock::NetId;
use gm_data::GroupName;

use super::store_loss::SuspectedLoss;
use crate::node::action::Action;
use crate::node::context::Context;
use crate::node::messages::ask_for_own_record;

/// Number of questions within the time of the probe.
const MAX_PROBES: u32 = 4;

/// The probes before first writes.
#[derive(Debug, Default)]
pub(in crate::node) struct FirstWriteProbes {
    /// First writes that wait for peers to report this node's record.
    open: BTreeMap<GroupName, FirstWriteProbe>,
    /// Groups in which the probe was answered, or timed out.
    done: BTreeSet<GroupName>,
}

/// The probe before a first write in a group.
#[derive(Clone, Debug)]
struct FirstWriteProbe {
    /// Time at which the write goes ahead without an answer.
    until: Time,
    /// Time of the next question.
    ask_at: Time,
    /// Number of questions sent.
    asked: u32,
}

impl FirstWriteProbe {
    /// Time at which this probe needs action.
    fn due(&self) -> Time {
        self.ask_at.min(self.until)
    }
}

impl FirstWriteProbes {
    /// Whether a write in a group waits for its probe.
    pub(super) fn is_open(&self, group: &GroupName) -> bool {
        self.open.contains_key(group)
    }

    /// Whether a first write in a group must wait for a probe.
    fn is_needed(&self, cx: &Context, loss: &SuspectedLoss, group: &GroupName) -> bool {
        let is_enabled = !cx.config.timing.first_write_probe.is_zero() && !cx.config.single_node;
        let is_certain = cx.groups.record(group, cx.me()).is_some() && !loss.concerns(group);
        is_enabled && !self.done.contains(group) && !is_certain
    }

    /// Ends the probe of a group, whose question was answered. Returns whether it was open.
    pub(super) fn end(&mut self, group: &GroupName) -> bool {
        let was_open = self.open.remove(group).is_some();
        if was_open {
            self.done.insert(group.clone());
        }
        was_open
    }

    /// The next first write in a group is probed again, unless a record is stored by then.
    pub(super) fn forget(&mut self, group: &GroupName) {
        self.done.remove(group);
    }

    /// Starts probes for new first writes, ends those that timed out, and asks where due. Returns
    /// the time of the next action.
    pub(super) fn advance(
        &mut self,
        cx: &mut Context,
        loss: &SuspectedLoss,
        queued: &BTreeSet<GroupName>,
    ) -> Option<Time> {
        let (now, time) = (cx.now, cx.config.timing.first_write_probe);
        let is_over = |(group, probe): &(&GroupName, &FirstWriteProbe)| {
            probe.until <= now || !queued.contains(*group) || !self.is_needed(cx, loss, group)
        };
        let over: Vec<GroupName> = self.open.iter().filter(is_over).map(|(group, _)| group.clone()).collect();
        for group in over {
            self.end(&group);
        }
        for group in queued {
            if self.is_needed(cx, loss, group) && !self.is_open(group) && cx.groups.host(now, group) {
                let probe = FirstWriteProbe { until: now + time, ask_at: now, asked: 0 };
                self.open.insert(group.clone(), probe);
            }
        }
        for (group, probe) in self.open.iter_mut().filter(|(_, probe)| probe.ask_at <= now) {
            probe.ask_at = now + time / MAX_PROBES;
            cx.act(Action::ProbeRecord { group: group.clone(), turn: probe.asked });
            probe.asked += 1;
        }
        self.open.values().map(FirstWriteProbe::due).min()
    }

    /// The groups for which a discovered peer should be asked if it is a rendezvous node of them.
    pub(in crate::node) fn unanswered(&self) -> Vec<GroupName> {
        let open = self.open.iter().filter(|(_, probe)| probe.asked < MAX_PROBES / 2);
        open.map(|(group, _)| group.clone()).collect()
    }

    /// A question was not sent, since no peer is known: it is the next one again.
    pub(in crate::node) fn on_no_one_to_ask(&mut self, group: &GroupName) {
        if let Some(probe) = self.open.get_mut(group) {
            probe.asked = probe.asked.saturating_sub(1);
        }
    }

    /// Sends the first questions now; returns whether there are any to send.
    pub(super) fn hasten(&mut self, now: Time) -> bool {
        let mut any = false;
        for probe in self.open.values_mut().filter(|probe| probe.asked == 0) {
            probe.ask_at = now;
            any = true;
        }
        any
    }

    /// A peer named a node that may host a group: asks it, if a first write there is being probed.
    pub(in crate::node) fn on_host_named(&self, cx: &mut Context, group: GroupName, node: NetId) {
        if self.is_open(&group) && node != cx.me() {
            ask_for_own_record(cx, group, (node, Transport::Udp));
        }
    }

    /// Asks a discovered rendezvous node of a group, in addition to the questions by time.
    pub(in crate::node) fn ask_in_addition(&mut self, cx: &mut Context, group: GroupName, to: NetId) {
        if let Some(probe) = self.open.get_mut(&group) {
            probe.asked += 1;
        }
        ask_for_own_record(cx, group, (to, Transport::Udp));
    }
}
