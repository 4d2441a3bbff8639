//! Table of connections: the state, the outbox and the use of each.

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use gm_clock::NetId;
use gm_codec::{Body, BroadcastId, FrameSplitter, Handshake, Limits, Stream};

use crate::ack_aggregation::AckKey;
use crate::machine::ConnectionId;
use crate::retransmit_cache::Content;
use crate::time::Time;

#[derive(Debug)]
pub(crate) enum ConnectionState {
    Dialling,
    Opening(Handshake),
    Open(Stream),
}

#[derive(Debug)]
pub(crate) struct Connection {
    /// The dialed peer, or the sender of the first frame.
    pub(crate) peer: Option<NetId>,
    pub(crate) state: ConnectionState,
    /// Whether this node dialed it with small segments, which pass every path.
    pub(crate) small_segments: bool,
    pub(crate) splitter: FrameSplitter,
    /// Bytes that were handed to the driver and not yet to the system.
    pub(crate) in_flight: usize,
    pub(crate) outbox: VecDeque<OutboxEntry>,
    pub(crate) created_at: Time,
    pub(crate) last_used: Time,
    /// Last time that this node sent a broadcast on it.
    pub(crate) broadcast_at: Option<Time>,
    /// Whether this node sent a frame on it.
    pub(crate) frame_sent: bool,
    /// Whether a frame of the peer was authentic, so the peer has the key.
    pub(crate) authenticated: bool,
    /// Time of the first bytes of the present partial frame.
    pub(crate) frame_began: Option<Time>,
    pub(crate) last_bytes_at: Time,
    /// The remote address of an accepted connection.
    pub(crate) from: Option<SocketAddr>,
}

impl Connection {
    pub(crate) fn is_open(&self) -> bool {
        matches!(self.state, ConnectionState::Open(_))
    }

    /// Whether new entries may use it. After a long idle time they may not: the peer may be closing
    /// it, and entries on their way would be lost. It then ends by its idle timeout.
    pub(crate) fn is_usable(&self, now: Time, idle: Duration) -> bool {
        !self.is_open() || !self.is_idle() || now.since(self.last_used) < idle * 3 / 4
    }

    /// Takes the next entry of the outbox. An empty outbox keeps room for one entry.
    pub(crate) fn next_entry(&mut self) -> Option<OutboxEntry> {
        let next = self.outbox.pop_front();
        if self.outbox.is_empty() {
            self.outbox.shrink_to(1);
        }
        next
    }

    /// Whether nothing waits for it and nothing is in flight.
    pub(crate) fn is_idle(&self) -> bool {
        self.outbox.is_empty() && self.in_flight == 0
    }
}

/// An outbox entry. It is encoded only when it is sent, so that a newer broadcast can replace it
/// before.
#[derive(Debug)]
pub(crate) enum OutboxEntry {
    Broadcast(OutboundBroadcast),
    Direct(Body),
}

impl OutboxEntry {
    /// Whether its frame fits a small segment, as a rule. Acks do, and must not wait for a dial: a
    /// relay that sends none for a while is replaced.
    pub(crate) const fn fits_small_segment(&self) -> bool {
        matches!(self, OutboxEntry::Direct(Body::Ack(_) | Body::HeaderOnly | Body::Root(_)))
    }
}

/// A broadcast with the subtree of one relay.
#[derive(Clone, Debug)]
pub(crate) struct OutboundBroadcast {
    pub(crate) id: BroadcastId,
    pub(crate) content: Arc<Content>,
    pub(crate) targets: Vec<NetId>,
    /// Whether only the announcement is sent.
    pub(crate) announcement: bool,
    /// The acks that the relay should report.
    pub(crate) ack_request: Option<RelayAckRequest>,
    pub(crate) ack_key: Option<AckKey>,
    pub(crate) topic: Option<u64>,
    pub(crate) catch_up: Option<Arc<Content>>,
    /// Number of earlier handovers to this relay that were lost with the connection.
    pub(crate) tries: u8,
}

