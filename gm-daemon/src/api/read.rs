//! Answers of the routes that read: the daemon's status, its groups, its peers.

use serde::{Deserialize, Serialize};

/// Status of a daemon.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DaemonStatus {
    /// The node's NetId, `IP:PORT`.
    pub node: String,
    /// The cluster's name.
    pub cluster: String,
    /// The program's version.
    pub version: String,
    /// Time since the start, in seconds.
    pub uptime: u64,
    /// The data directory, if there is one.
    pub data_dir: Option<String>,
    /// The storage's error, if its last write failed.
    pub storage: Option<String>,
    /// Whether frames are sealed (encrypted and authenticated).
    pub sealed: bool,
    /// Id of the key that seals, for example `0x3f`: the byte by which frames name it. Different
    /// keys may have the same id.
    pub key: Option<String>,
    /// Ids of the keys that only open.
    pub other_keys: Vec<String>,
    /// Result of the multicast test: `works`, `off`, or the problem and the setting that fixes it.
    pub multicast: String,
    /// Number of known peers.
    pub peers: usize,
    /// Peers whose multicast this node receives, as in [`PeerInfo::near`].
    pub near: usize,
    /// Peers that are connected, or were heard from within the last minute.
    pub alive: usize,
    /// The configured seeds.
    pub seeds: Vec<SeedInfo>,
    /// Inbound connections before authentication.
    pub unauthenticated: UnauthenticatedInfo,
    /// Incomplete frames of authenticated connections.
    pub incomplete: IncompleteInfo,
    /// Whether another node uses this node's address.
    pub address_conflict: bool,
    /// The hosted groups.
    pub groups: Vec<GroupInfo>,
    /// Number of groups that are known but not hosted.
    pub known_groups: usize,
    /// Problems that need an operator, each with its remedy.
    pub warnings: Vec<String>,
}

/// Inbound connections before authentication: no frame of the other side has opened yet, so it has
/// not shown that it has the key.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnauthenticatedInfo {
    /// Number of such connections.
    pub connections: usize,
    /// Bytes received on them that are held in memory.
    pub bytes: usize,
    /// Limit of `bytes`.
    pub max_bytes: usize,
    /// Connections closed since the start: replaced by newer ones, silent until their deadline, or
    /// with a frame that does not open.
    pub closed: u64,
    /// Connections rejected since the start, because others from their address were closed shortly
    /// before.
    pub refused: u64,
}

/// Frames of authenticated connections that have not arrived in full.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct IncompleteInfo {
    /// Bytes of memory in use.
    pub bytes: usize,
    /// Limit of `bytes`.
    pub max_bytes: usize,
    /// Connections closed since the start because the limit was reached, or because a frame missed
    /// its deadline.
    pub closed: u64,
}

/// A seed: an address that the node dials until it answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SeedInfo {
    /// The seed as configured.
    pub seed: String,
    /// Whether the seed is reached, and if not, why.
    pub state: SeedCondition,
    /// NetIds that the seed's name resolves to.
    pub nodes: Vec<String>,
    /// The problem and its remedy, if there is one.
    pub problem: Option<String>,
}

/// Condition of a seed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SeedCondition {
    /// A node at the seed's address answered.
    Reached,
    /// The seed is this node.
    Ourselves,
    /// The seed's name is being resolved.
    Pending,
    /// The seed's name does not resolve.
    NotResolved,
    /// The seed's name resolves to no address that another node could have.
    NoUsableAddress,
    /// The host refused the connection.
    Refused,
    /// The host does not answer.
    Silent,
    /// The node closes connections before it sends a frame.
    ClosesBeforeFirstFrame,
    /// The node was not heard from yet.
    NotHeard,
}

/// Status of a group.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct GroupInfo {
    /// The group's name.
    pub name: String,
    /// Whether this node hosts the group; if not, it knows only the name and a `contact`.
    pub hosted: bool,
    /// A known member, if the group is not hosted.
    pub contact: Option<String>,
    /// Number of members.
    pub members: usize,
    /// Number of items, without removed ones.
    pub items: usize,
    /// Fingerprint of the group: 32 lower-case hexadecimal digits.
    pub fingerprint: String,
    /// Whether this node is a member.
    pub member: bool,
    /// Whether the last comparison with another host found equal fingerprints.
    pub in_sync: bool,
    /// Result of comparisons with other hosts, if the group is hosted.
    pub sync: Option<SyncInfo>,
    /// Whether this node has left and its leave is not acknowledged yet.
    pub leaving: bool,
    /// Number of records: of present, former and forgotten members.
    pub records: usize,
    /// Number of records of forgotten members.
    pub forgotten: usize,
    /// Remaining pause of this node's writes in milliseconds, if another node writes under its
    /// identity.
    pub conflict: Option<u64>,
    /// Peer that last sent the other node's record: that node itself, or one that received it.
    #[serde(default)]
    pub conflict_reported_by: Option<String>,
}

/// Result of comparing a group with its other hosts. It shows whether an answer may lack members.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SyncInfo {
    /// Result of the comparisons.
    pub state: SyncState,
    /// Whether the state is any but `Unverified`.
    pub verified: bool,
    /// The other host, or the peer that was asked.
    pub with: Option<String>,
    /// Seconds since that comparison, or since the first unsettled difference.
    pub seconds: Option<u64>,
}

