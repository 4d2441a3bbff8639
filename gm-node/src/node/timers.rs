//! The node's timers.

use gm_clock::NetId;
use gm_data::GroupName;

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
    /// The newcomers of a group should be sent what they lack, and be introduced to its members.
    Introduction(GroupName),
    /// Changed records of other members should be stored.
    WriteBack,
    /// Removed items, contacts and evictions may be too old.
    Purge,
}
