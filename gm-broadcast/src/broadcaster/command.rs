//! Commands of the caller.

use std::sync::Arc;

use gm_clock::NetId;
use gm_codec::{Body, BroadcastId, Header, Payload, PayloadError};

use super::Broadcaster;
use super::acks::MIN_ACK_TIMEOUT;
use super::forward::ForwardOptions;
use super::timeouts::BroadcasterTimer;
use crate::ack_aggregation::{AckAggregation, AckKey, OwnAck};
use crate::connections::RelayAckRequest;
use crate::event::{BroadcastCommand, BroadcastEvent, BroadcastRequest, Targets};
use crate::machine::ConnectionId;
use crate::retransmit_cache::Content;
use crate::time::Time;

impl<D> Broadcaster<D> {
    pub(super) fn on_command(&mut self, now: Time, command: BroadcastCommand) {
        match command {
            BroadcastCommand::Broadcast(broadcasting) => self.originate(now, broadcasting),
            BroadcastCommand::Send { to, body, transport: by } => self.send(now, to, body, by),
            BroadcastCommand::Stored(id) => self.on_stored(now, id, true),
            BroadcastCommand::NotStored(id) => self.on_stored(now, id, false),
            BroadcastCommand::AddNodes(nodes) => {
                nodes.into_iter().for_each(|node| self.learn(now, node, None))
            }
            BroadcastCommand::Introduce { to, nodes } => self.introduce(now, to, nodes),
            BroadcastCommand::AddSeeds(seeds) => {
                self.add_seeds(seeds);
                if self.config.multicast && !self.has_multicast {
                    self.schedule_first_multicast(now);
                }
                self.timers.set(BroadcasterTimer::Exchange, now);
            }
            BroadcastCommand::SetKeys(keyring) => self.codec.set_keyring(keyring),
            BroadcastCommand::Unanswered { node, by } => self.on_unanswered(node, by),
            BroadcastCommand::Answered(node) => self.on_datagram_answered(node),
            BroadcastCommand::Unlist(node) => self.unlist(now, node),
            BroadcastCommand::Close => {
                let links: Vec<ConnectionId> = self.connections.table.keys().copied().collect();
                for link in links {
                    self.lose_connection(now, link);
                }
            }
        }
    }

    /// New entropy: numbers drawn from the old seed may have been drawn elsewhere too.
    pub(super) fn on_entropy(&mut self, seed: [u8; 32]) {
        self.secret_rng = crate::rng::Rng::new(seed);
        self.renew_epoch();
    }

    fn originate(&mut self, now: Time, broadcasting: BroadcastRequest) {
        let BroadcastRequest { tag, body, to, acks, topic, catch_up, multicast } = broadcasting;
        let bytes = match self.can_be_broadcast(&body) {
            Ok(bytes) => bytes,
            Err(error) => return self.emit(BroadcastEvent::Rejected { tag, why: error.to_string() }),
        };
        if let Some(Err(error)) = catch_up.as_ref().map(|body| self.can_be_broadcast(body)) {
            return self.emit(BroadcastEvent::Rejected { tag, why: error.to_string() });
        }
        self.renew_exhausted_nonces();
        let id = BroadcastId {
            origin: self.config.me,
            epoch: self.nonces.epoch().bytes(),
            sequence: self.sequence,
        };
        self.sequence += 1;
        self.dedup.mark_delivered(&id);
        self.dedup.mark_forwarded(&id);
        self.emit(BroadcastEvent::Started { tag, id });
        let multicast = multicast && self.multicast(now, id, &body);
        let content = Arc::new(Content {
            body,
            payload_bytes: bytes,
            multicast,
            multicast_by_us: multicast,
            retransmitted: false,
        });
        let catch_up = catch_up.map(|body| {
            Arc::new(Content {
                body,
                payload_bytes: bytes,
                multicast: false,
                multicast_by_us: false,
                retransmitted: false,
            })
        });
        self.retransmit_cache.insert_broadcast(id, content.clone(), false, false);
        let targets = self.resolve_targets(to);
        let count = targets.len() as u64;
        let mut options = ForwardOptions { topic, catch_up, ..ForwardOptions::default() };
        if let Some(wanted) = acks {
            let until = now + wanted.within.max(MIN_ACK_TIMEOUT);
            let mut aggregation = AckAggregation::new(until, wanted.durable, OwnAck::NotTarget, now);
            aggregation.tag = Some(tag);
            aggregation.targets = count;
            options.ack_request =
                Some(RelayAckRequest { deadline: until, durable: wanted.durable, reissued: false });
            options.ack_key =
                self.open_ack_aggregation(AckKey { id, parent: None, reissued: false }, aggregation);
        }
        self.distribute(now, id, &content, targets, &options);
        match options.ack_key {
            Some(key) => self.update_acks(now, key),
            // No aggregation was opened, so all targets are reported as unknown.
            None if acks.is_some() => {
                let report = crate::event::AckReport { unknown: count, settled: true, ..Default::default() };
                self.emit(BroadcastEvent::Acks { tag, report, parts: Vec::new() });
            }
            None => {}
        }
    }

    /// Size of a body as the payload of a broadcast.
    fn can_be_broadcast(&mut self, body: &Body) -> Result<usize, PayloadError> {
        if *body == Body::HeaderOnly {
            return Err(PayloadError::NotDirect { tag: body.tag() });
        }
        self.scratch.clear();
        let header = Header::own_broadcast(self.config.me, 0);
        Payload::encode_parts(&header, body, self.codec.limits(), &mut self.scratch)?;
        Ok(self.scratch.len())
    }

    fn resolve_targets(&self, to: Targets) -> Vec<NetId> {
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
