//! Request to leave all groups of a node at the same time.

use std::future::IntoFuture;
use std::time::Duration;

use gm_data::GroupName;

use super::{Node, NodeError, NodeFuture, WaitFor, request};
use crate::command::{CommittedWrite, Wait};

/// A request to leave all groups of which the node is a member. It is sent when it is awaited, and
/// dropping the future afterwards does not undo it.
#[derive(Clone, Debug)]
#[must_use = "a request is sent when it is awaited"]
pub struct LeaveAllRequest {
    node: Node,
    wait: Wait,
}

/// Result of leaving one group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeftGroup {
    /// The group.
    pub group: GroupName,
    /// The result; after an error the node may still be a member.
    pub result: Result<CommittedWrite, NodeError>,
}

impl Node {
    /// Leaves all groups of which the node is a member, and withdraws its ranges. The result has an
    /// entry for each group.
    pub fn leave_all(&self) -> LeaveAllRequest {
        LeaveAllRequest { node: self.clone(), wait: request::default_wait() }
    }
}

impl LeaveAllRequest {
    /// Waits in each group for acknowledgements of other members, except in a group of which
    /// another node confirmed that it has no other member. Default: [`WaitFor::None`].
    pub fn wait(mut self, members: WaitFor) -> LeaveAllRequest {
        self.wait.count = members.into();
        self
    }

    /// Counts only members that have synced the leave to disk.
    pub fn on_disk(mut self) -> LeaveAllRequest {
        self.wait.on_disk = true;
        self
    }

    /// Maximum time to wait for acknowledgements. Default: 5 s.
    pub fn timeout(mut self, timeout: Duration) -> LeaveAllRequest {
        self.wait.timeout = timeout;
        self
    }
}

impl IntoFuture for LeaveAllRequest {
    type Output = Result<Vec<LeftGroup>, NodeError>;
    type IntoFuture = NodeFuture<Vec<LeftGroup>>;

    fn into_future(self) -> NodeFuture<Vec<LeftGroup>> {
        let LeaveAllRequest { node, wait } = self;
        Box::pin(async move {
            // The leaves are sent at once, so that they share a commit and their waits overlap.
            let mut leaving = Vec::new();
            for group in node.my_groups().await? {
                let (node, name) = (node.clone(), group.clone());
                let task = node.inner.tokio.clone().spawn(async move { node.leave_one(&name, wait).await });
                leaving.push((group, task));
            }
            let mut left = Vec::new();
            for (group, task) in leaving {
                // A task fails only with the node's runtime.
                let result = task.await.unwrap_or(Err(NodeError::Unknown));
                left.push(LeftGroup { group, result });
            }
            Ok(left)
        })
    }
}

impl Node {
    async fn leave_one(&self, group: &GroupName, wait: Wait) -> Result<CommittedWrite, NodeError> {
        let view = self.view_with_freshness(group).await?;
        let is_sole_member =
            view.is_some_and(|(view, freshness)| freshness.is_verified() && view.member_count() <= 1);
        self.leave(group, if is_sole_member { Wait::NONE } else { wait }).await
    }
}
