//! The machine: what comes is opened, handed to the handler once, and passed on. Knows no sockets, no clock and no payload's meaning.
//!
//! One file for each kind of input, and for each thing that it sets in motion: `datagram`, `link`, `command`, `wake`; `receive` (who says what),
//! `message` (the direct ones), `forward` (shares), `attempt` (hops), `gather` (receipts), `hear` (our island, gaps), `acquaint` (who else there is), `evidence` (what does not
//! work between us and others), `frames` (bytes), `arriving` (frames that are not whole
//! yet), `presence` (whether who is heard is there).

mod acquaint;
mod arriving;
mod attempt;
mod command;
mod datagram;
mod evidence;
mod forward;
mod frames;
mod gather;
mod hear;
mod link;
mod message;
mod presence;
mod receive;
mod wake;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use gm_clock::NetId;
use gm_codec::{BroadcastId, Epoch, FrameCodec, NonceSequence, ReplayWindow};

use crate::alarm::{Alarms, Timer};
use crate::chance::Chance;
use crate::config::{Config, ConfigError};
use crate::event::{Counters, Event};
use crate::gaps::Gaps;
use crate::handler::Handler;
use crate::hearing::Hearing;
use crate::links::Links;
use crate::machine::{Input, Machine, Output, Outputs};
use crate::peers::{Peer, Peers};
use crate::rate::Rate;
use crate::recent::Recent;
use crate::tally::{Tally, TallyKey};
use crate::time::Time;
use crate::unopened::{Unopened, UnopenedFrames};
use crate::window::Window;
pub use arriving::{Arriving, Unproven};
use attempt::Share;
use receive::Pending;

/// One node's broadcaster.
pub struct Broadcaster<H: Handler> {
    config: Config,
    codec: FrameCodec,
    handler: H,
    out: Outputs<H::Delivery, Event>,
    /// For epochs and openings.
    secrets: Chance,
    /// For plans.
    plans: Chance,
    /// For waits and picks.
    jitter: Chance,
    nonces: NonceSequence,
    /// Epochs of ours before the present one, the last few.
    former: VecDeque<Epoch>,
    /// Broadcasts that we began in this epoch.
    sequence: u64,
    /// Multicasts with content in this epoch.
    multicasts: u64,
    /// How often the last number of them was multicast again.
    echoes: u32,
    replay: ReplayWindow,
    window: Window,
    recent: Recent,
    peers: Peers,
    /// Nodes of which datagrams came, and of which it is not known that they are there.
    absent: presence::Absent,
    hearing: Hearing,
    /// Who multicast last.
    spoke: Option<NetId>,
    label: Option<NetId>,
    gaps: Gaps,
    links: Links,
    shares: BTreeMap<u64, Share>,
    next_share: u64,
    pending: BTreeMap<BroadcastId, Pending>,
    /// Shares that wait for a node to be reached.
    waiting: BTreeSet<(NetId, u64)>,
    tallies: BTreeMap<TallyKey, Tally>,
    /// The last broadcast whose multicast did not reach all.
    doubted: Option<BroadcastId>,
    alarms: Alarms,
    strange: Rate,
    unopened: UnopenedFrames,
    /// Peers to which datagrams were found to be lost since anybody last answered one.
    losing: u32,
    /// When another node last reached us: by a datagram to us, or by a connection that it opened.
    reached: Option<Time>,
    counters: Counters,
    scratch: Vec<u8>,
}

