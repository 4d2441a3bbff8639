//! All groups that a node holds something of, by name, and one fingerprint over them. Knows nothing
//! of how they are sent.

use alloc::collections::BTreeMap;

use gm_clock::NetId;

use crate::{GroupName, Replica, hash};

/// What a node holds: group name -> replica, in the order of the names.
#[derive(Clone, Debug)]
pub struct GroupSet {
    me: NetId,
    groups: BTreeMap<GroupName, Replica>,
    root: u128,
}

impl GroupSet {
    /// The topology of a node that holds nothing yet.
    pub const fn new(me: NetId) -> GroupSet {
        GroupSet { me, groups: BTreeMap::new(), root: 0 }
    }

    /// Whose topology it is.
    pub const fn me(&self) -> NetId {
        self.me
    }

    /// The group, if anything is held of it.
    pub fn group(&self, name: &GroupName) -> Option<&Replica> {
        self.groups.get(name)
    }

    /// Changes a group by way of `edit`; one that is not held begins empty. Everything that changes
    /// a group goes through here, so that the root follows. A replica that is blank afterwards is
    /// not held.
    ///
    /// # Panics
    /// If `edit` puts the replica of another node or group in the place of this one.
    pub fn edit<R>(&mut self, name: &GroupName, edit: impl FnOnce(&mut Replica) -> R) -> R {
        let before = self.groups.get(name).map_or(0, group_hash);
        let fresh = || Replica::new(self.me, name.clone());
        let replica = self.groups.entry(name.clone()).or_insert_with(fresh);
        let result = edit(replica);
        assert!(
            replica.me() == self.me && replica.state().name() == name,
            "a replica of another node or group was put into a topology"
        );
        let after = group_hash(replica);
        if replica.is_empty() {
            self.groups.remove(name);
        }
        self.root = self.root.wrapping_sub(before).wrapping_add(after);
        result
    }

    /// The groups of which anything is held, in the order of their names.
    pub fn groups(&self) -> impl ExactSizeIterator<Item = &GroupName> + '_ {
        self.groups.keys()
    }

    /// The replicas, in the order of their names.
    pub fn replicas(&self) -> impl ExactSizeIterator<Item = &Replica> + '_ {
        self.groups.values()
    }

    /// The groups of which the node is a member, as far as is known here, in the order of their
    /// names.
    pub fn groups_of(&self, node: NetId) -> impl Iterator<Item = &GroupName> + '_ {
        self.groups.iter().filter(move |(_, replica)| replica.state().is_member(node)).map(|(name, _)| name)
    }

    /// The fingerprint over those groups that are chosen. Costs what is held.
    pub fn root_of(&self, choose: impl Fn(&Replica) -> bool) -> u128 {
        self.groups
            .values()
            .filter(|replica| choose(replica))
            .fold(0, |sum, replica| sum.wrapping_add(group_hash(replica)))
    }

    /// What a group adds to the root: 0 if nothing is held of it.
    pub fn group_hash(&self, name: &GroupName) -> u128 {
        self.groups.get(name).map_or(0, group_hash)
    }

    /// One fingerprint over all groups: equal where two nodes hold equal groups. Kept up to date by
    /// every change.
    pub const fn root(&self) -> u128 {
        self.root
    }
}

fn group_hash(replica: &Replica) -> u128 {
    hash::group_hash(replica.state().name(), replica.state().fingerprint())
}
