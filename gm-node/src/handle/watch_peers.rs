//! Watch of the peers: a stream of the peers that the node finds and loses, and of those that
//! become near or far.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::{Arc, Weak};
use std::task::{Context, Poll};

use futures_core::Stream;
use gm_clock::NetId;
use tokio::sync::watch;

use super::event_loop::LoopState;
use super::stream::Polling;
use super::{BoxedNodeMachine, Inner, Node, NodeError, NodeFuture};

/// A change of the peers of a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PeerChange {
    /// The node knows the peer, which is far at first.
    Found(NetId),
    /// The node receives the multicast of the peer.
    Near(NetId),
    /// The node does not receive the multicast of the peer any more.
    Far(NetId),
    /// The node does not list the peer any more, because its member was forgotten.
    Unlisted(NetId),
}

/// Stream of the peers of a node: see [`Node::watch_peers`]. A slow reader receives the difference
/// to the peers that it saw last. The stream ends with the node, and does not keep it alive.
pub struct PeerWatch {
    polling: Polling<PeerSource, PeerChange>,
}

impl Node {
    /// Watches the peers: the stream begins with those that are known.
    /// [`Node::peers`] returns the status of each.
    ///
    /// # Errors
    /// [`NodeError::Stopped`].
    pub fn watch_peers(&self) -> NodeFuture<PeerWatch> {
        let node = self.clone();
        Box::pin(async move {
            // It is subscribed before the peers are read, so that no change is missed.
            let peers = node.inner.shared.peers();
            let (inner, shared) = (Arc::downgrade(&node.inner), Arc::clone(&node.inner.shared));
            let mut source =
                PeerSource { inner, shared, peers, known: BTreeMap::new(), queue: VecDeque::new() };
            source.compare(&node).await?;
            Ok(PeerWatch { polling: Polling::Idle(source) })
        })
    }
}

impl PeerWatch {
    /// Waits for the next change; `None` if the node has ended. It is cancel safe: an aborted call
    /// loses nothing.
    pub async fn next(&mut self) -> Option<PeerChange> {
        poll_fn(|context| Pin::new(&mut *self).poll_next(context)).await
    }
}

impl Stream for PeerWatch {
    type Item = PeerChange;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<PeerChange>> {
        self.get_mut().polling.poll_next(context, |mut source| {
            Box::pin(async move {
                let change = source.next().await;
                (source, change)
            })
        })
    }
}

impl fmt::Debug for PeerWatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PeerWatch").finish_non_exhaustive()
    }
}

/// Source of [`PeerWatch`].
struct PeerSource {
    inner: Weak<Inner>,
    shared: Arc<LoopState>,
    /// Marked as changed when a peer is found, unlisted, near or far.
    peers: watch::Receiver<()>,
    /// The peers as far as reported, and whether they are near.
    known: BTreeMap<NetId, bool>,
    /// Changes that are not returned yet.
    queue: VecDeque<PeerChange>,
}

impl PeerSource {
    /// Queues the differences between the reported and the present peers.
    async fn compare(&mut self, node: &Node) -> Result<(), NodeError> {
        let near = |node: &BoxedNodeMachine, peer| (peer, node.broadcaster().is_near(peer));
        let now: BTreeMap<NetId, bool> = node
            .with_machine(move |node| node.peers().into_iter().map(|peer| near(node, peer)).collect())
            .await?;
        let before = std::mem::replace(&mut self.known, now);
        self.queue.extend(differences(&before, &self.known));
        Ok(())
    }

    /// Waits for the next change; `None` if the node has ended.
    async fn next(&mut self) -> Option<PeerChange> {
        loop {
            if let Some(change) = self.queue.pop_front() {
                return Some(change);
            }
            tokio::select! {
                changed = self.peers.changed() => changed.ok()?,
                () = self.shared.ended() => return None,
            }
            let node = Node { inner: self.inner.upgrade()? };
            self.compare(&node).await.ok()?;
        }
    }
}

/// The changes from the peers `before` to the peers `now`; the value is whether a peer is near.
fn differences<'a>(
    before: &'a BTreeMap<NetId, bool>,
    now: &'a BTreeMap<NetId, bool>,
) -> impl Iterator<Item = PeerChange> + 'a {
    let unlisted = before.keys().filter(|peer| !now.contains_key(peer)).copied().map(PeerChange::Unlisted);
    let changed = now.iter().flat_map(|(peer, is_near)| {
        let known = before.get(peer);
        let found = known.is_none().then_some(PeerChange::Found(*peer));
        let was_near = known.is_some_and(|near| *near);
        let moved = match (was_near, is_near) {
            (false, true) => Some(PeerChange::Near(*peer)),
            (true, false) => Some(PeerChange::Far(*peer)),
            _ => None,
        };
        found.into_iter().chain(moved)
    });
    unlisted.chain(changed)
}
