//! What was said lately: the content of broadcasts for who asks for it, and multicasts, as they were, for who missed them. Bounded in
//! number and bytes, the oldest goes first; the newest alone may have more bytes. Knows nothing of who asks.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use gm_clock::NetId;
use gm_codec::{Body, BroadcastId};

/// A broadcast's content.
#[derive(Debug)]
pub(crate) struct Content {
    pub(crate) body: Body,
    /// Bytes of it, as a payload.
    pub(crate) bytes: usize,
    /// It was multicast in our island, by us or another.
    pub(crate) multicast: bool,
    /// By us.
    pub(crate) by_us: bool,
    /// We did not hear that, but asked somebody for it.
    pub(crate) repeated: bool,
}

#[derive(Debug)]
struct Kept {
    content: Arc<Content>,
    counts: bool,
    stored: bool,
}

#[derive(Debug)]
pub(crate) struct Recent {
    most: usize,
    most_bytes: usize,
    bytes: usize,
    broadcasts: BTreeMap<BroadcastId, Kept>,
    multicasts: BTreeMap<(NetId, [u8; 8], u64), Arc<[u8]>>,
    order: VecDeque<Entry>,
}

#[derive(Debug)]
enum Entry {
    Broadcast(BroadcastId),
    Multicast(NetId, [u8; 8], u64),
}

impl Recent {
    pub(crate) const fn new(most: usize, most_bytes: usize) -> Recent {
        Recent {
            most,
            most_bytes,
            bytes: 0,
            broadcasts: BTreeMap::new(),
            multicasts: BTreeMap::new(),
            order: VecDeque::new(),
        }
    }

    /// Keeps content, and whether this node counts and has it on disk.
    pub(crate) fn keep(&mut self, id: BroadcastId, content: Arc<Content>, counts: bool, stored: bool) {
        self.bytes += content.bytes;
        if let Some(before) = self.broadcasts.insert(id, Kept { content, counts, stored }) {
            self.bytes -= before.content.bytes;
        } else {
            self.order.push_back(Entry::Broadcast(id));
        }
        self.shrink();
    }

    pub(crate) fn keep_multicast(&mut self, node: NetId, epoch: [u8; 8], number: u64, payload: &[u8]) {
        self.bytes += payload.len();
        if let Some(before) = self.multicasts.insert((node, epoch, number), payload.into()) {
            self.bytes -= before.len();
        } else {
            self.order.push_back(Entry::Multicast(node, epoch, number));
        }
        self.shrink();
    }

    pub(crate) fn broadcast(&self, id: &BroadcastId) -> Option<&Arc<Content>> {
        self.broadcasts.get(id).map(|kept| &kept.content)
    }

    /// Content, whether this node counts, and whether it has it on disk.
    pub(crate) fn whole(&self, id: &BroadcastId) -> Option<(Arc<Content>, bool, bool)> {
        self.broadcasts.get(id).map(|kept| (kept.content.clone(), kept.counts, kept.stored))
    }

    /// It is on disk now.
    pub(crate) fn stored(&mut self, id: &BroadcastId) {
        if let Some(kept) = self.broadcasts.get_mut(id) {
            kept.stored = true;
        }
    }

    pub(crate) fn multicast(&self, node: NetId, epoch: [u8; 8], number: u64) -> Option<&Arc<[u8]>> {
        self.multicasts.get(&(node, epoch, number))
    }

    pub(crate) fn len(&self) -> usize {
        self.order.len()
    }

    fn shrink(&mut self) {
        // The newest stays, however large it is: whoever has just got it is about to pass it on.
        while self.order.len() > self.most || (self.bytes > self.most_bytes && self.order.len() > 1) {
            let gone = match self.order.pop_front() {
                None => return,
                Some(Entry::Broadcast(id)) => self.broadcasts.remove(&id).map(|kept| kept.content.bytes),
                Some(Entry::Multicast(node, epoch, number)) => {
                    self.multicasts.remove(&(node, epoch, number)).map(|payload| payload.len())
                }
            };
            self.bytes -= gone.unwrap_or(0);
        }
    }
}

#[cfg(test)]
mod tests;
