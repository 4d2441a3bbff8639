//! Subtrees by datagram: one hop from a sender to a relay, with a hop-by-hop acknowledgement.
//!
//! What fits into a datagram goes by one, together with its targets. The relay acknowledges the
//! hop, not the subtree; a hop without an acknowledgement is sent again after a few round trips
//! (see [`RoundTrip`](crate::round_trip::RoundTrip)), and in the end by a connection, which
//! `handover` decides. So a broadcast over cold paths waits for no dial, and a lost packet for no
//! retransmission timeout of TCP.
//!
//! A hop is accepted only from a node that is known to be present: a recorded datagram
//! makes no node forward anything.

use std::collections::{BTreeSet, VecDeque};
use std::time::Duration;

use gm_clock::NetId;
use gm_codec::{Ack, AckStatus, Body, BroadcastId};

use super::Broadcaster;
use super::handover::SubtreeHandover;
use super::timeouts::BroadcasterTimer;
use crate::connections::{OutboundBroadcast, OutboxEntry};
use crate::counter::Counter;
use crate::event::Transport;
use crate::handler::Path;
use crate::latency_class::LatencyClass;
use crate::machine::Output;
use crate::reception::Reception;
use crate::time::Time;

/// A subtree that was sent by datagram, and that its relay has not acknowledged.
#[derive(Clone, Copy, Debug)]
pub(super) struct DatagramHop {
    pub(super) relay: NetId,
    pub(super) tries: u8,
    /// Time of the first try.
    pub(super) sent_at: Time,
    /// Whether it was sent by an open connection, too.
    pub(super) by_connection: bool,
}

/// The action after a hop was not acknowledged in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum HopTimeout {
    /// It is sent again.
    Again,
    /// It is sent again, and the next node of the subtree takes the others: this one may be dead.
    Replace,
    /// Another transport is tried beside it.
    Connect,
    /// It is no longer sent by datagram.
    GiveUp,
}

/// Hops that one node may leave without acknowledgement. Further subtrees for it go by a
/// connection, whose flow control suits a burst, and in whose outbox a newer broadcast replaces an
/// older one.
const MAX_UNACKNOWLEDGED: usize = 16;
/// Time until a hop is acknowledged. It is part of each round trip, and far below the least timeout
/// of a hop.
const ACK_DELAY: Duration = Duration::from_millis(2);
/// Acknowledgements that wait for that time; beyond it, they are sent at once.
pub(super) const MAX_UNSENT_ACKS: usize = 64;
/// Timeout of the first try to a node in this site of which no round trip is known; nodes in
/// another site have as many round trips of their class.
const INITIAL_TIMEOUT: Duration = Duration::from_millis(25);

impl DatagramHop {
    /// The action after a timeout, by the number of tries so far. Where each datagram and each
    /// acknowledgement is lost with a probability of a quarter, one subtree in five is handed to a
    /// second relay, one in 27 needs a connection too, and one in 16,000 needs it because no
    /// datagram arrived.
    pub(super) const fn on_timeout(self) -> HopTimeout {
        match self.tries {
            ..=1 => HopTimeout::Again,
            2 => HopTimeout::Replace,
            4 => HopTimeout::Connect,
            3 | 5 | 6 => HopTimeout::Again,
            _ => HopTimeout::GiveUp,
        }
    }
}

impl<D> Broadcaster<D> {
    /// Whether the broadcast of a handover may go to a node by datagram. Those with acks may not:
    /// their relays report by connections, and are supervised by their reports.
    pub(super) fn takes_hops(&mut self, now: Time, node: NetId, id: u64) -> bool {
        let Some(handover) = self.handovers.get(&id) else { return false };
        let outbound = &handover.outbound;
        // Compressed, twice as much may fit; what is longer is not worth a try.
        let short = outbound.content.payload_bytes <= self.codec.limits().datagram.saturating_mul(2);
        let in_backoff = self.peers.get(node).is_some_and(|peer| peer.backoff_until > now);
        self.config.datagram_hops
            && short
            && self.codec.seals()
            && outbound.ack_request.is_none()
            && !in_backoff
            && waiting_for(&self.hops_without_ack, node).count() < MAX_UNACKNOWLEDGED
            && !self.datagrams_are_lost(now, node)
    }

    /// Sends a subtree by datagram; false if it does not fit into one.
    pub(super) fn send_hop(&mut self, now: Time, relay: NetId, handover: &SubtreeHandover) -> bool {
        self.renew_exhausted_nonces();
        let outbound = &handover.outbound;
        let announcement =
            outbound.content.multicast && self.reception.reception_of(relay, now) != Reception::None;
        let targets: Vec<NetId> = handover.untried.iter().copied().collect();
        let addressed = targets.len() as u64;
        let header = self.broadcast_header(now, Some(relay), outbound.id, targets, None);
        let body = if announcement { &Body::HeaderOnly } else { &outbound.content.body };
        let Some(bytes) = self.seal_datagram(Some(relay), &header, body) else { return false };
        self.counters.count(match announcement {
            true => Counter::AnnouncementFramesSent,
            false => Counter::ContentFramesSent,
        });
        self.counters.add(Counter::FrameTargetsSent, addressed);
        self.outputs.push(Output::Datagram { to: relay, bytes });
        true
    }

