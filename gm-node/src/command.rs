//! What the owner of a node tells it, and what it is told for it. Knows nothing of how it is done.

use std::time::Duration;

use gm_clock::NetId;
use gm_codec::Keyring;
use gm_data::{Change, ChangeError, ForgetError, GroupName, KeyRange, Version};
use thiserror::Error;

use crate::node::Cursor;
use crate::store::StoreError;

/// What the owner of a node tells it.
#[derive(Clone, Debug)]
pub enum NodeCommand {
    /// Write about oneself.
    Write(Write),
    /// Forget another member. It is answered as a write is, once for each group in which it is
    /// known; once, if it is known in none.
    Forget(Forget),
    /// Drop the records of forgotten members of a group here and at all members, so that they take
    /// no room any more: they are refused for an hour. A member that lives comes back. Whoever was
    /// apart for longer than an hour brings them back, and they can be purged again.
    Purge {
        /// The group.
        group: GroupName,
        /// Those of members that were not heard since our start as well.
        include_absent: bool,
    },
    /// Tell of what changes in a group. A group that is not held has no members until it is joined.
    Watch {
        /// What the owner calls the watcher; one that is called so already is replaced.
        tag: u64,
        /// The group.
        group: GroupName,
    },
    /// The watcher has taken in what it was told last, and may be told more. For a watcher that is
    /// not there, or with a cursor of another group, nothing happens.
    AdvanceWatch {
        /// The watcher.
        tag: u64,
        /// How far: the cursor of the [`DifferencePart`](crate::DifferencePart) that it took in.
        cursor: Box<Cursor>,
    },
    /// Tell that watcher no more.
    Unwatch {
        /// The watcher.
        tag: u64,
    },
    /// The storage has something to say: see [`Store::poll_finished`](crate::Store::poll_finished).
    StoreReady,
    /// Call these until they answer, for ever, besides those configured.
    Seeds(Vec<NetId>),
    /// Seal with the first of these keys from now on, and open with all.
    Keys(Keyring),
    /// Answer all writes that wait for others, whatever came of the wait: the owner is about to
    /// end.
    EndWaits,
    /// Close all connections after what was sent on them.
    Close,
}

/// A write of a node about itself, in one group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Write {
    /// What the owner calls it: it comes back in the answer.
    pub tag: u64,
    /// The group.
    pub group: GroupName,
    /// What is written.
    pub kind: WriteKind,
    /// When it is answered.
    pub wait: Wait,
}

/// What a node writes about itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WriteKind {
    /// Be interested in these ranges; in the whole key space if none are named.
    Join(Vec<KeyRange>),
    /// Drop everything.
    Leave,
    /// These changes, all of them or none.
    Change(Vec<Change>),
    /// Nothing new: the pause after an identity conflict is ended, and our record put above what
    /// was claimed. For who has seen to the cause.
    Resume,
}

/// A member is to be forgotten.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Forget {
    /// What the owner calls it.
    pub tag: u64,
    /// In which group; in all that are held if none is named.
    pub group: Option<GroupName>,
    /// Who.
    pub member: NetId,
    /// When it is answered.
    pub wait: Wait,
}

/// How many other members of the group have to acknowledge a write before it is answered. Whatever
/// the answer, the write stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wait {
    /// How many.
    pub count: AckCount,
    /// Whether they have to have it on disk.
    pub on_disk: bool,
    /// For how long at most. The time is used as long as a member may still acknowledge, or be
    /// found.
    pub timeout: Duration,
}

/// How many other members.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AckCount {
    /// None: it is answered when it stands in one's own storage.
    None,
    /// Any so many, the writer not counted. Those that the write concerns are asked first, and
    /// others if they are too few; members that are found later are asked then. 0 is as none.
    Some(u64),
    /// All that the write concerns: those whose ranges overlap what changed, as far as they are
    /// known here once another node held the same of the group. If it concerns nobody, any one. So
    /// at least one other member has acknowledged it, unless
    /// [`NodeConfig::single_node`](crate::NodeConfig::single_node) says that there is no other
    /// node.
    All,
}

impl Wait {
    /// For no other member.
    pub const NONE: Wait = Wait { count: AckCount::None, on_disk: false, timeout: Duration::ZERO };

    /// For all members that the write concerns, in memory.
    #[must_use]
    pub const fn all(within: Duration) -> Wait {
        Wait { count: AckCount::All, on_disk: false, timeout: within }
    }

    /// For so many other members, in memory.
    #[must_use]
    pub const fn some(count: u64, within: Duration) -> Wait {
        Wait { count: AckCount::Some(count), on_disk: false, timeout: within }
    }
}

/// What came of a write that was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommittedWrite {
    /// The version of the record that it stands in.
    pub version: Version,
    /// Whether anything was written; if not, it stood there already.
    pub changed: bool,
    /// How the wait ended.
    pub wait: WaitReport,
}

/// How a wait ended. `delivered + refused + unreachable + unknown` other members were asked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WaitReport {
    /// How.
    pub outcome: WaitOutcome,
    /// Other members of the group that are known, asked or not.
    pub members: u64,
    /// Members that acknowledged it.
    pub acknowledged: u64,
    /// Members that got it and answered that they do not count: they do not hold the group, or
    /// cannot keep it on disk.
    pub refused: u64,
    /// Members that could not be reached.
    pub unreachable: u64,
    /// Members that were asked and not heard from.
    pub unanswered: u64,
    /// Some of those that could not be reached, sorted.
    pub unreachable_members: Vec<NetId>,
    /// Some of those that were not heard from, sorted, as far as it is known which they are.
    pub unanswered_members: Vec<NetId>,
}

/// How a wait ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum WaitOutcome {
    /// As many members acknowledged it as were asked for.
    #[default]
    Satisfied,
    /// They are fewer, and before the time was over nobody was left who might still acknowledge it:
    /// each of the others refused, or its host refused every connection, several in a row.
    Settled,
    /// The time was over.
    TimedOut,
}

/// Why a write was not made. Nothing was changed.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum WriteError {
    /// It cannot be made.
    #[error(transparent)]
    Change(#[from] ChangeError),
    /// The member cannot be forgotten.
    #[error(transparent)]
    Forget(#[from] ForgetError),
    /// One's own record would not survive a restart, so nobody is told.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Nothing is held of the group.
    #[error("nothing is held of the group {group:?}: this node is not a member of it")]
    UnknownGroup {
        /// The group.
        group: GroupName,
    },
    /// The name is no group's: in messages between nodes it stands for all groups that they share.
    #[error("no group can have the name {group:?} (U+10FFFF), which is reserved: choose another")]
    ReservedName {
        /// The name.
        group: GroupName,
    },
    /// A bound is reached.
    #[error("{what}: at most {max}; raise the bound `{limit}`, or {remedy}")]
    LimitReached {
        /// Of what there would be too many.
        what: &'static str,
        /// The bound's value.
        max: usize,
        /// The field of [`NodeLimits`](crate::NodeLimits).
        limit: &'static str,
        /// What helps besides.
        remedy: &'static str,
    },
}