impl<H: Handler> Broadcaster<H> {
    /// A broadcaster that begins now. `seed`: 32 bytes of the system's generator of secrets, never used for anything else; in a simulated
    /// world, of the world's.
    ///
    /// # Errors
    /// A [`ConfigError`].
    pub fn new(
        config: Config,
        codec: FrameCodec,
        handler: H,
        seed: [u8; 32],
        now: Time,
    ) -> Result<Broadcaster<H>, ConfigError> {
        let config = config.checked()?;
        let mut secrets = Chance::new(seed);
        let (plans, jitter) = (secrets.fork(), secrets.fork());
        let epoch = draw_epoch(&mut secrets);
        let bounds = config.bounds;
        let mut broadcaster = Broadcaster {
            replay: ReplayWindow::new(codec.limits()),
            codec,
            handler,
            out: Outputs::new(),
            secrets,
            plans,
            jitter,
            nonces: NonceSequence::new(epoch),
            former: VecDeque::new(),
            sequence: 0,
            multicasts: 0,
            echoes: 0,
            window: Window::new(bounds.origins),
            recent: Recent::new(bounds.recent, bounds.recent_bytes),
            peers: Peers::new(bounds.peers, bounds.answers_per_second, bounds.frames_per_second),
            absent: BTreeMap::new(),
            hearing: Hearing::default(),
            spoke: None,
            label: None,
            gaps: Gaps::default(),
            links: Links::new(),
            shares: BTreeMap::new(),
            next_share: 0,
            pending: BTreeMap::new(),
            waiting: BTreeSet::new(),
            tallies: BTreeMap::new(),
            doubted: None,
            alarms: Alarms::default(),
            strange: Rate::per_second(bounds.strange_datagrams_per_second),
            unopened: UnopenedFrames::default(),
            losing: 0,
            reached: None,
            counters: Counters::default(),
            scratch: Vec::new(),
            config,
        };
        if !broadcaster.config.seeds.is_empty() {
            broadcaster.alarms.set(Timer::Exchange, now);
        } else {
            let first = broadcaster.jitter.within(broadcaster.config.times.exchange);
            broadcaster.alarms.set(Timer::Exchange, now + first);
        }
        if broadcaster.config.multicast {
            // The first word of a node makes it heard, so that who hears it can say so before anything matters.
            let soon = broadcaster.jitter.within(broadcaster.config.times.announce);
            broadcaster.alarms.set(Timer::Announce, now + soon);
        }
        broadcaster.alarms.set(Timer::Quiet, now + broadcaster.config.times.quiet);
        Ok(broadcaster)
    }

    /// The configuration.
    pub const fn config(&self) -> &Config {
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

    /// The nodes that we call for ever: those of the configuration, and those that we were told of later.
    pub fn seeds(&self) -> &[NetId] {
        &self.config.seeds
    }

    /// The nodes that we hear by multicast, sorted.
    pub fn near(&self) -> impl ExactSizeIterator<Item = NetId> + '_ {
        self.hearing.near()
    }

    /// Whether we hear that node by multicast.
    pub fn is_near(&self, node: NetId) -> bool {
        self.hearing.is_near(node)
    }

    /// One of the nodes that we know, each about alike, by a number of the caller's chance; never ourselves.
    pub fn pick(&self, number: u64) -> Option<NetId> {
        let (directory, peers) = (&self.config.directory, &self.peers);
        let count = directory.len() + peers.len();
        let place = usize::try_from((u128::from(number) * count as u128) >> 64).unwrap_or(0);
        let met = |(node, peer): (&NetId, &Peer)| (peer.met && *node != self.config.me).then_some(*node);
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
        self.peers.iter().filter(|(_, peer)| peer.met).map(|(node, _)| *node)
    }

    /// All nodes that we know, sorted, without ourselves.
    pub fn known(&self) -> Vec<NetId> {
        let mut known: Vec<NetId> = self.config.directory.iter().map(|known| known.node).collect();
        known.extend(self.peers.iter().filter(|(_, peer)| peer.met).map(|(node, _)| *node));
        known.sort_unstable();
        known.dedup();
        known.retain(|node| *node != self.config.me);
        known
    }

    /// Until when the word of a node holds that it hears us, though we do not hear it.
    pub(crate) fn hears_us_unheard(&self, node: NetId) -> Option<Time> {
        self.hearing.early(node)
    }

    /// When a near node was heard, and until when its word holds that it hears us.
    pub(crate) fn hearing_of(&self, node: NetId) -> Option<(Time, Option<Time>)> {
        self.hearing.of(node)
    }

    pub(crate) fn peer_of(&self, node: NetId) -> Option<&Peer> {
        self.peers.get(node)
    }

    /// Whether a node's address is of the family (IPv4, IPv6) of ours, so that our datagrams can get there.
    pub(crate) fn same_family(&self, node: NetId) -> bool {
        node.ip().is_ipv4() == self.config.me.ip().is_ipv4()
    }

    pub(crate) fn is_connected(&self, node: NetId) -> bool {
        let link = self.peers.get(node).and_then(|peer| peer.link);
        link.and_then(|link| self.links.table.get(&link)).is_some_and(|link| link.is_open())
    }

    pub(crate) const fn reached_at(&self) -> Option<Time> {
        self.reached
    }

