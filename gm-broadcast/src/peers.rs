//! What is known of other nodes as peers: where they are grouped, how far they are, when they were
//! heard, how often they failed. Knows nothing of connections and of broadcasts.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::net::IpAddr;
use std::time::Duration;

use gm_clock::NetId;

use crate::datagram_path::DatagramPath;
use crate::latency_class::LatencyClass;
use crate::machine::{ConnectionId, DialFailure};
use crate::rng::Rng;
use crate::time::Time;
use crate::token_bucket::TokenBucket;

/// Nodes that are known from the start. Shared and never changed: what changes of a node is kept
/// beside it.
#[derive(Clone, Debug, Default)]
pub struct Directory {
    /// Sorted by node, each once.
    known: Vec<KnownNode>,
}

/// What a directory says of a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KnownNode {
    /// Who.
    pub node: NetId,
    /// The label of its island.
    pub island_id: Option<NetId>,
    /// How far it is.
    pub class: LatencyClass,
}

impl Directory {
    /// Those nodes; of several with one NetId, the first.
    #[must_use]
    pub fn new(mut known: Vec<KnownNode>) -> Directory {
        known.sort_by_key(|known| known.node);
        known.dedup_by_key(|known| known.node);
        Directory { known }
    }

    /// What it says of a node.
    #[must_use]
    pub fn get(&self, node: NetId) -> Option<&KnownNode> {
        self.known
            .binary_search_by_key(&node, |known| known.node)
            .ok()
            .and_then(|place| self.known.get(place))
    }

    /// All, sorted by node; any of them is found in constant time.
    pub fn iter(&self) -> std::slice::Iter<'_, KnownNode> {
        self.known.iter()
    }

    /// Whether any is within these bounds.
    pub(crate) fn any_within(&self, low: NetId, high: NetId) -> bool {
        let first = self.known.partition_point(|known| known.node < low);
        self.known.get(first).is_some_and(|known| known.node <= high)
    }

    /// How many.
    #[must_use]
    pub fn len(&self) -> usize {
        self.known.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.known.is_empty()
    }
}

/// What changes of a node.
#[derive(Clone, Debug)]
pub(crate) struct Peer {
    pub(crate) island_id: Option<NetId>,
    pub(crate) class: Option<LatencyClass>,
    /// When something of it opened.
    pub(crate) last_contact: Option<Time>,
    /// The same by path: multicast, datagram to us, connection.
    pub(crate) last_heard: [Option<Time>; 3],
    /// Questions that it did not answer since it was last heard, as far as the owner reports them.
    pub(crate) unanswered: u32,
    /// What is known of datagrams between us.
    pub(crate) datagrams: DatagramPath,
    /// Failures to reach it since it was last reached.
    pub(crate) failures: u32,
    /// The last so many of them were refusals by its host.
    pub(crate) refusals: u32,
    /// When the first and the last of them were, and how the last went.
    pub(crate) failure: Option<(Time, Time, DialFailure)>,
    /// It was reached at its own address: a dial was answered, or a question by datagram.
    pub(crate) reached: bool,
    /// Connections that it ended before any frame of it came, one after the other.
    pub(crate) closed_before_first_frame: u32,
    /// When a transfer to it stalled last: until some time after it, connections to it use small
    /// segments.
    pub(crate) stalled: Option<Time>,
    /// The IP address from which its last connection or datagram came.
    pub(crate) source: Option<IpAddr>,
    /// Its address is not checked by a dial before.
    pub(crate) check_at: Time,
    /// It is a seed, and that it is not reached was reported.
    pub(crate) seed_trouble_reported: bool,
    /// The owner does not want it listed: what others say of it makes it known no longer, only what
    /// it sends itself.
    pub(crate) unlisted: bool,
    /// Not to be dialled before.
    pub(crate) backoff_until: Time,
    /// The connection by which it is sent to.
    pub(crate) connection: Option<ConnectionId>,
    /// Something of it came that was made since our start, so that it is no recording.
    pub(crate) present: bool,
    /// It is known to be there: of whom we were only told to reach, that is not known.
    pub(crate) contacted: bool,
    /// Answers to its datagrams.
    pub(crate) answer_bucket: TokenBucket,
    /// Its frames.
    pub(crate) frame_bucket: TokenBucket,
}