    /// Time from a try to the next one. It grows with the tries up to three times, and not
    /// exponentially, since the seventh is the last. The backoff of all hops multiplies it.
    pub(super) fn hop_timeout(&self, hop: DatagramHop, class: LatencyClass) -> Duration {
        let peer = self.peers.get(hop.relay);
        let class = peer.and_then(|peer| peer.class).unwrap_or(class);
        let initial = self.config.path_costs.cost(class).latency.saturating_mul(4) + INITIAL_TIMEOUT;
        let timeout = peer.map_or(initial, |peer| peer.round_trip.timeout(initial));
        let factor = u32::from(hop.tries.saturating_sub(1).clamp(1, 3));
        self.hop_backoff.applied_to(timeout).saturating_mul(factor)
    }

    /// The hops of a broadcast to a node that it has not acknowledged.
    pub(super) fn hops_of(&self, node: NetId, id: BroadcastId) -> Vec<u64> {
        waiting_for(&self.hops_without_ack, node)
            .filter(|hop| self.handovers.get(hop).is_some_and(|handover| handover.outbound.id == id))
            .collect()
    }

    /// Hands the nodes that were not tried yet to the next candidate by datagram, while dials to
    /// others are under way, which then only get the broadcast itself. False if the candidate must
    /// be dialed, too.
    pub(super) fn splits_off_hop(&mut self, now: Time, id: u64, next: NetId) -> bool {
        if !self.takes_hops(now, next, id) {
            return false;
        }
        let Some(handover) = self.handovers.get_mut(&id) else { return false };
        let (outbound, class) = (handover.outbound.clone(), handover.class);
        let nodes = std::iter::once(next).chain(std::mem::take(&mut handover.untried)).collect();
        self.start_handover(now, outbound, class, nodes);
        true
    }

    /// Sends a subtree by datagram; false if it must go by a connection. A subtree whose targets do
    /// not fit is divided.
    pub(super) fn start_hop(&mut self, now: Time, id: u64, relay: NetId) -> bool {
        if !self.takes_hops(now, relay, id) {
            return false;
        }
        let Some(mut handover) = self.handovers.remove(&id) else { return false };
        let mut divided = Vec::new();
        let sent = loop {
            if self.send_hop(now, relay, &handover) {
                break true;
            }
            if handover.untried.is_empty() {
                break false;
            }
            divided.push(handover.untried.split_off(handover.untried.len() / 2));
        };
        let (outbound, class) = (handover.outbound.clone(), handover.class);
        if sent {
            let hop = DatagramHop { relay, tries: 1, sent_at: now, by_connection: false };
            handover.hop = Some(hop);
            self.hops_without_ack.insert((relay, id));
            self.timers.set(BroadcasterTimer::Handover(id), now + self.hop_timeout(hop, class));
        }
        self.handovers.insert(id, handover);
        for nodes in divided {
            self.start_handover(now, outbound.clone(), class, nodes.into());
        }
        sent
    }

    /// A relay did not acknowledge a datagram in time.
    pub(super) fn on_hop_timeout(&mut self, now: Time, id: u64, hop: DatagramHop) {
        let Some(mut handover) = self.handovers.remove(&id) else { return };
        let (outbound, class) = (handover.outbound.clone(), handover.class);
        let then = hop.on_timeout();
        let replaced = match then {
            HopTimeout::Replace => std::mem::take(&mut handover.untried),
            _ => VecDeque::new(),
        };
        let is_dialling = !handover.dialling.is_empty();
        if then == HopTimeout::GiveUp {
            handover.hop = None;
            self.hops_without_ack.remove(&(hop.relay, id));
        } else {
            self.send_hop(now, hop.relay, &handover);
            let again = DatagramHop { tries: hop.tries + 1, ..hop };
            handover.hop = Some(again);
            self.counters.count(Counter::HopsRetransmitted);
            self.timers.set(BroadcasterTimer::Handover(id), now + self.hop_timeout(again, class));
        }
        self.handovers.insert(id, handover);
        if !replaced.is_empty() {
            self.counters.count(Counter::HopsReplaced);
            self.start_handover(now, outbound, class, replaced.into());
        }
        match then {
            HopTimeout::Connect => self.connect_beside_hop(now, id, hop.relay),
            HopTimeout::GiveUp if hop.by_connection => drop(self.close_handover(now, id)),
            HopTimeout::GiveUp if !is_dialling => {
                self.count_missing(id, hop.relay);
                self.advance_handover(now, id);
            }
            HopTimeout::GiveUp | HopTimeout::Again | HopTimeout::Replace => {}
        }
    }

