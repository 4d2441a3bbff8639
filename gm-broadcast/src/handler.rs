//! What a broadcaster does not know: what its payloads mean. Knows nothing of how they came.

use gm_clock::NetId;
use gm_codec::{Body, BroadcastId};

use crate::time::Time;

/// Whoever understands the payloads: group state, or what an application registered.
pub trait Handler {
    /// What it hands on to the owner of the machine.
    type Delivery;

    /// Takes what came. A broadcast comes once (within the window of
    /// [`DEDUP_WINDOW`](crate::DEDUP_WINDOW) of an origin's epoch), a direct message as often as it
    /// was sent. Direct messages of the broadcaster's own (peers, receipts, gaps, repeats, notices)
    /// do not come here.
    fn handle(&mut self, now: Time, received: Received<'_>) -> HandlerOutcome<Self::Delivery>;
}

/// By which way something came.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Path {
    /// By multicast.
    Multicast,
    /// By a datagram to us.
    Datagram,
    /// By a connection.
    Connection,
}

/// What came.
#[derive(Clone, Copy, Debug)]
pub struct Received<'a> {
    /// Who sent it to us.
    pub from: NetId,
    /// Who began it, in which epoch, under what number; nothing if it is for us alone.
    pub broadcast: Option<BroadcastId>,
    /// By which way.
    pub path: Path,
    /// What it says.
    pub body: &'a Body,
}

/// What a handler makes of it.
#[derive(Clone, Debug)]
pub struct HandlerOutcome<D> {
    /// What is passed on instead of what came, if it is a broadcast: at most as long as a frame can
    /// be.
    pub forward: Option<Body>,
    /// Whether this node counts in receipts.
    pub acks: bool,
    /// Whether what it said is on disk. If not yet, [`Command::Stored`](crate::Command::Stored)
    /// says so later.
    pub stored: bool,
    /// What the owner gets.
    pub deliver: Option<D>,
}

impl<D> HandlerOutcome<D> {
    /// Passed on as it came, counted (in memory), and handed to the owner.
    pub const fn deliver(delivery: D) -> HandlerOutcome<D> {
        HandlerOutcome { forward: None, acks: true, stored: false, deliver: Some(delivery) }
    }
}
