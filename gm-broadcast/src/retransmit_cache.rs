//! Cache of recent broadcasts for forwarding, content requests and retransmissions.
//!
//! It holds contents by broadcast id and whole multicast payloads by sequence number. It is bounded
//! in entries and bytes, the oldest is removed first; the newest entry alone may exceed the bytes.
//!
//! Contents and payloads are slices of the buffers in which they arrived, where they are most of
//! them ([`gm_codec::OpenedFrame`]). Their own size is what counts: the buffers are at most 16/9 of
//! it, and those of retransmitted contents at most 64/27.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use bytes::Bytes;
use gm_clock::NetId;
use gm_codec::{Body, BroadcastId};

/// A broadcast's content.
#[derive(Debug)]
pub(crate) struct Content {
    pub(crate) body: Body,
    /// Size as a payload, in bytes.
    pub(crate) payload_bytes: usize,
    /// Whether it was multicast in this island, by this node or another.
    pub(crate) multicast: bool,
    /// Whether this node multicast it.
    pub(crate) multicast_by_us: bool,
    /// Whether this node missed that multicast and received a retransmission.
    pub(crate) retransmitted: bool,
}

#[derive(Debug)]
struct CachedBroadcast {
    content: Arc<Content>,
    acks: bool,
    stored: bool,
}

#[derive(Debug)]
pub(crate) struct RetransmitCache {
    max_entries: usize,
    max_bytes: usize,
    bytes: usize,
    broadcasts: BTreeMap<BroadcastId, CachedBroadcast>,
    multicasts: BTreeMap<(NetId, [u8; 8], u64), Bytes>,
    order: VecDeque<CacheKey>,
}

#[derive(Debug)]
enum CacheKey {
    Broadcast(BroadcastId),
    Multicast(NetId, [u8; 8], u64),
}

impl RetransmitCache {
    pub(crate) const fn new(max_entries: usize, max_bytes: usize) -> RetransmitCache {
        RetransmitCache {
            max_entries,
            max_bytes,
            bytes: 0,
            broadcasts: BTreeMap::new(),
            multicasts: BTreeMap::new(),
            order: VecDeque::new(),
        }
    }

    /// Adds a content, with the handler's decisions about it.
    pub(crate) fn insert_broadcast(
        &mut self,
        id: BroadcastId,
        content: Arc<Content>,
        acks: bool,
        stored: bool,
    ) {
        self.bytes += content.payload_bytes;
        if let Some(before) = self.broadcasts.insert(id, CachedBroadcast { content, acks, stored }) {
            self.bytes -= before.content.payload_bytes;
        } else {
            self.order.push_back(CacheKey::Broadcast(id));
        }
        self.evict();
    }

    pub(crate) fn insert_multicast(&mut self, node: NetId, epoch: [u8; 8], number: u64, payload: Bytes) {
        self.bytes += payload.len();
        if let Some(before) = self.multicasts.insert((node, epoch, number), payload) {
            self.bytes -= before.len();
        } else {
            self.order.push_back(CacheKey::Multicast(node, epoch, number));
        }
        self.evict();
    }

    pub(crate) fn broadcast(&self, id: &BroadcastId) -> Option<&Arc<Content>> {
        self.broadcasts.get(id).map(|kept| &kept.content)
    }

    /// The content, whether this node acknowledges it, and whether it is on disk.
    pub(crate) fn broadcast_with_outcome(&self, id: &BroadcastId) -> Option<(Arc<Content>, bool, bool)> {
        self.broadcasts.get(id).map(|kept| (kept.content.clone(), kept.acks, kept.stored))
    }

    pub(crate) fn mark_stored(&mut self, id: &BroadcastId) {
        if let Some(kept) = self.broadcasts.get_mut(id) {
            kept.stored = true;
        }
    }

    pub(crate) fn multicast(&self, node: NetId, epoch: [u8; 8], number: u64) -> Option<&Bytes> {
        self.multicasts.get(&(node, epoch, number))
    }

    pub(crate) fn len(&self) -> usize {
        self.order.len()
    }

    fn evict(&mut self) {
        // The newest entry stays, however large: its caller is about to forward it.
        while self.order.len() > self.max_entries || (self.bytes > self.max_bytes && self.order.len() > 1) {
            let gone = match self.order.pop_front() {
                None => return,
                Some(CacheKey::Broadcast(id)) => {
                    self.broadcasts.remove(&id).map(|kept| kept.content.payload_bytes)
                }
                Some(CacheKey::Multicast(node, epoch, number)) => {
                    self.multicasts.remove(&(node, epoch, number)).map(|payload| payload.len())
                }
            };
            self.bytes -= gone.unwrap_or(0);
        }
    }
}

#[cfg(test)]
mod tests;
