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
    pub(crate) splitter: FrameSplitter,
    /// Bytes that were handed to the driver and not yet to the system.
    pub(crate) in_flight: usize,
    pub(crate) outbox: VecDeque<OutboxEntry>,
    pub(crate) created_at: Time,
    pub(crate) last_used: Time,
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

    pub(crate) fn next_id(&mut self) -> ConnectionId {
        self.dialled += 1;
        ConnectionId::dialled(self.dialled)
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
            splitter: FrameSplitter::new(limits),
            in_flight: 0,
            outbox: VecDeque::new(),
            created_at: now,
            last_used: now,
            frame_sent: false,
            authenticated: false,
            frame_began: None,
            last_bytes_at: now,
            from: None,
        };
        self.table.insert(link, new);
    }

    /// The oldest open connection to a node.
    pub(crate) fn open_with(&self, node: NetId) -> Option<ConnectionId> {
        self.table.iter().find(|(_, link)| link.peer == Some(node) && link.is_open()).map(|(id, _)| *id)
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
