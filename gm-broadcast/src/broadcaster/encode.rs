//! Encoding: headers, payloads, datagrams and frames.

use bytes::Bytes;
use gm_clock::NetId;
use gm_codec::{AckRequest, Body, BroadcastHeader, BroadcastId, Channel, Header, Origin, Payload, Routing};

use super::Broadcaster;
use crate::connections::{ConnectionState, OutboundBroadcast, OutboxEntry, RelayAckRequest};
use crate::counter::Counter;
use crate::machine::{ConnectionId, Output};
use crate::reception::MAX_PIGGYBACKED_CHANGES;
use crate::time::Time;

impl<D> Broadcaster<D> {
    /// The header of a direct payload to a node, or of a multicast without content.
    pub(super) fn direct_header(&mut self, now: Time, to: Option<NetId>, changes: usize) -> Header {
        let mut header = Header::direct(self.config.me);
        header.island = self.island_id;
        self.add_reception(now, to, changes, &mut header);
        header.extensions = self.neighbor_frames_section(&header.neighbors_gained).into_iter().collect();
        header
    }

    fn add_reception(&mut self, now: Time, to: Option<NetId>, changes: usize, header: &mut Header) {
        let Some(to) = to else {
            header.multicast_sequence = (self.multicast_sequence > 0).then_some(self.multicast_sequence);
            (header.neighbors_gained, header.neighbors_lost) = self.reception.take_changes(changes, now);
            return;
        };
        if self.multicast_sequence > 0 && self.reception.is_near(to) {
            header.multicast_sequence = Some(self.multicast_sequence);
        }
        match self.reception.take_change_of(to, now) {
            Some(true) => header.neighbors_gained.push(to),
            Some(false) => header.neighbors_lost.push(to),
            None => {}
        }
    }

    /// The header of a broadcast.
    pub(super) fn broadcast_header(
        &mut self,
        now: Time,
        to: Option<NetId>,
        id: BroadcastId,
        mut targets: Vec<NetId>,
        request: Option<RelayAckRequest>,
    ) -> Header {
        targets.sort_unstable();
        // A frame contains the epoch of its nonce: broadcasts that this node started in it need no
        // explicit origin.
        let is_own_epoch =
            id.origin == self.config.me && id.epoch == self.nonces.epoch().bytes() && self.codec.seals();
        let origin = (!is_own_epoch).then_some(Origin { node: id.origin, epoch: id.epoch });
        let ack_request = request.map(|request| AckRequest {
            within_millis: u32::try_from(request.deadline.since(now).as_millis()).unwrap_or(u32::MAX).max(1),
            durable: request.durable,
            reassigned: request.reissued,
        });
        let kind =
            Routing::Broadcast(BroadcastHeader { origin, sequence: id.sequence, targets, ack_request });
        let mut header = Header { routing: kind, ..Header::direct(self.config.me) };
        self.add_reception(now, to, MAX_PIGGYBACKED_CHANGES, &mut header);
        header
    }

    /// Called before frames are encrypted: frames that are encrypted in one go use one epoch. At
    /// most two are, see [`authenticate`](Self::authenticate).
    pub(super) fn renew_exhausted_nonces(&mut self) {
        if self.nonces.remaining() < 2 {
            self.renew_epoch();
        }
    }

    /// Encodes a payload into the scratch buffer; false if that fails.
    fn write_payload(&mut self, header: &Header, body: &Body) -> bool {
        self.scratch.clear();
        let written = Payload::encode_parts(header, body, self.codec.limits(), &mut self.scratch);
        if let Err(error) = &written {
            self.counters.count_reason(Counter::EncodingFailures, error.name());
        }
        written.is_ok()
    }

    /// Encrypts a payload as a datagram to one node or for multicast, if it fits into one; the
    /// encoded payload then is in the scratch buffer.
    pub(super) fn seal_datagram(&mut self, to: Option<NetId>, header: &Header, body: &Body) -> Option<Bytes> {
        if !self.write_payload(header, body) {
            return None;
        }
        let nonce = self.nonces.next_nonce().ok()?;
        let channel = to.map_or(Channel::Datagram, Channel::DatagramTo);
        let mut bytes = Vec::new();
        let sealed = self.codec.seal(&channel, nonce, &self.scratch, &mut bytes);
        sealed.is_ok().then(|| bytes.into())
    }

