//! Inputs of connections: establishment, bytes, end.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use gm_clock::NetId;
use gm_codec::{Body, ConnectionSide, Handshake, Payload, ReceivedChunk, Seal};

use super::Broadcaster;
use super::inbound::Inbound;
use super::timeouts::BroadcasterTimer;
use crate::connections::{Connection, ConnectionState, OutboxEntry};
use crate::counter::Counter;
use crate::event::BroadcastEvent;
use crate::handler::{Handler, Path};
use crate::machine::{ConnectionId, DialFailure, Output};
use crate::time::Time;

/// A broadcast that was sent within this time on a connection that ends may be lost: longer than
/// the system waits for an acknowledgement.
const RELAY_WINDOW: Duration = Duration::from_secs(10);

/// A seed that refuses is dialed again after this fraction of the usual time.
const SEED_BACKOFF_DIVISOR: u32 = 8;

impl<D> Broadcaster<D> {
    pub(super) fn on_connection_opened(&mut self, now: Time, id: ConnectionId, from: Option<SocketAddr>) {
        let handshake = Handshake::new(id.side(), self.secret_rng.bytes());
        let bytes = Bytes::copy_from_slice(handshake.own_bytes());
        match id.side() {
            ConnectionSide::Initiator => {
                let Some(link) = self.connections.table.get_mut(&id) else { return };
                // One round trip: it shows the latency class of the path.
                let class = self.config.class_of(now.since(link.created_at));
                link.state = ConnectionState::Opening(handshake);
                let peer = link.peer;
                if let Some(peer) = peer {
                    let known = self.config.directory.get(peer);
                    let (peer, _) = self.peers.entry(peer, known);
                    (peer.class, peer.reached) = (Some(class), true);
                }
            }
            ConnectionSide::Acceptor => {
                let least = self.make_room(now);
                self.connections.add(id, None, ConnectionState::Opening(handshake), now, self.codec.limits());
                if let Some(link) = self.connections.table.get_mut(&id) {
                    link.from = from;
                }
                // Closed only now: what waits for it is retried at once, and must not take the
                // place of the new connection.
                if let Some(least) = least {
                    self.counters.count(Counter::ConnectionsEvictedBusy);
                    self.lose_connection(now, least);
                }
            }
        }
        if let Some(link) = self.connections.table.get_mut(&id) {
            link.in_flight += bytes.len();
            self.timers.set(BroadcasterTimer::Connection(id), now + self.config.timings.opening);
            self.outputs.push(Output::Send { link: id, bytes });
        }
    }

    /// Makes room for an accepted connection within the limits. If all connections are in use,
    /// returns the least recently used one, which must be closed once the new one is added.
    fn make_room(&mut self, now: Time) -> Option<ConnectionId> {
        let is_full = self.connections.unauthenticated().count() >= self.config.limits.unauthenticated;
        let oldest = self.connections.unauthenticated().next().filter(|_| is_full);
        if let Some(oldest) = oldest {
            self.counters.count(Counter::ConnectionsEvictedUnauthenticated);
            self.lose_connection(now, oldest);
        }
        let full = self.connections.table.len() >= self.config.limits.connections;
        let idlest =
            self.connections.idlest().or_else(|| self.connections.unauthenticated().next()).filter(|_| full);
        if let Some(idlest) = idlest {
            self.counters.count(Counter::ConnectionsEvictedIdle);
            self.lose_connection(now, idlest);
        }
        let full = self.connections.table.len() >= self.config.limits.connections;
        let least =
            self.connections.table.iter().filter(|_| full).min_by_key(|(id, link)| (link.last_used, **id));
        least.map(|(id, _)| *id)
    }

    pub(super) fn on_connection_bytes(
        &mut self,
        now: Time,
        id: ConnectionId,
        bytes: Bytes,
        handler: &mut dyn Handler<Delivery = D>,
    ) {
        let Some(link) = self.connections.table.get_mut(&id) else { return };
        let mut input = ReceivedChunk::from(bytes);
        if let ConnectionState::Opening(handshake) = &mut link.state {
            let mut rest = input.as_slice();
            let read = handshake.read(&mut rest);
            let taken = input.as_slice().len() - rest.len();
            input.skip(taken);
            match read {
                Ok(None) => return,
                Ok(Some(stream)) => {
                    link.state = ConnectionState::Open(stream);
                    self.on_stream(now, id);
                }
                Err(_) => {
                    self.counters.count(Counter::HandshakesEchoed);
                    return self.lose_connection(now, id);
                }
            }
        }
        // Frames are taken from the connection's buffer one at a time, as each may cause the
        // connection to end.
        while let Some(payload) = self.next_frame(now, id, &mut input) {
            let (payload, seal, bytes) = payload;
            let inbound = Inbound {
                path: Path::Connection,
                epoch: seal.map(|seal| seal.epoch.bytes()),
                counter: seal.map_or(0, |seal| seal.counter),
                datagram: None,
                link: Some(id),
                bytes,
                source: None,
                present: false,
            };
            self.receive(now, inbound, payload, handler);
        }
    }