    /// Addresses whose frames do not open, seen in the last five minutes, and why.
    pub fn unopened(&self, now: Time) -> Vec<Unopened> {
        self.unopened.list(now)
    }

    /// The label of our island; none if we are alone.
    pub const fn island(&self) -> Option<NetId> {
        self.label
    }

    /// How much is held, each part beside its bound, for whoever watches that nothing grows: (what, how many, at most).
    pub fn held(&self) -> [(&'static str, usize, usize); 13] {
        let Config { bounds, .. } = &self.config;
        let waiting = self.links.table.values().map(|link| link.outbox.len()).max().unwrap_or(0);
        let in_flight = self.links.table.values().map(|link| link.in_flight).max().unwrap_or(0);
        // A frame that is begun is handed over whole.
        let in_flight_most = bounds.in_flight + self.codec.limits().frame;
        let [unproven, dialled, arriving] = self.held_of_frames();
        [
            ("peers", self.peers.len(), bounds.peers),
            ("links", self.links.table.len(), bounds.links),
            ("shares", self.shares.len(), bounds.shares),
            ("outbox", waiting, bounds.outbox),
            ("in flight", in_flight, in_flight_most),
            ("recent", self.recent.len(), bounds.recent),
            ("tallies", self.tallies.len(), bounds.tallies),
            ("pending", self.pending.len(), bounds.recent),
            ("absent", self.absent.len(), presence::MOST),
            unproven,
            dialled,
            arriving,
            (
                "alarms",
                self.alarms.len(),
                8 + presence::MOST + 3 * bounds.links + 2 * bounds.tallies + bounds.recent + bounds.shares,
            ),
        ]
    }

    fn emit(&mut self, event: Event) {
        self.out.push(Output::Event(event));
    }

    /// Begins a new epoch: what we began before keeps its own.
    fn renew_epoch(&mut self) {
        self.former.push_back(self.nonces.epoch());
        if self.former.len() > FORMER {
            self.former.pop_front();
        }
        self.nonces = NonceSequence::new(draw_epoch(&mut self.secrets));
        self.sequence = 0;
        self.multicasts = 0;
    }

    fn is_own(&self, epoch: [u8; 8]) -> bool {
        self.nonces.epoch().bytes() == epoch || self.former.iter().any(|former| former.bytes() == epoch)
    }
}

/// Bytes of the scratch buffer that are kept: what a large payload needed is given back.
const SCRATCH: usize = 64 << 10;
/// Former epochs by which we know our own frames.
const FORMER: usize = 8;

fn draw_epoch(secrets: &mut Chance) -> Epoch {
    loop {
        // Eight zeros come once in 2^64 times, and are reserved.
        if let Ok(epoch) = Epoch::new(secrets.bytes()) {
            return epoch;
        }
    }
}

impl<H: Handler> Machine for Broadcaster<H> {
    type Command = crate::event::Command;
    type Delivery = H::Delivery;
    type Event = Event;

    fn handle(&mut self, now: Time, input: Input<Self::Command>) {
        let now = self.out.begin(now);
        match input {
            Input::Datagram { from, via, bytes } => self.on_datagram(now, from, via, bytes),
            Input::LinkOpened { link, from } => self.on_link_opened(now, link, from),
            Input::LinkBytes { link, bytes } => self.on_link_bytes(now, link, &bytes),
            Input::LinkSent { link, bytes } => self.on_link_sent(now, link, bytes),
            Input::LinkClosed { link, stalled } => self.on_link_closed(now, link, stalled),
            Input::LinkRefused { link, refusal } => self.on_link_refused(now, link, refusal),
            Input::Chance(seed) => self.on_chance(seed),
            Input::Command(command) => self.on_command(now, command),
            Input::Wake => {}
        }
        self.wake(now);
        if self.scratch.capacity() > SCRATCH {
            self.scratch = Vec::new();
        }
    }

    fn poll_output(&mut self) -> Option<Output<Self::Delivery, Event>> {
        self.out.pull()
    }

    fn deadline(&self) -> Option<Time> {
        self.alarms.next()
    }
}

impl<H: Handler> std::fmt::Debug for Broadcaster<H> {
    /// Who it is, and how much it holds.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Broadcaster")
            .field("me", &self.config.me)
            .field("held", &self.held())
            .finish_non_exhaustive()
    }
}
