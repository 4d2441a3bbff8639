//! The machine: what comes is opened, handed to the handler once, and passed on. Knows no sockets,
//! no clock and no payload's meaning.
//!
//! One file for each kind of input, and for each thing that it sets in motion: `datagram`, `link`,
//! `command`, `wake`; `receive` (who says what), `message` (the direct ones), `forward` (shares),
//! `attempt` (hops), `gather` (receipts), `hear` (our island, gaps), `acquaint` (who else there
//! is), `evidence` (what does not work between us and others), `frames` (bytes), `arriving` (frames
//! that are not whole yet), `presence` (whether who is heard is there).

mod acks;
mod command;
mod connection;
mod datagram;
mod direct;
mod encode;
mod forward;
mod handover;
mod multicast;
mod partial_frames;
mod peer_exchange;
mod presence;
mod reachability;
mod receive;
mod timeouts;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use gm_clock::NetId;
use gm_codec::{BroadcastId, Epoch, FrameCodec, NonceSequence, ReplayWindow};

use crate::ack_aggregation::{AckAggregation, AckKey};
use crate::config::{BroadcasterConfig, BroadcasterConfigError};
use crate::connections::Connections;
use crate::counter::Counters;
use crate::dedup::Dedup;
use crate::event::BroadcastEvent;
use crate::handler::Handler;
use crate::loss_recovery::LossRecovery;
use crate::machine::{Input, Machine, Output, Outputs};
use crate::peers::{Peer, PeerTable};
use crate::reception::ReceptionTable;
use crate::retransmit_cache::RetransmitCache;
use crate::rng::Rng;
use crate::time::Time;
use crate::timers::{Timer, Timers};
use crate::token_bucket::TokenBucket;
use crate::unopened::{Unopened, UnopenedFrames};
use handover::SubtreeHandover;
pub use partial_frames::{PartialFrameUsage, UnauthenticatedUsage};
use receive::AwaitedContent;

/// One node's broadcaster.
pub struct Broadcaster<H: Handler> {
    config: BroadcasterConfig,
    codec: FrameCodec,
    handler: H,
    outputs: Outputs<H::Delivery, BroadcastEvent>,
    /// For epochs and openings.
    secret_rng: Rng,
    /// For plans.
    plan_rng: Rng,
    /// For waits and picks.
    jitter_rng: Rng,
    nonces: NonceSequence,
    /// Epochs of ours before the present one, the last few.
    retired_epochs: VecDeque<Epoch>,
    /// Broadcasts that we began in this epoch.
    sequence: u64,
    /// Multicasts with content in this epoch.
    multicast_sequence: u64,
    /// How often the last number of them was multicast again.
    beacons_sent: u32,
    replay: ReplayWindow,
    dedup: Dedup,
    retransmit_cache: RetransmitCache,
    peers: PeerTable,
    /// Nodes of which datagrams came, and of which it is not known that they are there.
    presence_challenges: presence::PresenceChallenges,
    reception: ReceptionTable,
    /// Who multicast last.
    last_speaker: Option<NetId>,
    island_id: Option<NetId>,
    loss_recovery: LossRecovery,
    connections: Connections,
    handovers: BTreeMap<u64, SubtreeHandover>,
    next_handover: u64,
    awaited_content: BTreeMap<BroadcastId, AwaitedContent>,
    /// Shares that wait for a node to be reached.
    handovers_awaiting_dial: BTreeSet<(NetId, u64)>,
    ack_aggregations: BTreeMap<AckKey, AckAggregation>,
    /// The last broadcast whose multicast did not reach all.
    last_incomplete_multicast: Option<BroadcastId>,
    timers: Timers,
    unopened_bucket: TokenBucket,
    unopened: UnopenedFrames,
    /// Peers to which datagrams were found to be lost since anybody last answered one.
    peers_losing_datagrams: u32,
    /// When another node last reached us: by a datagram to us, or by a connection that it opened.
    last_reached_us: Option<Time>,
    counters: Counters,
    scratch: Vec<u8>,
}

