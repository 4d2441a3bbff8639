//! The broadcaster's state machine: decrypts frames, delivers each broadcast once, and forwards it.
//!
//! One file for each kind of input and each task: `datagram`, `connection`, `command`, `timeouts`
//! (inputs); `receive` (headers and broadcasts), `direct` (direct messages), `forward` (subtrees),
//! `late_announcements` (to new neighbors), `handover` (relays), `datagram_hop` (subtrees by
//! datagram), `acks` (acknowledgements), `multicast` (keepalives, nacks), `beacons` (last numbers),
//! `reports` (reception), `presence` (challenges), `peer_exchange` (seeds and discovery),
//! `reachability` (what does not work between two nodes), `encode` (headers and frames),
//! `partial_frames` (memory of incomplete frames),
//! `usage` (of limits).

mod acks;
mod beacons;
mod command;
mod connection;
mod datagram;
mod datagram_hop;
mod direct;
mod encode;
mod forward;
mod handover;
mod inbound;
mod late_announcements;
mod multicast;
mod partial_frames;
mod peer_exchange;
mod presence;
mod queries;
mod reachability;
mod receive;
mod reports;
mod timeouts;
mod usage;
mod vouching;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use gm_clock::NetId;
use gm_codec::{Ack, BroadcastId, Epoch, FrameCodec, NonceSequence, ReplayWindow};

use crate::ack_aggregation::{AckAggregation, AckKey};
use crate::config::{BroadcasterConfig, BroadcasterConfigError};
use crate::connections::Connections;
use crate::counter::Counters;
use crate::dedup::Dedup;
use crate::event::{BroadcastCommand, BroadcastEvent};
use crate::handler::Handler;
use crate::heard::{HeardFrame, HeardNodes};
use crate::loss_recovery::LossRecovery;
use crate::machine::{Input, Output, Outputs};
use crate::peers::{Peer, PeerTable};
use crate::reception::ReceptionTable;
use crate::retransmit_cache::RetransmitCache;
use crate::rng::Rng;
use crate::round_trip::SpuriousBackoff;
use crate::time::Time;
use crate::timers::Timers;
use crate::token_bucket::TokenBucket;
use crate::unopened::{Unopened, UnopenedFrames};
use handover::SubtreeHandover;
pub use partial_frames::{PartialFrameUsage, UnauthenticatedUsage};
use receive::AwaitedContent;
use timeouts::BroadcasterTimer;

/// A broadcaster: the part of one node that broadcasts, forwards and delivers.
///
/// Its owner keeps the [`Handler`] of payloads, and lends it for each input. `D` is what that
/// handler delivers. [`BroadcastMachine`](crate::BroadcastMachine) is such an owner, for
/// applications without a machine of their own.
pub struct Broadcaster<D> {
    config: BroadcasterConfig,
    codec: FrameCodec,
    outputs: Outputs<D, BroadcastEvent>,
    /// For epochs, handshakes and challenges.
    secret_rng: Rng,
    /// For the planner.
    plan_rng: Rng,
    /// For delays and choices.
    jitter_rng: Rng,
    nonces: NonceSequence,
    /// The last few epochs of this node before the present one.
    retired_epochs: VecDeque<Epoch>,
    /// Broadcasts that this node started in this epoch.
    sequence: u64,
    /// Multicasts with content that this node sent in this epoch.
    multicast_sequence: u64,
    beacons: beacons::Beacons,
    replay: ReplayWindow,
    dedup: Dedup,
    retransmit_cache: RetransmitCache,
    peers: PeerTable,
    /// Nodes that sent datagrams and have not shown that they are present.
    presence_challenges: presence::PresenceChallenges,
    /// Rate limit of challenges that wait for nothing.
    challenge_bucket: TokenBucket,
    /// The same for all others.
    late_challenge_bucket: TokenBucket,
    challenge_dial_bucket: TokenBucket,
    /// The nodes whose multicast was heard, present or not, and this node.
    heard: HeardNodes,
    reports: reports::Reports,
    /// Whether this node has multicast anything.
    has_multicast: bool,
    reception: ReceptionTable,
    /// The last node of the island that multicast.
    last_speaker: Option<NetId>,
    island_id: Option<NetId>,
    loss_recovery: LossRecovery,
    connections: Connections,
    handovers: BTreeMap<u64, SubtreeHandover>,
    next_handover: u64,
    awaited_content: BTreeMap<BroadcastId, AwaitedContent>,
    /// Handovers that wait for a dial, by node.
    handovers_awaiting_dial: BTreeSet<(NetId, u64)>,
    /// Handovers by datagram that wait for an acknowledgement, by node.
    hops_without_ack: BTreeSet<(NetId, u64)>,
    /// Acknowledgements of such handovers that this node has not sent yet.
    unsent_hop_acks: Vec<(NetId, Ack)>,
    /// Slows retransmissions down while they are needless.
    hop_backoff: SpuriousBackoff,
    ack_aggregations: BTreeMap<AckKey, AckAggregation>,
    /// Broadcasts whose announcements to new neighbors wait for reports of their reception.
    late_announcements: VecDeque<late_announcements::LateAnnouncement>,
    /// The last broadcast whose multicast a neighbor missed.
    last_incomplete_multicast: Option<BroadcastId>,
    timers: Timers<BroadcasterTimer>,
    /// Delay of the last timers: long on an overloaded machine.
    lateness: Duration,
    unopened_bucket: TokenBucket,
    unopened: UnopenedFrames,
    /// Peers to which datagrams were found to be lost since the last reply by datagram of any peer.
    peers_losing_datagrams: u32,
    /// Last time that another node reached this one: by a datagram to it, or by a connection that
    /// it accepted.
    last_reached_us: Option<Time>,
    counters: Counters,
    scratch: Vec<u8>,
}

