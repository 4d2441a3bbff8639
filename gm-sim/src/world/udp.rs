//! Datagrams: their receivers and arrival times, and the faults that affect them.

use std::net::SocketAddr;
use std::rc::Rc;

use bytes::{Bytes, BytesMut};
use gm_broadcast::{LatencyClass, Machine, Time, Via};
use gm_clock::NetId;

use super::{ScheduledEvent, World};
use crate::active_faults::{Effect, Rates};
use crate::fault::FaultClass;
use crate::network::{Network, PathProfile, schedule_send};
use crate::node::NodeIndex;
use crate::observation::{Observation, TrafficKind};

/// A datagram in flight; the copies of a multicast share it.
#[derive(Clone, Debug)]
pub(super) struct Packet {
    pub(super) from: SocketAddr,
    pub(super) via: Via,
    pub(super) bytes: Bytes,
}

impl Packet {
    pub(super) const fn flow(&self) -> TrafficKind {
        match self.via {
            Via::Multicast => TrafficKind::Multicast,
            Via::Unicast => TrafficKind::Datagram,
        }
    }
}

/// A copy of a datagram, about to be sent to one receiver.
#[derive(Clone, Copy, Debug)]
pub struct DatagramCopy<'a> {
    /// Sender.
    pub from: NodeIndex,
    /// Receiver; a multicast has a copy for each.
    pub to: NodeIndex,
    /// Socket to which it is sent.
    pub via: Via,
    /// The bytes, sealed.
    pub bytes: &'a [u8],
}

