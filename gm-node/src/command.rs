//! Commands of the owner to a [`NodeMachine`](crate::NodeMachine), and the results of writes.

use std::time::Duration;

use gm_clock::NetId;
use gm_codec::Keyring;
use gm_data::{Change, ChangeError, ForgetError, GroupName, KeyRange, RangeError, Version};
use thiserror::Error;

use crate::node::Cursor;
use crate::store::StoreError;

/// A command of the owner.
#[derive(Clone, Debug)]
pub enum NodeCommand {
    /// Write the node's own record.
    Write(Write),
    /// Mark another member as forgotten. It is answered like a write, once for each group in which
    /// the member is known; once, if it is known in none.
    Forget(Forget),
    /// Drop the records of forgotten members of a group on all nodes, so that they no longer take
    /// up memory. The dropped versions are refused for an hour. A member that is alive comes back
    /// by itself. A node that was partitioned for more than an hour reintroduces the records, and
    /// they can be purged again.
    Purge {
        /// The group.
        group: GroupName,
        /// Also drop the records of members that were not heard from since this node started.
        include_absent: bool,
    },
    /// Notify a watcher of changes in a group. A group that this node does not host has no members
    /// until it is joined.
    Watch {
        /// Number of the watcher, chosen by the owner; a watcher with the same number is replaced.
        tag: u64,
        /// The group.
        group: GroupName,
    },
    /// The watcher has applied the last difference and may be notified again. Ignored if the
    /// watcher does not exist, or if the cursor belongs to another group.
    AdvanceWatch {
        /// The watcher.
        tag: u64,
        /// The new position: the cursor of the [`DifferencePart`](crate::DifferencePart) that the
        /// watcher applied.
        cursor: Box<Cursor>,
    },
    /// Remove a watcher.
    Unwatch {
        /// The watcher.
        tag: u64,
    },
    /// The store may have a result: see [`Store::poll_finished`](crate::Store::poll_finished).
    StoreReady,
    /// Dial these addresses until they answer, without end, in addition to the configured seeds.
    Seeds(Vec<NetId>),
    /// Seal with the first of these keys from now on, and open with any of them.
    Keys(Keyring),
    /// Answer all writes that still wait for acknowledgements, with their results so far: the owner
    /// is about to shut down.
    EndWaits,
    /// Close all connections once everything queued on them is sent.
    Close,
}

/// A write to the node's own record in one group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Write {
    /// Number that identifies the answer, chosen by the owner.
    pub tag: u64,
    /// The group.
    pub group: GroupName,
    /// The content.
    pub kind: WriteKind,
    /// Condition under which the write is answered.
    pub wait: Wait,
}

/// Content of a write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WriteKind {
    /// Join with interest in these ranges; in the whole key space if the list is empty.
    Join(Vec<KeyRange>),
    /// Leave the group: remove all items.
    Leave,
    /// Apply these changes, all or none.
    Change(Vec<Change>),
    /// Write nothing new, but end the pause after an identity conflict and refute the foreign
    /// record. For an operator who has removed the cause.
    Resume,
}

/// An order to forget a member.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Forget {
    /// Number that identifies the answers, chosen by the owner.
    pub tag: u64,
    /// The group; `None` means all hosted groups.
    pub group: Option<GroupName>,
    /// The member to forget.
    pub member: NetId,
    /// Condition under which the order is answered.
    pub wait: Wait,
}

/// Number of other members of the group that must acknowledge a write before it is answered (write
/// concern). Whatever the answer, the write stays committed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wait {
    /// Number of members.
    pub count: AckCount,
    /// Whether only members count that have synced the write to disk.
    pub on_disk: bool,
    /// Maximum time to wait. The wait ends earlier if it is satisfied, or if no member is left that
    /// may still acknowledge.
    pub timeout: Duration,
}

/// Number of other members that a write waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AckCount {
    /// No other member: the write is answered once it is in the local store.
    None,
    /// Any members in this number, not counting the writer. Members that the write affects are
    /// asked first, others only if the affected ones are too few; members that are discovered later
    /// are asked then. 0 means the same as `None`.
    Some(u64),
    /// Each member that the write affects: those whose ranges overlap the change, as far as they
    /// are known here once another node was in sync in the group. If it affects no member, any one
    /// member. So at least one other member has acknowledged the write, unless
    /// [`NodeConfig::single_node`](crate::NodeConfig::single_node) is set.
    All,
}

impl AckCount {
    /// Whether any member has to acknowledge.
    pub(crate) const fn needs_acks(self) -> bool {
        !matches!(self, AckCount::None | AckCount::Some(0))
    }
}

