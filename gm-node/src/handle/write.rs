//! Writing through the handle: each call is one write of the node, and returns with its answer.
//! Giving a call up does not undo the write.

use gm_clock::NetId;
use gm_data::{Change, ForgetError, GroupName, KeyRange};

use super::{BoxedNodeMachine, Node, NodeError};
use crate::command::{CommittedWrite, Forget, NodeCommand, Wait, Write, WriteError, WriteKind};

impl Node {
    /// Joins a group by being interested in those ranges; in the whole key space if there are none
    /// and we are no member yet.
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

    /// Leaves a group: everything that we serve or want in it is dropped.
    ///
    /// # Errors
    /// A [`NodeError`].
    pub async fn leave(&self, group: &GroupName, wait: Wait) -> Result<CommittedWrite, NodeError> {
        self.write(group, WriteKind::Leave, wait).await
    }

    /// Makes these changes, all of them or none. Whoever is no member becomes one.
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

    /// Serves a range. Others may serve it too: the priority decides, more is preferred.
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

    /// Serves a range no longer: exactly one that is served.
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

    /// [`serve`](Node::serve), by the name that the original has for it.
    ///
    /// # Errors
    /// A [`NodeError`].
    pub async fn add_item(
        &self,
        group: &GroupName,
        range: KeyRange,
        port: u16,
        priority: u16,
        wait: Wait,
    ) -> Result<CommittedWrite, NodeError> {
        self.serve(group, range, port, priority, wait).await
    }

    /// [`unserve`](Node::unserve), by the name that the original has for it.
    ///
    /// # Errors
    /// A [`NodeError`].
    pub async fn remove_item(
        &self,
        group: &GroupName,
        range: KeyRange,
        wait: Wait,
    ) -> Result<CommittedWrite, NodeError> {
        self.unserve(group, range, wait).await
    }

    /// Forgets another member, in a group or in all that are held and know it; what came of it in
    /// each.
    ///
    /// # Errors
    /// [`NodeError::Stopped`]; [`NodeError::Unknown`] if it is not known of any of the groups;
    /// [`ForgetError::Unknown`] if no group that is held knows the member.
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
        // All are asked before the first is waited for.
        let mut waiting = Vec::new();
        for group in groups {
            let (tag, answered) = self.inner.shared.register_write();
            let forget = Forget { tag, group: Some(group.clone()), member, wait };
            let told = self.inner.shell.send(NodeCommand::Forget(forget)).await;
            // Those that were told before this one may be done.
            told.map_err(|_| if waiting.is_empty() { NodeError::Stopped } else { NodeError::Unknown })?;
            waiting.push((group, answered));
        }
        let mut results = Vec::new();
        for (group, answered) in waiting {
            results.push((group, answered.await.map_err(|_| NodeError::Unknown)?));
        }
        Ok(results)
    }

    /// Ends the pause after an identity conflict, and puts our record above what was claimed: once
    /// its cause is mended.
    ///
    /// # Errors
    /// A [`NodeError`].
    pub async fn resume(&self, group: &GroupName, wait: Wait) -> Result<CommittedWrite, NodeError> {
        self.write(group, WriteKind::Resume, wait).await
    }

    /// Drops the records of forgotten members of a group here and at all members, so that they take
    /// no room any more; with `unheard` those of members that were not heard since our start as
    /// well. Returns how many. Within an hour nobody brings them back; a member that lives comes
    /// back by itself.
    ///
    /// # Errors
    /// [`NodeError::Stopped`]; [`WriteError::UnknownGroup`] of a group that is not held.
    pub async fn purge(&self, group: &GroupName, unheard: bool) -> Result<usize, NodeError> {
        let of = group.clone();
        let count = move |node: &BoxedNodeMachine| node.view(&of).map(|_| node.purgeable(&of, unheard).len());
        let Some(count) = self.with_machine(count).await? else {
            return Err(WriteError::UnknownGroup { group: group.clone() }.into());
        };
        self.inner.shell.send(NodeCommand::Purge { group: group.clone(), include_absent: unheard }).await?;
        Ok(count)
    }

    async fn write(
        &self,
        group: &GroupName,
        what: WriteKind,
        wait: Wait,
    ) -> Result<CommittedWrite, NodeError> {
        let (tag, answered) = self.inner.shared.register_write();
        let write = Write { tag, group: group.clone(), kind: what, wait };
        self.inner.shell.send(NodeCommand::Write(write)).await?;
        Ok(answered.await.map_err(|_| NodeError::Unknown)??)
    }
}