/// After so many connections that its host refused, one after the other, nothing listens there.
const REFUSALS: u32 = 3;

/// The table. Bounded: beyond it the peer without connection that was silent the longest is
/// forgotten.
#[derive(Debug)]
pub(crate) struct PeerTable {
    max: usize,
    answers_per_second: u32,
    frames_per_second: u32,
    table: BTreeMap<NetId, Peer>,
}

impl PeerTable {
    pub(crate) const fn new(most: usize, answers_per_second: u32, frames_per_second: u32) -> PeerTable {
        PeerTable { max: most, answers_per_second, frames_per_second, table: BTreeMap::new() }
    }

    pub(crate) fn get(&self, node: NetId) -> Option<&Peer> {
        self.table.get(&node)
    }

    pub(crate) fn get_mut(&mut self, node: NetId) -> Option<&mut Peer> {
        self.table.get_mut(&node)
    }

    /// Whether any is within these bounds.
    pub(crate) fn any_within(&self, low: NetId, high: NetId) -> bool {
        self.table.range(low..=high).next().is_some()
    }

    pub(crate) fn len(&self) -> usize {
        self.table.len()
    }

    /// Whether its host refused the last connections, several in a row, and nothing of it came
    /// since.
    pub(crate) fn refuses(&self, node: NetId) -> bool {
        self.get(node).is_some_and(|peer| peer.refusals >= REFUSALS)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&NetId, &Peer)> {
        self.table.iter()
    }

    /// The entry of a node, and whether it is new. `known`: what the directory says of it.
    pub(crate) fn entry(&mut self, node: NetId, known: Option<&KnownNode>) -> (&mut Peer, bool) {
        if self.table.len() >= self.max && !self.table.contains_key(&node) {
            // Rare: the table is larger than a system. So it may cost a walk.
            let silent = self.table.iter().filter(|(_, peer)| peer.connection.is_none());
            let oldest = silent.min_by_key(|(_, peer)| peer.last_contact).map(|(node, _)| *node);
            if let Some(oldest) = oldest {
                self.table.remove(&oldest);
            }
        }
        match self.table.entry(node) {
            Entry::Occupied(peer) => (peer.into_mut(), false),
            Entry::Vacant(place) => {
                let peer = place.insert(Peer {
                    island_id: known.and_then(|known| known.island_id),
                    class: known.map(|known| known.class),
                    last_contact: None,
                    last_heard: [None; 3],
                    unanswered: 0,
                    datagrams: DatagramPath::default(),
                    failures: 0,
                    refusals: 0,
                    failure: None,
                    reached: false,
                    closed_before_first_frame: 0,
                    stalled: None,
                    source: None,
                    check_at: Time::ZERO,
                    seed_trouble_reported: false,
                    unlisted: false,
                    backoff_until: Time::ZERO,
                    connection: None,
                    present: false,
                    contacted: known.is_some(),
                    answer_bucket: TokenBucket::per_second(self.answers_per_second),
                    frame_bucket: TokenBucket::per_second(self.frames_per_second),
                });
                (peer, known.is_none())
            }
        }
    }

    /// The entry of a node that is there, and whether that is news.
    pub(crate) fn meet(&mut self, node: NetId, known: Option<&KnownNode>) -> (&mut Peer, bool) {
        let (peer, _) = self.entry(node, known);
        let news = !peer.contacted;
        peer.contacted = true;
        (peer, news)
    }

    /// Notes that a node was not reached: it is left alone for a while, longer each time, never for
    /// ever.
    pub(crate) fn on_failure(
        &mut self,
        node: NetId,
        known: Option<&KnownNode>,
        (now, why): (Time, DialFailure),
        (first, most): (Duration, Duration),
        rng: &mut Rng,
    ) {
        let (peer, _) = self.entry(node, known);
        let pause = first.saturating_mul(1 << peer.failures.min(20)).min(most);
        let since = peer.failure.filter(|_| peer.failures > 0).map_or(now, |(since, ..)| since);
        peer.failures = peer.failures.saturating_add(1);
        peer.refusals = if why == DialFailure::Refused { peer.refusals.saturating_add(1) } else { 0 };
        peer.failure = Some((since, now, why));
        peer.backoff_until = now + pause / 2 + rng.duration_up_to(pause);
    }
}

#[cfg(test)]
mod tests;