impl<D> Broadcaster<D> {
    /// A broadcaster that starts now. `seed`: 32 random bytes of the system's generator, used for
    /// nothing else; in a simulation, bytes of the world's generator.
    pub fn new(
        config: BroadcasterConfig,
        codec: FrameCodec,
        seed: [u8; 32],
        now: Time,
    ) -> Result<Broadcaster<D>, BroadcasterConfigError> {
        let config = config.checked()?;
        let mut secrets = Rng::new(seed);
        let (plans, jitter) = (secrets.fork(), secrets.fork());
        let epoch = draw_epoch(&mut secrets);
        let limits = config.limits;
        let mut broadcaster = Broadcaster {
            replay: ReplayWindow::new(codec.limits()),
            codec,
            outputs: Outputs::new(),
            secret_rng: secrets,
            plan_rng: plans,
            jitter_rng: jitter,
            nonces: NonceSequence::new(epoch),
            retired_epochs: VecDeque::new(),
            sequence: 0,
            multicast_sequence: 0,
            beacons: beacons::Beacons::default(),
            dedup: Dedup::new(limits.origins),
            retransmit_cache: RetransmitCache::new(limits.cached_broadcasts, limits.cached_bytes),
            peers: PeerTable::new(limits.peers, limits.answers_per_second, limits.frames_per_second),
            presence_challenges: BTreeMap::new(),
            challenge_bucket: TokenBucket::per_second(presence::PROMPT_CHALLENGES),
            late_challenge_bucket: TokenBucket::per_second(presence::LATE_CHALLENGES),
            challenge_dial_bucket: TokenBucket::per_second(presence::CHALLENGE_DIALS),
            heard: HeardNodes::default(),
            reports: reports::Reports::default(),
            has_multicast: false,
            reception: ReceptionTable::default(),
            last_speaker: None,
            island_id: None,
            loss_recovery: LossRecovery::default(),
            connections: Connections::new(),
            handovers: BTreeMap::new(),
            next_handover: 0,
            awaited_content: BTreeMap::new(),
            handovers_awaiting_dial: BTreeSet::new(),
            hops_without_ack: BTreeSet::new(),
            unsent_hop_acks: Vec::new(),
            hop_backoff: SpuriousBackoff::default(),
            ack_aggregations: BTreeMap::new(),
            late_announcements: VecDeque::new(),
            last_incomplete_multicast: None,
            timers: Timers::default(),
            lateness: Duration::ZERO,
            unopened_bucket: TokenBucket::per_second(limits.unopened_datagrams_per_second),
            unopened: UnopenedFrames::default(),
            peers_losing_datagrams: 0,
            last_reached_us: None,
            counters: Counters::default(),
            scratch: Vec::new(),
            config,
        };
        broadcaster.note_own_epoch();
        if !broadcaster.config.seeds.is_empty() {
            broadcaster.timers.set(BroadcasterTimer::Exchange, now);
        } else {
            let first = broadcaster.jitter_rng.duration_up_to(broadcaster.config.timings.exchange);
            broadcaster.timers.set(BroadcasterTimer::Exchange, now + first);
        }
        if broadcaster.config.multicast {
            // A first multicast makes this node known to its neighbors, so that they can confirm
            // reception before the first content.
            broadcaster.schedule_first_multicast(now);
        }
        broadcaster
            .timers
            .set(BroadcasterTimer::MulticastKeepalive, now + broadcaster.config.timings.multicast_keepalive);
        Ok(broadcaster)
    }

