//! A network in memory: datagrams, multicast on islands, connections, and virtual time. It keeps
//! the drain rule, and asserts after every input that all usage is within its limits.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use gm_broadcast::{
    BroadcastCommand, BroadcastEvent, BroadcastMachine, BroadcastRequest, BroadcasterConfig, ConnectionId,
    DialFailure, Input, Machine, Output, Time, Via,
};
use gm_clock::NetId;
use gm_codec::{BroadcastId, Channel, FrameCodec};

use crate::station::{Delivered, RecordingHandler, Station, ms, node, sealed};
use crate::tap::{Carrier, Tap, TappedPayload, open};

/// Decides whether a datagram to a station is lost.
pub(crate) type LossFilter = Box<dyn FnMut(&TappedPayload, usize) -> bool>;

pub(crate) struct Net {
    pub(crate) now: Time,
    pub(crate) latency: Duration,
    pub(crate) stations: Vec<Station>,
    /// Every payload on the wire that could be decrypted.
    pub(crate) wire: Vec<TappedPayload>,
    /// Every datagram: sender, receiver unless it was multicast, bytes.
    pub(crate) datagrams: Vec<(usize, Option<usize>, Vec<u8>)>,
    pub(crate) lose: Option<LossFilter>,
    /// Pairs of sender and receiver whose connections are stuck.
    pub(crate) stuck: BTreeSet<(usize, usize)>,
    pub(crate) dials: Vec<(usize, NetId)>,
    /// Whether each byte of a connection arrives in a chunk of its own.
    pub(crate) single_bytes: bool,
    stuck_inputs: Vec<(usize, Input<BroadcastCommand>)>,
    /// Inputs for paused stations.
    paused_inputs: Vec<(usize, Input<BroadcastCommand>)>,
    codec: fn() -> FrameCodec,
    queue: BTreeMap<(Time, u64), (usize, Input<BroadcastCommand>)>,
    numbered: u64,
    /// Both ends of each connection, and a station's end by connection.
    taps: Vec<([(usize, ConnectionId); 2], Tap)>,
    ends: BTreeMap<(usize, ConnectionId), (usize, usize)>,
}

impl Net {
    pub(crate) fn new(codec: fn() -> FrameCodec) -> Net {
        Net {
            now: Time::ZERO,
            latency: ms(1),
            stations: Vec::new(),
            wire: Vec::new(),
            datagrams: Vec::new(),
            lose: None,
            stuck: BTreeSet::new(),
            dials: Vec::new(),
            single_bytes: false,
            stuck_inputs: Vec::new(),
            paused_inputs: Vec::new(),
            codec,
            queue: BTreeMap::new(),
            numbered: 0,
            taps: Vec::new(),
            ends: BTreeMap::new(),
        }
    }

    /// A network of stations on one island, or on none; in the latter case all know each other.
    pub(crate) fn of(count: usize, island: Option<u32>, change: impl Fn(&mut BroadcasterConfig)) -> Net {
        let mut net = Net::new(sealed);
        for _ in 0..count {
            net.add(island, &change);
        }
        if island.is_none() {
            net.introduce();
        }
        net
    }

    pub(crate) fn add(&mut self, island: Option<u32>, change: impl Fn(&mut BroadcasterConfig)) -> usize {
        let codec = (self.codec)();
        self.add_with(codec, island, change)
    }

    pub(crate) fn add_with(
        &mut self,
        codec: FrameCodec,
        island: Option<u32>,
        change: impl Fn(&mut BroadcasterConfig),
    ) -> usize {
        let number = self.stations.len();
        let mut config = BroadcasterConfig::new(node(number));
        config.multicast = island.is_some();
        change(&mut config);
        let inbox = RecordingHandler { counts: true, stored: false, adds: None };
        let seed = [u8::try_from(number + 1).unwrap(); 32];
        let node = BroadcastMachine::new(config, codec, inbox, seed, self.now).unwrap();
        let (got, events) = (Vec::new(), Vec::new());
        self.stations.push(Station { node, island, paused: false, down: false, got, events });
        number
    }

