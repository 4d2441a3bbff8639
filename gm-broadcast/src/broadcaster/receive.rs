//! What a payload does that opened: what its header tells of its sender, and, of a broadcast, delivering it once and taking the share that
//! came with it. Knows nothing of how it came, but the way.

use std::sync::Arc;

use gm_clock::NetId;
use gm_codec::{AckStatus, Body, BroadcastHeader, BroadcastId, Header, Payload, Routing};

use super::Broadcaster;
use crate::alarm::Timer;
use crate::event::Event;
use crate::gaps::Pace;
use crate::handler::{Handler, Path, Received};
use crate::links::Ask;
use crate::machine::{LinkId, Output};
use crate::plant::{Bug, planted};
use crate::recent::Content;
use crate::time::Time;
use crate::window::Past;

/// By which way a payload came.
pub(super) struct Came<'a> {
    pub(super) path: Path,
    /// The epoch in which its frame was sealed.
    pub(super) epoch: Option<[u8; 8]>,
    /// Its bytes, of a datagram.
    pub(super) raw: &'a [u8],
    pub(super) link: Option<LinkId>,
    /// How many bytes its payload has.
    pub(super) bytes: usize,
    /// The IP address from which it came, of a datagram.
    pub(super) source: Option<std::net::IpAddr>,
}

/// What is delivered.
struct Delivery {
    id: BroadcastId,
    sender: NetId,
    path: Path,
    bytes: usize,
    /// It is what we asked for because we had not heard it.
    repeated: bool,
}

/// A share that is to be passed on.
#[derive(Clone, Debug)]
pub(super) struct Duty {
    pub(super) from: NetId,
    pub(super) list: Vec<NetId>,
    pub(super) ask: Option<Ask>,
}

/// A notice of what we do not have.
#[derive(Debug)]
pub(super) struct Pending {
    pub(super) duties: Vec<Duty>,
    /// How often it was asked for.
    pub(super) tries: u32,
}

/// Shares of one broadcast that wait for its content, at most.
const DUTIES: usize = 4;

impl<H: Handler> Broadcaster<H> {
    pub(super) fn receive(&mut self, now: Time, came: Came<'_>, payload: Payload) {
        let Payload { header, body } = payload;
        let known = self.config.directory.get(header.sender);
        if !self.peers.entry(header.sender, known).0.frames.take(now) {
            self.counters.count(if came.link.is_some() { "link" } else { "datagram" }, "too many frames");
            if let Some(link) = came.link {
                self.lose_link(now, link);
            }
            return;
        }
        let present = self.is_present(now, &came, &header);
        if present {
            self.note(now, &came, &header);
        }
        self.on_presence_question(now, &came, &header);
        let Header { sender, routing: kind, multicast_sequence: multicast, .. } = header;
        match kind {
            Routing::Direct => self.on_message(now, (sender, present), &came, body),
            Routing::Broadcast(broadcast) => {
                if let (Path::Multicast, Some(epoch), Some(number)) = (came.path, came.epoch, multicast) {
                    self.recent.keep_multicast(sender, epoch, number, came.raw);
                }
                self.on_broadcast(now, sender, &came, broadcast, body);
            }
        }
    }

