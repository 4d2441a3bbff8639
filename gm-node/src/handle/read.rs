//! Asking through the handle: snapshots of what the node holds, from memory. Changes nothing.

use gm_broadcast::PeerStatus;
use gm_clock::NetId;
use gm_data::{GroupName, Item, View};

use super::{BoxedNodeMachine, Health, Node, NodeError};
use crate::node::{Freshness, GroupStatus};

/// How a node stands; how it reaches others is [`Node::network`].
#[derive(Clone, Debug)]
pub struct NodeStatus {
    /// Who it is.
    pub me: NetId,
    /// The groups that are held, in the order of their names.
    pub groups: Vec<GroupStatus>,
    /// Groups that are only known by name.
    pub known_groups: usize,
    /// The names of other groups are as many as may be: so many.
    pub name_limit_reached: Option<usize>,
    /// What it told that still holds.
    pub health: Health,
}

impl Node {
    /// How the node stands.
    ///
    /// # Errors
    /// [`NodeError::Stopped`].
    pub async fn status(&self) -> Result<NodeStatus, NodeError> {
        let now = self.now();
        let facts = self.inner.shared.health();
        self.with_machine(move |node| NodeStatus {
            me: node.me(),
            groups: node.hosted_groups().filter_map(|group| node.status(now, group)).collect(),
            known_groups: node.contacts().count(),
            name_limit_reached: node.contacts_full(),
            health: facts,
        })
        .await
    }

    /// How a group stands that is held.
    ///
    /// # Errors
    /// [`NodeError::Stopped`].
    pub async fn group_status(&self, group: &GroupName) -> Result<Option<GroupStatus>, NodeError> {
        let (now, group) = (self.now(), group.clone());
        self.with_machine(move |node| node.status(now, &group)).await
    }

    /// All groups that are known: those that are held, and, each with a member of it, the others.
    ///
    /// # Errors
    /// [`NodeError::Stopped`].
    pub async fn groups(&self) -> Result<Vec<(GroupName, Option<NetId>)>, NodeError> {
        self.with_machine(|node| {
            let held = node.hosted_groups().map(|group| (group.clone(), None));
            let others = node.contacts().map(|(group, member)| (group.clone(), Some(member)));
            let mut all: Vec<_> = held.chain(others).collect();
            all.sort();
            all
        })
        .await
    }

    /// The groups of which we are a member.
    ///
    /// # Errors
    /// [`NodeError::Stopped`].
    pub async fn my_groups(&self) -> Result<Vec<GroupName>, NodeError> {
        self.with_machine(|node| node.own_groups().cloned().collect()).await
    }

    /// The state of a group that is held, with its index. It stays as it is.
    ///
    /// # Errors
    /// [`NodeError::Stopped`].
    pub async fn view(&self, group: &GroupName) -> Result<Option<View>, NodeError> {
        let group = group.clone();
        self.with_machine(move |node| node.view(&group).cloned()).await
    }

    /// The same, and how far the group was compared with other holders of it: right after a start
    /// or a join members may be missing.
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

    /// The members of a group that is held, in their order.
    ///
    /// # Errors
    /// [`NodeError::Stopped`].
    pub async fn members(&self, group: &GroupName) -> Result<Vec<NetId>, NodeError> {
        Ok(self.view(group).await?.map(|view| view.members().collect()).unwrap_or_default())
    }

    /// All that is served and wanted in a group that is held.
    ///
    /// # Errors
    /// [`NodeError::Stopped`].
    pub async fn topology(&self, group: &GroupName) -> Result<Vec<Item>, NodeError> {
        let view = self.view(group).await?;
        Ok(view.map(|view| view.items().iter().map(|timed| timed.item).collect()).unwrap_or_default())
    }

    /// The nodes that we know, and what is known of each: when it was heard, by which path, what
    /// failed.
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

    /// Asks the node something, between two inputs: the answer should be quick, for nothing else
    /// happens meanwhile.
    ///
    /// # Errors
    /// [`NodeError::Stopped`].
    pub async fn with_machine<T: Send + 'static>(
        &self,
        question: impl FnOnce(&BoxedNodeMachine) -> T + Send + 'static,
    ) -> Result<T, NodeError> {
        Ok(self.inner.shell.with_machine(question).await?)
    }

    /// The groups that are held and know a member, which is not forgotten.
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