    fn next_frame(
        &mut self,
        now: Time,
        id: ConnectionId,
        input: &mut ReceivedChunk,
    ) -> Option<(Payload, Option<Seal>, usize)> {
        if !self.make_room_for_frame(now, id, input.as_slice()) {
            return None;
        }
        let link = self.connections.table.get_mut(&id)?;
        let ConnectionState::Open(stream) = &mut link.state else { return None };
        let read = match link.splitter.read(input) {
            Ok(None) => {
                self.on_partial_frame(now, id);
                return None;
            }
            Ok(Some(frame)) => stream.open(&self.codec, frame).map(|opened| {
                let payload = opened.decode(self.codec.limits());
                payload.map(|payload| (payload, opened.seal, opened.payload.len()))
            }),
            Err(error) => Err(error),
        };
        if link.frame_began.take().is_some() {
            self.timers.set_by(BroadcasterTimer::Connection(id), now + self.config.timings.idle);
        }
        let reason = match read {
            Ok(Ok((payload, seal, bytes))) => {
                return self.identify(now, id, payload).map(|payload| (payload, seal, bytes));
            }
            Ok(Err(error)) => error.name(),
            Err(error) => {
                self.on_unopened_by_connection(now, id, error);
                error.name()
            }
        };
        self.counters.count_reason(Counter::FramesRejected, reason);
        self.lose_connection(now, id);
        None
    }

    /// Binds a connection to the sender of its first frame; a later frame of another sender closes
    /// it.
    fn identify(&mut self, now: Time, id: ConnectionId, payload: Payload) -> Option<Payload> {
        let sender = payload.header.sender;
        let link = self.connections.table.get_mut(&id)?;
        link.last_used = now;
        link.authenticated = true;
        if let Some(from) = link.from {
            self.unopened.opened(from.ip());
            self.last_reached_us = Some(now);
        }
        let from = link.from;
        let as_expected = link.peer.is_none_or(|peer| peer == sender) && sender != self.config.me;
        if as_expected {
            if link.peer.is_none() {
                link.peer = Some(sender);
                // The dialer sends its first frame when this node's handshake arrives: one round
                // trip.
                let class = self.config.class_of(now.since(link.created_at));
                let known = self.config.directory.get(sender);
                let (peer, _) = self.peers.entry(sender, known);
                peer.class.get_or_insert(class);
                peer.source = from.map(|from| from.ip());
                self.timers.set(BroadcasterTimer::Connection(id), now + self.config.timings.idle);
                self.adopt_connection(now, id, sender);
            }
            return Some(payload);
        }
        if sender == self.config.me {
            self.emit(BroadcastEvent::IdentityClash);
        }
        self.counters.count(Counter::ConnectionsUnexpectedPeer);
        self.lose_connection(now, id);
        None
    }

    /// A connection is ready for frames.
    fn on_stream(&mut self, now: Time, id: ConnectionId) {
        let Some(peer) = self.connections.table.get(&id).and_then(|link| link.peer) else { return };
        self.timers.set(BroadcasterTimer::Connection(id), now + self.config.timings.idle);
        self.adopt_connection(now, id, peer);
        // Dialed for a subtree that another relay took meanwhile. The peer would close a connection
        // without a frame, and entries added at that moment would be lost, so an empty frame is
        // sent.
        if let Some(link) =
            self.connections.table.get_mut(&id).filter(|link| !link.frame_sent && link.outbox.is_empty())
        {
            link.outbox.push_back(OutboxEntry::Direct(Body::HeaderOnly));
            self.flush_outbox(now, id);
        }
    }

