//! Connections: what state each is in and what waits for it. Knows nothing of what frames say.

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use gm_clock::NetId;
use gm_codec::{Body, BroadcastId, FrameSplitter, Handshake, Limits, Stream};

use crate::machine::LinkId;
use crate::recent::Content;
use crate::tally::TallyKey;
use crate::time::Time;

#[derive(Debug)]
pub(crate) enum State {
    Dialling,
    Opening(Handshake),
    Open(Stream),
}

#[derive(Debug)]
pub(crate) struct Link {
    /// Whom we dialled, or who showed himself by a frame.
    pub(crate) peer: Option<NetId>,
    pub(crate) state: State,
    pub(crate) splitter: FrameSplitter,
    /// Bytes that are with the driver.
    pub(crate) in_flight: usize,
    pub(crate) outbox: VecDeque<Entry>,
    /// When it was dialled or accepted.
    pub(crate) since: Time,
    pub(crate) used: Time,
    /// We sent a frame on it.
    pub(crate) said: bool,
    /// A frame came by it: its peer has proven that it has the key.
    pub(crate) heard: bool,
    /// When the frame that is not whole yet began to come.
    pub(crate) begun: Option<Time>,
    /// When bytes came last.
    pub(crate) moved: Time,
    /// The remote address, if it was accepted.
    pub(crate) from: Option<SocketAddr>,
}

impl Link {
    pub(crate) fn is_open(&self) -> bool {
        matches!(self.state, State::Open(_))
    }

    /// Whether more may be sent on it. Not if it was idle for long: its other end may be closing it, and what is on its way then is lost.
    /// It ends by itself.
    pub(crate) fn takes(&self, now: Time, idle: Duration) -> bool {
        !self.is_open() || !self.is_idle() || now.since(self.used) < idle * 3 / 4
    }

    /// Nothing waits for it and nothing is on its way.
    pub(crate) fn is_idle(&self) -> bool {
        self.outbox.is_empty() && self.in_flight == 0
    }
}

/// What waits for a connection: what is to be said, not the frame.
#[derive(Debug)]
pub(crate) enum Entry {
    Parcel(Parcel),
    Direct(Body),
}

/// One hop's share of a broadcast.
#[derive(Clone, Debug)]
pub(crate) struct Parcel {
    pub(crate) id: BroadcastId,
    pub(crate) content: Arc<Content>,
    pub(crate) list: Vec<NetId>,
    /// Only the notice is sent.
    pub(crate) notice: bool,
    /// The receipts that the hop is asked for.
    pub(crate) ask: Option<Ask>,
    pub(crate) tally: Option<TallyKey>,
    pub(crate) topic: Option<u64>,
    pub(crate) instead: Option<Arc<Content>>,
    /// How often it was given to its hop before, and lost with the connection.
    pub(crate) tries: u8,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Ask {
    pub(crate) until: Time,
    pub(crate) durable: bool,
    pub(crate) again: bool,
}

#[derive(Debug)]
pub(crate) struct Links {
    pub(crate) table: BTreeMap<LinkId, Link>,
    dialled: u64,
}

impl Links {
    pub(crate) const fn new() -> Links {
        Links { table: BTreeMap::new(), dialled: 0 }
    }

    pub(crate) fn next(&mut self) -> LinkId {
        self.dialled += 1;
        LinkId::dialled(self.dialled)
    }

    pub(crate) fn add(
        &mut self,
        link: LinkId,
        peer: Option<NetId>,
        state: State,
        now: Time,
        limits: &Limits,
    ) {
        let new = Link {
            peer,
            state,
            splitter: FrameSplitter::new(limits),
            in_flight: 0,
            outbox: VecDeque::new(),
            since: now,
            used: now,
            said: false,
            heard: false,
            begun: None,
            moved: now,
            from: None,
        };
        self.table.insert(link, new);
    }

    /// An open connection with a node, the oldest.
    pub(crate) fn open_with(&self, node: NetId) -> Option<LinkId> {
        self.table.iter().find(|(_, link)| link.peer == Some(node) && link.is_open()).map(|(id, _)| *id)
    }

    /// Who was accepted and has shown nothing, the oldest first.
    pub(crate) fn strangers(&self) -> impl Iterator<Item = LinkId> + '_ {
        self.table.iter().filter(|(_, link)| link.peer.is_none()).map(|(id, _)| *id)
    }

    /// The connection that has been idle the longest, of those that nothing waits for.
    pub(crate) fn idlest(&self) -> Option<LinkId> {
        let idle = self.table.iter().filter(|(_, link)| link.is_open() && link.is_idle());
        idle.min_by_key(|(id, link)| (link.used, **id)).map(|(id, _)| *id)
    }
}
