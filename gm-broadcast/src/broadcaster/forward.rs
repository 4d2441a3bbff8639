//! Passing on: who is told in full, who by a notice, who not at all, and who passes what on to
//! whom. Knows nothing of connections.

use std::sync::Arc;
use std::time::Duration;

use gm_clock::NetId;
use gm_codec::BroadcastId;

use super::Broadcaster;
use super::receive::RelayTask;
use crate::ack_aggregation::{AckAggregation, AckKey, OwnAck};
use crate::connections::{OutboundBroadcast, RelayAckRequest};
use crate::counter::Counter;
use crate::event::BroadcastEvent;
use crate::handler::Handler;
use crate::islands::{Target, islands};
use crate::latency_class::LatencyClass;
use crate::plan::{Subtree, plan};
use crate::plant::{Bug, planted};
use crate::reception::Reception;
use crate::retransmit_cache::Content;
use crate::time::Time;

/// How a broadcast is passed on.
#[derive(Clone, Debug, Default)]
pub(super) struct ForwardOptions {
    pub(super) ack_key: Option<AckKey>,
    /// What hops are asked for; the time until which is taken for each anew.
    pub(super) ack_request: Option<RelayAckRequest>,
    pub(super) topic: Option<u64>,
    pub(super) catch_up: Option<Arc<Content>>,
}

impl<H: Handler> Broadcaster<H> {
    /// Takes a share over.
    pub(super) fn forward_subtree(&mut self, now: Time, id: BroadcastId, task: RelayTask) {
        let Some((content, counts, stored)) = self.retransmit_cache.broadcast_with_outcome(&id) else {
            return self.counters.count(Counter::SubtreesWithoutContent);
        };
        let mut how = ForwardOptions { ack_request: task.ack_request, ..ForwardOptions::default() };
        if let Some(ask) = task.ack_request {
            let own = match (counts, stored || !ask.durable) {
                (false, _) => OwnAck::Refused,
                (true, true) => OwnAck::Acked,
                (true, false) => OwnAck::Pending,
            };
            if own == OwnAck::Pending {
                self.emit(BroadcastEvent::PersistRequested(id));
            }
            let key = AckKey { id, parent: Some(task.from), reissued: ask.reissued };
            how.ack_key =
                self.open_ack_aggregation(key, AckAggregation::new(ask.deadline, ask.durable, own, now));
        }
        self.distribute(now, id, &content, task.targets, &how);
        if let Some(key) = how.ack_key {
            self.update_acks(now, key);
        }
    }

    /// Cuts targets into shares and begins to give them out.
    pub(super) fn distribute(
        &mut self,
        now: Time,
        id: BroadcastId,
        content: &Arc<Content>,
        targets: Vec<NetId>,
        how: &ForwardOptions,
    ) {
        let mut confirmed = Vec::new();
        let mut rest = Vec::with_capacity(targets.len());
        for node in targets.into_iter().filter(|node| *node != self.config.me) {
            // Whoever said that it hears our multicast has heard this one.
            let heard =
                content.multicast_by_us && self.reception.reception_of(node, now) == Reception::Confirmed;
            if heard && how.ack_request.is_none() {
                confirmed.push(node);
            } else {
                rest.push(self.target(now, node));
            }
        }
        let mut shares =
            plan(islands(rest), &self.config.path_costs, self.config.tree_shape, &mut self.plan_rng);
        self.limit_fan_out(&mut shares);
        // One of the confirmed is told that there was something: if it lacks it, so may others.
        if !confirmed.is_empty() && !planted(Bug::NobodyKept) {
            let pick = confirmed.swap_remove(self.jitter_rng.index(confirmed.len()));
            shares.push(Subtree { class: LatencyClass::Island, nodes: vec![pick] });
        }
        if planted(Bug::TargetDropped)
            && let Some(share) = shares.iter_mut().find(|share| share.nodes.len() > 1)
        {
            share.nodes.pop();
        }
        if let Some(aggregation) = how.ack_key.and_then(|key| self.ack_aggregations.get_mut(&key)) {
            aggregation.open_subtrees += shares.len();
        }
        for share in shares {
            let outbound = OutboundBroadcast {
                id,
                content: content.clone(),
                targets: Vec::new(),
                announcement: false,
                ack_request: how.ack_request,
                ack_key: how.ack_key,
                topic: how.topic,
                catch_up: how.catch_up.clone(),
                tries: 0,
            };
            self.start_handover(now, outbound, share.class, share.nodes);
        }
    }

