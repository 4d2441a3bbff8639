//! The node's timers, and what runs when they are due.

use gm_broadcast::{Input, Time};
use gm_clock::NetId;
use gm_data::GroupName;

use super::NodeMachine;
use crate::store::Store;

/// The timers of a node. Due timers run in this order, whichever was due first; those of one
/// variant run together, before what follows from them.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum NodeTimer {
    /// The first input should start the node.
    Start,
    /// Queued writes should be applied, or a first-write probe needs a question or its end. While
    /// the store works on own writes, this timer is not set.
    WriteTick,
    /// A wait should ask members, or answer its caller.
    Wait(u64),
    /// The next exchange of anti-entropy should start.
    Exchange,
    /// A node that is reported to host a group should be probed.
    HostProbe,
    /// Names should be registered with a rendezvous node, or a page was not answered.
    Registration,
    /// The record of a member should be requested.
    Pull(GroupName, NetId),
    /// The first delayed reply should be sent.
    Reply,
    /// This node's record should be sent to members of a group that it discovered.
    Announcement(GroupName),
    /// Changed records of other members should be stored.
    WriteBack,
    /// Removed items, contacts and evictions may be too old.
    Purge,
}

impl<S: Store> NodeMachine<S> {
    /// Runs what is due in the broadcaster, or timers of one variant; returns whether there were
    /// any.
    pub(super) fn run_due_timers(&mut self, now: Time) -> bool {
        if self.broadcaster.deadline().is_some_and(|at| at <= now) {
            self.drive_broadcaster(now, Input::Wake);
            return true;
        }
        let due = self.timers.take_variant(now);
        let any = !due.is_empty();
        due.into_iter().for_each(|timer| self.on_timer(now, timer));
        any
    }

    fn on_timer(&mut self, now: Time, timer: NodeTimer) {
        match timer {
            NodeTimer::Start => self.start(now),
            NodeTimer::WriteTick => self.write_queued(now),
            NodeTimer::Wait(id) => self.on_wait_due(now, id),
            NodeTimer::Exchange => self.on_exchange_due(now),
            NodeTimer::HostProbe => self.probe_hosts(now),
            NodeTimer::Registration => self.send_registrations(now),
            NodeTimer::Pull(group, member) => self.send_pull(now, group, member),
            NodeTimer::Reply => self.send_due_reply(now),
            NodeTimer::Announcement(group) => self.announce_in_group(now, &group),
            NodeTimer::WriteBack => self.write_back(now),
            NodeTimer::Purge => self.purge(now),
        }
    }
}