impl Wait {
    /// Waits for no other member.
    pub const NONE: Wait = Wait { count: AckCount::None, on_disk: false, timeout: Duration::ZERO };

    /// Waits for all members that the write affects, in memory.
    #[must_use]
    pub const fn all(within: Duration) -> Wait {
        Wait { count: AckCount::All, on_disk: false, timeout: within }
    }

    /// Waits for this number of other members, in memory.
    #[must_use]
    pub const fn some(count: u64, within: Duration) -> Wait {
        Wait { count: AckCount::Some(count), on_disk: false, timeout: within }
    }
}

/// Result of a successful write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommittedWrite {
    /// Version of the record that contains the write.
    pub version: Version,
    /// Whether anything was written; `false` if the record had this content already.
    pub changed: bool,
    /// Fingerprint of the group's state that the write's commit produced.
    pub fingerprint: u128,
    /// Result of the wait.
    pub wait: WaitReport,
}

/// An answer to a caller that is still due: the write is not stored, or waits for acks.
#[derive(Clone, Debug)]
pub(crate) struct PendingAnswer {
    /// Tag of the caller's command.
    pub(crate) tag: u64,
    pub(crate) wait: Wait,
    /// Whether anything was written.
    pub(crate) changed: bool,
    /// Version of the record that contains the write.
    pub(crate) version: Version,
    /// Fingerprint of the group with the write; 0 before the commit.
    pub(crate) fingerprint: u128,
}

impl PendingAnswer {
    /// The answer to a write that is not committed yet.
    pub(crate) const fn new(tag: u64, wait: Wait, changed: bool, version: Version) -> PendingAnswer {
        PendingAnswer { tag, wait, changed, version, fingerprint: 0 }
    }

    /// The answer's tag, and the result of the write.
    pub(crate) fn complete(self, wait: WaitReport) -> (u64, CommittedWrite) {
        let PendingAnswer { tag, changed, version, fingerprint, .. } = self;
        (tag, CommittedWrite { version, changed, fingerprint, wait })
    }
}

/// Result of a wait. `acknowledged + refused + unreachable + unanswered` other members were asked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WaitReport {
    /// Outcome of the wait.
    pub outcome: WaitOutcome,
    /// Number of other known members of the group, asked or not.
    pub members: u64,
    /// Number of members that acknowledged the write.
    pub acknowledged: u64,
    /// Number of members that received the write but cannot acknowledge it: they do not host the
    /// group, or cannot store it on disk.
    pub refused: u64,
    /// Number of members that could not be reached.
    pub unreachable: u64,
    /// Number of members that were asked and did not answer.
    pub unanswered: u64,
    /// Some of the members that could not be reached, sorted.
    pub unreachable_members: Vec<NetId>,
    /// Some of the members that did not answer, sorted, as far as their identities are known.
    pub unanswered_members: Vec<NetId>,
}

/// Outcome of a wait.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum WaitOutcome {
    /// The requested number of members acknowledged the write.
    #[default]
    Satisfied,
    /// Fewer members acknowledged, and the wait ended before its timeout because no other member
    /// can acknowledge any more: each of the others refused, or its host refused several
    /// connections in a row.
    Settled,
    /// The timeout passed.
    TimedOut,
}

/// Reason why a write failed. Nothing was changed.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum WriteError {
    /// The range is invalid.
    #[error(transparent)]
    Range(#[from] RangeError),
    /// The change is invalid.
    #[error(transparent)]
    Change(#[from] ChangeError),
    /// The member cannot be forgotten.
    #[error(transparent)]
    Forget(#[from] ForgetError),
    /// The store failed. The write would not survive a restart, so it was not sent to any peer.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// This node does not host the group.
    #[error("this node does not host the group {group:?}: it is not a member")]
    UnknownGroup {
        /// The group.
        group: GroupName,
    },
    /// The name is reserved: in messages between nodes it stands for all groups that both host.
    #[error("the group name {group:?} (U+10FFFF) is reserved: choose another")]
    ReservedName {
        /// The name.
        group: GroupName,
    },
    /// A limit is reached.
    #[error("{what}: at most {max}; raise the limit `{limit}`, or {remedy}")]
    LimitReached {
        /// The quantity that is limited.
        what: &'static str,
        /// Value of the limit.
        max: usize,
        /// Field of [`NodeLimits`](crate::NodeLimits).
        limit: &'static str,
        /// A remedy other than a higher limit.
        remedy: &'static str,
    },
}
