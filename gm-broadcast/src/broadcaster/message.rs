//! Direct messages: the broadcaster's own are handled here, all others go to the handler.

use gm_clock::NetId;
use gm_codec::{Ack, AckStatus, Body, BroadcastId, Payload, Routing};

use super::Broadcaster;
use super::receive::Came;
use crate::event::By;
use crate::handler::{Handler, Path, Received};
use crate::links::{Entry, Parcel};
use crate::machine::{LinkId, Output};
use crate::plant::{Bug, planted};
use crate::time::Time;

/// Numbers of one question that are answered.
const ANSWERED: usize = crate::gaps::AT_ONCE;

impl<H: Handler> Broadcaster<H> {
    /// `present`: whether the sender is known to be there. If not, it says nothing of who else is, and is asked nothing.
    pub(super) fn on_message(
        &mut self,
        now: Time,
        (sender, present): (NetId, bool),
        came: &Came<'_>,
        body: Body,
    ) {
        match body {
            Body::HeaderOnly => {}
            Body::PeerExchange(peers) => self.on_peers(now, (sender, present), came.link, peers),
            Body::Ack(_) if !present => self.counters.count("dropped", "receipt of who may be gone"),
            Body::Ack(Ack { broadcast: about, status: answer }) => match answer {
                AckStatus::Received => self.hearing.confirm(sender, now, self.config.times.confirmation),
                AckStatus::ContentWanted => self.on_send_me(now, sender, about),
                AckStatus::Summary(sum) => self.on_sum(now, sender, about, sum),
            },
            Body::Nack(gaps) => {
                let asked = gaps.missed.into_iter().flat_map(|missed| {
                    let numbers = missed.runs.into_iter().flat_map(|(first, last)| first..=last);
                    numbers.map(move |number| (missed.node, missed.epoch, number))
                });
                let asked: Vec<(NetId, [u8; 8], u64)> = asked.take(ANSWERED).collect();
                for (node, epoch, number) in asked {
                    self.repeat(now, sender, (node, epoch, number), came.link.is_some());
                }
            }
            Body::Retransmission(repeat) => self.on_repeat(now, repeat),
            body => {
                let received = Received { from: sender, broadcast: None, path: came.path, body: &body };
                let outcome = self.handler.handle(now, received);
                if let Some(delivery) = outcome.deliver {
                    self.out.push(Output::Deliver(delivery));
                }
            }
        }
    }

    /// Somebody missed a multicast that we may have.
    fn repeat(
        &mut self,
        now: Time,
        asker: NetId,
        (node, epoch, number): (NetId, [u8; 8], u64),
        by_link: bool,
    ) {
        let known = self.config.directory.get(asker);
        if !self.peers.entry(asker, known).0.answers.take(now) {
            return self.counters.count("dropped", "answer, too many");
        }
        let payload = self.recent.multicast(node, epoch, number).map(|payload| payload.to_vec());
        let what = if payload.is_some() { "repeated" } else { "not here" };
        self.counters.count("gap answered", what);
        let payload = payload.unwrap_or_default();
        let body = Body::Retransmission(gm_codec::Retransmission {
            node,
            epoch,
            multicast_sequence: number,
            payload,
        });
        self.send(now, asker, body, if by_link { By::Link } else { By::Datagram });
    }

    /// What we missed, or that the one whom we asked does not have it.
    fn on_repeat(&mut self, now: Time, repeat: gm_codec::Retransmission) {
        let gm_codec::Retransmission { node, epoch, multicast_sequence: number, payload } = repeat;
        if payload.is_empty() {
            // Somebody else is asked when its time comes.
            return self.counters.count("gap", "not there");
        }
        let inner = match Payload::decode(&payload, self.codec.limits()) {
            Ok(inner) => inner,
            Err(error) => return self.counters.count("payload", error.name()),
        };
        let header = &inner.header;
        let is_it = header.sender == node
            && header.multicast_sequence == Some(number)
            && header.routing != Routing::Direct;
        if !is_it || node == self.config.me || !self.hearing.is_near(node) {
            return self.counters.count("gap", "another than asked for");
        }
        self.gaps.fill(node, epoch, number);
        self.recent.keep_multicast(node, epoch, number, &payload);
        self.counters.count("gap", "filled");
        let Routing::Broadcast(broadcast) = inner.header.routing else { return };
        // As if it had come by the datagram that did not.
        let came = Came {
            path: Path::Multicast,
            epoch: Some(epoch),
            raw: &[],
            link: None,
            bytes: payload.len(),
            source: None,
        };
        self.on_broadcast(now, node, &came, broadcast, inner.body);
    }

