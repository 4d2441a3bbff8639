//! What the owner tells us. Knows nothing of how it is done.

use std::sync::Arc;

use gm_clock::NetId;
use gm_codec::{Body, BroadcastId, Header, Payload, PayloadError};

use super::Broadcaster;
use super::forward::How;
use super::gather::SHORTEST;
use crate::alarm::Timer;
use crate::event::{Broadcasting, Command, Event, Targets};
use crate::handler::Handler;
use crate::links::Ask;
use crate::machine::LinkId;
use crate::recent::Content;
use crate::tally::{Own, Tally, TallyKey};
use crate::time::Time;

impl<H: Handler> Broadcaster<H> {
    pub(super) fn on_command(&mut self, now: Time, command: Command) {
        match command {
            Command::Broadcast(broadcasting) => self.originate(now, broadcasting),
            Command::Send { to, body, by } => self.send(now, to, body, by),
            Command::Stored(id) => self.on_stored(now, id, true),
            Command::NotStored(id) => self.on_stored(now, id, false),
            Command::Know(nodes) => nodes.into_iter().for_each(|node| self.learn(now, node, None)),
            Command::Refer { to, nodes } => self.refer(now, to, nodes),
            Command::Seeds(seeds) => {
                self.more_seeds(seeds);
                self.alarms.set(Timer::Exchange, now);
            }
            Command::Keys(keyring) => self.codec.set_keyring(keyring),
            Command::Unanswered { node, by } => self.on_unanswered(node, by),
            Command::Answered(node) => self.datagrams_work(node),
            Command::Unlist(node) => self.unlist(now, node),
            Command::Close => {
                let links: Vec<LinkId> = self.links.table.keys().copied().collect();
                for link in links {
                    self.lose_link(now, link);
                }
            }
        }
    }

    /// Fresh chance: whatever was drawn of the old one may be drawn elsewhere too.
    pub(super) fn on_chance(&mut self, seed: [u8; 32]) {
        self.secrets = crate::chance::Chance::new(seed);
        self.renew_epoch();
    }

    fn originate(&mut self, now: Time, broadcasting: Broadcasting) {
        let Broadcasting { tag, body, to, receipts, topic, instead, multicast } = broadcasting;
        let bytes = match self.can_be_broadcast(&body) {
            Ok(bytes) => bytes,
            Err(error) => return self.emit(Event::Unsaid { tag, why: error.to_string() }),
        };
        if let Some(Err(error)) = instead.as_ref().map(|instead| self.can_be_broadcast(instead)) {
            return self.emit(Event::Unsaid { tag, why: error.to_string() });
        }
        self.ready_nonces();
        let id = BroadcastId {
            origin: self.config.me,
            epoch: self.nonces.epoch().bytes(),
            sequence: self.sequence,
        };
        self.sequence += 1;
        self.window.deliver(&id);
        self.window.forward(&id);
        self.emit(Event::Began { tag, id });
        let multicast = multicast && self.multicast(now, id, &body);
        let content = Arc::new(Content { body, bytes, multicast, by_us: multicast, repeated: false });
        let instead = instead
            .map(|body| Arc::new(Content { body, bytes, multicast: false, by_us: false, repeated: false }));
        self.recent.keep(id, content.clone(), false, false);
        let targets = self.targets(to);
        let count = targets.len() as u64;
        let mut how = How { topic, instead, ..How::default() };
        if let Some(wanted) = receipts {
            let until = now + wanted.within.max(SHORTEST);
            let mut tally = Tally::new(until, wanted.durable, Own::None, now);
            tally.tag = Some(tag);
            tally.targets = count;
            how.ask = Some(Ask { until, durable: wanted.durable, again: false });
            how.tally = self.open_tally(TallyKey { id, parent: None, again: false }, tally);
        }
        self.disperse(now, id, &content, targets, &how);
        match how.tally {
            Some(key) => self.gather(now, key),
            // Nobody gathers: then nothing is known, and that is said.
            None if receipts.is_some() => {
                let report = crate::event::Report { unknown: count, settled: true, ..Default::default() };
                self.emit(Event::Receipts { tag, report, parts: Vec::new() });
            }
            None => {}
        }
    }

    /// Bytes of a body as the payload of a broadcast.
    fn can_be_broadcast(&mut self, body: &Body) -> Result<usize, PayloadError> {
        if *body == Body::HeaderOnly {
            return Err(PayloadError::NotDirect { tag: body.tag() });
        }
        self.scratch.clear();
        let header = Header::own_broadcast(self.config.me, 0);
        Payload::encode_parts(&header, body, self.codec.limits(), &mut self.scratch)?;
        Ok(self.scratch.len())
    }

    fn targets(&self, to: Targets) -> Vec<NetId> {
        match to {
            Targets::All => self.known(),
            Targets::Nodes(mut nodes) => {
                nodes.sort_unstable();
                nodes.dedup();
                nodes.retain(|node| *node != self.config.me);
                nodes
            }
        }
    }
}
