//! Direct messages: handles the broadcaster's own, and passes all others to the handler.

use gm_clock::NetId;
use gm_codec::{Ack, AckStatus, Body, BroadcastId, Payload, Routing};

use super::Broadcaster;
use super::inbound::Inbound;
use crate::connections::{OutboundBroadcast, OutboxEntry};
use crate::counter::Counter;
use crate::event::Transport;
use crate::handler::{Handler, Path, Received};
use crate::latency_class::LatencyClass;
use crate::machine::{ConnectionId, Output};
use crate::time::Time;

/// Greatest number of retransmissions for one nack.
const MAX_RETRANSMISSIONS: usize = crate::loss_recovery::MAX_NUMBERS_PER_NACK;

impl<D> Broadcaster<D> {
    /// `present`: whether the sender has shown that it is present. If not, its statements about
    /// other nodes are ignored.
    pub(super) fn on_direct(
        &mut self,
        now: Time,
        (sender, present): (NetId, bool),
        inbound: &Inbound<'_>,
        body: Body,
        handler: &mut dyn Handler<Delivery = D>,
    ) {
        match body {
            Body::HeaderOnly => {}
            Body::PeerExchange(peers) => self.on_peers(now, (sender, present), inbound.link, peers),
            Body::Ack(Ack { broadcast, status: AckStatus::Accepted }) => {
                self.on_hop_ack(now, (sender, inbound.path), broadcast);
            }
            Body::Ack(_) if !present => self.counters.count(Counter::AcksFromAbsentPeers),
            Body::Ack(Ack { broadcast: about, status: answer }) => match answer {
                AckStatus::Accepted => {}
                AckStatus::Received => {
                    self.on_hop_ack(now, (sender, inbound.path), about);
                    self.reception.confirm(sender, now, self.config.timings.confirmation);
                }
                AckStatus::ContentWanted => {
                    // It may be repeated.
                    self.on_hop_ack(now, (sender, Path::Connection), about);
                    self.on_content_request(now, sender, about);
                }
                AckStatus::Summary(sum) => self.on_ack_summary(now, sender, about, sum),
            },
            Body::Nack(gaps) => {
                let requested = gaps.missed.into_iter().flat_map(|missed| {
                    let numbers = missed.runs.into_iter().flat_map(|(first, last)| first..=last);
                    numbers.map(move |number| (missed.node, missed.epoch, number))
                });
                let requested: Vec<(NetId, [u8; 8], u64)> = requested.take(MAX_RETRANSMISSIONS).collect();
                for (node, epoch, number) in requested {
                    self.retransmit(now, sender, (node, epoch, number), inbound.link.is_some());
                }
            }
            Body::Retransmission(repeat) => self.on_retransmission(now, repeat, handler),
            body => {
                let received = Received { from: sender, broadcast: None, path: inbound.path, body: &body };
                let outcome = handler.handle(now, received);
                if let Some(delivery) = outcome.deliver {
                    self.outputs.push(Output::Deliver(delivery));
                }
            }
        }
    }

    /// Answers a nack.
    fn retransmit(
        &mut self,
        now: Time,
        requester: NetId,
        (node, epoch, number): (NetId, [u8; 8], u64),
        by_link: bool,
    ) {
        let known = self.config.directory.get(requester);
        if !self.peers.entry(requester, known).0.answer_bucket.take(now) {
            return self.counters.count(Counter::RepliesRateLimited);
        }
        let payload = self.retransmit_cache.multicast(node, epoch, number).cloned();
        self.counters.count(match payload {
            Some(_) => Counter::RetransmissionsSent,
            None => Counter::RetransmissionsNotCached,
        });
        let payload = payload.unwrap_or_default();
        let body = Body::Retransmission(gm_codec::Retransmission {
            node,
            epoch,
            multicast_sequence: number,
            payload,
        });
        self.send(now, requester, body, if by_link { Transport::Tcp } else { Transport::Udp });
    }

    /// Handles a retransmission, or the reply that the peer does not have it either.
    fn on_retransmission(
        &mut self,
        now: Time,
        repeat: gm_codec::Retransmission,
        handler: &mut dyn Handler<Delivery = D>,
    ) {
        let gm_codec::Retransmission { node, epoch, multicast_sequence: number, payload } = repeat;
        if payload.is_empty() {
            self.counters.count(Counter::RetransmissionsUnavailable);
            self.loss_recovery.on_unavailable(node, epoch, number, now);
            return self.schedule_loss_recovery();
        }
        let inner = match Payload::decode_shared(&payload, self.codec.limits()) {
            Ok(inner) => inner,
            Err(error) => return self.counters.count_reason(Counter::PayloadsRejected, error.name()),
        };
        let header = &inner.header;
        let matches = header.sender == node
            && header.multicast_sequence == Some(number)
            && header.routing != Routing::Direct;
        if !matches || node == self.config.me || !self.reception.is_near(node) {
            return self.counters.count(Counter::RetransmissionsMismatched);
        }
        self.loss_recovery.on_recovered(node, epoch, number);
        self.retransmit_cache.insert_multicast(node, epoch, number, payload.clone());
        self.counters.count(Counter::GapsFilled);
        let Routing::Broadcast(broadcast) = inner.header.routing else { return };
        // Handled as if the lost datagram had arrived.
        let inbound = Inbound {
            path: Path::Multicast,
            epoch: Some(epoch),
            counter: 0,
            datagram: None,
            link: None,
            bytes: payload.len(),
            source: None,
            present: true,
        };
        self.on_broadcast(now, node, &inbound, broadcast, inner.body, handler);
    }

