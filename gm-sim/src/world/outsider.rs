//! Somebody on the network without a key: records what passes, sends it again, sends noise, sends
//! much. Knows no protocol.

use std::collections::{BTreeMap, VecDeque};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::rc::Rc;

use gm_broadcast::{ConnectionId, Machine, Rng, Via};

use super::udp::Packet;
use super::{ScheduledEvent, World};
use crate::conn::{ConnEnd, ConnKey, EndState, Segment};
use crate::fault::FaultClass;
use crate::node::NodeIndex;
use crate::observation::{Observation, TrafficKind};

/// Datagrams that are remembered, at most.
const DATAGRAMS: usize = 256;
/// Directions of connections that are remembered, at most.
const STREAMS: usize = 64;
/// Bytes of each, at most.
const STREAM_BYTES: usize = 64 << 10;

/// What an outsider can do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Attack {
    /// Listens from now on, or no longer, and forgets.
    Listen(bool),
    /// Sends a recorded datagram again, with the source that it had, to a node's own socket or as
    /// if to the group.
    Replay(NodeIndex, Via),
    /// Dials, and sends what one end of another connection sent.
    ReplayStream(NodeIndex),
    /// Sends a datagram of so many random bytes, with a forged source.
    Garbage(NodeIndex, usize),
    /// Dials, and sends so many random bytes.
    GarbageStream(NodeIndex, usize),
    /// Sends so many datagrams and makes so many connections at once, all of noise.
    Flood(NodeIndex, u32, u32),
}

/// What the outsider remembers.
#[derive(Debug)]
pub(super) struct Outsider {
    is_recording: bool,
    datagrams: VecDeque<Rc<Packet>>,
    streams: BTreeMap<(ConnKey, u8), Vec<u8>>,
    rng: Rng,
}

impl Outsider {
    pub(super) const fn new(rng: Rng) -> Outsider {
        Outsider { is_recording: false, datagrams: VecDeque::new(), streams: BTreeMap::new(), rng }
    }

    pub(super) fn record_datagram(&mut self, packet: &Rc<Packet>) {
        if !self.is_recording {
            return;
        }
        if self.datagrams.len() < DATAGRAMS {
            self.datagrams.push_back(Rc::clone(packet));
        } else {
            // Old ones stay too: each has the same chance to go.
            let place = self.rng.index(DATAGRAMS);
            self.datagrams[place] = Rc::clone(packet);
        }
    }

    pub(super) fn record_stream(&mut self, key: ConnKey, side: u8, bytes: &[u8]) {
        if self.is_recording && (self.streams.len() < STREAMS || self.streams.contains_key(&(key, side))) {
            let stream = self.streams.entry((key, side)).or_default();
            let room = STREAM_BYTES.saturating_sub(stream.len()).min(bytes.len());
            stream.extend_from_slice(&bytes[..room]);
        }
    }

    fn noise(&mut self, length: usize) -> Vec<u8> {
        let mut noise = Vec::with_capacity(length + 8);
        while noise.len() < length {
            noise.extend_from_slice(&self.rng.next_u64().to_le_bytes());
        }
        noise.truncate(length);
        noise
    }
}

impl<M: Machine> World<M> {
    pub(super) fn attack(&mut self, trick: &Attack) {
        match *trick {
            Attack::Listen(is_recording) => {
                self.outsider.is_recording = is_recording;
                if !is_recording {
                    self.outsider.datagrams.clear();
                    self.outsider.streams.clear();
                }
            }
            Attack::Replay(to, via) => {
                let place = self.outsider.rng.index(self.outsider.datagrams.len());
                if let Some(packet) = self.outsider.datagrams.get(place) {
                    let packet = Packet { via, ..Packet::clone(packet) };
                    self.inject_datagram(to, packet, FaultClass::OutsiderReplay);
                }
            }
            Attack::ReplayStream(to) => {
                let place = self.outsider.rng.index(self.outsider.streams.len());
                if let Some(bytes) = self.outsider.streams.values().nth(place).cloned() {
                    self.inject_connection(to, bytes, FaultClass::OutsiderReplay);
                }
            }
            Attack::Garbage(to, length) => self.garbage(to, length, FaultClass::OutsiderGarbage),
            Attack::GarbageStream(to, length) => {
                let bytes = self.outsider.noise(length);
                self.inject_connection(to, bytes, FaultClass::OutsiderGarbage);
            }
            Attack::Flood(to, datagrams, links) => {
                for _ in 0..datagrams {
                    let length = self.outsider.rng.index(1_500);
                    self.garbage(to, length, FaultClass::OutsiderFlood);
                }
                for _ in 0..links {
                    let length = self.outsider.rng.index(4_096);
                    let bytes = self.outsider.noise(length);
                    self.inject_connection(to, bytes, FaultClass::OutsiderFlood);
                }
            }
        }
    }

    fn garbage(&mut self, to: NodeIndex, length: usize, class: FaultClass) {
        let [a, b, c, d, e, f] = self.outsider.rng.bytes::<6>();
        let from = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(a, b, c, d)), u16::from_le_bytes([e, f]));
        let bytes = self.outsider.noise(length);
        self.inject_datagram(to, Packet { from, via: Via::Unicast, bytes }, class);
    }

    /// A datagram from nowhere. Whatever is wrong on ways does not concern it.
    fn inject_datagram(&mut self, to: NodeIndex, packet: Packet, class: FaultClass) {
        if self.machine(to).is_some() {
            self.fault_happened(to, class);
            self.observe(to, &Observation::Added { flow: packet.flow(), length: packet.bytes.len() });
            self.queue.push(self.now + self.network.lan.latency, ScheduledEvent::Packet(to, Rc::new(packet)));
        }
    }

    /// A connection from nowhere: opens, sends, closes, and throws away what comes.
    fn inject_connection(&mut self, to: NodeIndex, bytes: Vec<u8>, class: FaultClass) {
        if self.machine(to).is_none() {
            return;
        }
        self.fault_happened(to, class);
        self.observe(to, &Observation::Added { flow: TrafficKind::Stream, length: bytes.len() });
        let mut dialler = ConnEnd::new(NodeIndex::OUTSIDER, 0, ConnectionId::dialled(0), EndState::Closed);
        dialler.closing = true;
        if !bytes.is_empty() {
            dialler.send_buffer.push_back(bytes);
        }
        let key =
            self.conns.add([dialler, ConnEnd::new(to, 0, ConnectionId::accepted(0), EndState::Accepted)]);
        self.queue.push(self.now + self.network.tcp.connect_timeout, ScheduledEvent::DialTimeout(key));
        self.transmit(key, 0, Segment::Syn);
    }
}
