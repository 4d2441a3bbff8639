//! What comes of connections: openings, bytes, ends.

use std::net::SocketAddr;

use gm_clock::NetId;
use gm_codec::{Body, Handshake, Payload, Side};

use super::Broadcaster;
use super::receive::Came;
use crate::alarm::Timer;
use crate::event::Event;
use crate::handler::{Handler, Path};
use crate::links::{Entry, Link, State};
use crate::machine::{LinkId, Output, Refusal};
use crate::time::Time;

impl<H: Handler> Broadcaster<H> {
    pub(super) fn on_link_opened(&mut self, now: Time, id: LinkId, from: Option<SocketAddr>) {
        let opening = Handshake::new(id.side(), self.secrets.bytes());
        let bytes = opening.own_bytes().to_vec();
        match id.side() {
            Side::Initiator => {
                let Some(link) = self.links.table.get_mut(&id) else { return };
                // There and back: what the way to it is like.
                let class = self.config.class_of(now.since(link.since));
                link.state = State::Opening(opening);
                let peer = link.peer;
                if let Some(peer) = peer {
                    let known = self.config.directory.get(peer);
                    let (peer, _) = self.peers.entry(peer, known);
                    (peer.class, peer.reached) = (Some(class), true);
                }
            }
            Side::Acceptor => {
                let least = self.make_room(now);
                self.links.add(id, None, State::Opening(opening), now, self.codec.limits());
                if let Some(link) = self.links.table.get_mut(&id) {
                    link.from = from;
                }
                // Only now: what waits for it is tried again at once, and must not take this one's place.
                if let Some(least) = least {
                    self.counters.count("link", "busy made room");
                    self.lose_link(now, least);
                }
            }
        }
        if let Some(link) = self.links.table.get_mut(&id) {
            link.in_flight += bytes.len();
            self.alarms.set(Timer::Link(id), now + self.config.times.opening);
            self.out.push(Output::Send { link: id, bytes });
        }
    }

    /// Before a stranger is let in: strangers and connections are bounded. If all are busy, the one that is the least used is returned: it
    /// has to go once the stranger is there.
    fn make_room(&mut self, now: Time) -> Option<LinkId> {
        let crowded = self.links.strangers().count() >= self.config.bounds.strangers;
        let oldest = self.links.strangers().next().filter(|_| crowded);
        if let Some(oldest) = oldest {
            self.counters.count("link", "stranger made room");
            self.lose_link(now, oldest);
        }
        let full = self.links.table.len() >= self.config.bounds.links;
        let idlest = self.links.idlest().or_else(|| self.links.strangers().next()).filter(|_| full);
        if let Some(idlest) = idlest {
            self.counters.count("link", "idle made room");
            self.lose_link(now, idlest);
        }
        let full = self.links.table.len() >= self.config.bounds.links;
        let least = self.links.table.iter().filter(|_| full).min_by_key(|(id, link)| (link.used, **id));
        least.map(|(id, _)| *id)
    }

    pub(super) fn on_link_bytes(&mut self, now: Time, id: LinkId, bytes: &[u8]) {
        let mut input = bytes;
        let Some(link) = self.links.table.get_mut(&id) else { return };
        if let State::Opening(opening) = &mut link.state {
            match opening.read(&mut input) {
                Ok(None) => return,
                Ok(Some(stream)) => {
                    link.state = State::Open(stream);
                    self.on_stream(now, id);
                }
                Err(_) => {
                    self.counters.count("link", "HandshakeEchoed");
                    return self.lose_link(now, id);
                }
            }
        }
        // A frame at a time, taken out of the connection's buffer: what it sets in motion may end the connection.
        while let Some(payload) = self.next_frame(now, id, &mut input) {
            let (payload, epoch, bytes) = payload;
            let came = Came { path: Path::Link, epoch, raw: &[], link: Some(id), bytes, source: None };
            self.receive(now, came, payload);
        }
    }

    fn next_frame(
        &mut self,
        now: Time,
        id: LinkId,
        input: &mut &[u8],
    ) -> Option<(Payload, Option<[u8; 8]>, usize)> {
        if !self.make_room_to_arrive(now, id, input) {
            return None;
        }
        let link = self.links.table.get_mut(&id)?;
        let State::Open(stream) = &mut link.state else { return None };
        let mut scratch = Vec::new();
        let read = match link.splitter.read(input) {
            Ok(None) => {
                self.on_part_of_frame(now, id);
                return None;
            }
            Ok(Some(frame)) => stream.open(&self.codec, frame, &mut scratch).map(|opened| {
                let epoch = opened.seal.map(|seal| seal.epoch.bytes());
                let payload = Payload::decode(opened.payload, self.codec.limits());
                payload.map(|payload| (payload, epoch, opened.payload.len()))
            }),
            Err(error) => Err(error),
        };
        // What is understood is no longer needed as bytes: it may be long until more comes.
        link.splitter.release();
        if link.begun.take().is_some() {
            self.alarms.set_by(Timer::Link(id), now + self.config.times.idle);
        }
        let why = match read {
            Ok(Ok((payload, epoch, bytes))) => {
                return self.identify(now, id, payload).map(|payload| (payload, epoch, bytes));
            }
            Ok(Err(error)) => error.name(),
            Err(error) => {
                self.on_unopened_by_link(now, id, error);
                error.name()
            }
        };
        self.counters.count("link", why);
        self.lose_link(now, id);
        None
    }

