//! [`PackedItem`], the stored form of an item in a record: 20 bytes, without the member.

use gm_clock::{CEILING, NetId};

use crate::tree::{Entry, Idempotent};
use crate::{Item, KeyRange, Op, StampedItem};

/// A stamped item without its member: start, end, port and priority, op (2 bits) and stamp (62
/// bits). Packed into 20 bytes instead of 24, because items are most of the memory of a large
/// state.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct PackedItem([u32; 5]);

const _: () = assert!(size_of::<PackedItem>() == 20 && CEILING.leading_zeros() == 2);

impl PackedItem {
    /// Packs an item. The stamp must not be above the ceiling.
    #[allow(clippy::cast_possible_truncation)] // Halves of a u64, on purpose.
    pub(crate) fn new(range: KeyRange, content: ItemContent, stamp: u64) -> PackedItem {
        debug_assert!(stamp <= CEILING);
        let high = (stamp >> 32) as u32 | (content.op as u32) << 30;
        let ports = u32::from(content.port) << 16 | u32::from(content.priority);
        PackedItem([range.start(), range.end(), ports, high, stamp as u32])
    }

    pub(crate) fn pack(stamped: &StampedItem) -> PackedItem {
        let item = &stamped.item;
        let content = ItemContent { op: item.op(), port: item.port(), priority: item.priority() };
        PackedItem::new(item.range(), content, stamped.stamp)
    }

    pub(crate) fn range(self) -> KeyRange {
        KeyRange::new(self.0[0], self.0[1]).expect("a packed item has a valid range")
    }

    pub(crate) const fn op(self) -> Op {
        match self.0[3] >> 30 {
            1 => Op::Add,
            2 => Op::Rmv,
            _ => Op::Get,
        }
    }

    pub(crate) const fn is_live(self) -> bool {
        self.op().is_live()
    }

    #[allow(clippy::cast_possible_truncation)] // Halves of a u32, on purpose.
    pub(crate) const fn content(self) -> ItemContent {
        ItemContent { op: self.op(), port: (self.0[2] >> 16) as u16, priority: self.0[2] as u16 }
    }

    pub(crate) const fn stamp(self) -> u64 {
        ((self.0[3] & (u32::MAX >> 2)) as u64) << 32 | self.0[4] as u64
    }

    pub(crate) fn with_stamp(self, stamp: u64) -> PackedItem {
        PackedItem::new(self.range(), self.content(), stamp)
    }

    pub(crate) fn item(self, member: NetId) -> Item {
        let ItemContent { op, port, priority } = self.content();
        Item::new(member, self.range(), op, port, priority).expect("a packed item has a valid priority")
    }

    pub(crate) fn stamped_item(self, member: NetId) -> StampedItem {
        StampedItem { item: self.item(member), stamp: self.stamp() }
    }

    /// The words from which the item's hash is computed, see `hash.rs`.
    pub(crate) fn hash_words(self) -> [u64; 3] {
        let op_port_priority = (self.op() as u64) << 32 | u64::from(self.0[2]);
        [range_key(self.range()), op_port_priority, self.stamp()]
    }
}

/// An item without its range and stamp.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ItemContent {
    pub(crate) op: Op,
    pub(crate) port: u16,
    pub(crate) priority: u16,
}

/// A range as one number, in the order of ranges.
pub(crate) const fn range_key(range: KeyRange) -> u64 {
    (range.start() as u64) << 32 | range.end() as u64
}

/// Sorted by range. The sum of a subtree is its greatest stamp, so that a search for items written
/// since a clock skips older subtrees.
impl Idempotent for PackedItem {}

impl Entry for PackedItem {
    type Key = u64;
    type Sum = u64;
    const LEAF: usize = 64;

    fn key(&self) -> u64 {
        u64::from(self.0[0]) << 32 | u64::from(self.0[1])
    }

    fn sum(&self) -> u64 {
        self.stamp()
    }

    fn add(left: u64, right: u64) -> u64 {
        left.max(right)
    }
}