    /// What a header tells of its sender, whatever it carries.
    pub(super) fn note(&mut self, now: Time, came: &Came<'_>, header: &Header) {
        let (sender, me) = (header.sender, self.config.me);
        if let Some(ip) = came.source {
            self.unopened.opened(ip);
        }
        if came.path == Path::Datagram {
            self.reached = Some(now);
        }
        let (peer, new) = self.peers.meet(sender, self.config.directory.get(sender));
        peer.contact = Some(now);
        peer.heard[came.path as usize] = Some(now);
        (peer.unanswered, peer.unshown, peer.unlisted) = (0, 0, false);
        peer.source = came.source.or(peer.source);
        let seed_is_reached = std::mem::take(&mut peer.reported);
        let suspicious = came.path == Path::Link && peer.datagrams.heard_by_connection();
        if header.island.is_some() {
            peer.label = header.island;
        }
        // It lives: whatever failed before, it may be dialled again.
        peer.not_before = Time::ZERO;
        peer.refusals = 0;
        if new {
            self.found(now, sender);
        }
        if seed_is_reached {
            self.emit(Event::SeedReached(sender));
        }
        if suspicious {
            self.try_datagrams(now, sender);
        }
        let confirmation = self.config.times.confirmation;
        if came.path == Path::Multicast {
            self.spoke = Some(sender);
            let full = self.hearing.near().len() >= self.config.bounds.peers;
            if full && !self.hearing.is_near(sender) {
                self.counters.count("dropped", "near, too many");
            } else if self.hearing.hear(sender, now, confirmation, header.routing != Routing::Direct) {
                self.emit(Event::Near(sender));
            }
        }
        if header.neighbors_gained.binary_search(&me).is_ok() {
            self.hearing.confirm(sender, now, confirmation);
        }
        if header.neighbors_lost.binary_search(&me).is_ok() {
            self.hearing.deny(sender);
        }
        // A multicast without a number says that there was none yet: then the first of all will be missed, too.
        let number = header.multicast_sequence.or((came.path == Path::Multicast).then_some(0));
        if let (Some(epoch), Some(number)) = (came.epoch, number)
            && self.hearing.is_near(sender)
        {
            let ask = now + self.jitter.within(self.config.times.gap_jitter);
            let pace = self.gap_pace();
            let is_this = came.path == Path::Multicast && header.routing != Routing::Direct;
            if is_this {
                self.gaps.came(sender, epoch, number, ask, pace);
            } else {
                self.gaps.exists(sender, epoch, number, ask, pace);
            }
        }
        self.after_hearing(now);
    }

    pub(super) fn gap_pace(&self) -> Pace {
        let times = &self.config.times;
        Pace { retry: times.gap_retry, most: self.config.bounds.missed }
    }

    /// A broadcast came, or the notice of one.
    pub(super) fn on_broadcast(
        &mut self,
        now: Time,
        sender: NetId,
        came: &Came<'_>,
        broadcast: BroadcastHeader,
        body: Body,
    ) {
        let BroadcastHeader { origin, sequence, targets: list, ack_request: receipts } = broadcast;
        let origin =
            origin.map(|origin| (origin.node, origin.epoch)).or(came.epoch.map(|epoch| (sender, epoch)));
        let Some((origin, epoch)) = origin else { return self.counters.count("payload", "no epoch") };
        let id = BroadcastId { origin, epoch, sequence };
        let (delivered, forwarded) = match self.window.past(&id) {
            Past::New => (false, false),
            Past::Known { delivered, forwarded } => (delivered, forwarded),
            Past::TooOld => return self.counters.count("broadcast", "TooOld"),
        };
        let is_notice = body == Body::HeaderOnly;
        let repeated = came.path == Path::Multicast && came.raw.is_empty();
        if !is_notice {
            if delivered && !planted(Bug::ReplayDelivered) {
                self.counters.count("broadcast", "known already");
            } else {
                let delivery = Delivery { id, sender, path: came.path, bytes: came.bytes, repeated };
                self.deliver(now, delivery, body);
            }
        }
        if came.path != Path::Link {
            if planted(Bug::DatagramsForward) && !forwarded {
                let everybody = Duty { from: sender, list: self.known(), ask: None };
                self.take_duty(now, id, everybody, false);
            }
            return;
        }
        let ask = receipts.map(|receipts| Ask {
            until: now + std::time::Duration::from_millis(receipts.within_millis.into()),
            durable: receipts.durable,
            again: receipts.reassigned,
        });
        let duty = Duty { from: sender, list, ask };
        if is_notice && !delivered {
            self.await_content(now, id, duty);
        } else {
            self.take_duty(now, id, duty, forwarded);
            if is_notice && ask.is_none() && self.hearing.is_near(sender) {
                // Whoever asks wants to know whether the multicast was heard, not whether we found other ways to it.
                let repeated = self.recent.broadcast(&id).is_some_and(|content| content.repeated);
                self.answer(
                    now,
                    sender,
                    id,
                    if repeated { AckStatus::ContentWanted } else { AckStatus::Received },
                );
            }
        }
    }