    /// What a plan needs to know of a node.
    fn target(&self, now: Time, node: NetId) -> Target {
        let near = self.reception.is_near(node);
        let known = self.config.directory.get(node);
        let peer = self.peers.get(node);
        let label = peer.map_or(known.and_then(|known| known.island_id), |peer| peer.island_id);
        // Our own island heard it from us: each of it is told alone.
        let label = label.filter(|label| !near && Some(*label) != self.island_id);
        let class =
            peer.and_then(|peer| peer.class).or(known.map(|known| known.class)).unwrap_or(LatencyClass::Lan);
        // A class of its own only if it differs: several classes are several lists, and a plan of
        // one is better.
        let own = self.config.path_costs.island != self.config.path_costs.lan;
        let class = match (near, own) {
            (true, true) => LatencyClass::Island,
            (true, false) => LatencyClass::Lan,
            (false, _) => class,
        };
        let failing = peer.is_some_and(|peer| peer.backoff_until > now);
        Target { node, island_id: label, class, failing }
    }

    /// No more shares than may be given at once: what is beyond is given to the others.
    fn limit_fan_out(&self, shares: &mut Vec<Subtree>) {
        let most = self.config.limits.fan_out;
        if shares.len() > most {
            for (place, extra) in shares.split_off(most).into_iter().enumerate() {
                if let Some(share) = shares.get_mut(place % most) {
                    share.nodes.extend(extra.nodes);
                }
            }
        }
    }

    /// Begins to gather receipts; nothing if too many are gathered already.
    pub(super) fn open_ack_aggregation(
        &mut self,
        key: AckKey,
        aggregation: AckAggregation,
    ) -> Option<AckKey> {
        if self.ack_aggregations.len() >= self.config.limits.ack_aggregations
            || self.ack_aggregations.contains_key(&key)
        {
            self.counters.count(Counter::AckAggregationsDropped);
            return None;
        }
        self.ack_aggregations.insert(key, aggregation);
        Some(key)
    }

    /// A near node did not get what we multicast: nobody's word holds any longer, and all who were
    /// left out are told that there was something.
    pub(super) fn on_incomplete_multicast(&mut self, now: Time, sender: NetId, id: BroadcastId) {
        let Some(content) = self.retransmit_cache.broadcast(&id).cloned() else { return };
        if !content.multicast_by_us
            || !self.reception.is_near(sender)
            || self.last_incomplete_multicast == Some(id)
        {
            return;
        }
        self.last_incomplete_multicast = Some(id);
        self.counters.count(Counter::IncompleteMulticasts);
        let left_out =
            |node: &NetId| *node != sender && self.reception.reception_of(*node, now) == Reception::Confirmed;
        let near: Vec<NetId> = self.reception.near().filter(left_out).collect();
        self.reception.unconfirm_all();
        if !self.ack_keys_of(id).is_empty() {
            // With receipts everybody is told of it anyway; a share beside would only make theirs
            // the second one.
            return;
        }
        // It may be the second share of it that they take, so it says that it was another's.
        let ask =
            RelayAckRequest { deadline: now + ANNOUNCEMENT_ACK_TIMEOUT, durable: false, reissued: true };
        self.distribute(
            now,
            id,
            &content,
            near,
            &ForwardOptions { ack_request: Some(ask), ..ForwardOptions::default() },
        );
    }
}

/// How long relays of a notice wait for each other: they report to nobody.
const ANNOUNCEMENT_ACK_TIMEOUT: Duration = Duration::from_secs(2);
