//! [`View`], an immutable snapshot of a group state with its indexes. It shares its data with the
//! replica, and later writes do not change it.

mod buckets;

use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::ops::Deref;

use gm_clock::NetId;

use crate::index::Index;
use crate::{CoverageSegment, GroupState, KeyRange, MemberCoverage, Owner};

/// The state of a group with an index of served ranges by key, and of members by hash position.
/// Dereferences to [`GroupState`].
///
/// A clone takes constant time and shares all data: give one to each reader. The replica continues
/// to change; the clone stays as it is.
#[derive(Clone, Debug)]
pub struct View {
    state: GroupState,
}

impl View {
    /// Creates the view of a state. Builds the indexes in time proportional to the number of items;
    /// a [`crate::Replica`] has a view already.
    pub fn new(state: GroupState) -> View {
        View { state: state.indexed() }
    }

    /// The members that serve the key, most preferred first, each member once. Sorted by higher
    /// priority, then by the greater rendezvous weight of key and member, so that members of equal
    /// priority share the keys evenly, then by the lesser NetId.
    pub fn locate(&self, key: u32) -> Vec<Owner> {
        let mut owners = Vec::new();
        self.locate_into(key, &mut owners);
        owners
    }

    /// Same as [`locate`](View::locate), into a list of the caller, which is cleared first. Does
    /// not allocate if the list is large enough and few members serve the key.
    pub fn locate_into(&self, key: u32, owners: &mut Vec<Owner>) {
        self.index().locate_into(key, owners);
    }

    /// The first owner that [`locate`](View::locate) returns, without allocating.
    pub fn first_owner(&self, key: u32) -> Option<Owner> {
        self.index().first_owner(key)
    }

    /// The served items that overlap the range, by range, then member.
    pub fn locate_range(&self, range: KeyRange) -> Vec<Owner> {
        self.index().locate_range(range)
    }

    /// The least served key above `key`.
    pub fn next_served_key(&self, key: u32) -> Option<u32> {
        self.index().next_served_key(key.checked_add(1)?)
    }

    /// The least served key.
    pub fn first_served_key(&self) -> Option<u32> {
        self.index().next_served_key(0)
    }

    /// The whole key space, divided at every boundary of served ranges, in order and without gaps,
    /// with the owners of each segment. There are at most twice as many segments as served items,
    /// plus one; each segment lists all its owners.
    pub fn coverage(&self) -> impl Iterator<Item = CoverageSegment> + '_ {
        self.index().coverage()
    }

    /// The maximal ranges that no member serves, in order.
    pub fn gaps(&self) -> Vec<KeyRange> {
        self.index().ranges_where(|members| members == 0)
    }

    /// The maximal ranges that at least `members` members serve, in order.
    pub fn overlaps(&self, members: usize) -> Vec<KeyRange> {
        self.index().ranges_where(|serving| serving >= members)
    }

    /// Redundancy of the key space: maps a number of members to the number of keys that are served
    /// by that many. The keys add up to 2^32.
    pub fn redundancy(&self) -> BTreeMap<usize, u64> {
        self.index().redundancy()
    }

    /// The part of the key space that each member serves, in the order of the members. Members that
    /// serve nothing are left out.
    pub fn member_coverage(&self) -> Vec<MemberCoverage> {
        self.index().member_coverage()
    }

    /// The members affected by a change of the range: those with a served range or a range of
    /// interest that overlaps it.
    pub fn affected_members(&self, range: KeyRange) -> Vec<NetId> {
        self.index().affected_members(range)
    }

    /// The state for changes, which also update the indexes.
    pub(crate) const fn state_mut(&mut self) -> &mut GroupState {
        &mut self.state
    }

    fn index(&self) -> &Index {
        self.state.index().expect("the state of a view is indexed")
    }
}

impl Deref for View {
    type Target = GroupState;

    fn deref(&self) -> &GroupState {
        &self.state
    }
}