    /// Hands a broadcast that is new to the handler, and multicasts it if nobody of our island can have.
    fn deliver(&mut self, now: Time, delivery: Delivery, body: Body) {
        let Delivery { id, sender, path, bytes, repeated } = delivery;
        let near = self.hearing.is_near(sender);
        let received = Received { from: sender, broadcast: Some(id), path, body: &body };
        let outcome = self.handler.handle(now, received);
        self.window.deliver(&id);
        self.counters.count("broadcast", "delivered");
        if let Some(delivery) = outcome.deliver {
            self.out.push(Output::Deliver(delivery));
        }
        let body = outcome.forward.unwrap_or(body);
        let multicast = match path {
            Path::Multicast => true,
            Path::Datagram => false,
            // Whoever heard it from a neighbour by a connection is one of many whom the neighbour tells.
            Path::Link => !near && !planted(Bug::RelayDoesNotMulticast) && self.multicast(now, id, &body),
        };
        let by_us = multicast && path == Path::Link;
        let content = Content { bytes, body, multicast, by_us, repeated };
        self.recent.keep(id, Arc::new(content), outcome.counts, outcome.stored);
        self.alarms.cancel(Timer::Pending(id));
        if let Some(pending) = self.pending.remove(&id) {
            for duty in pending.duties {
                if repeated && duty.ask.is_none() {
                    self.answer(now, duty.from, id, AckStatus::ContentWanted);
                }
                self.take_duty(now, id, duty, false);
            }
        }
    }

    /// Multicasts a broadcast, once: with content, under the next number. False if we do not multicast, or it does not fit.
    pub(super) fn multicast(&mut self, now: Time, id: BroadcastId, body: &Body) -> bool {
        if !self.config.multicast {
            return false;
        }
        self.ready_nonces();
        self.multicasts += 1;
        let mut header = self.broadcast_header(now, None, id, Vec::new(), None);
        let mut bytes = self.datagram(None, &header, body);
        if bytes.is_none() && !(header.neighbors_gained.is_empty() && header.neighbors_lost.is_empty()) {
            // What was to go along has to go alone.
            self.hearing.put_back(
                &std::mem::take(&mut header.neighbors_gained),
                &std::mem::take(&mut header.neighbors_lost),
            );
            bytes = self.datagram(None, &header, body);
        }
        let Some(bytes) = bytes else {
            self.multicasts -= 1;
            self.counters.count("multicast", "too long");
            return false;
        };
        let epoch = self.nonces.epoch().bytes();
        let payload = std::mem::take(&mut self.scratch);
        self.recent.keep_multicast(self.config.me, epoch, self.multicasts, &payload);
        self.scratch = payload;
        self.counters.count("multicast", "content");
        self.stirred(now);
        self.out.push(Output::Multicast(bytes));
        self.expect_echo(now);
        true
    }

    /// A share came with what we have: it is passed on.
    fn take_duty(&mut self, now: Time, id: BroadcastId, duty: Duty, forwarded: bool) {
        if duty.list.is_empty() && duty.ask.is_none() {
            return;
        }
        let again = duty.ask.is_some_and(|ask| ask.again);
        if forwarded && !again && !planted(Bug::ForwardsTwice) {
            self.counters.count("broadcast", "passed on already");
            return;
        }
        self.window.forward(&id);
        self.pass_on(now, id, duty);
    }

    /// A share came with the notice of what we do not have: the multicast may be on its way, else it is asked for.
    fn await_content(&mut self, now: Time, id: BroadcastId, duty: Duty) {
        let near = self.hearing.is_near(duty.from);
        let room = self.pending.len() < self.config.bounds.recent;
        if let Some(pending) = self.pending.get_mut(&id) {
            if pending.duties.len() < DUTIES {
                pending.duties.push(duty);
            }
        } else if room {
            self.pending.insert(id, Pending { duties: vec![duty], tries: 0 });
            let patience = if near { self.config.times.patience } else { std::time::Duration::ZERO };
            self.alarms.set(Timer::Pending(id), now + patience);
        } else {
            self.counters.count("dropped", "notice, too many wait");
        }
    }

    /// The content of a notice did not come: who sent the notice is asked, a few times.
    pub(super) fn on_pending(&mut self, now: Time, id: BroadcastId) {
        let Some(pending) = self.pending.get_mut(&id) else { return };
        pending.tries += 1;
        if pending.tries > ASKED {
            self.pending.remove(&id);
            return self.counters.count("dropped", "notice, nothing came");
        }
        let place = pending.duties.len().min(pending.tries as usize) - 1;
        let asked = pending.duties.get(place).map(|duty| duty.from);
        let wait = self.config.times.pulse.saturating_mul(1 << pending.tries);
        self.alarms.set(Timer::Pending(id), now + wait);
        if let Some(asked) = asked {
            self.hearing.unsay(asked);
            self.answer(now, asked, id, AckStatus::ContentWanted);
        }
    }
}

/// How often the content of a notice is asked for.
const ASKED: u32 = 3;
