//! What a rendezvous node does: it answers registrations with other members of the groups, and
//! refers members to nodes that are better rendezvous nodes than itself, as the iterative lookup of
//! Kademlia does. So a newcomer that knows one node registers in the end where all others do. See
//! `registration.rs` for the other side.

use std::collections::BTreeSet;

use gm_broadcast::Time;
use gm_clock::NetId;
use gm_codec::GroupEntry;
use gm_data::GroupName;

use super::NodeMachine;
use crate::groups::Source;
use crate::rendezvous::{COUNT, best, key};
use crate::store::Store;

/// Better nodes that are named for one group: some of them may be dead.
const MAX_REFERRED_NODES: usize = 4;
/// The maximum of names of one message for which its sender is referred to others.
const MAX_REFERRED_GROUPS: usize = 32;

impl<S: Store> NodeMachine<S> {
    /// A node registers as a member of a group. Returns what is to be answered, and whether it had
    /// not registered before.
    pub(super) fn on_registration(
        &mut self,
        now: Time,
        from: NetId,
        name: &GroupName,
    ) -> (Option<GroupEntry>, bool) {
        let noted = self.groups_mut().discover(now, name, from, Source::Direct, from);
        if let Some(replica) = self.groups().replica(name) {
            return (Some(GroupEntry::Hosted(replica.state().fingerprint())), noted.is_new);
        }
        let other = self.groups_mut().contacts.refer_to_other(name, from);
        // That no other member is known is said each time; who else is a member, if it is news.
        let other = other.map_or(Some(from), |other| noted.has_news.then_some(other));
        (other.map(GroupEntry::Contact), noted.is_new)
    }

    /// Tells a node which ones are better rendezvous nodes than this one for those groups.
    pub(super) fn refer(&mut self, now: Time, to: NetId, names: &[GroupName]) {
        if names.is_empty() {
            return;
        }
        let candidates = self.candidates();
        let me = self.me();
        let mut nodes = BTreeSet::new();
        for name in names.iter().take(MAX_REFERRED_GROUPS) {
            let others = candidates.iter().copied().filter(|node| *node != to);
            let better = best(key(name), others.chain([me]), MAX_REFERRED_NODES).into_iter();
            nodes.extend(better.map(|(_, node)| node).take_while(|node| *node != me));
        }
        let nodes: Vec<NetId> = nodes.into_iter().collect();
        self.command_broadcaster(now, gm_broadcast::BroadcastCommand::Introduce { to, nodes });
    }

    /// Nodes that are known, and answered when they were last asked.
    pub(super) fn candidates(&self) -> Vec<NetId> {
        let mut known = self.broadcaster.known();
        known.retain(|node| !self.registrations.is_unresponsive(*node));
        known
    }

    /// The rendezvous nodes of a group, as far as is known here, without this node.
    pub(super) fn rendezvous_of(&self, group: &GroupName) -> Vec<NetId> {
        let mut nodes = self.ranked_for(group);
        nodes.retain(|node| *node != self.me());
        nodes
    }

    /// Whether this node is a rendezvous node of a group, as far as is known here.
    pub(super) fn is_rendezvous(&self, group: &GroupName) -> bool {
        self.ranked_for(group).contains(&self.me())
    }

    fn ranked_for(&self, group: &GroupName) -> Vec<NetId> {
        let all = self.candidates().into_iter().chain([self.me()]);
        best(key(group), all, COUNT).into_iter().map(|(_, node)| node).collect()
    }
}
