//! Reads through the handle: snapshots from memory.

use gm_broadcast::PeerStatus;
use gm_clock::NetId;
use gm_data::{GroupName, Item, View};

use super::{BoxedNodeMachine, Health, Node, NodeError};
use crate::node::{Freshness, GroupStatus};

/// Status of a node. [`Node::network`] returns its network status.
#[derive(Clone, Debug)]
pub struct NodeStatus {
    /// The node's NetId.
    pub me: NetId,
    /// The hosted groups, in the order of their names.
    pub groups: Vec<GroupStatus>,
    /// Number of known groups that are not hosted.
    pub known_groups: usize,
    /// The limit of known groups, if it is reached.
    pub name_limit_reached: Option<usize>,
    /// Unresolved problems.
    pub health: Health,
}

impl Node {
    /// Returns the status of the node.
    ///
    /// # Errors
    /// [`NodeError::Stopped`].
    pub async fn status(&self) -> Result<NodeStatus, NodeError> {
        let now = self.now();
        let health = self.inner.shared.health();
        self.with_machine(move |node| NodeStatus {
            me: node.me(),
            groups: node.hosted_groups().filter_map(|group| node.status(now, group)).collect(),
            known_groups: node.contacts().count(),
            name_limit_reached: node.contacts_full(),
            health,
        })
        .await
    }

    /// Returns the status of a hosted group; `None` if the group is not hosted.
    ///
    /// # Errors
    /// [`NodeError::Stopped`].
    pub async fn group_status(&self, group: &GroupName) -> Result<Option<GroupStatus>, NodeError> {
        let (now, group) = (self.now(), group.clone());
        self.with_machine(move |node| node.status(now, &group)).await
    }

    /// Returns all known groups: the hosted ones, and the others with a member of each.
    ///
    /// # Errors
    /// [`NodeError::Stopped`].
    pub async fn groups(&self) -> Result<Vec<(GroupName, Option<NetId>)>, NodeError> {
        self.with_machine(|node| {
            let hosted = node.hosted_groups().map(|group| (group.clone(), None));
            let others = node.contacts().map(|(group, member)| (group.clone(), Some(member)));
            let mut all: Vec<_> = hosted.chain(others).collect();
            all.sort();
            all
        })
        .await
    }

    /// Returns the groups of which this node is a member.
    ///
    /// # Errors
    /// [`NodeError::Stopped`].
    pub async fn my_groups(&self) -> Result<Vec<GroupName>, NodeError> {
        self.with_machine(|node| node.own_groups().cloned().collect()).await
    }

    /// Returns an immutable snapshot of a hosted group with its index; `None` if the group is not
    /// hosted.
    ///
    /// # Errors
    /// [`NodeError::Stopped`].
    pub async fn view(&self, group: &GroupName) -> Result<Option<View>, NodeError> {
        let group = group.clone();
        self.with_machine(move |node| node.view(&group).cloned()).await
    }

    /// Returns a view of a hosted group and its freshness: right after a start or a join, members
    /// may be missing until the group was compared with another host.
    ///
    /// # Errors
    /// [`NodeError::Stopped`].
    pub async fn view_with_freshness(
        &self,
        group: &GroupName,
    ) -> Result<Option<(View, Freshness)>, NodeError> {
        let (now, group) = (self.now(), group.clone());
        self.with_machine(move |node| Some((node.view(&group)?.clone(), node.freshness(now, &group)?))).await
    }

    /// Returns the members of a hosted group, sorted.
    ///
    /// # Errors
    /// [`NodeError::Stopped`].
    pub async fn members(&self, group: &GroupName) -> Result<Vec<NetId>, NodeError> {
        Ok(self.view(group).await?.map(|view| view.members().collect()).unwrap_or_default())
    }

    /// Returns all items of a hosted group.
    ///
    /// # Errors
    /// [`NodeError::Stopped`].
    pub async fn topology(&self, group: &GroupName) -> Result<Vec<Item>, NodeError> {
        let view = self.view(group).await?;
        Ok(view.map(|view| view.items().iter().map(|timed| timed.item).collect()).unwrap_or_default())
    }

    /// Returns the known peers with their status: when and how they were last heard, and failures.
    ///
    /// # Errors
    /// [`NodeError::Stopped`].
    pub async fn peers(&self) -> Result<Vec<(NetId, PeerStatus)>, NodeError> {
        let now = self.now();
        let status =
            move |node: &BoxedNodeMachine, peer| Some((peer, node.broadcaster().peer_status(now, peer)?));
        self.with_machine(move |node| {
            node.peers().into_iter().filter_map(|peer| status(node, peer)).collect()
        })
        .await
    }

    /// Runs a closure on the node's state machine, between two inputs. It must be fast, because the
    /// node does nothing else in the meantime.
    ///
    /// # Errors
    /// [`NodeError::Stopped`].
    pub async fn with_machine<T: Send + 'static>(
        &self,
        question: impl FnOnce(&BoxedNodeMachine) -> T + Send + 'static,
    ) -> Result<T, NodeError> {
        Ok(self.inner.runtime.with_machine(question).await?)
    }

    /// Returns the hosted groups that have a record of a member that is not forgotten.
    pub(super) async fn hosted_groups_with(&self, member: NetId) -> Result<Vec<GroupName>, NodeError> {
        self.with_machine(move |node| {
            let knows = |group: &&GroupName| {
                let record = node.view(group).and_then(|view| view.record(member));
                record.is_some_and(|record| !record.version().forgotten)
            };
            node.hosted_groups().filter(knows).cloned().collect()
        })
        .await
    }
}
