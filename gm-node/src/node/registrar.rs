//! The rendezvous node's side of registration: answers registrations with other members of the
//! groups, and refers members to nodes that rank higher, as in the iterative lookup of Kademlia
//! (Maymounkov and Mazières 2002). So a newcomer that knows a single node ends up registering where
//! all others do. The member's side is `registration.rs`.

use std::collections::BTreeSet;

use gm_broadcast::Time;
use gm_clock::NetId;
use gm_codec::GroupEntry;
use gm_data::GroupName;

use super::NodeMachine;
use crate::groups::Source;
use crate::rendezvous::{COUNT, best, key};
use crate::store::Store;

/// Number of nodes named in a referral for one group; some of them may be dead.
const MAX_REFERRED_NODES: usize = 4;
/// Maximum number of names in one message for which its sender is referred to other nodes.
const MAX_REFERRED_GROUPS: usize = 32;

impl<S: Store> NodeMachine<S> {
    /// Handles a registration. Returns the entry to reply with, and whether the node had not
    /// registered before.
    pub(super) fn on_registration(
        &mut self,
        now: Time,
        from: NetId,
        name: &GroupName,
    ) -> (Option<GroupEntry>, bool) {
        let discovered = self.groups.discover(now, name, from, Source::Direct, from);
        if let Some(replica) = self.groups.replica(name) {
            return (Some(GroupEntry::Hosted(replica.state().fingerprint())), discovered.is_new);
        }
        let other = self.groups.contacts.refer_to_other(name, from);
        // A reply that no other member is known is always sent; another member is named only if it
        // is news.
        let other = other.map_or(Some(from), |other| discovered.has_news.then_some(other));
        (other.map(GroupEntry::Contact), discovered.is_new)
    }

    /// Refers a node to those that rank higher than this one for some groups.
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

    /// Known nodes that are not unresponsive.
    pub(super) fn candidates(&self) -> Vec<NetId> {
        let mut known = self.broadcaster.known();
        known.retain(|node| !self.registrations.is_unresponsive(*node));
        known
    }

    /// The other rendezvous nodes of a group, as far as is known here.
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
