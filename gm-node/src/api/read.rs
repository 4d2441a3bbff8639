//! What is read of a daemon: how it stands, its groups, its peers.

use serde::{Deserialize, Serialize};

/// How a daemon stands.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DaemonStatus {
    /// Our NetId, `IP:PORT`.
    pub node: String,
    /// The cluster's name.
    pub cluster: String,
    /// The version of the program.
    pub version: String,
    /// Since when, in seconds.
    pub uptime: u64,
    /// The data directory; nothing without one.
    pub data_dir: Option<String>,
    /// Whether the storage takes what it is given; if not, what it said.
    pub storage: Option<String>,
    /// Whether frames are sealed.
    pub sealed: bool,
    /// The id of the key that seals, `0x3f`: the byte by which frames name it. Different keys may
    /// have one id.
    pub key: Option<String>,
    /// The ids of the keys that only open.
    pub other_keys: Vec<String>,
    /// What multicast is found to be: `works`, `off`, or what is wrong and which setting mends it.
    pub multicast: String,
    /// Nodes that we know.
    pub peers: usize,
    /// Of them, those whose multicast we hear: as [`PeerInfo::near`] says.
    pub near: usize,
    /// Of them, those that are connected, or of which something came within the last minute.
    pub alive: usize,
    /// The seeds, and whether they are reached.
    pub seeds: Vec<SeedInfo>,
    /// Connections that others opened and that have not proven that they have the key.
    pub unauthenticated: UnauthenticatedInfo,
    /// Frames that are under way by connections that have.
    pub incomplete: IncompleteInfo,
    /// Whether another node uses our address.
    pub address_conflict: bool,
    /// The groups that are held.
    pub groups: Vec<GroupInfo>,
    /// Groups that are only known by name.
    pub known_groups: usize,
    /// What an operator should look at, in words, each with what mends it.
    pub warnings: Vec<String>,
}

/// Connections that others opened, and that have not proven that they have the key: what they hold,
/// and what became of them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnauthenticatedInfo {
    /// How many are there now.
    pub connections: usize,
    /// Bytes that are held of what came by them.
    pub bytes: usize,
    /// The most that this can be.
    pub max_bytes: usize,
    /// Closed since the start: they made room for others, showed nothing in time, or showed what
    /// does not open.
    pub closed: u64,
    /// Not let in since the start, because others of their address were closed shortly before.
    pub refused: u64,
}

/// Frames that come by connections which have proven that they have the key, and that are not whole
/// yet.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct IncompleteInfo {
    /// Bytes of memory that they take.
    pub bytes: usize,
    /// The most that this can be.
    pub max_bytes: usize,
    /// Connections that were closed since the start because there was no room for all such frames,
    /// or because one took too long.
    pub closed: u64,
}

/// A node that is called until it answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SeedInfo {
    /// As it was configured.
    pub seed: String,
    /// `reached`, `ourselves`, `pending`, `not-resolved`, `no-usable-address`, `refused`, `silent`,
    /// `closes-before-first-frame` or `not-heard`.
    pub state: String,
    /// What its name means.
    pub nodes: Vec<String>,
    /// What is wrong and what mends it; nothing if it is reached.
    pub problem: Option<String>,
}

/// How a group stands.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct GroupInfo {
    /// Its name.
    pub name: String,
    /// Whether it is held here; if not, only its name and `contact` are known.
    pub hosted: bool,
    /// A member, of a group that is not held.
    pub contact: Option<String>,
    /// Members.
    pub members: usize,
    /// Live items.
    pub items: usize,
    /// The fingerprint: 32 lower-case hexadecimal digits.
    pub fingerprint: String,
    /// Whether this node is a member.
    pub member: bool,
    /// Whether the last comparison with another holder found the same.
    pub in_sync: bool,
    /// How far the group was compared with other holders; nothing of a group that is not held.
    pub sync: Option<SyncInfo>,
    /// Whether we left and still tell it.
    pub leaving: bool,
    /// Records: members, who left, and the forgotten.
    pub records: usize,
    /// Of them, the forgotten.
    pub forgotten: usize,
    /// For how many milliseconds nothing is written, because another node writes under our
    /// identity.
    pub conflict: Option<u64>,
    /// Who passed on last what that other node wrote: itself, or a node that had it from it.
    #[serde(default)]
    pub conflict_reported_by: Option<String>,
}