impl<H: Handler> Broadcaster<H> {
    /// A broadcaster that begins now. `seed`: 32 bytes of the system's generator of secrets, never
    /// used for anything else; in a simulated world, of the world's.
    ///
    /// # Errors
    /// A [`BroadcasterConfigError`].
    pub fn new(
        config: BroadcasterConfig,
        codec: FrameCodec,
        handler: H,
        seed: [u8; 32],
        now: Time,
    ) -> Result<Broadcaster<H>, BroadcasterConfigError> {
        let config = config.checked()?;
        let mut secrets = Rng::new(seed);
        let (plans, jitter) = (secrets.fork(), secrets.fork());
        let epoch = draw_epoch(&mut secrets);
        let bounds = config.limits;
        let mut broadcaster = Broadcaster {
            replay: ReplayWindow::new(codec.limits()),
            codec,
            handler,
            outputs: Outputs::new(),
            secret_rng: secrets,
            plan_rng: plans,
            jitter_rng: jitter,
            nonces: NonceSequence::new(epoch),
            retired_epochs: VecDeque::new(),
            sequence: 0,
            multicast_sequence: 0,
            beacons_sent: 0,
            dedup: Dedup::new(bounds.origins),
            retransmit_cache: RetransmitCache::new(bounds.cached_broadcasts, bounds.cached_bytes),
            peers: PeerTable::new(bounds.peers, bounds.answers_per_second, bounds.frames_per_second),
            presence_challenges: BTreeMap::new(),
            reception: ReceptionTable::default(),
            last_speaker: None,
            island_id: None,
            loss_recovery: LossRecovery::default(),
            connections: Connections::new(),
            handovers: BTreeMap::new(),
            next_handover: 0,
            awaited_content: BTreeMap::new(),
            handovers_awaiting_dial: BTreeSet::new(),
            ack_aggregations: BTreeMap::new(),
            last_incomplete_multicast: None,
            timers: Timers::default(),
            unopened_bucket: TokenBucket::per_second(bounds.unopened_datagrams_per_second),
            unopened: UnopenedFrames::default(),
            peers_losing_datagrams: 0,
            last_reached_us: None,
            counters: Counters::default(),
            scratch: Vec::new(),
            config,
        };
        if !broadcaster.config.seeds.is_empty() {
            broadcaster.timers.set(Timer::Exchange, now);
        } else {
            let first = broadcaster.jitter_rng.duration_up_to(broadcaster.config.timings.exchange);
            broadcaster.timers.set(Timer::Exchange, now + first);
        }
        if broadcaster.config.multicast {
            // The first word of a node makes it heard, so that who hears it can say so before
            // anything matters.
            let soon = broadcaster.jitter_rng.duration_up_to(broadcaster.config.timings.reception_report);
            broadcaster.timers.set(Timer::ReceptionReport, now + soon);
        }
        broadcaster
            .timers
            .set(Timer::MulticastKeepalive, now + broadcaster.config.timings.multicast_keepalive);
        Ok(broadcaster)
    }

    /// The configuration.
    pub const fn config(&self) -> &BroadcasterConfig {
        &self.config
    }

    /// Who understands the payloads.
    pub const fn handler(&self) -> &H {
        &self.handler
    }

    /// Who understands the payloads.
    pub const fn handler_mut(&mut self) -> &mut H {
        &mut self.handler
    }

    /// What was counted.
    pub const fn counters(&self) -> &Counters {
        &self.counters
    }

    /// The nodes that we call for ever: those of the configuration, and those that we were told of
    /// later.
    pub fn seeds(&self) -> &[NetId] {
        &self.config.seeds
    }

