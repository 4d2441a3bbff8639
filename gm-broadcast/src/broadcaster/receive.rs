//! Decoded payloads: evaluates the header of any payload, and delivers each broadcast once and
//! accepts its subtree.

use std::collections::BTreeSet;
use std::sync::Arc;

use bytes::Bytes;
use gm_clock::NetId;
use gm_codec::{AckStatus, Body, BroadcastHeader, BroadcastId, Header, Payload, Routing};

use super::Broadcaster;
use super::inbound::Inbound;
use super::timeouts::BroadcasterTimer;
use crate::connections::RelayAckRequest;
use crate::counter::Counter;
use crate::dedup::DedupStatus;
use crate::event::{BroadcastEvent, Transport};
use crate::handler::{Handler, Path, Received};
use crate::heard::HeardFrame;
use crate::loss_recovery::NackPolicy;
use crate::machine::Output;
use crate::retransmit_cache::Content;
use crate::time::Time;

/// A broadcast that is about to be delivered.
struct InboundBroadcast {
    id: BroadcastId,
    sender: NetId,
    path: Path,
    /// Whether the sender may ask this node to pass it on.
    is_request: bool,
    bytes: usize,
    /// It is a retransmission, because this node missed the multicast.
    retransmitted: bool,
}

/// A subtree that this node should forward.
#[derive(Clone, Debug)]
pub(super) struct RelayTask {
    pub(super) from: NetId,
    /// The transport by which it came, and by which it is acknowledged.
    pub(super) by: Transport,
    pub(super) targets: Vec<NetId>,
    pub(super) ack_request: Option<RelayAckRequest>,
}

/// An announced broadcast whose content has not arrived.
#[derive(Debug)]
pub(super) struct AwaitedContent {
    pub(super) relay_tasks: Vec<RelayTask>,
    /// Number of requests for it.
    pub(super) tries: u32,
}

/// Greatest number of subtrees that wait for one content.
const MAX_RELAY_TASKS: usize = 4;

impl<D> Broadcaster<D> {
    pub(super) fn receive(
        &mut self,
        now: Time,
        mut inbound: Inbound<'_>,
        payload: Payload,
        handler: &mut dyn Handler<Delivery = D>,
    ) {
        let Payload { header, body } = payload;
        let known = self.config.directory.get(header.sender);
        if !self.peers.entry(header.sender, known).0.frame_bucket.take(now) {
            self.counters.count(match inbound.link {
                Some(_) => Counter::ConnectionsRateLimited,
                None => Counter::DatagramsRateLimited,
            });
            if let Some(link) = inbound.link {
                self.lose_connection(now, link);
            }
            return;
        }
        let present = self.is_present(now, &inbound, (&header, matches!(body, Body::Ack(_))));
        inbound.present = present;
        if present {
            self.note_sender(now, &inbound, &header);
            self.note_vouchers(now, &inbound, &header);
            self.note_repeated_numbers(now, &inbound, &header);
        }
        self.answer_presence_challenge(now, &inbound, &header);
        let Header { sender, routing: kind, multicast_sequence: multicast, .. } = header;
        match kind {
            Routing::Direct => self.on_direct(now, (sender, present), &inbound, body, handler),
            Routing::Broadcast(broadcast) => {
                if let (Path::Multicast, Some(datagram), Some(epoch), Some(number)) =
                    (inbound.path, inbound.datagram, inbound.epoch, multicast)
                {
                    let payload = datagram.kept_payload();
                    self.retransmit_cache.insert_multicast(sender, epoch, number, payload);
                    self.note_recent_number(now, epoch, number);
                }
                self.on_broadcast(now, sender, &inbound, broadcast, body, handler);
            }
        }
    }

