//! Handle of one group: writes as requests, reads from memory, and a watch as a stream.

use gm_clock::NetId;
use gm_data::{Change, GroupName, KeyRange, NameError, Owner, RangeError, View, key_of};

use super::{GroupWatch, IntoKeyRange, JoinRequest, Node, NodeFuture, ServeRequest, WriteRequest};
use crate::command::{WriteError, WriteKind};
use crate::node::GroupStatus;

/// Handle of a group of a node: see [`Node::group`]. A clone is cheap, and a handle keeps the node
/// alive. The handle exists whether or not the node is a member of the group.
#[derive(Clone, Debug)]
pub struct Group {
    node: Node,
    name: GroupName,
}

impl Node {
    /// The group of that name. Nothing is sent: join it with [`Group::join`], or with the first
    /// [`Group::serve`].
    ///
    /// # Errors
    /// A [`NameError`], if no group can have the name.
    pub fn group(&self, name: &str) -> Result<Group, NameError> {
        Ok(Group { node: self.clone(), name: name.parse()? })
    }
}

impl Group {
    /// The name of the group.
    #[must_use]
    pub const fn name(&self) -> &GroupName {
        &self.name
    }

    /// The node of this handle.
    #[must_use]
    pub const fn node(&self) -> &Node {
        &self.node
    }

    /// Serves a range. Several members may serve it: those with a greater
    /// [priority](ServeRequest::priority) are preferred. A node that is not a member joins.
    pub fn serve(&self, range: impl IntoKeyRange) -> ServeRequest {
        ServeRequest::new(self, range.into_key_range())
    }

    /// Withdraws a range, which must be exactly one that is served.
    pub fn unserve(&self, range: impl IntoKeyRange) -> WriteRequest {
        self.unserve_range(range.into_key_range())
    }

    fn unserve_range(&self, range: Result<KeyRange, RangeError>) -> WriteRequest {
        WriteRequest::new(self, range.map(|range| WriteKind::Change(vec![Change::Unserve(range)])))
    }

    /// Applies changes in one write: other nodes see all of them or none. A node that is not a
    /// member joins.
    pub fn change(&self, changes: Vec<Change>) -> WriteRequest {
        WriteRequest::new(self, Ok(WriteKind::Change(changes)))
    }

    /// Joins the group.
    pub fn join(&self) -> JoinRequest {
        JoinRequest::new(self)
    }

    /// Leaves the group and withdraws all ranges of this node.
    pub fn leave(&self) -> WriteRequest {
        WriteRequest::new(self, Ok(WriteKind::Leave))
    }

    /// Returns the members that serve the key of an application, most preferred first. The key is
    /// mapped to the key space by [`key_of`].
    ///
    /// # Errors
    /// As [`view`](Group::view).
    pub fn locate(&self, key: impl AsRef<[u8]>) -> NodeFuture<Vec<Owner>> {
        self.locate_key(key_of(key.as_ref()))
    }

    /// Returns the members that serve a key of the key space, most preferred first.
    ///
    /// # Errors
    /// As [`view`](Group::view).
    pub fn locate_key(&self, key: u32) -> NodeFuture<Vec<Owner>> {
        let view = self.view();
        Box::pin(async move { Ok(view.await?.locate(key)) })
    }

    /// Returns an immutable snapshot of the group with its index. Right after a join, members may
    /// be missing: see [`status`](Group::status).
    ///
    /// # Errors
    /// [`NodeError::Stopped`](super::NodeError::Stopped); [`WriteError::UnknownGroup`] if the node
    /// does not host the group, because it is not a member.
    pub fn view(&self) -> NodeFuture<View> {
        let Group { node, name } = self.clone();
        Box::pin(async move {
            let view = node.view(&name).await?;
            view.ok_or_else(|| WriteError::UnknownGroup { group: name }.into())
        })
    }

    /// Returns the members, sorted.
    ///
    /// # Errors
    /// As [`view`](Group::view).
    pub fn members(&self) -> NodeFuture<Vec<NetId>> {
        let view = self.view();
        Box::pin(async move { Ok(view.await?.members().collect()) })
    }

    /// Returns the status of the group, with its [freshness](GroupStatus::freshness): the extent to
    /// which it was compared with other members. `None` if the node does not host the group.
    ///
    /// # Errors
    /// [`NodeError::Stopped`](super::NodeError::Stopped).
    pub fn status(&self) -> NodeFuture<Option<GroupStatus>> {
        let Group { node, name } = self.clone();
        Box::pin(async move { node.group_status(&name).await })
    }

    /// Watches the group: the stream begins with its present state. A group that is not hosted has
    /// no members until it is joined.
    ///
    /// # Errors
    /// [`NodeError::Stopped`](super::NodeError::Stopped); [`WriteError::LimitReached`] if there are
    /// too many watchers.
    pub fn watch(&self) -> NodeFuture<GroupWatch> {
        let Group { node, name } = self.clone();
        Box::pin(async move { GroupWatch::new(node.watch(&name).await?).await })
    }
}
