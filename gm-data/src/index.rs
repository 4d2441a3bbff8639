//! Index of a state by key range, which answers queries for the owners of a key from memory.
//! Updated with every change of the state, and never rebuilt for one.
//!
//! It has two trees sorted by (start, end, member), one of the served ranges and one of the ranges
//! of interest. Each subtree stores the greatest end in it, so that a search for a key skips ranges
//! that end before it (an interval tree: Cormen et al., Introduction to Algorithms, 14.3).

mod coverage;
mod locate;
mod member_table;
mod sweep;

use gm_clock::NetId;

use crate::packed_item::{ItemContent, PackedItem};
use crate::tree::{Entry, Tree};
use crate::{KeyRange, Op};

pub use coverage::{CoverageSegment, MemberCoverage};
pub use locate::Owner;
use member_table::MemberTable;

/// The live ranges of all members. A clone takes constant time and shares all data.
#[derive(Clone)]
pub(crate) struct Index {
    members: MemberTable,
    served: Tree<Span>,
    interests: Tree<Span>,
}

/// A member's number in the index: 4 bytes in each entry instead of 20.
pub(crate) type MemberNumber = u32;

/// Tree entry of one live item: 16 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Span {
    start: u32,
    end: u32,
    member: MemberNumber,
    port: u16,
    priority: u16,
}

const _: () = assert!(size_of::<Span>() == 16);

impl Entry for Span {
    type Key = (u64, MemberNumber);
    type Sum = u32;
    const LEAF: usize = 64;

    fn key(&self) -> (u64, MemberNumber) {
        (u64::from(self.start) << 32 | u64::from(self.end), self.member)
    }

    fn sum(&self) -> u32 {
        self.end
    }

    fn add(left: u32, right: u32) -> u32 {
        left.max(right)
    }
}

impl Span {
    const fn of(number: MemberNumber, range: KeyRange, content: ItemContent) -> Span {
        let ItemContent { port, priority, .. } = content;
        Span { start: range.start(), end: range.end(), member: number, port, priority }
    }

    fn range(self) -> KeyRange {
        KeyRange::new(self.start, self.end).expect("a span has a valid range")
    }
}

impl Index {
    /// The index of a state without members.
    pub(crate) fn new() -> Index {
        Index { members: MemberTable::new(), served: Tree::new(), interests: Tree::new() }
    }

    /// Builds the index of a whole state from the members, in the order of their numbers, and their
    /// items.
    pub(crate) fn build<'a>(members: impl Iterator<Item = (NetId, &'a Tree<PackedItem>)>) -> Index {
        let mut index = Index::new();
        let (mut served, mut wanted) = (alloc::vec::Vec::new(), alloc::vec::Vec::new());
        for (member, packed_items) in members {
            let number = index.members.add(member);
            for packed in packed_items.iter() {
                let span = Span::of(number, packed.range(), packed.content());
                match packed.op() {
                    Op::Add => served.push(span),
                    Op::Get => wanted.push(span),
                    Op::Rmv => {}
                }
            }
        }
        for (spans, tree) in [(&mut served, &mut index.served), (&mut wanted, &mut index.interests)] {
            spans.sort_unstable_by_key(Span::key);
            *tree = Tree::from_sorted(spans);
        }
        index
    }

    /// Assigns a number to a member that is new in the state.
    pub(crate) fn add_member(&mut self, member: NetId) -> MemberNumber {
        self.members.add(member)
    }

    /// Updates the index after an item of the member was replaced by another of the same range,
    /// added (`old` is `None`) or deleted (`new` is `None`).
    pub(crate) fn replace(&mut self, number: MemberNumber, old: Option<PackedItem>, new: Option<PackedItem>) {
        // The op determines the tree of an item. Within one tree the new span replaces the old one.
        let moves = old.map(PackedItem::op) != new.map(PackedItem::op);
        if let Some(old) = old.filter(|_| moves) {
            let key = Span::of(number, old.range(), old.content()).key();
            match old.op() {
                Op::Add => drop(self.served.remove(key)),
                Op::Get => drop(self.interests.remove(key)),
                Op::Rmv => {}
            }
        }
        let Some(new) = new else { return };
        if old.is_some_and(|old| old.content() == new.content()) {
            return;
        }
        let span = Span::of(number, new.range(), new.content());
        match new.op() {
            Op::Add => drop(self.served.insert(span)),
            Op::Get => drop(self.interests.insert(span)),
            Op::Rmv => {}
        }
    }
}