    /// Evaluates what a header shows about its sender, whatever the payload.
    pub(super) fn note_sender(&mut self, now: Time, inbound: &Inbound<'_>, header: &Header) {
        let (sender, me) = (header.sender, self.config.me);
        if let Some(ip) = inbound.source {
            self.unopened.opened(ip);
        }
        if inbound.path == Path::Datagram {
            self.last_reached_us = Some(now);
        }
        let (peer, new) = self.peers.meet(sender, self.config.directory.get(sender));
        peer.last_contact = Some(now);
        peer.last_heard[inbound.path as usize] = Some(now);
        (peer.unanswered, peer.closed_before_first_frame, peer.unlisted) = (0, 0, false);
        peer.source = inbound.source.or(peer.source);
        let seed_is_reached = std::mem::take(&mut peer.seed_trouble_reported);
        let suspicious = inbound.path == Path::Connection && peer.datagrams.heard_by_connection();
        if header.island.is_some() {
            peer.island_id = header.island;
        }
        // The node is alive: whatever failed before, it may be dialed again.
        peer.backoff_until = Time::ZERO;
        peer.refusals = 0;
        if new {
            self.on_node_found(now, sender);
        }
        if seed_is_reached {
            self.emit(BroadcastEvent::SeedReached(sender));
        }
        if suspicious {
            self.probe_datagrams(now, sender);
        }
        let confirmation = self.config.timings.confirmation;
        if inbound.path == Path::Multicast {
            self.last_speaker = Some(sender);
            let full = self.reception.near().len() >= self.config.limits.peers;
            if full && !self.reception.is_near(sender) {
                self.counters.count(Counter::NeighborsDropped);
                self.heard.remove(sender);
            } else {
                let frame = HeardFrame { epoch: inbound.epoch.unwrap_or_default(), counter: inbound.counter };
                self.heard.note(now, sender, frame);
                let content = header.routing != Routing::Direct;
                if self.reception.on_multicast(sender, now, confirmation, content) {
                    self.emit(BroadcastEvent::Near(sender));
                }
            }
        }
        if header.neighbors_gained.binary_search(&me).is_ok() || self.note_report(now, header) {
            self.reception.confirm(sender, now, confirmation);
        }
        if header.neighbors_lost.binary_search(&me).is_ok() {
            self.reception.deny(sender);
        }
        // A multicast without a number shows that none with content was sent yet: then a loss of
        // the first one will be noticed, too.
        let number = header.multicast_sequence.or((inbound.path == Path::Multicast).then_some(0));
        if let (Some(epoch), Some(number)) = (inbound.epoch, number)
            && self.reception.is_near(sender)
        {
            let nack_at = now + self.jitter_rng.duration_up_to(self.config.timings.nack_jitter);
            let policy = self.nack_policy();
            let is_this = inbound.path == Path::Multicast && header.routing != Routing::Direct;
            if is_this {
                self.loss_recovery.on_received(sender, epoch, number, nack_at, policy);
            } else {
                self.loss_recovery.on_number_known(sender, epoch, number, nack_at, policy);
            }
        }
        self.after_reception_change(now);
    }

    pub(super) fn nack_policy(&self) -> NackPolicy {
        let times = &self.config.timings;
        NackPolicy { retry: times.nack_retry, max_missing: self.config.limits.missing_per_node }
    }

