//! Events that a node emits to its owner.

use gm_clock::NetId;
use gm_data::{GroupName, Version};

use crate::command::{CommittedWrite, WriteError};

/// An event for the owner.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NodeEvent {
    /// The answer to a write or to an order to forget.
    Answered {
        /// Number that the owner gave the command.
        tag: u64,
        /// The group; `None` if a member was to be forgotten in all groups and is known in none.
        group: Option<GroupName>,
        /// Result of the command.
        result: Result<CommittedWrite, WriteError>,
    },
    /// A watched group changed: [`NodeMachine::difference`](crate::NodeMachine::difference) returns
    /// the changes. The watcher is notified again only after
    /// [`NodeCommand::AdvanceWatch`](crate::NodeCommand::AdvanceWatch); changes until then are in
    /// this difference or the next one.
    Changed {
        /// Number of the watcher.
        tag: u64,
        /// The group.
        group: GroupName,
    },
    /// A watcher is refused because the limit is reached.
    WatchRefused {
        /// Number of the watcher.
        tag: u64,
        /// The group.
        group: GroupName,
        /// The limit, [`NodeLimits::watchers`](crate::NodeLimits).
        max: usize,
    },
    /// This node hosts a group from now on. Not emitted for the groups that it hosts since its
    /// start.
    Hosted {
        /// The group.
        group: GroupName,
    },
    /// This node no longer hosts a group: a peer acknowledged its leave, no other member exists, or
    /// its first write in the group was refused.
    Released {
        /// The group.
        group: GroupName,
    },
    /// A member was forgotten, and its node is no longer listed as a peer until it sends a message
    /// itself.
    PeerUnlisted(NetId),
    /// This node is in sync with another host of a group, for the first time since its start.
    InSync {
        /// The group.
        group: GroupName,
        /// The first peer in sync.
        with: NetId,
    },
    /// Another node writes under this node's identity. Writes in the group are paused until no such
    /// record came for a while, or until the owner [resumes](crate::WriteKind::Resume).
    IdentityConflict {
        /// The group.
        group: GroupName,
        /// Required silence before writes resume, in milliseconds.
        pause_millis: u64,
        /// The peer that sent the latest foreign record: its writer, or a peer that received it.
        reported_by: Option<NetId>,
    },
    /// A peer claims for this node an incarnation beyond the horizon, close to the greatest one
    /// possible. The node opened an incarnation below the horizon, and sends all nodes an eviction
    /// of the claimed versions.
    HorizonClaimEvicted {
        /// The group.
        group: GroupName,
        /// The first version that is evicted.
        above: Version,
    },
    /// Another node uses this node's address, or sends its payloads back.
    DuplicateAddress,
    /// A write of a member is lost because the node that forgot the member had not received it.
    LostByForget {
        /// The group.
        group: GroupName,
        /// The member.
        member: NetId,
        /// Number of items written after the version that the forgetting node knew.
        items: usize,
    },
    /// A group has nearly reached the maximum number of records, including forgotten ones. Remedy:
    /// purge, or raise the limit.
    NearRecordLimit {
        /// The group.
        group: GroupName,
        /// Number of records.
        records: usize,
        /// The limit, [`NodeLimits::records`](crate::NodeLimits).
        max: usize,
    },
    /// A limit prevents that a member's record is merged.
    LimitReached {
        /// The group.
        group: GroupName,
        /// Field of [`NodeLimits`](crate::NodeLimits).
        limit: &'static str,
    },
    /// The contact table is full: a new entry replaces one that was confirmed least recently.
    /// Joining a group does not depend on the table. Emitted again only after the table had space.
    ContactsFull {
        /// The limit, [`NodeLimits::contacts`](crate::NodeLimits).
        max: usize,
    },
    /// The store failed, for the first time since its last success.
    StoreFailed {
        /// Error message of the system.
        why: String,
    },
    /// The store works again.
    StoreRecovered,
    /// The store may lack commits that it had reported as stored. Before its next write in each
    /// group, the node asks peers for its record.
    StoreLossSuspected {
        /// Reason, for an operator.
        why: String,
        /// Number of groups in which the node has to ask peers.
        groups: usize,
    },
    /// The store did lose commits: a peer has a later version of this node's record. The lost items
    /// are gone until the node writes them again.
    StoreLossConfirmed {
        /// The group.
        group: GroupName,
        /// Stored version.
        stored: Option<Version>,
        /// Version that the peer has.
        known: Version,
    },
    /// The suspicion about the store is cleared: in all groups of this node, peers reported its
    /// record, or the node has written since.
    StoreLossExcluded,
    /// A write was committed, but is too large for a broadcast: peers receive it by anti-entropy.
    NotBroadcast {
        /// The group.
        group: GroupName,
        /// Reason.
        why: String,
    },
    /// An event of the broadcaster: nodes near and far, islands.
    Broadcast(gm_broadcast::BroadcastEvent),
}
