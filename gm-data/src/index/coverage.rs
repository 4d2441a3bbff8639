//! How the key space is covered as a whole: pieces, gaps, overlaps, redundancy, shares.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::cmp::Reverse;

use gm_clock::NetId;

use super::sweep::Sweep;
use super::{Index, MemberNumber, Owner};
use crate::KeyRange;

/// A stretch of the key space on which the same items are served, as long as can be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CoverageSegment {
    /// The keys.
    pub range: KeyRange,
    /// What is served on all of them, by priority, then member, then range; a member comes once for
    /// each of its ranges. Empty: nobody serves it.
    pub owners: Vec<Owner>,
}

/// How much of the key space a member serves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct MemberCoverage {
    /// The member.
    pub member: NetId,
    /// Keys that it serves, each counted once: 0 to 2^32.
    pub keys: u64,
    /// Keys that it serves and nobody else does.
    pub sole_keys: u64,
}

impl Index {
    /// The key space cut at every boundary of what is served, in order, without a gap.
    pub(crate) fn coverage(&self) -> impl Iterator<Item = CoverageSegment> + '_ {
        let mut sweep = Sweep::new(self);
        core::iter::from_fn(move || {
            let range = sweep.advance()?;
            let mut owners: Vec<Owner> = sweep.open_spans().map(|span| self.owner(span)).collect();
            owners.sort_unstable_by_key(|owner| (Reverse(owner.priority), owner.member, owner.range));
            Some(CoverageSegment { range, owners })
        })
    }

    /// The ranges, as long as can be, whose keys are served by a number of members that `wanted`
    /// accepts.
    pub(crate) fn ranges_where(&self, wanted: impl Fn(usize) -> bool) -> Vec<KeyRange> {
        let mut ranges: Vec<KeyRange> = Vec::new();
        let mut sweep = Sweep::new(self);
        while let Some(piece) = sweep.advance() {
            if !wanted(sweep.members().len()) {
                continue;
            }
            match ranges.last_mut() {
                Some(last) if last.end().checked_add(1) == Some(piece.start()) => {
                    *last = KeyRange::new(last.start(), piece.end()).expect("pieces come in order");
                }
                Some(_) | None => ranges.push(piece),
            }
        }
        ranges
    }

    /// Number of members -> keys that are served by that many. The keys add up to 2^32.
    pub(crate) fn redundancy(&self) -> BTreeMap<usize, u64> {
        let mut keys = BTreeMap::new();
        let mut sweep = Sweep::new(self);
        while let Some(piece) = sweep.advance() {
            *keys.entry(sweep.members().len()).or_default() += piece.width();
        }
        keys
    }

    /// The share of every member that serves anything, in the order of the members.
    ///
    /// One walk over what is served, and one over the pieces that looks at how many members serve
    /// each, not at whom: a thousand members over one key cost no more than a thousand apart.
    pub(crate) fn member_coverage(&self) -> Vec<MemberCoverage> {
        // The spans come by start, so those of one member do too: each adds what lies at or above
        // the key that those before it have reached.
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
        while let Some(piece) = sweep.advance() {
            let mut members = sweep.members();
            if let (1, Some(number)) = (members.len(), members.next())
                && let Some((share, _)) = shares.get_mut(&number)
            {
                share.sole_keys += piece.width();
            }
        }
        let mut shares: Vec<MemberCoverage> = shares.into_values().map(|(share, _)| share).collect();
        shares.sort_unstable_by_key(|share| share.member);
        shares
    }
}
