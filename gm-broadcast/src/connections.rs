//! Connections: what state each is in and what waits for it. Knows nothing of what frames say.

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
    /// Whom we dialled, or who showed himself by a frame.
    pub(crate) peer: Option<NetId>,
    pub(crate) state: ConnectionState,
    pub(crate) splitter: FrameSplitter,
    /// Bytes that are with the driver.
    pub(crate) in_flight: usize,
    pub(crate) outbox: VecDeque<OutboxEntry>,
    /// When it was dialled or accepted.
    pub(crate) created_at: Time,
    pub(crate) last_used: Time,
    /// We sent a frame on it.
    pub(crate) frame_sent: bool,
    /// A frame came by it: its peer has proven that it has the key.
    pub(crate) authenticated: bool,
    /// When the frame that is not whole yet began to come.
    pub(crate) frame_began: Option<Time>,
    /// When bytes came last.
    pub(crate) last_bytes_at: Time,
    /// The remote address, if it was accepted.
    pub(crate) from: Option<SocketAddr>,
}

impl Connection {
    pub(crate) fn is_open(&self) -> bool {
        matches!(self.state, ConnectionState::Open(_))
    }

    /// Whether more may be sent on it. Not if it was idle for long: its other end may be closing
    /// it, and what is on its way then is lost. It ends by itself.
    pub(crate) fn is_usable(&self, now: Time, idle: Duration) -> bool {
        !self.is_open() || !self.is_idle() || now.since(self.last_used) < idle * 3 / 4
    }

    /// Nothing waits for it and nothing is on its way.
    pub(crate) fn is_idle(&self) -> bool {
        self.outbox.is_empty() && self.in_flight == 0
    }
}

/// What waits for a connection: what is to be said, not the frame.
#[derive(Debug)]
pub(crate) enum OutboxEntry {
    Broadcast(OutboundBroadcast),
    Direct(Body),
}

/// One hop's share of a broadcast.
#[derive(Clone, Debug)]
pub(crate) struct OutboundBroadcast {
    pub(crate) id: BroadcastId,
    pub(crate) content: Arc<Content>,
    pub(crate) targets: Vec<NetId>,
    /// Only the notice is sent.
    pub(crate) announcement: bool,
    /// The receipts that the hop is asked for.
    pub(crate) ack_request: Option<RelayAckRequest>,
    pub(crate) ack_key: Option<AckKey>,
    pub(crate) topic: Option<u64>,
    pub(crate) catch_up: Option<Arc<Content>>,
    /// How often it was given to its hop before, and lost with the connection.
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

    /// An open connection with a node, the oldest.
    pub(crate) fn open_with(&self, node: NetId) -> Option<ConnectionId> {
        self.table.iter().find(|(_, link)| link.peer == Some(node) && link.is_open()).map(|(id, _)| *id)
    }

    /// Who was accepted and has shown nothing, the oldest first.
    pub(crate) fn unauthenticated(&self) -> impl Iterator<Item = ConnectionId> + '_ {
        self.table.iter().filter(|(_, link)| link.peer.is_none()).map(|(id, _)| *id)
    }

    /// The connection that has been idle the longest, of those that nothing waits for.
    pub(crate) fn idlest(&self) -> Option<ConnectionId> {
        let idle = self.table.iter().filter(|(_, link)| link.is_open() && link.is_idle());
        idle.min_by_key(|(id, link)| (link.last_used, **id)).map(|(id, _)| *id)
    }
}