    /// The nodes that we hear by multicast, sorted.
    pub fn near(&self) -> impl ExactSizeIterator<Item = NetId> + '_ {
        self.reception.near()
    }

    /// Whether we hear that node by multicast.
    pub fn is_near(&self, node: NetId) -> bool {
        self.reception.is_near(node)
    }

    /// One of the nodes that we know, each about alike, by a number of the caller's chance; never
    /// ourselves.
    pub fn pick(&self, number: u64) -> Option<NetId> {
        let (directory, peers) = (&self.config.directory, &self.peers);
        let count = directory.len() + peers.len();
        let place = usize::try_from((u128::from(number) * count as u128) >> 64).unwrap_or(0);
        let met =
            |(node, peer): (&NetId, &Peer)| (peer.contacted && *node != self.config.me).then_some(*node);
        match directory.iter().nth(place) {
            Some(known) if known.node != self.config.me => Some(known.node),
            Some(_) => directory.iter().nth(place + 1).map(|known| known.node),
            None => {
                let from = place - directory.len();
                // Who was only named is passed over; then the search goes on at the beginning.
                peers.iter().skip(from).find_map(met).or_else(|| peers.iter().find_map(met))
            }
        }
    }

    /// All nodes that were met besides the directory, without ourselves.
    pub(crate) fn known_nodes(&self) -> impl Iterator<Item = NetId> + '_ {
        self.peers.iter().filter(|(_, peer)| peer.contacted).map(|(node, _)| *node)
    }

    /// All nodes that we know, sorted, without ourselves.
    pub fn known(&self) -> Vec<NetId> {
        let mut known: Vec<NetId> = self.config.directory.iter().map(|known| known.node).collect();
        known.extend(self.peers.iter().filter(|(_, peer)| peer.contacted).map(|(node, _)| *node));
        known.sort_unstable();
        known.dedup();
        known.retain(|node| *node != self.config.me);
        known
    }

    /// Until when the word of a node holds that it hears us, though we do not hear it.
    pub(crate) fn early_confirmation(&self, node: NetId) -> Option<Time> {
        self.reception.early_confirmation(node)
    }

    /// When a near node was heard, and until when its word holds that it hears us.
    pub(crate) fn neighbor_times(&self, node: NetId) -> Option<(Time, Option<Time>)> {
        self.reception.times_of(node)
    }

    pub(crate) fn peer_of(&self, node: NetId) -> Option<&Peer> {
        self.peers.get(node)
    }

    /// Whether a node's address is of the family (IPv4, IPv6) of ours, so that our datagrams can
    /// get there.
    pub(crate) fn same_family(&self, node: NetId) -> bool {
        node.ip().is_ipv4() == self.config.me.ip().is_ipv4()
    }

    pub(crate) fn is_connected(&self, node: NetId) -> bool {
        let link = self.peers.get(node).and_then(|peer| peer.connection);
        link.and_then(|link| self.connections.table.get(&link)).is_some_and(|link| link.is_open())
    }

    pub(crate) const fn last_reached_us_at(&self) -> Option<Time> {
        self.last_reached_us
    }

    /// Addresses whose frames do not open, seen in the last five minutes, and why.
    pub fn unopened(&self, now: Time) -> Vec<Unopened> {
        self.unopened.list(now)
    }

    /// The label of our island; none if we are alone.
    pub const fn island_id(&self) -> Option<NetId> {
        self.island_id
    }

    /// How much is held, each part beside its bound, for whoever watches that nothing grows: (what,
    /// how many, at most).
    pub fn limit_usage(&self) -> [(&'static str, usize, usize); 13] {
        let BroadcasterConfig { limits: bounds, .. } = &self.config;
        let waiting = self.connections.table.values().map(|link| link.outbox.len()).max().unwrap_or(0);
        let in_flight = self.connections.table.values().map(|link| link.in_flight).max().unwrap_or(0);
        // A frame that is begun is handed over whole.
        let in_flight_most = bounds.in_flight + self.codec.limits().frame;
        let [unproven, dialled, arriving] = self.frame_limit_usage();
        [
            ("peers", self.peers.len(), bounds.peers),
            ("links", self.connections.table.len(), bounds.connections),
            ("shares", self.handovers.len(), bounds.open_subtrees),
            ("outbox", waiting, bounds.outbox),
            ("in flight", in_flight, in_flight_most),
            ("recent", self.retransmit_cache.len(), bounds.cached_broadcasts),
            ("tallies", self.ack_aggregations.len(), bounds.ack_aggregations),
            ("pending", self.awaited_content.len(), bounds.cached_broadcasts),
            ("absent", self.presence_challenges.len(), presence::MAX_CHALLENGES),
            unproven,
            dialled,
            arriving,
            (
                "alarms",
                self.timers.len(),
                8 + presence::MAX_CHALLENGES
                    + 3 * bounds.connections
                    + 2 * bounds.ack_aggregations
                    + bounds.cached_broadcasts
                    + bounds.open_subtrees,
            ),
        ]
    }

    fn emit(&mut self, event: BroadcastEvent) {
        self.outputs.push(Output::Event(event));
    }

    /// Begins a new epoch: what we began before keeps its own.
    fn renew_epoch(&mut self) {
        self.retired_epochs.push_back(self.nonces.epoch());
        if self.retired_epochs.len() > MAX_RETIRED_EPOCHS {
            self.retired_epochs.pop_front();
        }
        self.nonces = NonceSequence::new(draw_epoch(&mut self.secret_rng));
        self.sequence = 0;
        self.multicast_sequence = 0;
    }

    fn is_own(&self, epoch: [u8; 8]) -> bool {
        self.nonces.epoch().bytes() == epoch
            || self.retired_epochs.iter().any(|former| former.bytes() == epoch)
    }
}