    /// Binds a connection to who speaks on it: the first frame says it, and no other may say another.
    fn identify(&mut self, now: Time, id: LinkId, payload: Payload) -> Option<Payload> {
        let sender = payload.header.sender;
        let link = self.links.table.get_mut(&id)?;
        link.used = now;
        link.heard = true;
        if let Some(from) = link.from {
            self.unopened.opened(from.ip());
            self.reached = Some(now);
        }
        let from = link.from;
        let as_expected = link.peer.is_none_or(|peer| peer == sender) && sender != self.config.me;
        if as_expected {
            if link.peer.is_none() {
                link.peer = Some(sender);
                // Who dialled has something to say, and says it when our opening is there: so long the way is, there and back.
                let class = self.config.class_of(now.since(link.since));
                let known = self.config.directory.get(sender);
                let (peer, _) = self.peers.entry(sender, known);
                peer.class.get_or_insert(class);
                peer.source = from.map(|from| from.ip());
                self.alarms.set(Timer::Link(id), now + self.config.times.idle);
                self.adopt_link(now, id, sender);
            }
            return Some(payload);
        }
        if sender == self.config.me {
            self.emit(Event::Clash);
        }
        self.counters.count("link", "another node than dialled");
        self.lose_link(now, id);
        None
    }

    /// A dialled connection is ready for frames.
    fn on_stream(&mut self, now: Time, id: LinkId) {
        let Some(peer) = self.links.table.get(&id).and_then(|link| link.peer) else { return };
        self.alarms.set(Timer::Link(id), now + self.config.times.idle);
        self.adopt_link(now, id, peer);
        // Dialled for a share that another took meanwhile: who shows nothing is closed, and what is given to the connection in that
        // moment would be lost. So it shows something.
        if let Some(link) = self.links.table.get_mut(&id).filter(|link| !link.said && link.outbox.is_empty())
        {
            link.outbox.push_back(Entry::Direct(Body::HeaderOnly));
            self.pump(now, id);
        }
    }

    /// We can send to a node by this connection. That a dial was answered shows nobody's key: it is met when something of it opens, not before.
    fn adopt_link(&mut self, now: Time, id: LinkId, node: NetId) {
        let known = self.config.directory.get(node);
        let (peer, _) = self.peers.entry(node, known);
        // An accepted connection shows that the peer is alive, not that it is reached at its own address.
        if id.side() == Side::Initiator {
            peer.failures = 0;
        }
        peer.refusals = 0;
        peer.not_before = Time::ZERO;
        let usable = |link: &Link| link.is_open() && link.takes(now, self.config.times.idle);
        let usable = peer.link.and_then(|link| self.links.table.get(&link)).is_some_and(usable);
        if !usable {
            // What waits for a dial that is overtaken goes by this one.
            let before = peer.link.replace(id);
            let waiting = before.and_then(|before| self.links.table.get_mut(&before));
            let waiting = waiting.map(|link| std::mem::take(&mut link.outbox)).unwrap_or_default();
            if let Some(link) = self.links.table.get_mut(&id) {
                link.outbox.extend(waiting);
            }
        }
        self.on_reached(now, node);
        self.pump(now, id);
    }

    pub(super) fn on_link_sent(&mut self, now: Time, id: LinkId, bytes: usize) {
        if let Some(link) = self.links.table.get_mut(&id) {
            link.in_flight = link.in_flight.saturating_sub(bytes);
            link.used = now;
            self.pump(now, id);
        }
    }

    pub(super) fn on_link_closed(&mut self, now: Time, id: LinkId, stalled: bool) {
        self.count_unproven(id, "left");
        let ended = self.links.table.get(&id).map(|link| (link.peer, link.heard, link.since));
        if let Some((Some(node), heard, since)) = ended {
            if stalled {
                self.on_stall(now, node);
            } else if !heard && id.side() == Side::Initiator && now.since(since) < self.config.times.opening {
                self.on_closed_before_first_frame(now, node);
            }
        }
        self.forget_link(now, id, None);
    }

    pub(super) fn on_link_refused(&mut self, now: Time, id: LinkId, refusal: Refusal) {
        self.counters.count("dial", if refusal == Refusal::Refused { "refused" } else { "silent" });
        self.forget_link(now, id, Some(refusal));
    }

    /// Ends a connection: because of what came by it or did not, or to make room.
    pub(super) fn lose_link(&mut self, now: Time, id: LinkId) {
        if self.links.table.contains_key(&id) {
            self.count_unproven(id, "closed");
            self.out.push(Output::Close { link: id });
            self.forget_link(now, id, None);
        }
    }

    /// A connection is no more. What waited for it goes another way.
    fn forget_link(&mut self, now: Time, id: LinkId, refusal: Option<Refusal>) {
        self.alarms.cancel(Timer::Link(id));
        let Some(link) = self.links.table.remove(&id) else { return };
        let Some(node) = link.peer else { return };
        let was_open = link.is_open();
        let known = self.config.directory.get(node);
        if self.peers.entry(node, known).0.link == Some(id) {
            // Another connection with it may be open: one that it opened itself, while this was a dial.
            let other = self.links.open_with(node);
            self.peers.entry(node, known).0.link = other;
        }
        let unreached = !was_open || refusal.is_some();
        if unreached {
            let backoff = (self.config.times.backoff, self.config.times.backoff_most);
            let why = refusal.unwrap_or(Refusal::Silent);
            self.peers.failed(node, known, (now, why), backoff, &mut self.jitter);
            self.look_at_seed(now, node);
        }
        let has_another = self.peers.get(node).is_some_and(|peer| peer.link.is_some());
        if unreached && !has_another {
            self.on_unreached(now, node);
        }
        for entry in link.outbox {
            match entry {
                Entry::Parcel(parcel) => self.on_parcel_lost(now, node, parcel, false),
                Entry::Direct(_) => self.counters.count("dropped", "direct, connection ended"),
            }
        }
        if was_open && !has_another {
            self.on_relay_gone(now, node);
        }
    }
}
