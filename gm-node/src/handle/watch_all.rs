//! Watch of all groups: a stream of the changes of every group that the node hosts, and of the
//! groups that it begins or ceases to host.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt;
use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_core::Stream;
use gm_data::GroupName;
use tokio::sync::{mpsc, watch};

use super::stream::Polling;
use super::watch::{Subscription, too_many_watchers};
use super::{BoxedNodeMachine, Changes, Node, NodeError, NodeFuture};

/// A change of the groups of a node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NodeChange {
    /// The node hosts the group. Its changes follow, first its present state unless it is empty.
    Hosted(GroupName),
    /// The group changed.
    Changed {
        /// The group.
        group: GroupName,
        /// The difference to the last item of the group.
        changes: Changes,
    },
    /// The node no longer hosts the group. Changes that were not reported by then are lost.
    Released(GroupName),
    /// The changes of the group are not reported, because the limit of watchers
    /// ([`NodeLimits::watchers`](crate::NodeLimits)) is reached. Remedy: raise it above the number
    /// of groups.
    Unwatched(GroupName),
}

/// Stream of the changes of all hosted groups: see [`Node::watch_all`]. A slow reader receives for
/// each group the difference to the state that it saw last, and delays nothing. The stream ends
/// with the node.
pub struct NodeWatch {
    polling: Polling<AllGroups, NodeChange>,
}

impl Node {
    /// Watches all groups that the node hosts, now or later. It takes one watcher for each of them.
    ///
    /// # Errors
    /// [`NodeError::Stopped`]; [`LimitReached`](crate::WriteError::LimitReached) if there are too
    /// many watchers.
    pub fn watch_all(&self) -> NodeFuture<NodeWatch> {
        let node = self.clone();
        Box::pin(async move {
            let max = node.inner.max_watchers;
            let groups = AllGroups::new(node).await?;
            if groups.queue.iter().any(|change| matches!(change, NodeChange::Unwatched(_))) {
                return Err(too_many_watchers(max).into());
            }
            Ok(NodeWatch { polling: Polling::Idle(groups) })
        })
    }
}

impl NodeWatch {
    /// Waits for the next change; `None` if the node has ended. It is cancel safe: an aborted call
    /// loses nothing.
    pub async fn next(&mut self) -> Option<NodeChange> {
        poll_fn(|context| Pin::new(&mut *self).poll_next(context)).await
    }
}

impl Stream for NodeWatch {
    type Item = NodeChange;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<NodeChange>> {
        self.get_mut().polling.poll_next(context, |mut groups| {
            Box::pin(async move {
                let change = groups.next().await;
                (groups, change)
            })
        })
    }
}

impl fmt::Debug for NodeWatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NodeWatch").finish_non_exhaustive()
    }
}

/// Source of [`NodeWatch`]: a watcher for each hosted group.
struct AllGroups {
    node: Node,
    /// Marked as changed when the node hosts other groups than before.
    hosted_groups: watch::Receiver<()>,
    notify: mpsc::UnboundedSender<u64>,
    /// Tags of watchers whose groups changed.
    notified: mpsc::UnboundedReceiver<u64>,
    /// The hosted groups as far as reported; `None` for an unwatched one.
    groups: BTreeMap<GroupName, Option<Subscription>>,
    by_tag: BTreeMap<u64, GroupName>,
    /// Changes that are not returned yet.
    queue: VecDeque<NodeChange>,
}

impl AllGroups {
    async fn new(node: Node) -> Result<AllGroups, NodeError> {
        let (notify, notified) = mpsc::unbounded_channel();
        // It is subscribed before the groups are read, so that no change is missed.
        let hosted_groups = node.inner.shared.hosted_groups();
        let mut all = AllGroups {
            node,
            hosted_groups,
            notify,
            notified,
            groups: BTreeMap::new(),
            by_tag: BTreeMap::new(),
            queue: VecDeque::new(),
        };
        all.compare_hosted().await?;
        Ok(all)
    }

    /// Watches the groups that are hosted since the last call, and drops those that are not hosted
    /// any more.
    async fn compare_hosted(&mut self) -> Result<(), NodeError> {
        let hosted: BTreeSet<GroupName> =
            self.node.with_machine(|node| node.hosted_groups().cloned().collect()).await?;
        let is_released = |group: &&GroupName| !hosted.contains(group);
        let released: Vec<GroupName> = self.groups.keys().filter(is_released).cloned().collect();
        for group in released {
            if let Some(Some(subscription)) = self.groups.remove(&group) {
                self.by_tag.remove(&subscription.tag());
            }
            self.queue.push_back(NodeChange::Released(group));
        }
        let mut added = Vec::new();
        for group in hosted {
            if !self.groups.contains_key(&group) {
                self.queue.push_back(NodeChange::Hosted(group.clone()));
                match Subscription::new(&self.node.inner, &group, self.notify.clone()).await {
                    Ok(subscription) => {
                        added.push((subscription.tag(), group.clone()));
                        self.groups.insert(group, Some(subscription));
                    }
                    Err(NodeError::Refused(_)) => self.set_unwatched(group),
                    Err(error) => return Err(error),
                }
            }
        }
        self.by_tag.extend(added.iter().cloned());
        // The node may still count watchers that were dropped a moment ago, and refuse one.
        let is_refused =
            |node: &BoxedNodeMachine, added: &(u64, GroupName)| node.difference(added.0).is_none();
        let refused: Vec<(u64, GroupName)> = self
            .node
            .with_machine(move |node| added.into_iter().filter(|added| is_refused(node, added)).collect())
            .await?;
        for (tag, group) in refused {
            self.by_tag.remove(&tag);
            self.set_unwatched(group);
        }
        Ok(())
    }

    fn set_unwatched(&mut self, group: GroupName) {
        self.groups.insert(group.clone(), None);
        self.queue.push_back(NodeChange::Unwatched(group));
    }

    /// Waits for the next change; `None` if the node has ended.
    async fn next(&mut self) -> Option<NodeChange> {
        loop {
            if let Some(change) = self.queue.pop_front() {
                return Some(change);
            }
            tokio::select! {
                biased;
                changed = self.hosted_groups.changed() => {
                    changed.ok()?;
                    self.compare_hosted().await.ok()?;
                }
                Some(tag) = self.notified.recv() => {
                    // A group that was released has no subscription any more.
                    let Some(group) = self.by_tag.get(&tag).cloned() else { continue };
                    let Some(Some(subscription)) = self.groups.get(&group) else { continue };
                    if let Some(changes) = subscription.read_all().await.ok()? {
                        return Some(NodeChange::Changed { group, changes });
                    }
                }
                () = self.node.inner.shared.ended() => return None,
            }
        }
    }
}