    /// Makes this connection the one that is used to send to a node. A successful dial does not
    /// authenticate the peer; its first authentic frame does.
    fn adopt_connection(&mut self, now: Time, id: ConnectionId, node: NetId) {
        let known = self.config.directory.get(node);
        let (peer, _) = self.peers.entry(node, known);
        // An accepted connection shows that the peer is alive, but not that it is reachable at its
        // own address.
        if id.side() == ConnectionSide::Initiator {
            peer.failures = 0;
        }
        peer.refusals = 0;
        peer.backoff_until = Time::ZERO;
        let present = peer.connection;
        let usable = |link: &Connection| link.is_open() && link.is_usable(now, self.config.timings.idle);
        let is_usable = present.and_then(|link| self.connections.table.get(&link)).is_some_and(usable);
        // If the path drops large packets, a connection with small segments stays or takes over,
        // also one that is still dialed.
        let should_end = |link: ConnectionId| self.should_be_replaced(now, node, link);
        let worse = present.is_some_and(|present| should_end(id) && !should_end(present));
        let better = present.is_some_and(|present| !should_end(id) && should_end(present));
        let (peer, _) = self.peers.entry(node, known);
        if better || !is_usable && !worse {
            // What waits for a slower dial is sent by this connection.
            let before = peer.connection.replace(id);
            let waiting = before.and_then(|before| self.connections.table.get_mut(&before));
            let waiting = waiting.map(|link| std::mem::take(&mut link.outbox)).unwrap_or_default();
            if let Some(link) = self.connections.table.get_mut(&id) {
                link.outbox.extend(waiting);
            }
        }
        self.on_reached(now, node);
        self.flush_outbox(now, id);
    }

    pub(super) fn on_connection_sent(&mut self, now: Time, id: ConnectionId, bytes: usize) {
        if let Some(link) = self.connections.table.get_mut(&id) {
            link.in_flight = link.in_flight.saturating_sub(bytes);
            link.last_used = now;
            self.flush_outbox(now, id);
        }
    }

    pub(super) fn on_connection_closed(&mut self, now: Time, id: ConnectionId, stalled: bool) {
        self.count_unauthenticated(id, Counter::UnauthenticatedLeft);
        let ended =
            self.connections.table.get(&id).map(|link| (link.peer, link.authenticated, link.created_at));
        if let Some((Some(node), authenticated, since)) = ended {
            if stalled {
                self.on_stall(now, node);
            } else if !authenticated
                && id.side() == ConnectionSide::Initiator
                && now.since(since) < self.config.timings.opening
            {
                self.on_closed_before_first_frame(now, node);
            }
        }
        let sent = self.connections.table.get(&id).and_then(|link| link.broadcast_at);
        if sent.is_some_and(|at| now.since(at) < RELAY_WINDOW) {
            self.doubt(Counter::RelaysGone);
        }
        self.forget_connection(now, id, None);
    }

    pub(super) fn on_connection_refused(&mut self, now: Time, id: ConnectionId, refusal: DialFailure) {
        self.counters.count(match refusal {
            DialFailure::Refused => Counter::DialsRefused,
            DialFailure::Unreachable => Counter::DialsUnreachable,
        });
        self.forget_connection(now, id, Some(refusal));
    }

    /// Closes a connection, because of a received frame, a timeout, or to make room.
    pub(super) fn lose_connection(&mut self, now: Time, id: ConnectionId) {
        if self.connections.table.contains_key(&id) {
            self.count_unauthenticated(id, Counter::UnauthenticatedClosed);
            self.outputs.push(Output::Close { link: id });
            self.forget_connection(now, id, None);
        }
    }

    /// Removes a connection. What waited for it is sent another way.
    fn forget_connection(&mut self, now: Time, id: ConnectionId, refusal: Option<DialFailure>) {
        self.timers.cancel(&BroadcasterTimer::Connection(id));
        let Some(link) = self.connections.table.remove(&id) else { return };
        let Some(node) = link.peer else { return };
        let was_open = link.is_open();
        let known = self.config.directory.get(node);
        if self.peers.entry(node, known).0.connection == Some(id) {
            // Another connection to the peer may be open: one that the peer opened during this
            // dial.
            let other = self.connections.open_with(node);
            self.peers.entry(node, known).0.connection = other;
        }
        let unreached = !was_open || refusal.is_some();
        if unreached {
            let why = refusal.unwrap_or(DialFailure::Unreachable);
            // A seed that refuses may be about to start, as this node did.
            let is_starting = why == DialFailure::Refused && self.config.seeds.contains(&node);
            let first = self.config.timings.backoff / if is_starting { SEED_BACKOFF_DIVISOR } else { 1 };
            let backoff = (first, self.config.timings.backoff_max);
            self.peers.on_failure(node, known, (now, why), backoff, &mut self.jitter_rng);
            if is_starting {
                let again = self.peers.entry(node, known).0.backoff_until;
                self.timers.set_by(BroadcasterTimer::Exchange, again);
            }
            self.check_seed(now, node);
        }
        let has_another = self.peers.get(node).is_some_and(|peer| peer.connection.is_some());
        if unreached && !has_another {
            self.on_unreached(now, node);
        }
        for entry in link.outbox {
            match entry {
                OutboxEntry::Broadcast(outbound) => self.on_outbound_lost(now, node, outbound, false),
                OutboxEntry::Direct(_) => self.counters.count(Counter::DirectLostWithConnection),
            }
        }
        if was_open && !has_another {
            self.on_relay_gone(now, node);
        }
    }
}
