//! An outsider on the network without the key: it records traffic, replays it, and sends random
//! bytes and floods.

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

/// Maximum number of datagrams recorded.
const DATAGRAMS: usize = 256;
/// Maximum number of connection directions recorded.
const STREAMS: usize = 64;
/// Maximum number of bytes recorded of each direction.
const STREAM_BYTES: usize = 64 << 10;

/// An attack of the outsider.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Attack {
    /// Starts recording, or stops it and discards all recordings.
    Listen(bool),
    /// Replays a recorded datagram with its original source, to a node's unicast or multicast
    /// socket.
    Replay(NodeIndex, Via),
    /// Dials, and replays the bytes of one end of another connection.
    ReplayStream(NodeIndex),
    /// Sends a datagram of this number of random bytes, with a forged source.
    Garbage(NodeIndex, usize),
    /// Dials, and sends this number of random bytes.
    GarbageStream(NodeIndex, usize),
    /// Sends this number of random datagrams and makes this number of connections with random bytes
    /// at once.
    Flood(NodeIndex, u32, u32),
}

/// The outsider's recordings.
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
            // A random one is replaced, so that old recordings stay too.
            let index = self.rng.index(DATAGRAMS);
            self.datagrams[index] = Rc::clone(packet);
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
    pub(super) fn attack(&mut self, attack: &Attack) {
        match *attack {
            Attack::Listen(is_recording) => {
                self.outsider.is_recording = is_recording;
                if !is_recording {
                    self.outsider.datagrams.clear();
                    self.outsider.streams.clear();
                }
            }
            Attack::Replay(to, via) => {
                let index = self.outsider.rng.index(self.outsider.datagrams.len());
                if let Some(packet) = self.outsider.datagrams.get(index) {
                    let packet = Packet { via, ..Packet::clone(packet) };
                    self.inject_datagram(to, packet, FaultClass::OutsiderReplay);
                }
            }
            Attack::ReplayStream(to) => {
                let index = self.outsider.rng.index(self.outsider.streams.len());
                if let Some(bytes) = self.outsider.streams.values().nth(index).cloned() {
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
        self.inject_datagram(to, Packet { from, via: Via::Unicast, bytes: bytes.into() }, class);
    }

    /// Sends a datagram of the outsider. Faults of paths do not affect it.
    fn inject_datagram(&mut self, to: NodeIndex, packet: Packet, class: FaultClass) {
        if self.machine(to).is_some() {
            self.fault_happened(to, class);
            self.observe(to, &Observation::Added { flow: packet.flow(), length: packet.bytes.len() });
            self.queue.push(self.now + self.network.lan.latency, ScheduledEvent::Packet(to, Rc::new(packet)));
        }
    }

    /// Makes a connection of the outsider: opens, sends, closes, and discards received bytes.
    fn inject_connection(&mut self, to: NodeIndex, bytes: Vec<u8>, class: FaultClass) {
        if self.machine(to).is_none() {
            return;
        }
        self.fault_happened(to, class);
        self.observe(to, &Observation::Added { flow: TrafficKind::Stream, length: bytes.len() });
        let mut dialler = ConnEnd::new(NodeIndex::OUTSIDER, 0, ConnectionId::dialled(0), EndState::Closed);
        dialler.closing = true;
        if !bytes.is_empty() {
            dialler.send_buffer.push_back(bytes.into());
        }
        let key =
            self.conns.add([dialler, ConnEnd::new(to, 0, ConnectionId::accepted(0), EndState::Accepted)]);
        self.queue.push(self.now + self.network.tcp.connect_timeout, ScheduledEvent::DialTimeout(key));
        self.transmit(key, 0, Segment::Syn);
    }
}