    /// Sends a direct payload by a datagram; false if it does not fit into one.
    pub(super) fn send_datagram(&mut self, now: Time, to: NetId, body: &Body) -> bool {
        self.renew_exhausted_nonces();
        let header = self.direct_header(now, Some(to), 0);
        let Some(bytes) = self.seal_datagram(Some(to), &header, body) else { return false };
        self.outputs.push(Output::Datagram { to, bytes });
        true
    }

    /// Encodes waiting entries of a connection and hands the frames to the driver, as far as it has
    /// room.
    pub(super) fn flush_outbox(&mut self, now: Time, id: ConnectionId) {
        loop {
            let Some(link) = self.connections.table.get_mut(&id) else { return };
            let Some(peer) = link.peer.filter(|_| link.is_open()) else { return };
            if link.in_flight >= self.config.limits.in_flight {
                return;
            }
            let Some(entry) = link.next_entry() else { return };
            self.renew_exhausted_nonces();
            let frame = match entry {
                OutboxEntry::Direct(body) => {
                    let header = self.direct_header(now, Some(peer), 0);
                    self.seal_connection_frame(id, &header, &body)
                }
                OutboxEntry::Broadcast(outbound) => self.broadcast_frame(now, id, peer, outbound),
            };
            let Some(bytes) = frame else { continue };
            if let Some(link) = self.connections.table.get_mut(&id) {
                link.in_flight += bytes.len();
                link.last_used = now;
                link.frame_sent = true;
            }
            self.counters.add(Counter::FrameBytesSent, bytes.len() as u64);
            self.outputs.push(Output::Send { link: id, bytes });
        }
    }

    fn broadcast_frame(
        &mut self,
        now: Time,
        id: ConnectionId,
        peer: NetId,
        outbound: OutboundBroadcast,
    ) -> Option<Bytes> {
        let addressed = outbound.targets.len() as u64;
        let header =
            self.broadcast_header(now, Some(peer), outbound.id, outbound.targets, outbound.ack_request);
        let body = if outbound.announcement { &Body::HeaderOnly } else { &outbound.content.body };
        let frame = self.seal_connection_frame(id, &header, body);
        let counter =
            if outbound.announcement { Counter::AnnouncementFramesSent } else { Counter::ContentFramesSent };
        self.counters.count(counter);
        self.counters.add(Counter::FrameTargetsSent, addressed);
        if let Some(link) = self.connections.table.get_mut(&id) {
            link.broadcast_at = Some(now);
        }
        frame
    }

    fn seal_connection_frame(&mut self, id: ConnectionId, header: &Header, body: &Body) -> Option<Bytes> {
        if !self.write_payload(header, body) {
            return None;
        }
        let is_first = self.connections.table.get(&id).is_some_and(|link| !link.frame_sent);
        let mut bytes = Vec::new();
        if is_first && self.scratch.len() > self.codec.limits().first_frame_payload() {
            self.authenticate(id, &mut bytes)?;
        }
        let nonce = self.nonces.next_nonce().ok()?;
        let link = self.connections.table.get_mut(&id)?;
        let ConnectionState::Open(stream) = &mut link.state else { return None };
        if let Err(error) = stream.seal(&mut self.codec, nonce, &self.scratch, &mut bytes) {
            self.counters.count_reason(Counter::EncodingFailures, error.name());
        }
        // Encrypted frames must be sent, even if it is only the empty first one.
        (!bytes.is_empty()).then(|| bytes.into())
    }

    /// Encrypts an empty frame, which authenticates this node. The first frame of a connection must
    /// be small, so an empty one precedes a long one. The scratch buffer keeps the payload of the
    /// long one.
    fn authenticate(&mut self, id: ConnectionId, bytes: &mut Vec<u8>) -> Option<()> {
        let header = Header { island: self.island_id, ..Header::direct(self.config.me) };
        let mut payload = Vec::new();
        Payload::encode_parts(&header, &Body::HeaderOnly, self.codec.limits(), &mut payload).ok()?;
        let nonce = self.nonces.next_nonce().ok()?;
        let ConnectionState::Open(stream) = &mut self.connections.table.get_mut(&id)?.state else {
            return None;
        };
        stream.seal(&mut self.codec, nonce, &payload, bytes).ok()?;
        self.counters.count(Counter::AuthenticationFramesSent);
        Some(())
    }
}