    pub(crate) fn introduce(&mut self) {
        let all: Vec<NetId> = (0..self.stations.len()).map(node).collect();
        for number in 0..self.stations.len() {
            self.command(number, BroadcastCommand::AddNodes(all.clone()));
        }
    }

    pub(crate) fn command(&mut self, number: usize, command: BroadcastCommand) {
        self.feed(number, Input::Command(command));
    }

    /// Starts a broadcast and returns its id.
    pub(crate) fn broadcast(&mut self, number: usize, broadcasting: BroadcastRequest) -> BroadcastId {
        let before = self.stations[number].events.len();
        self.command(number, BroadcastCommand::Broadcast(broadcasting));
        let began = self.stations[number].events[before..].iter().find_map(|event| match event {
            BroadcastEvent::Started { id, .. } => Some(*id),
            _ => None,
        });
        began.unwrap()
    }

    pub(crate) fn run(&mut self, time: Duration) {
        let until = self.now + time;
        while self.step(until) {}
        self.now = until;
    }

    /// Runs the next event; false if it is after `until`.
    pub(crate) fn step(&mut self, until: Time) -> bool {
        let wakes = self.stations.iter().enumerate().filter(|(_, station)| !station.paused && !station.down);
        let wake = wakes.filter_map(|(number, station)| Some((station.node.deadline()?, number))).min();
        let next = self.queue.first_key_value().map(|((at, _), _)| *at);
        let wake = wake.filter(|(at, _)| next.is_none_or(|next| *at < next));
        let at = wake.map(|(at, _)| at).or(next);
        let Some(at) = at.filter(|at| *at <= until) else { return false };
        self.now = self.now.max(at);
        match wake {
            Some((_, number)) => self.feed(number, Input::Wake),
            None => {
                if let Some((_, (number, input))) = self.queue.pop_first() {
                    self.feed(number, input);
                }
            }
        }
        true
    }

    /// Delivers what is stuck.
    pub(crate) fn release(&mut self) {
        self.stuck.clear();
        for (number, input) in std::mem::take(&mut self.stuck_inputs) {
            self.later(self.now, number, input);
        }
    }

    /// Resumes a paused station, which then gets its inputs.
    pub(crate) fn resume(&mut self, number: usize) {
        self.stations[number].paused = false;
        let (own, others) =
            std::mem::take(&mut self.paused_inputs).into_iter().partition(|(of, _)| *of == number);
        self.paused_inputs = others;
        for (number, input) in Vec::<(usize, Input<BroadcastCommand>)>::from_iter(own) {
            self.later(self.now, number, input);
        }
    }

    fn later(&mut self, at: Time, number: usize, input: Input<BroadcastCommand>) {
        self.numbered += 1;
        assert!(self.numbered < 1_000_000, "the run does not end");
        self.queue.insert((at, self.numbered), (number, input));
    }

    pub(crate) fn feed(&mut self, number: usize, input: Input<BroadcastCommand>) {
        let station = &mut self.stations[number];
        if station.paused {
            return self.paused_inputs.push((number, input));
        }
        if station.down {
            return;
        }
        station.node.handle(self.now, input);
        let outputs: Vec<_> = std::iter::from_fn(|| station.node.poll_output()).collect();
        for (what, held, most) in station.node.broadcaster.limit_usage() {
            assert!(held <= most, "{held} {what} exceed the limit of {most}");
        }
        for output in outputs {
            self.perform(number, output);
        }
    }

