//! What one member says of one range, and when it last said so. Knows nothing of records and
//! merging.

use core::fmt;

use gm_clock::NetId;
use thiserror::Error;

use crate::KeyRange;

/// What a member does with a range. The numbers are those of the wire and of the hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Op {
    /// Serves the range.
    Add = 1,
    /// No longer either. Kept for a while so that others learn of the removal, then purged.
    Rmv = 2,
    /// Is interested in the range, and does not serve it.
    Get = 3,
}

impl Op {
    /// Whether the item counts: `Add` and `Get` do.
    pub const fn is_live(self) -> bool {
        !matches!(self, Op::Rmv)
    }
}

impl fmt::Display for Op {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Op::Add => "add",
            Op::Rmv => "rmv",
            Op::Get => "get",
        })
    }
}

/// The priority of an item whose member did not choose one.
pub const DEFAULT_PRIORITY: u16 = 1;

/// What one member says of one range. Its identity is (member, range).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Item {
    member: NetId,
    range: KeyRange,
    op: Op,
    port: u16,
    priority: u16,
}

/// Why an item was refused. Nothing was changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Error)]
pub enum ItemError {
    /// Priorities are 1 to 65535; 0 is the absence of the item.
    #[error("an item of {range} has priority 0: priorities are 1 to 65535")]
    PriorityZero {
        /// The item's range.
        range: KeyRange,
    },
}

impl Item {
    /// `member` serves `range` on `port` with `priority` (1..=65535, more is preferred).
    ///
    /// # Errors
    /// [`ItemError::PriorityZero`].
    pub const fn serves(member: NetId, range: KeyRange, port: u16, priority: u16) -> Result<Item, ItemError> {
        Item::new(member, range, Op::Add, port, priority)
    }

    /// `member` is interested in `range`.
    pub const fn interest(member: NetId, range: KeyRange) -> Item {
        Item { member, range, op: Op::Get, port: 0, priority: DEFAULT_PRIORITY }
    }

    /// `member` neither serves `range` nor is interested in it any longer.
    pub const fn removal(member: NetId, range: KeyRange) -> Item {
        Item { member, range, op: Op::Rmv, port: 0, priority: DEFAULT_PRIORITY }
    }

    /// The item of those parts, as another node sent it: any port, 0 too.
    ///
    /// # Errors
    /// [`ItemError::PriorityZero`].
    pub const fn new(
        member: NetId,
        range: KeyRange,
        op: Op,
        port: u16,
        priority: u16,
    ) -> Result<Item, ItemError> {
        if priority == 0 {
            return Err(ItemError::PriorityZero { range });
        }
        Ok(Item { member, range, op, port, priority })
    }

    /// Whose item it is.
    pub const fn member(&self) -> NetId {
        self.member
    }

    /// The keys that it speaks of.
    pub const fn range(&self) -> KeyRange {
        self.range
    }

    /// What the member does with them.
    pub const fn op(&self) -> Op {
        self.op
    }

    /// The port of the member's service; 0 where none was given.
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// In `1..=65535`; more is preferred.
    pub const fn priority(&self) -> u16 {
        self.priority
    }
}

/// An [`Item`] and the time of its last write: the member's clock when it wrote it, in ticks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StampedItem {
    /// The item.
    pub item: Item,
    /// The member's clock at its last write, in ticks. Never above the clock of the member's
    /// record.
    pub stamp: u64,
}
