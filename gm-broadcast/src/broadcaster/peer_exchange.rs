//! Peer discovery: dials seeds until the end, and now and then asks a peer for the nodes that it
//! knows.

use std::collections::BTreeMap;

use gm_clock::NetId;
use gm_codec::{Body, PeerExchange, PeerIsland};

use super::Broadcaster;
use super::timeouts::BroadcasterTimer;
use crate::counter::Counter;
use crate::event::{BroadcastEvent, Transport};
use crate::machine::ConnectionId;
use crate::time::Time;

/// Greatest number of nodes in one reply.
const MAX_SHARED: usize = 32;
/// Random nodes that are examined to find one that is far.
const MAX_ASKED: usize = 8;
/// Greatest number of nodes that are learned from one message: more than a correct peer sends.
const MAX_LEARNED: usize = 256;

impl<D> Broadcaster<D> {
    /// Adds seeds, within their limit.
    pub(super) fn add_seeds(&mut self, seeds: Vec<NetId>) {
        for seed in seeds {
            if self.config.seeds.contains(&seed) {
                continue;
            }
            if self.config.seeds.len() >= self.config.limits.seeds {
                self.counters.count(Counter::SeedsDropped);
                continue;
            }
            self.config.seeds.push(seed);
        }
    }

    pub(super) fn on_exchange_timer(&mut self, now: Time) {
        let times = self.config.timings;
        let fresh = |contact: Option<Time>| contact.is_some_and(|at| now.since(at) < times.exchange * 2);
        let mut asked = false;
        for seed in self.config.seeds.clone() {
            let contact = self.peers.get(seed).and_then(|peer| peer.last_contact);
            if seed != self.config.me && !fresh(contact) {
                let body = Body::PeerExchange(self.known_peers(true));
                self.send_by_connection(now, seed, body);
                asked = true;
            }
        }
        // Neighbors announce themselves, so new information comes from far nodes.
        let far = self.sample_known(MAX_ASKED).into_iter().find(|node| !self.reception.is_near(*node));
        if let Some(node) = far.filter(|_| !asked) {
            let body = Body::PeerExchange(self.known_peers(true));
            self.send(now, node, body, Transport::Udp);
        }
        // A node without peers tries more often, and never gives up.
        let is_alone =
            !self.config.seeds.is_empty() && !self.peers.iter().any(|(_, peer)| fresh(peer.last_contact));
        let pause = if is_alone { times.backoff } else { times.exchange };
        self.timers.set(BroadcasterTimer::Exchange, now + pause / 2 + self.jitter_rng.duration_up_to(pause));
    }

    /// A random sample of known nodes by island, with this node's own island.
    fn known_peers(&mut self, wanted: bool) -> PeerExchange {
        let known = self.sample_known(MAX_SHARED);
        self.by_island(known, wanted)
    }

    /// Sends a node a list of nodes.
    pub(super) fn introduce(&mut self, now: Time, to: NetId, mut nodes: Vec<NetId>) {
        let is_known =
            |node: &NetId| self.config.directory.get(*node).is_some() || self.peer_of(*node).is_some();
        nodes.retain(|node| *node != to && *node != self.config.me && is_known(node));
        nodes.sort_unstable();
        nodes.dedup();
        nodes.truncate(MAX_LEARNED);
        if !nodes.is_empty() {
            let body = Body::PeerExchange(self.by_island(nodes, false));
            self.send(now, to, body, Transport::Udp);
        }
    }

    /// Groups nodes by island.
    fn by_island(&self, known: Vec<NetId>, wanted: bool) -> PeerExchange {
        let mut islands: BTreeMap<NetId, Vec<NetId>> = BTreeMap::new();
        let mut others = Vec::new();
        for node in known {
            let known = self.config.directory.get(node);
            let island_id = if self.reception.is_near(node) {
                self.island_id
            } else {
                self.peers.get(node).map_or(known.and_then(|known| known.island_id), |peer| peer.island_id)
            };
            match island_id {
                Some(island_id) if island_id == node => drop(islands.entry(island_id).or_default()),
                Some(island_id) => islands.entry(island_id).or_default().push(node),
                None => others.push(node),
            }
        }
        others.sort_unstable();
        let islands = islands.into_iter().map(|(island_id, mut nodes)| {
            nodes.sort_unstable();
            PeerIsland { id: island_id, nodes }
        });
        PeerExchange { reply_requested: wanted, islands: islands.collect(), without_island: others }
    }

