//! Writes through the handle: each call is one write of the node, and returns with its answer.
//! Aborting a call does not undo the write.

use gm_clock::NetId;
use gm_data::{Change, ForgetError, GroupName, KeyRange};

use super::{BoxedNodeMachine, Node, NodeError};
use crate::command::{CommittedWrite, Forget, NodeCommand, Wait, Write, WriteError, WriteKind};

impl Node {
    /// Joins a group with an interest in `ranges`; in the whole key space if there are none and the
    /// node is not a member yet.
    ///
    /// # Errors
    /// A [`NodeError`].
    pub async fn join(
        &self,
        group: &GroupName,
        ranges: Vec<KeyRange>,
        wait: Wait,
    ) -> Result<CommittedWrite, NodeError> {
        self.write(group, WriteKind::Join(ranges), wait).await
    }

    /// Leaves a group and withdraws all ranges of this node.
    ///
    /// # Errors
    /// A [`NodeError`].
    pub async fn leave(&self, group: &GroupName, wait: Wait) -> Result<CommittedWrite, NodeError> {
        self.write(group, WriteKind::Leave, wait).await
    }

    /// Applies changes, all of them or none. A node that is not a member joins the group.
    ///
    /// # Errors
    /// A [`NodeError`].
    pub async fn change(
        &self,
        group: &GroupName,
        changes: Vec<Change>,
        wait: Wait,
    ) -> Result<CommittedWrite, NodeError> {
        self.write(group, WriteKind::Change(changes), wait).await
    }

    /// Serves a range. Several members may serve it: those with a greater priority are preferred.
    ///
    /// # Errors
    /// A [`NodeError`].
    pub async fn serve(
        &self,
        group: &GroupName,
        range: KeyRange,
        port: u16,
        priority: u16,
        wait: Wait,
    ) -> Result<CommittedWrite, NodeError> {
        self.change(group, vec![Change::Serve { range, port: Some(port), priority }], wait).await
    }

    /// Withdraws a range, which must be exactly one that is served.
    ///
    /// # Errors
    /// A [`NodeError`].
    pub async fn unserve(
        &self,
        group: &GroupName,
        range: KeyRange,
        wait: Wait,
    ) -> Result<CommittedWrite, NodeError> {
        self.change(group, vec![Change::Unserve(range)], wait).await
    }

    /// Forgets another member, in one group or in all hosted groups that know it. Returns the
    /// result for each.
    ///
    /// # Errors
    /// [`NodeError::Stopped`]; [`NodeError::Unknown`] if the result for any group is unknown;
    /// [`ForgetError::Unknown`] if no hosted group knows the member.
    pub async fn forget(
        &self,
        member: NetId,
        group: Option<&GroupName>,
        wait: Wait,
    ) -> Result<Vec<(GroupName, Result<CommittedWrite, WriteError>)>, NodeError> {
        let groups = match group {
            Some(group) => vec![group.clone()],
            None => self.hosted_groups_with(member).await?,
        };
        if groups.is_empty() {
            return Err(WriteError::from(ForgetError::Unknown { member }).into());
        }
        if self.inner.shared.is_closing() {
            return Err(NodeError::Stopped);
        }
        // Send all orders before waiting for the first result.
        let mut waiting = Vec::new();
        for group in groups {
            let (tag, answered) = self.inner.shared.register_write();
            let forget = Forget { tag, group: Some(group.clone()), member, wait };
            let sent = self.inner.runtime.send(NodeCommand::Forget(forget)).await;
            // Orders sent before this one may be done.
            sent.map_err(|_| if waiting.is_empty() { NodeError::Stopped } else { NodeError::Unknown })?;
            waiting.push((group, answered));
        }
        let mut results = Vec::new();
        for (group, answered) in waiting {
            results.push((group, answered.await.map_err(|_| NodeError::Unknown)?));
        }
        Ok(results)
    }

    /// Ends the pause after an identity conflict, once its cause is fixed, and refutes the foreign
    /// record.
    ///
    /// # Errors
    /// A [`NodeError`].
    pub async fn resume(&self, group: &GroupName, wait: Wait) -> Result<CommittedWrite, NodeError> {
        self.write(group, WriteKind::Resume, wait).await
    }

    /// Drops the records of forgotten members of a group on all nodes, which frees their space;
    /// with `unheard` also those of members that this node has not heard from since its start.
    /// Returns the number of records. For an hour all nodes refuse these records; a member that is
    /// alive comes back by itself.
    ///
    /// # Errors
    /// [`NodeError::Stopped`]; [`WriteError::UnknownGroup`] if the group is not hosted.
    pub async fn purge(&self, group: &GroupName, unheard: bool) -> Result<usize, NodeError> {
        let of = group.clone();
        let count = move |node: &BoxedNodeMachine| node.view(&of).map(|_| node.purgeable(&of, unheard).len());
        let Some(count) = self.with_machine(count).await? else {
            return Err(WriteError::UnknownGroup { group: group.clone() }.into());
        };
        self.inner.runtime.send(NodeCommand::Purge { group: group.clone(), include_absent: unheard }).await?;
        Ok(count)
    }

    pub(super) async fn write(
        &self,
        group: &GroupName,
        what: WriteKind,
        wait: Wait,
    ) -> Result<CommittedWrite, NodeError> {
        if self.inner.shared.is_closing() {
            return Err(NodeError::Stopped);
        }
        let (tag, answered) = self.inner.shared.register_write();
        let write = Write { tag, group: group.clone(), kind: what, wait };
        self.inner.runtime.send(NodeCommand::Write(write)).await?;
        Ok(answered.await.map_err(|_| NodeError::Unknown)??)
    }
}
