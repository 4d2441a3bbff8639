//! The members of a state by their place, and what anti-entropy compares of them: bucket by bucket,
//! how many records there are and a fingerprint of them. Follows each change of the state, and is
//! never rebuilt for one. Knows nothing of what is in a record.

use alloc::vec::Vec;

use gm_clock::NetId;

use crate::hash;
use crate::tree::{Entry, Tree};

/// The level of the smallest buckets: one for each place.
const LEAF_LEVEL: u8 = 16;

/// What two nodes compare of a bucket of members.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Bucket {
    /// Records in it: of those who left and of the forgotten too.
    pub records: usize,
    /// The low 64 bits of the sum of what each record adds to the fingerprint of the group. 0 if
    /// there are none.
    pub fingerprint: u64,
}

/// Where every record is. A clone is constant in time and shares everything.
#[derive(Clone)]
pub(crate) struct Buckets {
    members: Tree<PositionedMember>,
}

/// One record: 40 bytes.
#[derive(Clone, Copy)]
struct PositionedMember {
    position: u64,
    member: NetId,
    /// The low 64 bits of what it adds to the fingerprint.
    record_hash: u64,
}

const _: () = assert!(size_of::<PositionedMember>() == 40);

/// `None` stands before all members of the place.
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
    /// The buckets of a whole state: each member, and what its record adds to the fingerprint of
    /// the group.
    pub(crate) fn build(shares: impl Iterator<Item = (NetId, u128)>) -> Buckets {
        let mut members: Vec<PositionedMember> = shares
            .map(|(member, share)| PositionedMember::new((hash::hash_position(member), member), share))
            .collect();
        members.sort_unstable_by_key(PositionedMember::key);
        Buckets { members: Tree::from_sorted(&members) }
    }

    /// The record of the member at that place added `old` to the fingerprint of the group, or is
    /// new, and now adds `new`. Logarithmic.
    pub(crate) fn set(&mut self, at: (u64, NetId), old: Option<u128>, new: u128) {
        let new = PositionedMember::new(at, new);
        match old {
            Some(old) => self.members.replace(PositionedMember::new(at, old).sum(), new),
            None => drop(self.members.insert(new)),
        }
    }

    /// What is in a bucket; nothing in one that is not there. Logarithmic.
    pub(crate) fn bucket(&self, level: u8, index: u64) -> Bucket {
        let inside =
            bucket_bounds(level, index).and_then(|(first, end)| self.members.sum_between(first, end));
        inside.unwrap_or_default()
    }

    /// The members in a bucket, by place.
    pub(crate) fn members(&self, level: u8, index: u64) -> impl Iterator<Item = NetId> + '_ {
        let inside = bucket_bounds(level, index).map(|(first, end)| self.members.between(first, end));
        inside.into_iter().flatten().map(|members| members.member)
    }

    /// The first member at that place or after it, or else the first of all. Logarithmic.
    pub(crate) fn first_member_from(&self, position: u64) -> Option<NetId> {
        let members =
            self.members.first_from((position, None)).or_else(|| self.members.first_from((0, None)));
        members.map(|members| members.member)
    }
}

/// Where a bucket begins and what it ends before, `None` being the end of all places; `None` if
/// there is no such bucket.
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