    /// A random sample of known nodes, without duplicates. It walks over the peers met since the
    /// start, but not over the directory, which may be large.
    fn sample_known(&mut self, max: usize) -> Vec<NetId> {
        let (listed, met) = (self.config.directory.len(), self.peers.len());
        let mut places: Vec<usize> =
            (0..max.min(listed + met)).map(|_| self.jitter_rng.index(listed + met)).collect();
        places.sort_unstable();
        places.dedup();
        let (of_directory, of_met) = places.split_at(places.partition_point(|place| *place < listed));
        let directory = of_directory.iter().filter_map(|place| self.config.directory.iter().nth(*place));
        let mut some: Vec<NetId> = directory.map(|known| known.node).collect();
        let (mut peers, mut next) = (self.peers.iter(), listed);
        for place in of_met {
            // Nodes that were only named by others are not passed on: they may be of another
            // cluster.
            some.extend(peers.nth(place - next).filter(|(_, peer)| peer.contacted).map(|(node, _)| *node));
            next = place + 1;
        }
        some.retain(|node| *node != self.config.me);
        // A node of the directory may also be in the table of peers.
        some.sort_unstable();
        some.dedup();
        self.jitter_rng.shuffle(&mut some);
        some
    }

    pub(super) fn on_peers(
        &mut self,
        now: Time,
        (sender, present): (NetId, bool),
        link: Option<ConnectionId>,
        peers: PeerExchange,
    ) {
        let PeerExchange { reply_requested: wanted, mut islands, without_island: mut others } = peers;
        if !present {
            // A recorded message may name nodes that are gone.
            (islands, others) = (Vec::new(), Vec::new());
        }
        let with_island = islands.into_iter().flat_map(|PeerIsland { id: island_id, nodes }| {
            std::iter::once(island_id).chain(nodes).map(move |node| (node, Some(island_id)))
        });
        let learned: Vec<(NetId, Option<NetId>)> =
            with_island.chain(others.into_iter().map(|node| (node, None))).take(MAX_LEARNED).collect();
        for (node, island_id) in learned {
            self.learn(now, node, island_id);
        }
        if !wanted {
            if link.is_none() && present {
                self.on_datagram_answered(sender);
            }
            return;
        }
        let known = self.config.directory.get(sender);
        if !self.peers.entry(sender, known).0.answer_bucket.take(now) {
            return self.counters.count(Counter::RepliesRateLimited);
        }
        let body = Body::PeerExchange(self.known_peers(false));
        // A request by datagram may be a probe of whether datagrams arrive, so the reply goes by
        // datagram in any case.
        if link.is_some() || !self.send_datagram(now, sender, &body) {
            self.send_by_connection(now, sender, body);
        }
    }

    /// A new node was found. New nodes come in groups, so a peer is soon asked for more.
    pub(super) fn on_node_found(&mut self, now: Time, node: NetId) {
        self.emit(BroadcastEvent::NodeFound(node));
        let soon = self.config.timings.reception_report;
        let soon = now + soon + self.jitter_rng.duration_up_to(soon);
        self.timers.set_by(BroadcasterTimer::Exchange, soon);
    }

    /// Adds a node that others named. What a node announces about its own island takes precedence.
    pub(super) fn learn(&mut self, now: Time, node: NetId, island_id: Option<NetId>) {
        let known = self.config.directory.get(node);
        if self.peers.get(node).is_some_and(|peer| peer.unlisted) {
            return;
        }
        let is_news = self.peers.get(node).is_some()
            || known.is_none_or(|known| known.island_id != island_id && island_id.is_some());
        if node == self.config.me || !is_news {
            return;
        }
        let (peer, new) = self.peers.meet(node, known);
        if peer.last_contact.is_none() && island_id.is_some() {
            peer.island_id = island_id;
        }
        if new {
            self.on_node_found(now, node);
        }
    }
}