    /// Handles a broadcast, or the announcement of one.
    pub(super) fn on_broadcast(
        &mut self,
        now: Time,
        sender: NetId,
        inbound: &Inbound<'_>,
        broadcast: BroadcastHeader,
        body: Body,
        handler: &mut dyn Handler<Delivery = D>,
    ) {
        let BroadcastHeader { origin, sequence, targets, ack_request } = broadcast;
        let origin =
            origin.map(|origin| (origin.node, origin.epoch)).or(inbound.epoch.map(|epoch| (sender, epoch)));
        let Some((origin, epoch)) = origin else {
            return self.counters.count(Counter::BroadcastsWithoutEpoch);
        };
        let id = BroadcastId { origin, epoch, sequence };
        let (delivered, forwarded) = match self.dedup.status(&id) {
            DedupStatus::New => (false, false),
            DedupStatus::Known { delivered, forwarded } => (delivered, forwarded),
            DedupStatus::TooOld => {
                self.counters.count(Counter::BroadcastsTooOld);
                if inbound.path == Path::Datagram && inbound.is_request() {
                    self.acknowledge_hop(now, sender, id, AckStatus::Accepted);
                }
                return;
            }
        };
        let is_announcement = body == Body::HeaderOnly;
        let retransmitted = inbound.path == Path::Multicast && inbound.datagram.is_none();
        if !is_announcement {
            if delivered {
                self.counters.count(Counter::BroadcastDuplicates);
            } else {
                let (path, is_request, bytes) = (inbound.path, inbound.is_request(), inbound.bytes);
                let delivery = InboundBroadcast { id, sender, path, is_request, bytes, retransmitted };
                self.deliver(now, delivery, body, handler);
            }
        }
        if !inbound.is_request() {
            if inbound.path == Path::Datagram && inbound.epoch.is_some() {
                // An acknowledgement alone is no risk.
                if targets.is_empty() && !is_announcement {
                    return self.acknowledge_hop(now, sender, id, AckStatus::Accepted);
                }
                self.counters.count(Counter::HopsFromAbsentPeers);
            }
            return;
        }
        let request = ack_request.map(|ack_request| RelayAckRequest {
            deadline: now + std::time::Duration::from_millis(ack_request.within_millis.into()),
            durable: ack_request.durable,
            reissued: ack_request.reassigned,
        });
        let by = inbound.transport();
        let task = RelayTask { from: sender, by, targets, ack_request: request };
        if is_announcement && !delivered {
            return self.await_content(now, id, task);
        }
        self.accept_relay_task(now, id, task, forwarded);
        let status = if is_announcement && request.is_none() && self.reception.is_near(sender) {
            // The sender needs to know whether the multicast was received, not whether the content
            // arrived another way.
            let content = self.retransmit_cache.broadcast(&id);
            match content.is_some_and(|content| content.retransmitted) {
                true => AckStatus::ContentWanted,
                false => AckStatus::Received,
            }
        } else if by == Transport::Udp {
            AckStatus::Accepted
        } else {
            return;
        };
        self.reply(now, (sender, by), id, status);
    }

    /// Passes a new broadcast to the handler, and multicasts it if no other node of this island can
    /// have done so.
    fn deliver(
        &mut self,
        now: Time,
        delivery: InboundBroadcast,
        body: Body,
        handler: &mut dyn Handler<Delivery = D>,
    ) {
        let InboundBroadcast { id, sender, path, is_request, bytes, retransmitted } = delivery;
        let near = self.reception.is_near(sender);
        let received = Received { from: sender, broadcast: Some(id), path, body: &body };
        let outcome = handler.handle(now, received);
        self.dedup.mark_delivered(&id);
        self.counters.count(Counter::BroadcastsDelivered);
        if let Some(delivery) = outcome.deliver {
            self.outputs.push(Output::Deliver(delivery));
        }
        let multicast = match path {
            Path::Multicast => true,
            // A neighbor that sends it to this node sends it to others of this island too.
            Path::Datagram | Path::Connection => {
                let is_first = !near && !self.heard.contains(sender);
                let has_neighbors = self.reception.near().len() > 0;
                is_first && has_neighbors && is_request && self.multicast(now, id, &body)
            }
        };
        let by_us = multicast && path != Path::Multicast;
        let content =
            Content { payload_bytes: bytes, body, multicast, multicast_by_us: by_us, retransmitted };
        self.retransmit_cache.insert_broadcast(id, Arc::new(content), outcome.acks, outcome.stored);
        self.timers.cancel(&BroadcasterTimer::AwaitedContent(id));
        if let Some(pending) = self.awaited_content.remove(&id) {
            let mut handed: BTreeSet<NetId> = BTreeSet::new();
            for mut task in pending.relay_tasks {
                let status = match (path, retransmitted) {
                    (_, true) => AckStatus::ContentWanted,
                    (Path::Multicast, false) => AckStatus::Received,
                    (Path::Datagram | Path::Connection, false) => AckStatus::Accepted,
                };
                if task.ack_request.is_none() && (retransmitted || task.by == Transport::Udp) {
                    self.reply(now, (task.from, task.by), id, status);
                }
                if task.ack_request.is_none() {
                    // A subtree that was sent to a second relay may come from both.
                    task.targets.retain(|node| handed.insert(*node));
                }
                self.accept_relay_task(now, id, task, false);
            }
        }
    }

