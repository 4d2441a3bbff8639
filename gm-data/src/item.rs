//! [`Item`], the state of one range of a member, and [`StampedItem`], an item with the clock of its
//! last write.

use core::fmt;

use gm_clock::NetId;
use thiserror::Error;

use crate::KeyRange;

/// Kind of an item. The numbers are those of the wire and of the hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Op {
    /// The member serves the range.
    Add = 1,
    /// The member neither serves the range nor is interested in it any longer. Kept so that other
    /// nodes learn of the removal, until it is purged.
    Rmv = 2,
    /// The member is interested in the range and does not serve it.
    Get = 3,
}

impl Op {
    /// Whether the item is live, as `Add` and `Get` are.
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

/// The priority of an item whose member did not choose one: 1, the lowest.
pub const DEFAULT_PRIORITY: u16 = 1;

/// State of one range of a member. Its identity is (member, range).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Item {
    member: NetId,
    range: KeyRange,
    op: Op,
    port: u16,
    priority: u16,
}

/// Reason why an item was refused. Nothing was changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Error)]
pub enum ItemError {
    /// The priority is 0. Priorities are 1 to 65535.
    #[error("an item of {range} has priority 0: priorities are 1 to 65535")]
    PriorityZero {
        /// The item's range.
        range: KeyRange,
    },
}

impl Item {
    /// The item of a `member` that serves `range` on `port` with `priority` (1..=65535; higher is
    /// preferred).
    ///
    /// # Errors
    /// [`ItemError::PriorityZero`].
    pub const fn serves(member: NetId, range: KeyRange, port: u16, priority: u16) -> Result<Item, ItemError> {
        Item::new(member, range, Op::Add, port, priority)
    }

    /// The item of a `member` that is interested in `range`.
    pub const fn interest(member: NetId, range: KeyRange) -> Item {
        Item { member, range, op: Op::Get, port: 0, priority: DEFAULT_PRIORITY }
    }

    /// The item of a `member` that no longer serves `range` or is interested in it.
    pub const fn removal(member: NetId, range: KeyRange) -> Item {
        Item { member, range, op: Op::Rmv, port: 0, priority: DEFAULT_PRIORITY }
    }

    /// Creates an item from parts that another node sent. Any port is accepted, also 0.
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

    /// The member that owns the item.
    pub const fn member(&self) -> NetId {
        self.member
    }

    /// The range of keys.
    pub const fn range(&self) -> KeyRange {
        self.range
    }

    /// The kind of the item.
    pub const fn op(&self) -> Op {
        self.op
    }

    /// The port of the member's service; 0 if none was given.
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// The priority in `1..=65535`; higher is preferred.
    pub const fn priority(&self) -> u16 {
        self.priority
    }
}

/// An [`Item`] with its stamp, which is the member's clock at the item's last write, in ticks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StampedItem {
    /// The item.
    pub item: Item,
    /// The member's clock at the item's last write, in ticks. Never above the clock of the member's
    /// record.
    pub stamp: u64,
}