    pub(super) fn send_ack(&mut self, now: Time, to: NetId, about: BroadcastId, answer: AckStatus) {
        self.send_by_connection(now, to, Body::Ack(Ack { broadcast: about, status: answer }));
    }

    /// A peer received an announcement and not the multicast: it is sent the content, and other
    /// neighbors may need it too.
    fn on_content_request(&mut self, now: Time, sender: NetId, id: BroadcastId) {
        self.on_relay_alive(now, sender, id);
        let Some(content) = self.retransmit_cache.broadcast(&id).cloned() else {
            return self.counters.count(Counter::ContentRequestsExpired);
        };
        self.reception.missed(sender);
        self.counters.count(Counter::ContentRequests);
        let outbound = OutboundBroadcast::new(id, content);
        self.start_handover(now, outbound, LatencyClass::Lan, vec![sender]);
        self.on_incomplete_multicast(now, sender, id);
    }

    /// Sends a direct payload by a connection, which is dialed if there is none.
    pub(super) fn send_by_connection(&mut self, now: Time, to: NetId, body: Body) {
        self.enqueue_to(now, to, OutboxEntry::Direct(body));
    }

    pub(super) fn send(&mut self, now: Time, to: NetId, body: Body, by: Transport) {
        if to == self.config.me {
            return self.counters.count(Counter::DirectToSelf);
        }
        if by == Transport::Tcp || self.datagrams_are_lost(now, to) || !self.send_datagram(now, to, &body) {
            self.send_by_connection(now, to, body);
        }
    }

    /// Appends an entry to the outbox of the connection to a node.
    pub(super) fn enqueue_to(&mut self, now: Time, to: NetId, entry: OutboxEntry) {
        let Some(link) = self.connection_to(now, to, entry.fits_small_segment()) else {
            return match entry {
                OutboxEntry::Broadcast(outbound) => self.on_outbound_lost(now, to, outbound, true),
                OutboxEntry::Direct(_) => self.counters.count(Counter::DirectUnreachable),
            };
        };
        self.enqueue(now, link, entry);
        self.flush_outbox(now, link);
    }

    /// Appends an entry to an outbox, within its limit. A broadcast replaces an older one of its
    /// topic.
    pub(super) fn enqueue(&mut self, now: Time, link: ConnectionId, entry: OutboxEntry) {
        let max = self.config.limits.outbox;
        let Some(link) = self.connections.table.get_mut(&link) else { return };
        if let OutboxEntry::Broadcast(new) = &entry
            && let (Some(topic), None) = (new.topic, new.ack_request)
            && let Some(OutboxEntry::Broadcast(old)) = link.outbox.iter_mut().find(
                |old| matches!(old, OutboxEntry::Broadcast(old) if old.topic == Some(topic) && old.ack_request.is_none() && old.announcement == new.announcement),
            )
        {
            let mut list = std::mem::take(&mut old.targets);
            list.extend_from_slice(&new.targets);
            list.sort_unstable();
            list.dedup();
            let content = new.catch_up.clone().unwrap_or_else(|| new.content.clone());
            *old = OutboundBroadcast { targets: list, content, ..new.clone() };
            return self.counters.count(Counter::OutboxReplaced);
        }
        link.outbox.push_back(entry);
        if link.outbox.len() > max {
            let (node, oldest) = (link.peer, link.outbox.pop_front());
            self.counters.count(Counter::OutboxOverflows);
            if let (Some(node), Some(OutboxEntry::Broadcast(outbound))) = (node, oldest) {
                self.on_outbound_lost(now, node, outbound, true);
            }
        }
    }

    /// The connection to a node, which is dialed if there is none, or none that passes the path;
    /// `None` if there is none and the node is in backoff or the limit of connections is reached.
    /// `small`: the entry passes every path, so no dial delays it while any connection is open.
    pub(super) fn connection_to(&mut self, now: Time, to: NetId, small: bool) -> Option<ConnectionId> {
        let known = self.config.directory.get(to);
        let (peer, _) = self.peers.entry(to, known);
        let (present, in_backoff) = (peer.connection, peer.backoff_until > now);
        let drops_large = peer.drops_large_packets(now);
        let idle = self.config.timings.idle;
        let takes = |link: &ConnectionId| {
            self.connections.table.get(link).is_some_and(|link| link.is_usable(now, idle))
        };
        if small && drops_large {
            let open = self.connections.open_with(to).filter(takes);
            if open.is_some() {
                return open;
            }
        }
        let usable = present.filter(takes);
        let is_good = usable.is_some_and(|link| !self.should_be_replaced(now, to, link));
        if is_good || in_backoff { usable } else { self.dial(now, to).or(usable) }
    }
}
