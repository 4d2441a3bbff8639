//! Queries for the owners of a key or a range, most preferred first, and for the members affected
//! by a change.

use alloc::vec::Vec;
use core::cmp::{Ordering, Reverse};

use gm_clock::NetId;

use super::{Index, MemberNumber, Span};
use crate::tree::Tree;
use crate::{KeyRange, hash};

/// A member that serves a key, with its item.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Owner {
    /// The serving member.
    pub member: NetId,
    /// The range of its item. If several of its items have the key, the one with the highest
    /// priority, then the lowest range.
    pub range: KeyRange,
    /// The port of the member's service.
    pub port: u16,
    /// The priority, 1 to 65535; higher is preferred.
    pub priority: u16,
}

impl Index {
    /// Fills `owners` with the members that serve the key, most preferred first, each member once.
    pub(crate) fn locate_into(&self, key: u32, owners: &mut Vec<Owner>) {
        owners.clear();
        each_overlapping(&self.served, KeyRange::single(key), |span| owners.push(self.owner(span)));
        if owners.len() > 1 {
            // First keep only the best item of each member, then sort by preference.
            owners.sort_unstable_by_key(|owner| (owner.member, Reverse(owner.priority), owner.range));
            owners.dedup_by_key(|owner| owner.member);
            owners.sort_by_cached_key(|owner| preference(key, owner));
        }
    }

    /// The most preferred owner of the key. Does not allocate.
    pub(crate) fn first_owner(&self, key: u32) -> Option<Owner> {
        let mut best: Option<Span> = None;
        each_overlapping(&self.served, KeyRange::single(key), |span| match best {
            Some(best) if !self.is_preferred(key, span, &best) => {}
            Some(_) | None => best = Some(*span),
        });
        best.map(|span| self.owner(&span))
    }

    /// Whether `one` is preferred to `other`. Hashes are computed only for equal priorities.
    fn is_preferred(&self, key: u32, one: &Span, other: &Span) -> bool {
        match one.priority.cmp(&other.priority) {
            Ordering::Greater => true,
            Ordering::Less => false,
            Ordering::Equal => {
                let rank = |span| {
                    let owner = self.owner(span);
                    (preference(key, &owner), owner.range)
                };
                rank(one) < rank(other)
            }
        }
    }

    /// The served items that overlap the range, by (start, end) and member number.
    pub(crate) fn locate_range(&self, range: KeyRange) -> Vec<Owner> {
        let mut owners = Vec::new();
        each_overlapping(&self.served, range, |span| owners.push(self.owner(span)));
        owners.sort_unstable_by_key(|owner| (owner.range, owner.member));
        owners
    }

    /// The members with a served range or a range of interest that overlaps the given range, in
    /// order, each once.
    pub(crate) fn affected_members(&self, range: KeyRange) -> Vec<NetId> {
        let mut members = Vec::new();
        for tree in [&self.served, &self.interests] {
            each_overlapping(tree, range, |span| members.push(span.member));
        }
        members.sort_unstable();
        members.dedup();
        let mut members: Vec<NetId> = members.into_iter().map(|number| self.members.member(number)).collect();
        members.sort_unstable();
        members
    }

    /// The least served key at or above `key`.
    pub(crate) fn next_served_key(&self, key: u32) -> Option<u32> {
        let mut covered = false;
        each_overlapping(&self.served, KeyRange::single(key), |_| covered = true);
        if covered {
            return Some(key);
        }
        self.served.first_from((u64::from(key) << 32, 0)).map(|span| span.start)
    }

    pub(super) fn owner(&self, span: &Span) -> Owner {
        let Span { member: number, port, priority, .. } = *span;
        Owner { member: self.members.member(number), range: span.range(), port, priority }
    }
}

/// Visits every span that overlaps the range, by (start, end).
fn each_overlapping(tree: &Tree<Span>, range: KeyRange, visit: impl FnMut(&Span)) {
    let up_to = u64::from(range.end()) << 32 | u64::from(u32::MAX);
    tree.each_up_to((up_to, MemberNumber::MAX), |end| end >= range.start(), visit);
}

/// Sort key: higher priority first, then the greater rendezvous weight, then the lesser member.
fn preference(key: u32, owner: &Owner) -> (Reverse<u16>, Reverse<u64>, NetId) {
    (Reverse(owner.priority), Reverse(hash::rendezvous_weight(key, owner.member)), owner.member)
}