/// Bytes of the scratch buffer that are kept: what a large payload needed is given back.
const SCRATCH_BYTES: usize = 64 << 10;
/// Former epochs by which we know our own frames.
const MAX_RETIRED_EPOCHS: usize = 8;

fn draw_epoch(secrets: &mut Rng) -> Epoch {
    loop {
        // Eight zeros come once in 2^64 times, and are reserved.
        if let Ok(epoch) = Epoch::new(secrets.bytes()) {
            return epoch;
        }
    }
}

impl<H: Handler> Machine for Broadcaster<H> {
    type Command = crate::event::BroadcastCommand;
    type Delivery = H::Delivery;
    type Event = BroadcastEvent;

    fn handle(&mut self, now: Time, input: Input<Self::Command>) {
        let now = self.outputs.begin(now);
        match input {
            Input::Datagram { from, via, bytes } => self.on_datagram(now, from, via, bytes),
            Input::ConnectionOpened { link, from } => self.on_connection_opened(now, link, from),
            Input::ConnectionBytes { link, bytes } => self.on_connection_bytes(now, link, &bytes),
            Input::ConnectionSent { link, bytes } => self.on_connection_sent(now, link, bytes),
            Input::ConnectionClosed { link, stalled } => self.on_connection_closed(now, link, stalled),
            Input::ConnectionRefused { link, refusal } => self.on_connection_refused(now, link, refusal),
            Input::Entropy(seed) => self.on_entropy(seed),
            Input::Command(command) => self.on_command(now, command),
            Input::Wake => {}
        }
        self.fire_timers(now);
        if self.scratch.capacity() > SCRATCH_BYTES {
            self.scratch = Vec::new();
        }
    }

    fn poll_output(&mut self) -> Option<Output<Self::Delivery, BroadcastEvent>> {
        self.outputs.pull()
    }

    fn deadline(&self) -> Option<Time> {
        self.timers.next()
    }
}

impl<H: Handler> std::fmt::Debug for Broadcaster<H> {
    /// Who it is, and how much it holds.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Broadcaster")
            .field("me", &self.config.me)
            .field("held", &self.limit_usage())
            .finish_non_exhaustive()
    }
}