impl OutboundBroadcast {
    /// A broadcast without targets, acks and topic.
    pub(crate) const fn new(id: BroadcastId, content: Arc<Content>) -> OutboundBroadcast {
        OutboundBroadcast {
            id,
            content,
            targets: Vec::new(),
            announcement: false,
            ack_request: None,
            ack_key: None,
            topic: None,
            catch_up: None,
            tries: 0,
        }
    }
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct RelayAckRequest {
    pub(crate) deadline: Time,
    pub(crate) durable: bool,
    pub(crate) reissued: bool,
}

#[derive(Debug)]
pub(crate) struct Connections {
    pub(crate) table: BTreeMap<ConnectionId, Connection>,
    dialled: u64,
}

impl Connections {
    pub(crate) const fn new() -> Connections {
        Connections { table: BTreeMap::new(), dialled: 0 }
    }

    pub(crate) fn add(
        &mut self,
        link: ConnectionId,
        peer: Option<NetId>,
        state: ConnectionState,
        now: Time,
        limits: &Limits,
    ) {
        let new = Connection {
            peer,
            state,
            small_segments: false,
            splitter: FrameSplitter::new(limits),
            in_flight: 0,
            outbox: VecDeque::new(),
            created_at: now,
            last_used: now,
            broadcast_at: None,
            frame_sent: false,
            authenticated: false,
            frame_began: None,
            last_bytes_at: now,
            from: None,
        };
        self.table.insert(link, new);
    }

    /// The open connection to a node that is used if its present one ends: one with small segments,
    /// if there is one, because it passes every path; else the oldest one.
    pub(crate) fn open_with(&self, node: NetId) -> Option<ConnectionId> {
        let open = self.table.iter().filter(|(_, link)| link.peer == Some(node) && link.is_open());
        open.min_by_key(|(id, link)| (!link.small_segments, **id)).map(|(id, _)| *id)
    }

    /// Adds a connection that this node dials.
    pub(crate) fn add_dial(
        &mut self,
        to: NetId,
        small_segments: bool,
        now: Time,
        limits: &Limits,
    ) -> ConnectionId {
        self.dialled += 1;
        let link = ConnectionId::dialled(self.dialled);
        self.add(link, Some(to), ConnectionState::Dialling, now, limits);
        if let Some(link) = self.table.get_mut(&link) {
            link.small_segments = small_segments;
        }
        link
    }

    /// Accepted connections that are not authenticated, the oldest first.
    pub(crate) fn unauthenticated(&self) -> impl Iterator<Item = ConnectionId> + '_ {
        self.table.iter().filter(|(_, link)| link.peer.is_none()).map(|(id, _)| *id)
    }

    /// The connection that was idle longest, among those for which nothing waits.
    pub(crate) fn idlest(&self) -> Option<ConnectionId> {
        let idle = self.table.iter().filter(|(_, link)| link.is_open() && link.is_idle());
        idle.min_by_key(|(id, link)| (link.last_used, **id)).map(|(id, _)| *id)
    }
}

#[cfg(test)]
mod tests {
    use gm_codec::ConnectionSide;

    use super::*;

    #[test]
    fn an_empty_outbox_keeps_room_for_one_entry() {
        let (mut connections, id) = (Connections::new(), ConnectionId::dialled(1));
        let dialing = ConnectionState::Dialling;
        connections.add(id, None, dialing, Time::ZERO, &Limits::default());
        let link = connections.table.get_mut(&id).unwrap();
        (0..9).for_each(|_| link.outbox.push_back(OutboxEntry::Direct(Body::HeaderOnly)));
        assert_eq!(std::iter::from_fn(|| link.next_entry()).count(), 9);
        assert_eq!(link.outbox.capacity(), 1);
    }
    fn open() -> ConnectionState {
        let [mut own, other] = [ConnectionSide::Initiator, ConnectionSide::Acceptor]
            .map(|side| Handshake::new(side, [side as u8; Handshake::BYTES]));
        ConnectionState::Open(own.read(&mut other.own_bytes().as_slice()).unwrap().unwrap())
    }

    #[test]
    fn a_connection_with_small_segments_is_preferred() {
        let (mut connections, node) = (Connections::new(), "10.0.0.1:1".parse().unwrap());
        let [full, small] = [false, true].map(|small| {
            let link = connections.add_dial(node, small, Time::ZERO, &Limits::default());
            connections.table.get_mut(&link).unwrap().state = open();
            link
        });
        assert_eq!(connections.open_with(node), Some(small));
        connections.table.remove(&small);
        assert_eq!(connections.open_with(node), Some(full));
    }
}