    /// Handles one input, and passes received payloads to `handler`. As for a
    /// [`Machine`](crate::Machine), all outputs of the input before must have been pulled, and
    /// `now` must not be earlier than the last one.
    pub fn handle(
        &mut self,
        now: Time,
        input: Input<BroadcastCommand>,
        handler: &mut dyn Handler<Delivery = D>,
    ) {
        let now = self.outputs.begin(now);
        match input {
            Input::Datagram { from, via, bytes } => self.on_datagram(now, (from, via), bytes, handler),
            Input::ConnectionOpened { link, from } => self.on_connection_opened(now, link, from),
            Input::ConnectionBytes { link, bytes } => self.on_connection_bytes(now, link, bytes, handler),
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

    /// The next output, or `None` if there is none.
    pub fn poll_output(&mut self) -> Option<Output<D, BroadcastEvent>> {
        self.outputs.pull()
    }

    /// Time of the next [`Input::Wake`], unless another input comes before.
    pub fn deadline(&self) -> Option<Time> {
        self.timers.next()
    }

    /// The configuration.
    pub const fn config(&self) -> &BroadcasterConfig {
        &self.config
    }

    /// Totals since the start.
    pub const fn counters(&self) -> &Counters {
        &self.counters
    }

    /// The seeds: those of the configuration and those added later.
    pub fn seeds(&self) -> &[NetId] {
        &self.config.seeds
    }

    /// The neighbors, sorted.
    pub fn near(&self) -> impl ExactSizeIterator<Item = NetId> + '_ {
        self.reception.near()
    }

    /// Whether a node is a neighbor.
    pub fn is_near(&self, node: NetId) -> bool {
        self.reception.is_near(node)
    }

    /// Until when the confirmation of a node that is no neighbor is valid.
    pub(crate) fn early_confirmation(&self, node: NetId) -> Option<Time> {
        self.reception.early_confirmation(node)
    }

    /// Time of a neighbor's last multicast, and until when its confirmation is valid.
    pub(crate) fn neighbor_times(&self, node: NetId) -> Option<(Time, Option<Time>)> {
        self.reception.times_of(node)
    }

    pub(crate) fn peer_of(&self, node: NetId) -> Option<&Peer> {
        self.peers.get(node)
    }

    /// Whether a node's address is of this node's family (IPv4, IPv6), so that datagrams can be
    /// sent to it.
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

    /// Addresses whose frames could not be decrypted in the last five minutes, and the causes.
    pub fn unopened(&self, now: Time) -> Vec<Unopened> {
        self.unopened.list(now)
    }

    /// The id of this island; `None` if this node has no neighbors.
    pub const fn island_id(&self) -> Option<NetId> {
        self.island_id
    }

    fn emit(&mut self, event: BroadcastEvent) {
        self.outputs.push(Output::Event(event));
    }

    /// Starts a new epoch. Earlier broadcasts keep the epoch in which they were started.
    fn renew_epoch(&mut self) {
        self.retired_epochs.push_back(self.nonces.epoch());
        if self.retired_epochs.len() > MAX_RETIRED_EPOCHS {
            self.retired_epochs.pop_front();
        }
        self.nonces = NonceSequence::new(draw_epoch(&mut self.secret_rng));
        self.sequence = 0;
        self.multicast_sequence = 0;
        self.note_own_epoch();
    }

    fn note_own_epoch(&mut self) {
        let epoch = if self.codec.seals() { self.nonces.epoch().bytes() } else { [0; 8] };
        self.heard.note(Time::ZERO, self.config.me, HeardFrame { epoch, counter: 0 });
    }

    fn is_own(&self, epoch: [u8; 8]) -> bool {
        self.nonces.epoch().bytes() == epoch
            || self.retired_epochs.iter().any(|former| former.bytes() == epoch)
    }
}

/// Capacity of the scratch buffer that is kept; the memory of larger payloads is released.
/// It holds a content of 64 KiB with its header.
const SCRATCH_BYTES: usize = 80 << 10;
/// Former epochs that are remembered, to recognize this node's own frames.
const MAX_RETIRED_EPOCHS: usize = 8;

fn draw_epoch(secrets: &mut Rng) -> Epoch {
    loop {
        // Eight zeros are reserved; they are drawn once in 2^64 times.
        if let Ok(epoch) = Epoch::new(secrets.bytes()) {
            return epoch;
        }
    }
}

impl<D> std::fmt::Debug for Broadcaster<D> {
    /// The NetId and the usage of limits.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Broadcaster")
            .field("me", &self.config.me)
            .field("usage", &self.limit_usage())
            .finish_non_exhaustive()
    }
}