    fn perform(&mut self, number: usize, output: Output<Delivered, BroadcastEvent>) {
        let soon = self.now + self.latency;
        match output {
            Output::Multicast(bytes) => {
                let island = self.stations[number].island;
                let hears = |at: &usize| self.stations[*at].island == island;
                let receivers: Vec<usize> = (0..self.stations.len()).filter(hears).collect();
                self.datagram(number, None, &receivers, bytes);
            }
            Output::Datagram { to, bytes } => {
                let to = self.number(to);
                self.datagram(number, to, to.as_slice(), bytes);
            }
            Output::Dial { link, to, .. } => self.dial(number, link, to),
            Output::Send { link, bytes } => {
                let Some((tap, side)) = self.ends.get(&(number, link)).copied() else { return };
                let (ends, tap) = &mut self.taps[tap];
                let (to, other) = ends[1 - side];
                for (epoch, payload) in tap.decode(&(self.codec)(), side, &bytes) {
                    let carrier = Carrier::Link;
                    self.wire.push(TappedPayload { from: number, to: Some(to), carrier, epoch, payload });
                }
                let sent = Input::ConnectionSent { link, bytes: bytes.len() };
                let event = if self.single_bytes { 1 } else { bytes.len() };
                let inbound = bytes
                    .chunks(event)
                    .map(|bytes| Input::ConnectionBytes { link: other, bytes: bytes.to_vec() });
                if self.stuck.contains(&(number, to)) {
                    self.stuck_inputs.push((number, sent));
                    self.stuck_inputs.extend(inbound.map(|inbound| (to, inbound)));
                } else {
                    self.later(self.now, number, sent);
                    for inbound in inbound {
                        self.later(soon, to, inbound);
                    }
                }
            }
            Output::Close { link } => {
                let Some((tap, side)) = self.ends.remove(&(number, link)) else { return };
                let (to, link) = self.taps[tap].0[1 - side];
                self.later(soon, to, Input::ConnectionClosed { link, stalled: false });
            }
            Output::Deliver(got) => self.stations[number].got.push(got),
            Output::Event(event) => self.stations[number].events.push(event),
        }
    }

    /// The handshake bytes of a station on a connection.
    pub(crate) fn handshake_of(&self, number: usize, link: ConnectionId) -> Vec<u8> {
        self.ends.get(&(number, link)).map(|(tap, side)| self.taps[*tap].1.handshakes[*side].clone()).unwrap()
    }

    fn number(&self, of: NetId) -> Option<usize> {
        (0..self.stations.len()).find(|number| node(*number) == of)
    }

    fn datagram(&mut self, from: usize, to: Option<usize>, receivers: &[usize], bytes: Vec<u8>) {
        self.datagrams.push((from, to, bytes.clone()));
        let (carrier, via) = match to {
            None => (Carrier::Multicast, Via::Multicast),
            Some(_) => (Carrier::Datagram, Via::Unicast),
        };
        let channel = to.map_or(Channel::Datagram, |to| Channel::DatagramTo(node(to)));
        let opened = open(&(self.codec)(), &channel, bytes.clone());
        let tapped = opened.map(|(epoch, payload)| TappedPayload { from, to, carrier, epoch, payload });
        for receiver in receivers {
            let lost =
                self.lose.as_mut().zip(tapped.as_ref()).is_some_and(|(lose, tapped)| lose(tapped, *receiver));
            if !lost {
                let input = Input::Datagram { from: node(from).into(), via, bytes: bytes.clone() };
                self.later(self.now + self.latency, *receiver, input);
            }
        }
        self.wire.extend(tapped);
    }

    fn dial(&mut self, number: usize, link: ConnectionId, to: NetId) {
        self.dials.push((number, to));
        let refuse = |refusal| Input::ConnectionRefused { link, refusal };
        let there = self.number(to).filter(|to| !self.stations[*to].down);
        let Some(to) = there else {
            return self.later(self.now + self.latency, number, refuse(DialFailure::Refused));
        };
        if self.stations[to].paused {
            return self.later(self.now + Duration::from_secs(1), number, refuse(DialFailure::Unreachable));
        }
        let accepted = ConnectionId::accepted(self.taps.len() as u64);
        for (side, end) in [(number, link), (to, accepted)].into_iter().enumerate() {
            self.ends.insert(end, (self.taps.len(), side));
        }
        self.taps.push(([(number, link), (to, accepted)], Tap::new(&(self.codec)())));
        self.later(
            self.now + self.latency,
            to,
            Input::ConnectionOpened { link: accepted, from: Some(node(number).into()) },
        );
        self.later(self.now + self.latency * 2, number, Input::ConnectionOpened { link, from: None });
    }
}
