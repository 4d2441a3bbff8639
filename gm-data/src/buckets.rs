//! The members of a state by hash position, and the buckets that anti-entropy compares: inner nodes
//! of a Merkle tree, each with the number of its records and a fingerprint of them. Updated with
//! every change of the state, and never rebuilt for one.

use alloc::vec::Vec;

use gm_clock::NetId;

use crate::hash;
use crate::tree::{Entry, Tree};

/// The level of the smallest buckets, with one hash position each.
const LEAF_LEVEL: u8 = 16;

/// Number and fingerprint of the records in a bucket, which two nodes compare.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Bucket {
    /// Number of records, including those of members that left or were forgotten.
    pub records: usize,
    /// The low 64 bits of the sum of the records' summands of the group's fingerprint; 0 for an
    /// empty bucket.
    pub fingerprint: u64,
}

/// The members of a state by hash position. A clone takes constant time and shares all data.
#[derive(Clone)]
pub(crate) struct Buckets {
    members: Tree<PositionedMember>,
}

/// Tree entry of one member: 40 bytes.
#[derive(Clone, Copy)]
struct PositionedMember {
    position: u64,
    member: NetId,
    /// The low 64 bits of the record's summand of the fingerprint.
    record_hash: u64,
}

const _: () = assert!(size_of::<PositionedMember>() == 40);

/// A `None` sorts before all members at the position.
type Key = (u64, Option<NetId>);

impl Entry for PositionedMember {
    type Key = Key;
    type Sum = Bucket;
    const LEAF: usize = 32;

    fn key(&self) -> Key {
        (self.position, Some(self.member))
    }

    fn sum(&self) -> Bucket {
        Bucket { records: 1, fingerprint: self.record_hash }
    }

    fn add(left: Bucket, right: Bucket) -> Bucket {
        let fingerprint = left.fingerprint.wrapping_add(right.fingerprint);
        Bucket { records: left.records + right.records, fingerprint }
    }

    fn update_sum(sum: Bucket, old: Option<Bucket>, new: Bucket) -> Bucket {
        let old = old.unwrap_or_default();
        let fingerprint = sum.fingerprint.wrapping_sub(old.fingerprint).wrapping_add(new.fingerprint);
        Bucket { records: sum.records - old.records + new.records, fingerprint }
    }
}

impl PositionedMember {
    #[allow(clippy::cast_possible_truncation)] // The low half of a u128, on purpose.
    const fn new((position, member): (u64, NetId), share: u128) -> PositionedMember {
        PositionedMember { position, member, record_hash: share as u64 }
    }
}

impl Buckets {
    /// Builds the buckets of a whole state from each member and its record's summand of the group's
    /// fingerprint.
    pub(crate) fn build(shares: impl Iterator<Item = (NetId, u128)>) -> Buckets {
        let mut members: Vec<PositionedMember> = shares
            .map(|(member, share)| PositionedMember::new((hash::hash_position(member), member), share))
            .collect();
        members.sort_unstable_by_key(PositionedMember::key);
        Buckets { members: Tree::from_sorted(&members) }
    }

    /// Sets the summand of the member `at` to `new`, where `old` is its previous summand, or `None`
    /// for a new member. Logarithmic.
    pub(crate) fn set(&mut self, at: (u64, NetId), old: Option<u128>, new: u128) {
        let new = PositionedMember::new(at, new);
        match old {
            Some(old) => self.members.replace(PositionedMember::new(at, old).sum(), new),
            None => drop(self.members.insert(new)),
        }
    }

    /// Number and fingerprint of the records in a bucket; empty if there is no such bucket.
    /// Logarithmic.
    pub(crate) fn bucket(&self, level: u8, index: u64) -> Bucket {
        let inside =
            bucket_bounds(level, index).and_then(|(first, end)| self.members.sum_between(first, end));
        inside.unwrap_or_default()
    }

    /// The members in a bucket, by hash position.
    pub(crate) fn members(&self, level: u8, index: u64) -> impl Iterator<Item = NetId> + '_ {
        let inside = bucket_bounds(level, index).map(|(first, end)| self.members.between(first, end));
        inside.into_iter().flatten().map(|members| members.member)
    }

    /// The first member at or after the position, or the first of all if there is none.
    /// Logarithmic.
    pub(crate) fn first_member_from(&self, position: u64) -> Option<NetId> {
        let members =
            self.members.first_from((position, None)).or_else(|| self.members.first_from((0, None)));
        members.map(|members| members.member)
    }
}

/// The first key of a bucket and the key at which it ends, where `None` is the end of all
/// positions. `None` if there is no such bucket.
fn bucket_bounds(level: u8, index: u64) -> Option<(Key, Option<Key>)> {
    let (first, width) = match level {
        0 => ((index == 0).then_some(0)?, None),
        1..=LEAF_LEVEL => {
            let bits = 64 - 4 * u32::from(level);
            let first = index << bits;
            ((first >> bits == index).then_some(first)?, Some(1 << bits))
        }
        _ => return None,
    };
    let end = width.and_then(|width| first.checked_add(width));
    Some(((first, None), end.map(|end| (end, None))))
}