/// How far a group was compared with other holders of it, and so what an answer is worth in which
/// something is missing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SyncInfo {
    /// `equal`: another holder held the same at the last comparison. `differs`: the comparisons
    /// since `seconds` find a difference that is not settled yet. `sole`: no other member is known
    /// here, nor to the peer `with`, which was asked. `single`: this node is alone by
    /// configuration. `unverified`: nothing was compared since this node started or joined, and
    /// members may be missing.
    pub state: String,
    /// Whether it is any but `unverified`.
    pub verified: bool,
    /// The other holder, or the peer that was asked.
    pub with: Option<String>,
    /// How many seconds ago that was, or since when there is a difference.
    pub seconds: Option<u64>,
}

/// The members of a group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MemberList {
    /// The group's name.
    pub group: String,
    /// What the answer is worth.
    pub sync: SyncInfo,
    /// The members, in the order of their NetIds.
    pub members: Vec<MemberInfo>,
}

/// What members say of ranges.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ItemList {
    /// The group's name.
    pub group: String,
    /// What the answer is worth.
    pub sync: SyncInfo,
    /// The items, by range.
    pub items: Vec<ItemInfo>,
}

/// A member of a group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MemberInfo {
    /// Its NetId.
    pub node: String,
    /// Ranges that it serves.
    pub serves: usize,
    /// Ranges that it is interested in.
    pub interests: usize,
    /// Keys that it serves, each counted once.
    pub keys: u64,
    /// The incarnation and the clock of its record, `INCARNATION.CLOCK`.
    pub version: String,
}

/// What a member says of a range.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ItemInfo {
    /// The member's NetId.
    pub node: String,
    /// `add`: it serves the range; `get`: it is interested in it.
    pub op: String,
    /// The first key.
    pub start: u32,
    /// The last key.
    pub end: u32,
    /// The port of the service; 0 of an interest.
    pub port: u16,
    /// 1 to 65535, more is preferred.
    pub priority: u16,
}

/// Who serves a key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OwnerList {
    /// What the answer is worth.
    pub sync: SyncInfo,
    /// The key.
    pub key: u32,
    /// Its owners, the most preferred first.
    pub owners: Vec<OwnerInfo>,
}

/// One of them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OwnerInfo {
    /// The member's NetId.
    pub node: String,
    /// The IP and port of its service.
    pub service: String,
    /// The priority.
    pub priority: u16,
    /// The range that has the key.
    pub start: u32,
    /// Its last key.
    pub end: u32,
}

/// What is served, and by how many.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Coverage {
    /// What the answer is worth.
    pub sync: SyncInfo,
    /// The least number of members that serve any key.
    pub min_owners: usize,
    /// The whole key space, in pieces, in order.
    pub segments: Vec<CoverageSegment>,
}

/// A piece of the key space with the same owners.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CoverageSegment {
    /// The first key.
    pub start: u32,
    /// The last key.
    pub end: u32,
    /// The NetIds of who serves it, sorted.
    pub owners: Vec<String>,
}

/// A node that we know.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PeerInfo {
    /// Its NetId.
    pub node: String,
    /// Whether its multicast is heard: within two rounds of the island, a minute at least, and it
    /// neither refused a connection nor left three questions unanswered since.
    pub near: bool,
    /// How many seconds ago anything of it came; nothing if only others told of it.
    pub last_heard: Option<u64>,
    /// By which path that was: `multicast`, `datagram` or `connection`.
    pub last_heard_by: Option<String>,
    /// How many seconds ago its last multicast came.
    pub last_multicast: Option<u64>,
    /// Whether a connection to it is open.
    pub connected: bool,
    /// What is known of datagrams between us: `untested`, `work`, `lost`, or `other-family` (its
    /// address is of another family than ours).
    pub datagrams: String,
    /// Questions that it left unanswered since it was last heard.
    pub unanswered: u32,
    /// Failures to reach it since it was last reached.
    pub failures: u32,
    /// The last of them: `refused` or `silent`.
    pub failure: Option<String>,
    /// For how many seconds it is left alone because of them; after that it is dialled when there
    /// is something for it.
    pub retry_in: Option<u64>,
    /// What is wrong between us, each with what mends it, in words.
    pub problems: Vec<String>,
}

/// Something changed in a group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "change", rename_all = "kebab-case")]
pub enum GroupChange {
    /// A member joined.
    Joined {
        /// Its NetId.
        node: String,
    },
    /// A range is served, or of interest, that was neither.
    Added {
        /// What is said of it.
        item: ItemInfo,
    },
    /// What is said of a range is another.
    Changed {
        /// What was said.
        from: ItemInfo,
        /// What is said.
        to: ItemInfo,
    },
    /// A range is neither served nor of interest any longer.
    Removed {
        /// What was said of it.
        item: ItemInfo,
    },
    /// A member left, or was forgotten.
    Left {
        /// Its NetId.
        node: String,
    },
    /// What changed is no longer kept, as this watcher did not read it: look at the topology anew.
    /// What comes now goes on from there.
    Lost,
}
