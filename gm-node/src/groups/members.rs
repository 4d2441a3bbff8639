//! Members of a group: the others, those that a change affects, and random draws.

use std::collections::BTreeSet;

use gm_broadcast::Time;
use gm_clock::NetId;
use gm_codec::GroupEntry;
use gm_data::{GroupName, KeyRange, Replica, View};

use super::{Groups, Source};

/// Maximum number of changed ranges for which the affected members are looked up; for more, all
/// members are.
pub(crate) const MAX_RANGES: usize = 256;
/// Up to this number of records, a random one is drawn by index; above it, by hash position.
pub(crate) const MAX_INDEXED: usize = 256;

impl Groups {
    /// Whether a member other than this node is known.
    pub(crate) fn has_other_members(&self, group: &GroupName) -> bool {
        let state = self.set.group(group).map(Replica::state);
        state.is_some_and(|state| state.members().any(|member| member != self.me()))
    }

    /// Number of other known members.
    pub(crate) fn other_member_count(&self, group: &GroupName) -> usize {
        let state = self.set.group(group).map(Replica::state);
        state.map_or(0, |state| state.member_count() - usize::from(state.is_member(self.me())))
    }

    /// The other members of a hosted group, without `member`.
    pub(crate) fn members_except(&self, group: &GroupName, member: NetId) -> Vec<NetId> {
        let me = self.me();
        let members = self.replica(group).map(|replica| replica.state().members());
        members.into_iter().flatten().filter(|node| ![me, member].contains(node)).collect()
    }

    /// The other members that a change of these ranges affects.
    pub(crate) fn affected_members(&self, group: &GroupName, ranges: &[KeyRange]) -> Vec<NetId> {
        let Some(view) = self.set.group(group).map(Replica::view) else { return Vec::new() };
        let mut nodes: BTreeSet<NetId> = if ranges.len() > MAX_RANGES || ranges.contains(&KeyRange::WHOLE) {
            view.members().collect()
        } else {
            ranges.iter().flat_map(|range| View::affected_members(view, *range)).collect()
        };
        nodes.remove(&self.me());
        nodes.into_iter().collect()
    }

    /// The member of a hosted group at a random position; `None` if the record there is this node's
    /// own, or of a former member.
    pub(crate) fn sample_member(&self, group: &GroupName, place: u64) -> Option<NetId> {
        let view = self.replica(group)?.view();
        let records = view.records().len();
        let record = if records <= MAX_INDEXED {
            // The hash positions of a few records are far from uniform.
            let at = usize::try_from((u128::from(place) * records as u128) >> 64).unwrap_or(0);
            view.records().nth(at)?
        } else {
            view.record_from_position(place)?
        };
        (record.is_member() && record.member() != self.me()).then(|| record.member())
    }

    /// Handles a node's registration as a member, as a rendezvous node of the group. Returns the
    /// entry to reply with, and whether the node had not registered before.
    pub(crate) fn register(
        &mut self,
        now: Time,
        from: NetId,
        name: &GroupName,
    ) -> (Option<GroupEntry>, bool) {
        let discovered = self.discover(now, name, from, Source::Direct, from);
        if let Some(replica) = self.replica(name) {
            return (Some(GroupEntry::Hosted(replica.state().fingerprint())), discovered.is_new);
        }
        let other = self.contacts.refer_to_other(name, from);
        // A reply that no other member is known is always sent; another member is named only if it
        // is news.
        let other = other.map_or(Some(from), |other| discovered.has_news.then_some(other));
        (other.map(GroupEntry::Contact), discovered.is_new)
    }
}