/// Result of the comparisons of a group with its other hosts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SyncState {
    /// The last comparison found the group equal at another host.
    Equal,
    /// Comparisons have found a difference that is not settled yet.
    Differs,
    /// No other member is known here, nor to the peer that was asked.
    Sole,
    /// The node runs in single-node mode.
    Single,
    /// The group was not compared since the node started or joined: members may be missing.
    Unverified,
}

/// The members of a group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MemberList {
    /// The group's name.
    pub group: String,
    /// Result of comparisons with other hosts.
    pub sync: SyncInfo,
    /// The members, in the order of their NetIds.
    pub members: Vec<MemberInfo>,
}

/// The items of a group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ItemList {
    /// The group's name.
    pub group: String,
    /// Result of comparisons with other hosts.
    pub sync: SyncInfo,
    /// The items, by range.
    pub items: Vec<ItemInfo>,
}

/// A member of a group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MemberInfo {
    /// The member's NetId.
    pub node: String,
    /// Number of ranges that the member serves.
    pub serves: usize,
    /// Number of ranges that the member is interested in.
    pub interests: usize,
    /// Number of keys that the member serves, each counted once.
    pub keys: u64,
    /// Version of the member's record, `INCARNATION.CLOCK`.
    pub version: String,
}

/// An item: one range of a member.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ItemInfo {
    /// The member's NetId.
    pub node: String,
    /// Whether the range is served or of interest.
    pub op: ItemOp,
    /// The first key.
    pub start: u32,
    /// The last key.
    pub end: u32,
    /// Port of the service; 0 for an interest.
    pub port: u16,
    /// Priority, 1 to 65535; owners with a greater one are preferred.
    pub priority: u16,
}

/// Kind of an item.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ItemOp {
    /// The member serves the range.
    Add,
    /// The member is interested in the range.
    Get,
    /// The range was removed. Answers do not list such items.
    Rmv,
}

/// The owners of a key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OwnerList {
    /// Result of comparisons with other hosts.
    pub sync: SyncInfo,
    /// The key.
    pub key: u32,
    /// The members that serve the key, most preferred first.
    pub owners: Vec<OwnerInfo>,
}

/// An owner of a key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OwnerInfo {
    /// The member's NetId.
    pub node: String,
    /// Address of the member's service, `IP:PORT`.
    pub service: String,
    /// Priority of the range.
    pub priority: u16,
    /// First key of the range that contains the key.
    pub start: u32,
    /// Last key of that range.
    pub end: u32,
}

/// Number of owners of each part of the key space.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Coverage {
    /// Result of comparisons with other hosts.
    pub sync: SyncInfo,
    /// The smallest number of members that serve any key.
    pub min_owners: usize,
    /// Segments that cover the whole key space, in order.
    pub segments: Vec<CoverageSegment>,
}

/// A segment of the key space with the same owners.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CoverageSegment {
    /// The first key.
    pub start: u32,
    /// The last key.
    pub end: u32,
    /// NetIds of the members that serve the segment, sorted.
    pub owners: Vec<String>,
}

/// A known peer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PeerInfo {
    /// The peer's NetId.
    pub node: String,
    /// Whether this node receives the peer's multicast: the last one arrived within two rounds of
    /// the island, or within a minute if that is longer, and since then the peer has not refused a
    /// connection nor left three requests unanswered.
    pub near: bool,
    /// Seconds since the peer was last heard from; missing if only other peers have named it.
    pub last_heard: Option<u64>,
    /// Path by which the peer was last heard.
    pub last_heard_by: Option<HeardPath>,
    /// Seconds since the peer's last multicast arrived.
    pub last_multicast: Option<u64>,
    /// Whether a connection to it is open.
    pub connected: bool,
    /// Whether unicast datagrams work between this node and the peer.
    pub datagrams: DatagramState,
    /// Requests that the peer has left unanswered since it was last heard from.
    pub unanswered: u32,
    /// Consecutive failures to reach the peer.
    pub failures: u32,
    /// The last failure.
    pub failure: Option<PeerFailure>,
    /// Seconds until the node may dial the peer again, which it does at the next message to it.
    pub retry_in: Option<u64>,
    /// Problems between this node and the peer, each with its remedy.
    pub problems: Vec<String>,
}

/// Path by which a peer was last heard.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum HeardPath {
    /// UDP multicast.
    Multicast,
    /// UDP unicast.
    Datagram,
    /// A TCP connection.
    Connection,
}

/// Whether unicast datagrams work to a peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DatagramState {
    /// Not known yet.
    Untested,
    /// The peer answered a datagram.
    Work,
    /// Datagrams are lost; connections are used instead.
    Lost,
    /// The peer's address is of the other family (IPv4 or IPv6), so connections are used.
    OtherFamily,
}

/// Failure to reach a peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PeerFailure {
    /// The peer's host refused the connection.
    Refused,
    /// The peer did not answer.
    Silent,
}

/// A change in a group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "change", rename_all = "kebab-case")]
pub enum GroupChange {
    /// A member joined.
    Joined {
        /// The member's NetId.
        node: String,
    },
    /// A member serves a new range, or has a new interest.
    Added {
        /// The new item.
        item: ItemInfo,
    },
    /// An item changed, for example its port or priority.
    Changed {
        /// The item before.
        from: ItemInfo,
        /// The item now.
        to: ItemInfo,
    },
    /// A member withdrew a range.
    Removed {
        /// The withdrawn item.
        item: ItemInfo,
    },
    /// A member left or was forgotten.
    Left {
        /// The member's NetId.
        node: String,
    },
    /// The watcher read too slowly, and the daemon dropped changes of it: read the topology again.
    /// The following changes start from the present state.
    Lost,
}
