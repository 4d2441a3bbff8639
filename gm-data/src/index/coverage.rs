//! Coverage of the whole key space: segments, gaps, overlaps, redundancy, and shares of members.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::cmp::Reverse;

use gm_clock::NetId;

use super::sweep::Sweep;
use super::{Index, MemberNumber, Owner};
use crate::KeyRange;

/// A maximal range of keys that are served by the same items.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CoverageSegment {
    /// The range of keys.
    pub range: KeyRange,
    /// The items that serve these keys, by priority, then member, then range. A member occurs once
    /// for each of its ranges. Empty for a gap.
    pub owners: Vec<Owner>,
}

/// Part of the key space that a member serves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct MemberCoverage {
    /// The member.
    pub member: NetId,
    /// Number of keys that the member serves, each counted once: 0 to 2^32.
    pub keys: u64,
    /// Number of keys that only this member serves.
    pub sole_keys: u64,
}

impl Index {
    /// The segments between all boundaries of served ranges, in order and without gaps.
    pub(crate) fn coverage(&self) -> impl Iterator<Item = CoverageSegment> + '_ {
        let mut sweep = Sweep::new(self);
        core::iter::from_fn(move || {
            let range = sweep.advance()?;
            let mut owners: Vec<Owner> = sweep.open_spans().map(|span| self.owner(span)).collect();
            owners.sort_unstable_by_key(|owner| (Reverse(owner.priority), owner.member, owner.range));
            Some(CoverageSegment { range, owners })
        })
    }

    /// The maximal ranges whose keys are served by a number of members that `wanted` accepts.
    pub(crate) fn ranges_where(&self, wanted: impl Fn(usize) -> bool) -> Vec<KeyRange> {
        let mut ranges: Vec<KeyRange> = Vec::new();
        let mut sweep = Sweep::new(self);
        while let Some(segment) = sweep.advance() {
            if !wanted(sweep.members().len()) {
                continue;
            }
            match ranges.last_mut() {
                Some(last) if last.end().checked_add(1) == Some(segment.start()) => {
                    *last = KeyRange::new(last.start(), segment.end()).expect("segments come in order");
                }
                Some(_) | None => ranges.push(segment),
            }
        }
        ranges
    }

    /// Maps a number of members to the number of keys that are served by that many. The keys add up
    /// to 2^32.
    pub(crate) fn redundancy(&self) -> BTreeMap<usize, u64> {
        let mut keys = BTreeMap::new();
        let mut sweep = Sweep::new(self);
        while let Some(segment) = sweep.advance() {
            *keys.entry(sweep.members().len()).or_default() += segment.width();
        }
        keys
    }

    /// The coverage of every member that serves any range, in the order of the members.
    ///
    /// One walk over the served ranges, and one over the segments that uses the number of members
    /// of each rather than the members themselves: a thousand members that serve one key cost no
    /// more than a thousand that serve different keys.
    pub(crate) fn member_coverage(&self) -> Vec<MemberCoverage> {
        // The spans are sorted by start, and so are those of one member: each adds its keys at or
        // above the key that the previous ones have reached.
        let mut shares: BTreeMap<MemberNumber, (MemberCoverage, u64)> = BTreeMap::new();
        for span in self.served.iter() {
            let (start, end) = (u64::from(span.start), u64::from(span.end) + 1);
            let none =
                || (MemberCoverage { member: self.members.member(span.member), keys: 0, sole_keys: 0 }, 0);
            let (share, reached) = shares.entry(span.member).or_insert_with(none);
            share.keys += end.saturating_sub(start.max(*reached));
            *reached = end.max(*reached);
        }
        let mut sweep = Sweep::new(self);
        while let Some(segment) = sweep.advance() {
            let mut members = sweep.members();
            if let (1, Some(number)) = (members.len(), members.next())
                && let Some((share, _)) = shares.get_mut(&number)
            {
                share.sole_keys += segment.width();
            }
        }
        let mut shares: Vec<MemberCoverage> = shares.into_values().map(|(share, _)| share).collect();
        shares.sort_unstable_by_key(|share| share.member);
        shares
    }
}