/// Decides whether a copy of a datagram is lost.
pub type DatagramFilter = Box<dyn FnMut(DatagramCopy<'_>) -> bool>;

const MILLION: u64 = 1_000_000;

impl<M: Machine> World<M> {
    /// Loses from now on every copy of a datagram for which the filter returns true, in addition to
    /// those that active faults lose; `None` ends this. [`World::heal`] does not end it.
    pub fn set_datagram_filter(&mut self, filter: Option<DatagramFilter>) {
        self.datagram_filter = filter;
    }

    /// Multicasts to all other nodes of the island, and to the node itself if multicasts are looped
    /// back: one send, one arrival for each.
    pub(super) fn multicast(&mut self, node: NodeIndex, bytes: Bytes) {
        let location = self.nodes[node.index()].location;
        let path = self.network.island;
        let begin = schedule_send(&mut self.nodes[node.index()].busy_until, self.now, &path, bytes.len());
        let first = self.by_island.partition_point(|(island, _)| *island < location.island);
        let end = self.by_island.partition_point(|(island, _)| *island <= location.island);
        let loops = self.network.multicast_loops;
        let seen = Observation::Sent {
            flow: TrafficKind::Multicast,
            to: None,
            link: None,
            copies: end - first - usize::from(!loops),
            bytes: &bytes,
        };
        self.observe(node, &seen);
        let packet = Rc::new(Packet { from: location.id.socket_addr(), via: Via::Multicast, bytes });
        self.outsider.record_datagram(&packet);
        for member in first..end {
            let to = self.by_island[member].1;
            if to != node || loops {
                self.send_copy(node, to, Rc::clone(&packet), begin, &path);
            }
        }
    }

    /// Sends to one node.
    pub(super) fn datagram(&mut self, node: NodeIndex, to: NetId, bytes: Bytes) {
        let from = self.nodes[node.index()].location;
        let to = self.find(to);
        let class =
            to.map_or(LatencyClass::Lan, |to| Network::class(&from, &self.nodes[to.index()].location));
        let path = *self.network.path(class);
        let begin = schedule_send(&mut self.nodes[node.index()].busy_until, self.now, &path, bytes.len());
        self.observe(
            node,
            &Observation::Sent { flow: TrafficKind::Datagram, to, link: None, copies: 1, bytes: &bytes },
        );
        let packet = Rc::new(Packet { from: from.id.socket_addr(), via: Via::Unicast, bytes });
        self.outsider.record_datagram(&packet);
        match to {
            Some(to) => self.send_copy(node, to, packet, begin, &path),
            None => self.observe(
                node,
                &Observation::Lost { flow: TrafficKind::Datagram, length: packet.bytes.len() },
            ),
        }
    }

    /// Sends one copy, subject to the faults of its path.
    pub(super) fn send_copy(
        &mut self,
        from: NodeIndex,
        to: NodeIndex,
        mut packet: Rc<Packet>,
        begin: Time,
        path: &PathProfile,
    ) {
        let length = packet.bytes.len();
        let flow = packet.flow();
        if length > self.network.mtu {
            self.observe(to, &Observation::Lost { flow, length });
            return;
        }
        let copy = DatagramCopy { from, to, via: packet.via, bytes: &packet.bytes };
        if self.datagram_filter.as_mut().is_some_and(|is_lost| is_lost(copy)) {
            self.fault_happened(to, FaultClass::Loss);
            self.observe(to, &Observation::Lost { flow, length });
            return;
        }
        let mut at =
            begin + path.latency + path.transmission_time(length) + self.udp_rng.duration_up_to(path.jitter);
        if !self.active_faults.is_empty() {
            let (lost, rates) = self.path_faults(from, to, &packet);
            if let Some(class) = lost {
                self.fault_happened(to, class);
                self.observe(to, &Observation::Lost { flow, length });
                return;
            }
            self.corrupt(to, &mut packet, &rates);
            if self.happens_ppm(rates.reorder) {
                self.fault_happened(to, FaultClass::Reordering);
                at = at + self.udp_rng.duration_up_to(rates.delay);
            }
            if self.happens_ppm(rates.duplicate) {
                self.fault_happened(to, FaultClass::Duplication);
                self.observe(to, &Observation::Added { flow, length: packet.bytes.len() });
                let again = at + self.udp_rng.duration_up_to(path.latency + rates.delay);
                self.queue.push(again, ScheduledEvent::Packet(to, Rc::clone(&packet)));
            }
        }
        self.queue.push(at, ScheduledEvent::Packet(to, packet));
    }

    /// The fault that loses a copy, if there is one, and the rates of the other faults.
    fn path_faults(
        &mut self,
        from: NodeIndex,
        to: NodeIndex,
        packet: &Packet,
    ) -> (Option<FaultClass>, Rates) {
        let ends = self.path_ends(from, to);
        let mut lost = self.active_faults.blocks_datagram(self.now, &ends);
        let mut worst = Rates::default();
        self.active_faults.effects(self.now, &ends, |class, effect| match effect {
            Effect::Mtu(limit) | Effect::MtuBlackHole(limit) if packet.bytes.len() > *limit => {
                lost = lost.or(Some(class))
            }
            Effect::UdpBlocked => lost = lost.or(Some(class)),
            Effect::MulticastBlocked if packet.via == Via::Multicast => lost = lost.or(Some(class)),
            Effect::Udp(rates) => {
                worst = Rates {
                    loss: worst.loss.max(rates.loss),
                    duplicate: worst.duplicate.max(rates.duplicate),
                    reorder: worst.reorder.max(rates.reorder),
                    truncate: worst.truncate.max(rates.truncate),
                    flip: worst.flip.max(rates.flip),
                    delay: worst.delay.max(rates.delay),
                };
            }
            _ => {}
        });
        if lost.is_none() && self.happens_ppm(worst.loss) {
            lost = Some(FaultClass::Loss);
        }
        (lost, worst)
    }

    /// Truncates a datagram, or flips one bit.
    fn corrupt(&mut self, to: NodeIndex, packet: &mut Rc<Packet>, rates: &Rates) {
        let length = packet.bytes.len();
        if length == 0 {
            return;
        }
        if self.happens_ppm(rates.truncate) {
            let left = self.udp_rng.index(length);
            Rc::make_mut(packet).bytes.truncate(left);
            self.fault_happened(to, FaultClass::Truncation);
            self.observe(to, &Observation::Lost { flow: packet.flow(), length: length - left });
        }
        let bits = packet.bytes.len() * 8;
        if bits > 0 && self.happens_ppm(rates.flip) {
            let bit = self.udp_rng.index(bits);
            let packet = Rc::make_mut(packet);
            let mut bytes = BytesMut::from(std::mem::take(&mut packet.bytes));
            bytes[bit / 8] ^= 1 << (bit % 8);
            packet.bytes = bytes.freeze();
            self.fault_happened(to, FaultClass::BitFlip);
        }
    }

    fn happens_ppm(&mut self, parts: u32) -> bool {
        parts > 0 && self.udp_rng.ratio(u64::from(parts), MILLION)
    }
}
