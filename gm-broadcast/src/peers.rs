//! Table of peers: island, latency, signs of life, failures and backoff of each.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::net::IpAddr;
use std::time::Duration;

use gm_clock::NetId;

use crate::datagram_path::DatagramPath;
use crate::latency_class::LatencyClass;
use crate::machine::{ConnectionId, DialFailure};
use crate::rng::Rng;
use crate::round_trip::RoundTrip;
use crate::time::Time;
use crate::token_bucket::TokenBucket;

/// Nodes known from the start. Immutable and shared; changing state of a node is kept in the peer
/// table.
#[derive(Clone, Debug, Default)]
pub struct Directory {
    /// Sorted by node, without duplicates.
    known: Vec<KnownNode>,
}

/// An entry of a directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KnownNode {
    /// The node.
    pub node: NetId,
    /// The id of its island.
    pub island_id: Option<NetId>,
    /// Its latency class.
    pub class: LatencyClass,
}

impl Directory {
    /// A directory of these nodes; of several entries with one NetId, the first.
    #[must_use]
    pub fn new(mut known: Vec<KnownNode>) -> Directory {
        known.sort_by_key(|known| known.node);
        known.dedup_by_key(|known| known.node);
        Directory { known }
    }

    /// The entry of a node.
    #[must_use]
    pub fn get(&self, node: NetId) -> Option<&KnownNode> {
        self.known
            .binary_search_by_key(&node, |known| known.node)
            .ok()
            .and_then(|place| self.known.get(place))
    }

    /// Iterates over the entries, sorted by node; `nth` takes constant time.
    pub fn iter(&self) -> std::slice::Iter<'_, KnownNode> {
        self.known.iter()
    }

    /// Whether a node is within these bounds, both inclusive.
    pub(crate) fn any_within(&self, low: NetId, high: NetId) -> bool {
        let first = self.known.partition_point(|known| known.node < low);
        self.known.get(first).is_some_and(|known| known.node <= high)
    }

    /// Number of entries.
    #[must_use]
    pub fn len(&self) -> usize {
        self.known.len()
    }

    /// Whether there are no entries.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.known.is_empty()
    }
}

/// The nonce of a frame that its sender made after this node's start. So are the later frames of
/// that epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PresenceProof {
    pub(crate) epoch: [u8; 8],
    pub(crate) counter: u32,
}

/// Changing state of a node.
#[derive(Clone, Debug)]
pub(crate) struct Peer {
    pub(crate) island_id: Option<NetId>,
    pub(crate) class: Option<LatencyClass>,
    /// Time of its last authentic frame.
    pub(crate) last_contact: Option<Time>,
    /// The same by path: multicast, datagram to this node, connection.
    pub(crate) last_heard: [Option<Time>; 3],
    /// Requests without reply since its last sign of life, as far as the caller reports them.
    pub(crate) unanswered: u32,
    pub(crate) datagrams: DatagramPath,
    /// Round-trip times of datagrams to it.
    pub(crate) round_trip: RoundTrip,
    /// Failures to reach it since it was last reached.
    pub(crate) failures: u32,
    /// Number of refusals by its host since any other failure.
    pub(crate) refusals: u32,
    /// Times of the first and the last of these failures, and how the last one failed.
    pub(crate) failure: Option<(Time, Time, DialFailure)>,
    /// Whether it was reached at its own address: by a dial or a request by datagram.
    pub(crate) reached: bool,
    /// Connections in a row that it closed before it sent a frame.
    pub(crate) closed_before_first_frame: u32,
    /// Time of the last stalled transfer to it; for some time after it, connections to it use small
    /// segments.
    pub(crate) stalled: Option<Time>,
    /// IP address of its last connection or datagram.
    pub(crate) source: Option<IpAddr>,
    /// Earliest time of the next dial to check its address.
    pub(crate) check_at: Time,
    /// Whether it is a seed that was reported as unreachable.
    pub(crate) seed_trouble_reported: bool,
    /// Whether the caller removed it from the known peers: then only a message of its own makes it
    /// known again.
    pub(crate) unlisted: bool,
    /// Earliest time of the next dial.
    pub(crate) backoff_until: Time,
    /// The connection that is used to send to it.
    pub(crate) connection: Option<ConnectionId>,
    /// The frame by which it showed that it is present.
    pub(crate) proof: Option<PresenceProof>,
    /// Whether it is listed as known. False for nodes that this node was only asked to reach.
    pub(crate) contacted: bool,
    /// Rate limit of replies to its datagrams.
    pub(crate) answer_bucket: TokenBucket,
    /// Rate limit of its frames.
    pub(crate) frame_bucket: TokenBucket,
}