    /// Multicasts a broadcast with content, under the next sequence number. False if multicast is
    /// off, or it does not fit into a datagram.
    pub(super) fn multicast(&mut self, now: Time, id: BroadcastId, body: &Body) -> bool {
        if !self.config.multicast {
            return false;
        }
        self.renew_exhausted_nonces();
        self.multicast_sequence += 1;
        let mut header = self.broadcast_header(now, None, id, Vec::new(), None);
        let mut bytes = self.seal_datagram(None, &header, body);
        if bytes.is_none() && !(header.neighbors_gained.is_empty() && header.neighbors_lost.is_empty()) {
            // The reception changes are left out, and sent later.
            self.reception.put_back(
                &std::mem::take(&mut header.neighbors_gained),
                &std::mem::take(&mut header.neighbors_lost),
            );
            bytes = self.seal_datagram(None, &header, body);
        }
        let Some(bytes) = bytes else {
            self.multicast_sequence -= 1;
            self.counters.count(Counter::MulticastsTooLong);
            return false;
        };
        let epoch = self.nonces.epoch().bytes();
        let payload = Bytes::copy_from_slice(&self.scratch);
        self.retransmit_cache.insert_multicast(self.config.me, epoch, self.multicast_sequence, payload);
        self.counters.count(Counter::ContentMulticasts);
        self.postpone_first_report(now);
        self.after_own_multicast(now);
        self.outputs.push(Output::Multicast(bytes));
        self.schedule_beacon(now);
        true
    }

    /// Forwards a subtree whose content is present.
    fn accept_relay_task(&mut self, now: Time, id: BroadcastId, task: RelayTask, forwarded: bool) {
        if task.targets.is_empty() && task.ack_request.is_none() {
            return;
        }
        let reissued = task.ack_request.is_some_and(|request| request.reissued);
        if forwarded && !reissued {
            self.counters.count(Counter::SubtreeDuplicates);
            return;
        }
        self.dedup.mark_forwarded(&id);
        self.forward_subtree(now, id, task);
    }

    /// Keeps a subtree until its content arrives: the multicast may be on its way; otherwise the
    /// content is requested.
    fn await_content(&mut self, now: Time, id: BroadcastId, task: RelayTask) {
        let near = self.reception.is_near(task.from);
        let room = self.awaited_content.len() < self.config.limits.cached_broadcasts;
        if let Some(pending) = self.awaited_content.get_mut(&id) {
            let again = pending.relay_tasks.iter().any(|one| (one.from, one.by) == (task.from, task.by));
            if again && task.by == Transport::Udp {
                // It was sent again, so the request for the content was lost.
                if pending.tries > 0 {
                    self.reply(now, (task.from, task.by), id, AckStatus::ContentWanted);
                }
            } else if pending.relay_tasks.len() < MAX_RELAY_TASKS {
                pending.relay_tasks.push(task);
            }
        } else if room {
            self.awaited_content.insert(id, AwaitedContent { relay_tasks: vec![task], tries: 0 });
            let wait = if near { self.config.timings.content_wait } else { std::time::Duration::ZERO };
            self.timers.set(BroadcasterTimer::AwaitedContent(id), now + wait);
        } else {
            self.doubt(Counter::AnnouncementsDropped);
        }
    }

    /// The content of an announcement did not arrive in time: requests it from the sender of the
    /// announcement, a few times.
    pub(super) fn on_awaited_content_timer(&mut self, now: Time, id: BroadcastId) {
        let Some(pending) = self.awaited_content.get_mut(&id) else { return };
        pending.tries += 1;
        if pending.tries > MAX_CONTENT_REQUESTS {
            self.awaited_content.remove(&id);
            return self.doubt(Counter::AnnouncementsUnanswered);
        }
        let place = pending.relay_tasks.len().min(pending.tries as usize) - 1;
        let sender = pending.relay_tasks.get(place).map(|task| (task.from, task.by));
        let wait = self.config.timings.ack_interval.saturating_mul(1 << pending.tries);
        self.timers.set(BroadcasterTimer::AwaitedContent(id), now + wait);
        if let Some((sender, by)) = sender {
            self.reception.unconfirm(sender);
            self.reply(now, (sender, by), id, AckStatus::ContentWanted);
        }
    }
}

/// Greatest number of requests for the content of an announcement.
const MAX_CONTENT_REQUESTS: u32 = 3;