    pub(super) fn answer(&mut self, now: Time, to: NetId, about: BroadcastId, answer: AckStatus) {
        self.send_by_link(now, to, Body::Ack(Ack { broadcast: about, status: answer }));
    }

    /// Somebody got our notice and not our multicast: it gets the content; and others may lack it too.
    fn on_send_me(&mut self, now: Time, sender: NetId, id: BroadcastId) {
        self.alive(now, sender, id);
        let Some(content) = self.recent.broadcast(&id).cloned() else {
            return self.counters.count("dropped", "asked for, gone");
        };
        if planted(Bug::SendMeIgnored) {
            return;
        }
        self.hearing.missed(sender);
        self.counters.count("notice", "send me");
        let parcel = Parcel {
            id,
            content,
            list: Vec::new(),
            notice: false,
            ask: None,
            tally: None,
            topic: None,
            instead: None,
            tries: 0,
        };
        self.queue_to(now, sender, Entry::Parcel(parcel));
        self.doubt_multicast(now, sender, id);
    }

    /// Sends a direct body by a connection, which is dialled if there is none.
    pub(super) fn send_by_link(&mut self, now: Time, to: NetId, body: Body) {
        self.queue_to(now, to, Entry::Direct(body));
    }

    pub(super) fn send(&mut self, now: Time, to: NetId, body: Body, by: By) {
        if to == self.config.me {
            return self.counters.count("dropped", "to ourselves");
        }
        if by == By::Link || self.datagrams_fail(now, to) || !self.send_datagram(now, to, &body) {
            self.send_by_link(now, to, body);
        }
    }

    /// Puts something into the outbox of a node's connection.
    pub(super) fn queue_to(&mut self, now: Time, to: NetId, entry: Entry) {
        let Some(link) = self.link_to(now, to) else {
            return match entry {
                Entry::Parcel(parcel) => self.on_parcel_lost(now, to, parcel, true),
                Entry::Direct(_) => self.counters.count("dropped", "direct, not reachable"),
            };
        };
        self.enqueue(now, link, entry);
        self.pump(now, link);
    }

    /// Bounded, and of what is dirty: a broadcast takes the place of an older one of its topic.
    pub(super) fn enqueue(&mut self, now: Time, link: LinkId, entry: Entry) {
        let most = self.config.bounds.outbox;
        let Some(link) = self.links.table.get_mut(&link) else { return };
        if let Entry::Parcel(new) = &entry
            && let (Some(topic), None) = (new.topic, new.ask)
            && let Some(Entry::Parcel(old)) = link.outbox.iter_mut().find(
                |old| matches!(old, Entry::Parcel(old) if old.topic == Some(topic) && old.ask.is_none() && old.notice == new.notice),
            )
        {
            let mut list = std::mem::take(&mut old.list);
            list.extend_from_slice(&new.list);
            list.sort_unstable();
            list.dedup();
            let content = new.instead.clone().unwrap_or_else(|| new.content.clone());
            *old = Parcel { list, content, ..new.clone() };
            return self.counters.count("outbox", "replaced by a newer one");
        }
        link.outbox.push_back(entry);
        if link.outbox.len() > most && !planted(Bug::OutboxUnbounded) {
            let (node, oldest) = (link.peer, link.outbox.pop_front());
            self.counters.count("dropped", "outbox full");
            if let (Some(node), Some(Entry::Parcel(parcel))) = (node, oldest) {
                self.on_parcel_lost(now, node, parcel, true);
            }
        }
    }

    /// The connection of a node, dialled if there is none; nothing if it failed lately or there is no room.
    pub(super) fn link_to(&mut self, now: Time, to: NetId) -> Option<LinkId> {
        let known = self.config.directory.get(to);
        let (peer, _) = self.peers.entry(to, known);
        let idle = self.config.times.idle;
        let takes = |link: &LinkId| self.links.table.get(link).is_some_and(|link| link.takes(now, idle));
        if let Some(link) = peer.link.filter(takes) {
            return Some(link);
        }
        if peer.not_before > now || (peer.failures > 0 && planted(Bug::BackoffForever)) {
            return None;
        }
        self.dial(now, to)
    }
}
