//! [`GroupSet`], all groups of which a node has a replica, by name, with one root hash over them.

use alloc::collections::BTreeMap;

use gm_clock::NetId;

use crate::{GroupName, Replica, hash};

/// The replicas of a node by group name, in the order of the names.
#[derive(Clone, Debug)]
pub struct GroupSet {
    me: NetId,
    groups: BTreeMap<GroupName, Replica>,
    root: u128,
}

impl GroupSet {
    /// The group set of a node without replicas.
    pub const fn new(me: NetId) -> GroupSet {
        GroupSet { me, groups: BTreeMap::new(), root: 0 }
    }

    /// The node that hosts the replicas.
    pub const fn me(&self) -> NetId {
        self.me
    }

    /// The replica of the group, if there is one.
    pub fn group(&self, name: &GroupName) -> Option<&Replica> {
        self.groups.get(name)
    }

    /// Edits a group's replica, which is created if there is none. Every change of a replica is
    /// made here, so that the root is updated. A replica that is empty afterwards is removed.
    ///
    /// # Panics
    /// If `edit` replaces the replica by one of another node or group.
    pub fn edit<R>(&mut self, name: &GroupName, edit: impl FnOnce(&mut Replica) -> R) -> R {
        let before = self.groups.get(name).map_or(0, group_hash);
        let fresh = || Replica::new(self.me, name.clone());
        let replica = self.groups.entry(name.clone()).or_insert_with(fresh);
        let result = edit(replica);
        assert!(
            replica.me() == self.me && replica.state().name() == name,
            "a replica of another node or group was put into a group set"
        );
        let after = group_hash(replica);
        if replica.is_empty() {
            self.groups.remove(name);
        }
        self.root = self.root.wrapping_sub(before).wrapping_add(after);
        result
    }

    /// The names of all groups with a replica, in order.
    pub fn groups(&self) -> impl ExactSizeIterator<Item = &GroupName> + '_ {
        self.groups.keys()
    }

    /// The replicas, in the order of their names.
    pub fn replicas(&self) -> impl ExactSizeIterator<Item = &Replica> + '_ {
        self.groups.values()
    }

    /// The names of the groups in which the node is known to be a member, in order.
    pub fn groups_of(&self, node: NetId) -> impl Iterator<Item = &GroupName> + '_ {
        self.groups.iter().filter(move |(_, replica)| replica.state().is_member(node)).map(|(name, _)| name)
    }

    /// The root hash over the selected groups. The cost is linear in the number of replicas.
    pub fn root_of(&self, choose: impl Fn(&Replica) -> bool) -> u128 {
        self.groups
            .values()
            .filter(|replica| choose(replica))
            .fold(0, |sum, replica| sum.wrapping_add(group_hash(replica)))
    }

    /// The group's summand of the root; 0 if there is no replica.
    pub fn group_hash(&self, name: &GroupName) -> u128 {
        self.groups.get(name).map_or(0, group_hash)
    }

    /// The root hash over all groups, which is equal on two nodes with equal groups. Updated with
    /// every change.
    pub const fn root(&self) -> u128 {
        self.root
    }
}

fn group_hash(replica: &Replica) -> u128 {
    hash::group_hash(replica.state().name(), replica.state().fingerprint())
}
