//! What the owner of a node tells it, and what it is told for it. Knows nothing of how it is done.

use std::time::Duration;

use gm_clock::NetId;
use gm_codec::Keyring;
use gm_data::{Change, ChangeError, ForgetError, GroupName, KeyRange, Version};
use thiserror::Error;

use crate::store::StoreError;

/// What the owner of a node tells it.
#[derive(Clone, Debug)]
pub enum Command {
    /// Write about oneself.
    Write(Write),
    /// Forget another member. It is answered as a write is, once for each group in which it is known; once, if it is known in none.
    Forget(Forget),
    /// Tell of what changes in a group. A group that is not held has no members until it is joined.
    Watch {
        /// What the owner calls the watcher; one that is called so already is replaced.
        tag: u64,
        /// The group.
        group: GroupName,
    },
    /// The watcher has taken in what it was told last, and may be told more.
    Took {
        /// The watcher.
        tag: u64,
    },
    /// Tell that watcher no more.
    Unwatch {
        /// The watcher.
        tag: u64,
    },
    /// The storage has something to say: see [`Store::finished`](crate::Store::finished).
    Disk,
    /// Call these until they answer, for ever, besides those configured.
    Seeds(Vec<NetId>),
    /// Seal with the first of these keys from now on, and open with all.
    Keys(Keyring),
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
    pub what: What,
    /// When it is answered.
    pub wait: Wait,
}

/// What a node writes about itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum What {
    /// Be interested in these ranges; in the whole key space if none are named.
    Join(Vec<KeyRange>),
    /// Drop everything.
    Leave,
    /// These changes, all of them or none.
    Change(Vec<Change>),
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

/// How many others have to have a write before it is answered. Whatever it says, the write stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wait {
    /// How many.
    pub count: Count,
    /// Whether they have to have it on disk.
    pub disk: bool,
    /// How long is waited.
    pub within: Duration,
}

/// How many others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Count {
    /// Nobody: it is answered when it stands in one's own storage.
    None,
    /// So many, the writer not counted; 0 is as nobody.
    Some(u64),
    /// All members that it concerns, as far as they are known here.
    All,
}

impl Wait {
    /// For nobody.
    pub const NONE: Wait = Wait { count: Count::None, disk: false, within: Duration::ZERO };

    /// For all whom it concerns, in memory.
    #[must_use]
    pub const fn all(within: Duration) -> Wait {
        Wait { count: Count::All, disk: false, within }
    }

    /// For so many others, in memory.
    #[must_use]
    pub const fn some(count: u64, within: Duration) -> Wait {
        Wait { count: Count::Some(count), disk: false, within }
    }
}

/// What came of a write that was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Written {
    /// The version of the record that it stands in.
    pub version: Version,
    /// Whether anything was written; if not, it stood there already.
    pub changed: bool,
    /// How the wait ended.
    pub waited: Waited,
}

/// How a wait ended, as far as is known.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Waited {
    /// How.
    pub end: End,
    /// Others that have it, and count.
    pub delivered: u64,
    /// Others that could not be reached, or do not count.
    pub unreachable: u64,
    /// Others of which nothing is known.
    pub unknown: u64,
    /// Some of those that could not be reached, sorted.
    pub names: Vec<NetId>,
}

/// How a wait ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum End {
    /// As many as were asked for have it.
    #[default]
    Satisfied,
    /// Everybody has it, or cannot be reached, or does not count, and they are fewer than were asked for: nothing more is to be expected.
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
    /// A bound is reached.
    #[error("{what}: at most {most}; raise the bound `{bound}`, or {else_way}")]
    Full {
        /// Of what there would be too many.
        what: &'static str,
        /// The bound's value.
        most: usize,
        /// The field of [`Bounds`](crate::Bounds).
        bound: &'static str,
        /// What helps besides.
        else_way: &'static str,
    },
}
