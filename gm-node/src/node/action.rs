//! Actions: what a component of the node asks of the broadcaster, the store, the owner, or another
//! component. `follow_ups.rs` performs them.

use std::time::Duration;

use gm_broadcast::{BroadcastCommand, BroadcastRequest, Path, Transport};
use gm_clock::NetId;
use gm_codec::Versions;
use gm_data::{Eviction, GroupName};

use crate::event::NodeEvent;
use crate::store::Batch;

/// A peer, and the transport to it.
pub(super) type Route = (NetId, Transport);

/// A request of a component, or a report to others.
#[derive(Debug)]
pub(super) enum Action {
    /// Hand the broadcaster a command.
    Command(BroadcastCommand),
    /// Broadcast to the members of a group; the result concerns this wait, if any.
    Broadcast { group: GroupName, request: BroadcastRequest, wait: Option<u64> },
    /// Emit an event to the owner.
    Emit(NodeEvent),
    /// Hand the batch of the write queue's drafts to the store.
    SubmitDrafts(Batch),
    /// Commit the drafts of the write queue: the store has them, or nothing of them has to be
    /// stored.
    Commit,
    /// Clear the suspicion that the store lacks commits.
    ExcludeLoss,
    /// Store received records soon.
    WriteBack,
    /// Start the next exchange within this time, and shorten the interval to it.
    Hasten(Duration),
    /// Send evictions to a peer that sent evicted records.
    SendEvictions { group: GroupName, to: NetId, path: Path, evictions: Vec<Eviction> },
    /// Ask a peer for this node's record in a group; `turn` counts the questions.
    ProbeRecord { group: GroupName, turn: u32 },
    /// A peer reported this node's record in a group, or that it has none.
    RecordProbed(GroupName),
    /// A peer without a record in a group asked for it by a connection: it is about to join.
    NewcomerAsked { group: GroupName, node: NetId },
    /// A peer named a node that may host a group.
    HostNamed { group: GroupName, node: NetId, by: NetId },
    /// A host candidate of a group did not answer.
    HostGivenUp(GroupName),
    /// A group is in sync with another host; `first` if it was not since the start.
    InSync { group: GroupName, with: NetId, first: bool },
    /// An exchange confirmed that no other member of a group is known.
    SoleMember(GroupName),
    /// A peer sent an anti-entropy message.
    PeerHeard(NetId),
    /// A peer answered the page of names that ends with this one.
    PageAnswered { from: NetId, until: GroupName },
    /// Refer a peer to nodes that rank higher for these groups.
    Refer { to: NetId, groups: Vec<GroupName> },
    /// A peer asks for its record in a group without a known member.
    RecordUnknown { route: Route, asked: Versions },
    /// Release a group that was left, if it is not needed any more.
    ReleaseIfLeft(GroupName),
    /// Release a group, unless it has to be hosted.
    ReleaseIfIdle(GroupName),
}
