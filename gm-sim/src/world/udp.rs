//! Datagrams: who gets them when, and what happens to them. Knows not what is in them.

use std::net::SocketAddr;
use std::rc::Rc;

use gm_broadcast::{LatencyClass, Machine, Time, Via};
use gm_clock::NetId;

use super::{What, World};
use crate::fault::FaultClass;
use crate::network::{Network, Way, send};
use crate::node::NodeIndex;
use crate::rules::{Effect, Rates};
use crate::watch::{Flow, Seen};

/// A datagram on its way; the copies of a multicast share it.
#[derive(Clone, Debug)]
pub(super) struct Packet {
    pub(super) from: SocketAddr,
    pub(super) via: Via,
    pub(super) bytes: Vec<u8>,
}

impl Packet {
    pub(super) const fn flow(&self) -> Flow {
        match self.via {
            Via::Multicast => Flow::Multicast,
            Via::Unicast => Flow::Datagram,
        }
    }
}

const MILLION: u64 = 1_000_000;

impl<M: Machine> World<M> {
    /// To everybody else of the island: one send, one arrival for each.
    pub(super) fn multicast(&mut self, node: NodeIndex, bytes: Vec<u8>) {
        let place = self.nodes[node.at()].place;
        let way = self.network.island;
        let begin = send(&mut self.nodes[node.at()].busy_until, self.now, &way, bytes.len());
        let first = self.by_island.partition_point(|(island, _)| *island < place.island);
        let end = self.by_island.partition_point(|(island, _)| *island <= place.island);
        let seen = Seen::Sent {
            flow: Flow::Multicast,
            to: None,
            link: None,
            copies: end - first - 1,
            bytes: &bytes,
        };
        self.see(node, &seen);
        let packet = Rc::new(Packet { from: place.id.socket_addr(), via: Via::Multicast, bytes });
        self.outsider.hears(&packet);
        for member in first..end {
            let to = self.by_island[member].1;
            if to != node {
                self.ship(node, to, Rc::clone(&packet), begin, &way);
            }
        }
    }

    /// To one.
    pub(super) fn datagram(&mut self, node: NodeIndex, to: NetId, bytes: Vec<u8>) {
        let from = self.nodes[node.at()].place;
        let to = self.find(to);
        let class = to.map_or(LatencyClass::Lan, |to| Network::class(&from, &self.nodes[to.at()].place));
        let way = *self.network.way(class);
        let begin = send(&mut self.nodes[node.at()].busy_until, self.now, &way, bytes.len());
        self.see(node, &Seen::Sent { flow: Flow::Datagram, to, link: None, copies: 1, bytes: &bytes });
        let packet = Rc::new(Packet { from: from.id.socket_addr(), via: Via::Unicast, bytes });
        self.outsider.hears(&packet);
        match to {
            Some(to) => self.ship(node, to, packet, begin, &way),
            None => self.see(node, &Seen::Lost { flow: Flow::Datagram, length: packet.bytes.len() }),
        }
    }

    /// One copy, through whatever is wrong on its way.
    pub(super) fn ship(
        &mut self,
        from: NodeIndex,
        to: NodeIndex,
        mut packet: Rc<Packet>,
        begin: Time,
        way: &Way,
    ) {
        let length = packet.bytes.len();
        let flow = packet.flow();
        if length > self.network.mtu {
            self.see(to, &Seen::Lost { flow, length });
            return;
        }
        let mut at = begin + way.latency + way.length(length) + self.udp_chance.duration_up_to(way.jitter);
        if !self.rules.is_empty() {
            let (lost, rates) = self.weather(from, to, &packet);
            if let Some(class) = lost {
                self.bite(to, class);
                self.see(to, &Seen::Lost { flow, length });
                return;
            }
            self.spoil(to, &mut packet, &rates);
            if self.happens(rates.reorder) {
                self.bite(to, FaultClass::Reordering);
                at = at + self.udp_chance.duration_up_to(rates.delay);
            }
            if self.happens(rates.duplicate) {
                self.bite(to, FaultClass::Duplication);
                self.see(to, &Seen::Added { flow, length: packet.bytes.len() });
                let again = at + self.udp_chance.duration_up_to(way.latency + rates.delay);
                self.queue.push(again, What::Packet(to, Rc::clone(&packet)));
            }
        }
        self.queue.push(at, What::Packet(to, packet));
    }

    /// Whether a copy is lost and why; and what else can happen to it.
    fn weather(&mut self, from: NodeIndex, to: NodeIndex, packet: &Packet) -> (Option<FaultClass>, Rates) {
        let ends = self.ends(from, to);
        let mut lost = self.rules.blocked(self.now, &ends, false);
        let mut worst = Rates::default();
        self.rules.effects(self.now, &ends, |class, effect| match effect {
            Effect::Mtu(most) if packet.bytes.len() > *most => lost = lost.or(Some(class)),
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
        if lost.is_none() && self.happens(worst.loss) {
            lost = Some(FaultClass::Loss);
        }
        (lost, worst)
    }

    /// Cuts it, or turns one bit.
    fn spoil(&mut self, to: NodeIndex, packet: &mut Rc<Packet>, rates: &Rates) {
        let length = packet.bytes.len();
        if length == 0 {
            return;
        }
        if self.happens(rates.truncate) {
            let left = self.udp_chance.index(length);
            Rc::make_mut(packet).bytes.truncate(left);
            self.bite(to, FaultClass::Truncation);
            self.see(to, &Seen::Lost { flow: packet.flow(), length: length - left });
        }
        let bits = packet.bytes.len() * 8;
        if bits > 0 && self.happens(rates.flip) {
            let bit = self.udp_chance.index(bits);
            Rc::make_mut(packet).bytes[bit / 8] ^= 1 << (bit % 8);
            self.bite(to, FaultClass::BitFlip);
        }
    }

    fn happens(&mut self, parts: u32) -> bool {
        parts > 0 && self.udp_chance.ratio(u64::from(parts), MILLION)
    }
}