impl Peer {
    /// Whether a frame with this nonce shows that the peer is present.
    pub(crate) fn is_shown_by(&self, epoch: [u8; 8], counter: u32) -> bool {
        self.proof.is_some_and(|proof| proof.epoch == epoch && proof.counter <= counter)
    }

    /// Whether connections to the peer should use small segments.
    pub(crate) fn drops_large_packets(&self, now: Time) -> bool {
        self.stalled.is_some_and(|at| now.since(at) < SMALL_SEGMENTS_FOR)
    }
}

/// Time after a stalled transfer in which connections to the peer use small segments; then full
/// ones are tried again.
pub(crate) const SMALL_SEGMENTS_FOR: Duration = Duration::from_secs(600);
/// Refused connections in a row after which nothing listens at the peer.
const REFUSALS: u32 = 3;

/// The table of peers. At its limit, the unconnected peer that was silent longest is removed.
#[derive(Debug)]
pub(crate) struct PeerTable {
    max: usize,
    answers_per_second: u32,
    frames_per_second: u32,
    table: BTreeMap<NetId, Peer>,
}

impl PeerTable {
    pub(crate) const fn new(max: usize, answers_per_second: u32, frames_per_second: u32) -> PeerTable {
        PeerTable { max, answers_per_second, frames_per_second, table: BTreeMap::new() }
    }

    pub(crate) fn get(&self, node: NetId) -> Option<&Peer> {
        self.table.get(&node)
    }

    pub(crate) fn get_mut(&mut self, node: NetId) -> Option<&mut Peer> {
        self.table.get_mut(&node)
    }

    /// Whether a node is within these bounds, both inclusive.
    pub(crate) fn any_within(&self, low: NetId, high: NetId) -> bool {
        self.table.range(low..=high).next().is_some()
    }

    pub(crate) fn len(&self) -> usize {
        self.table.len()
    }

    /// Whether its host refused the last connections, several in a row, without a sign of life
    /// since.
    pub(crate) fn refuses(&self, node: NetId) -> bool {
        self.get(node).is_some_and(|peer| peer.refusals >= REFUSALS)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&NetId, &Peer)> {
        self.table.iter()
    }

    /// The entry of a node, and whether it is new. `known`: its entry in the directory.
    pub(crate) fn entry(&mut self, node: NetId, known: Option<&KnownNode>) -> (&mut Peer, bool) {
        if self.table.len() >= self.max && !self.table.contains_key(&node) {
            // Rare, as the limit exceeds the size of a cluster, so a walk is acceptable.
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
                    round_trip: RoundTrip::default(),
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
                    proof: None,
                    contacted: known.is_some(),
                    answer_bucket: TokenBucket::per_second(self.answers_per_second),
                    frame_bucket: TokenBucket::per_second(self.frames_per_second),
                });
                (peer, known.is_none())
            }
        }
    }

    /// Marks a node as known. Returns its entry, and whether it was unknown.
    pub(crate) fn meet(&mut self, node: NetId, known: Option<&KnownNode>) -> (&mut Peer, bool) {
        let (peer, _) = self.entry(node, known);
        let news = !peer.contacted;
        peer.contacted = true;
        (peer, news)
    }

    /// Records a failure to reach a node, which extends its backoff up to a maximum.
    pub(crate) fn on_failure(
        &mut self,
        node: NetId,
        known: Option<&KnownNode>,
        (now, why): (Time, DialFailure),
        (first, max): (Duration, Duration),
        rng: &mut Rng,
    ) {
        let (peer, _) = self.entry(node, known);
        let pause = first.saturating_mul(1 << peer.failures.min(20)).min(max);
        let since = peer.failure.filter(|_| peer.failures > 0).map_or(now, |(since, ..)| since);
        peer.failures = peer.failures.saturating_add(1);
        peer.refusals = if why == DialFailure::Refused { peer.refusals.saturating_add(1) } else { 0 };
        peer.failure = Some((since, now, why));
        peer.backoff_until = now + pause / 2 + rng.duration_up_to(pause);
    }
}

#[cfg(test)]
mod tests;
