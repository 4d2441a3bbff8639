//! What a reader holds: a state and its index, both shared with the writer and neither ever
//! changing under the reader.

mod buckets;

use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::ops::Deref;

use gm_clock::NetId;

use crate::index::Index;
use crate::{CoverageSegment, GroupState, KeyRange, MemberCoverage, Owner};

/// The state of a group with an index of who serves what, and of its members by place. Derefs to
/// the [`GroupState`].
///
/// A clone is constant in time and shares everything: hand one to each reader. The replica that it
/// came from goes on writing; the clone stays as it is.
#[derive(Clone, Debug)]
pub struct View {
    state: GroupState,
}

impl View {
    /// The view of a state. Builds the index, which takes time in proportion to the items; a
    /// [`crate::Replica`] has it already.
    pub fn new(state: GroupState) -> View {
        View { state: state.indexed() }
    }

    /// Who serves the key, most preferred first, each member once: higher priority, then the
    /// greater rendezvous hash of key and member, so that members of equal priority share the keys
    /// evenly, then the lesser NetId.
    pub fn locate(&self, key: u32) -> Vec<Owner> {
        let mut owners = Vec::new();
        self.locate_into(key, &mut owners);
        owners
    }

    /// As [`locate`](View::locate), into a list of the caller's that is emptied first: no
    /// allocation once it is large enough and few members serve the key.
    pub fn locate_into(&self, key: u32, owners: &mut Vec<Owner>) {
        self.index().locate_into(key, owners);
    }

    /// The first of [`locate`](View::locate), without allocating.
    pub fn first_owner(&self, key: u32) -> Option<Owner> {
        self.index().first_owner(key)
    }

    /// Everything that is served of the range: one entry for each item that overlaps it, by range,
    /// then member.
    pub fn locate_range(&self, range: KeyRange) -> Vec<Owner> {
        self.index().locate_range(range)
    }

    /// The least key above `key` that anybody serves.
    pub fn next_served_key(&self, key: u32) -> Option<u32> {
        self.index().next_served_key(key.checked_add(1)?)
    }

    /// The least key of all that anybody serves.
    pub fn first_served_key(&self) -> Option<u32> {
        self.index().next_served_key(0)
    }

    /// The whole key space, cut at every boundary of what is served, in order and without a gap,
    /// with the owners of each piece. As long as twice the items that are served, and one; each
    /// piece lists all its owners.
    pub fn coverage(&self) -> impl Iterator<Item = CoverageSegment> + '_ {
        self.index().coverage()
    }

    /// The ranges that nobody serves, in order, each as long as can be.
    pub fn gaps(&self) -> Vec<KeyRange> {
        self.index().ranges_where(|members| members == 0)
    }

    /// The ranges that at least `members` members serve, in order, each as long as can be.
    pub fn overlaps(&self, members: usize) -> Vec<KeyRange> {
        self.index().ranges_where(|serving| serving >= members)
    }

    /// By how many members keys are served: number of members -> number of keys. The keys add up to
    /// 2^32.
    pub fn redundancy(&self) -> BTreeMap<usize, u64> {
        self.index().redundancy()
    }

    /// How much of the key space each member serves, in the order of the members; who serves
    /// nothing is left out.
    pub fn member_coverage(&self) -> Vec<MemberCoverage> {
        self.index().member_coverage()
    }

    /// Whom a change of the range concerns: the members that serve any of it or are interested in
    /// any of it.
    pub fn affected_members(&self, range: KeyRange) -> Vec<NetId> {
        self.index().affected_members(range)
    }

    /// The state, to be changed: the index follows.
    pub(crate) const fn state_mut(&mut self) -> &mut GroupState {
        &mut self.state
    }

    fn index(&self) -> &Index {
        self.state.index().expect("the message of a view is indexed")
    }
}

impl Deref for View {
    type Target = GroupState;

    fn deref(&self) -> &GroupState {
        &self.state
    }
}
