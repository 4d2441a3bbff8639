//! The handler interface: the layer above the broadcaster, which interprets payloads.

use gm_clock::NetId;
use gm_codec::{Body, BroadcastId};

use crate::time::Time;

/// Interprets payloads: the group table of a node, or an application's registered types. The
/// broadcaster borrows it for each input, see [`Broadcaster::handle`](crate::Broadcaster::handle).
pub trait Handler {
    /// Data that it delivers to the caller of the machine.
    type Delivery;

    /// Handles a received payload. A broadcast is passed in once (within the window of
    /// [`DEDUP_WINDOW`](crate::DEDUP_WINDOW) per epoch of an origin), a direct message as often as
    /// it arrives. The broadcaster's own messages (peer exchange, acks, nacks, retransmissions,
    /// announcements) are not passed in.
    fn handle(&mut self, now: Time, received: Received<'_>) -> HandlerOutcome<Self::Delivery>;
}

/// Path by which a payload arrived.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Path {
    /// By multicast.
    Multicast,
    /// By a datagram to this node.
    Datagram,
    /// By a connection.
    Connection,
}

/// A received payload.
#[derive(Clone, Copy, Debug)]
pub struct Received<'a> {
    /// The node that sent it to this node: the origin, or a relay.
    pub from: NetId,
    /// Id of the broadcast; `None` for a direct message.
    pub broadcast: Option<BroadcastId>,
    /// Path by which it arrived.
    pub path: Path,
    /// The payload.
    pub body: &'a Body,
}

/// A handler's decisions about a payload.
#[derive(Clone, Debug)]
pub struct HandlerOutcome<D> {
    /// Whether this node acknowledges the broadcast.
    pub acks: bool,
    /// Whether the content is on disk. If not yet, the caller sends
    /// [`BroadcastCommand::Stored`](crate::BroadcastCommand::Stored) later.
    pub stored: bool,
    /// Data for the caller.
    pub deliver: Option<D>,
}

impl<D> HandlerOutcome<D> {
    /// Acknowledges the broadcast (in memory), and delivers it to the caller.
    pub const fn deliver(delivery: D) -> HandlerOutcome<D> {
        HandlerOutcome { acks: true, stored: false, deliver: Some(delivery) }
    }
}