    /// No datagram was acknowledged so far: a connection may work where datagrams do not.
    fn connect_beside_hop(&mut self, now: Time, id: u64, relay: NetId) {
        let link = self.connection_to(now, relay, false);
        let is_open = link.and_then(|link| self.connections.table.get(&link)).map(|link| link.is_open());
        let Some(handover) = self.handovers.get_mut(&id) else { return };
        match (link, is_open) {
            (Some(link), Some(true)) => {
                // Where packets are lost, the next datagram may be faster.
                handover.hop.iter_mut().for_each(|hop| hop.by_connection = true);
                let announcement = handover.outbound.content.multicast
                    && self.reception.reception_of(relay, now) != Reception::None;
                let outbound = OutboundBroadcast { announcement, ..handover.outbound.clone() };
                self.enqueue(now, link, OutboxEntry::Broadcast(outbound));
                self.flush_outbox(now, link);
            }
            (Some(_), Some(false)) => {
                handover.dialling.push(relay);
                self.handovers_awaiting_dial.insert((relay, id));
            }
            _ => return,
        }
        self.on_hops_unacknowledged(now, relay);
    }

    /// A node acknowledged a broadcast that was sent to it by datagram.
    pub(super) fn on_hop_ack(&mut self, now: Time, (sender, path): (NetId, Path), broadcast: BroadcastId) {
        let hops = self.hops_of(sender, broadcast);
        if hops.is_empty() && path == Path::Datagram {
            self.on_second_hop_ack(now);
        }
        for id in hops {
            if let Some(hop) = self.close_handover(now, id).and_then(|handover| handover.hop) {
                self.note_hop_ack(now, hop);
            }
        }
    }

    /// Notes the acknowledgement of a hop. A hop that was sent once shows the round-trip time.
    pub(super) fn note_hop_ack(&mut self, now: Time, hop: DatagramHop) {
        self.on_datagram_answered(hop.relay);
        if hop.tries > 1 {
            return;
        }
        self.hop_backoff.on_clean();
        if let Some(peer) = self.peers.get_mut(hop.relay) {
            peer.round_trip.on_sample(now.since(hop.sent_at));
        }
    }

    /// A node acknowledged a hop once more: it was sent again although it had arrived.
    pub(super) fn on_second_hop_ack(&mut self, now: Time) {
        self.counters.count(Counter::HopsRetransmittedNeedlessly);
        let timeout = self.hop_backoff.applied_to(INITIAL_TIMEOUT);
        self.hop_backoff.on_spurious(now, timeout);
    }

    /// A node has shown that it is present, and it learned the same of this node: what it could not
    /// accept before is sent again at once.
    pub(super) fn repeat_first_hops(&mut self, now: Time, node: NetId) {
        for id in waiting_for(&self.hops_without_ack, node) {
            let hop = self.handovers.get(&id).and_then(|handover| handover.hop);
            if hop.is_some_and(|hop| hop.tries == 1 && hop.sent_at < now) {
                self.timers.set(BroadcasterTimer::Handover(id), now);
            }
        }
    }

    /// Acknowledges a hop soon: after the deliveries and sends of the broadcast itself, which
    /// are more urgent. A request for the content is sent at once.
    pub(super) fn acknowledge_hop(&mut self, now: Time, to: NetId, id: BroadcastId, status: AckStatus) {
        let is_urgent = status == AckStatus::ContentWanted || self.unsent_hop_acks.len() >= MAX_UNSENT_ACKS;
        if is_urgent {
            return self.send(now, to, Body::Ack(Ack { broadcast: id, status }), Transport::Udp);
        }
        self.unsent_hop_acks.push((to, Ack { broadcast: id, status }));
        self.timers.set_if_none(BroadcasterTimer::HopAcks, now + ACK_DELAY);
    }

    /// Replies to the sender of a subtree by the transport by which it came.
    pub(super) fn reply(
        &mut self,
        now: Time,
        (to, by): (NetId, Transport),
        id: BroadcastId,
        status: AckStatus,
    ) {
        match by {
            Transport::Udp => self.acknowledge_hop(now, to, id, status),
            Transport::Tcp => self.send_ack(now, to, id, status),
        }
    }

    /// Sends the acknowledgements of hops.
    pub(super) fn on_hop_acks_timer(&mut self, now: Time) {
        for (to, ack) in std::mem::take(&mut self.unsent_hop_acks) {
            self.send(now, to, Body::Ack(ack), Transport::Udp);
        }
    }
}

/// The handovers that wait for an acknowledgement of a node.
fn waiting_for(hops: &BTreeSet<(NetId, u64)>, node: NetId) -> impl Iterator<Item = u64> {
    hops.range((node, 0)..=(node, u64::MAX)).map(|(_, id)| *id)
}
