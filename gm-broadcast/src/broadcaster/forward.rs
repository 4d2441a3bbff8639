//! Forwarding: which targets get the content, which an announcement, which nothing, and which relay
//! serves which subtree.

use std::sync::Arc;

use gm_clock::NetId;
use gm_codec::BroadcastId;

use super::Broadcaster;
use super::receive::RelayTask;
use crate::ack_aggregation::{AckAggregation, AckKey, OwnAck};
use crate::connections::{OutboundBroadcast, RelayAckRequest};
use crate::counter::Counter;
use crate::event::BroadcastEvent;
use crate::islands::{Target, islands};
use crate::latency_class::LatencyClass;
use crate::plan::{Subtree, plan};
use crate::reception::Reception;
use crate::retransmit_cache::Content;
use crate::time::Time;

/// Options of forwarding.
#[derive(Clone, Debug, Default)]
pub(super) struct ForwardOptions {
    pub(super) ack_key: Option<AckKey>,
    /// The acks that relays should report; each relay gets a deadline of its own.
    pub(super) ack_request: Option<RelayAckRequest>,
    pub(super) topic: Option<u64>,
    pub(super) catch_up: Option<Arc<Content>>,
}

impl<D> Broadcaster<D> {
    /// Forwards a subtree as its relay.
    pub(super) fn forward_subtree(&mut self, now: Time, id: BroadcastId, task: RelayTask) {
        let Some((content, acks, stored)) = self.retransmit_cache.broadcast_with_outcome(&id) else {
            return self.doubt(Counter::SubtreesWithoutContent);
        };
        let mut options = ForwardOptions { ack_request: task.ack_request, ..ForwardOptions::default() };
        if let Some(request) = task.ack_request {
            let own = match (acks, stored || !request.durable) {
                (false, _) => OwnAck::Refused,
                (true, true) => OwnAck::Acked,
                (true, false) => OwnAck::Pending,
            };
            if own == OwnAck::Pending {
                self.emit(BroadcastEvent::PersistRequested(id));
            }
            let key = AckKey { id, parent: Some(task.from), reissued: request.reissued };
            options.ack_key = self
                .open_ack_aggregation(key, AckAggregation::new(request.deadline, request.durable, own, now));
        }
        self.distribute(now, id, &content, task.targets, &options);
        if let Some(key) = options.ack_key {
            self.update_acks(now, key);
        }
    }

    /// Divides targets into subtrees and starts their handover.
    pub(super) fn distribute(
        &mut self,
        now: Time,
        id: BroadcastId,
        content: &Arc<Content>,
        targets: Vec<NetId>,
        options: &ForwardOptions,
    ) {
        let mut confirmed = Vec::new();
        let targets = self.without_new_neighbors(now, id, content, targets, options);
        let mut rest = Vec::with_capacity(targets.len());
        for node in targets.into_iter().filter(|node| *node != self.config.me) {
            // A neighbor that confirmed reception has received this multicast.
            let received =
                content.multicast_by_us && self.reception.reception_of(node, now) == Reception::Confirmed;
            if received && options.ack_request.is_none() {
                confirmed.push(node);
            } else {
                rest.push(self.target(now, node));
            }
        }
        let mut subtrees =
            plan(islands(rest), &self.config.path_costs, self.config.tree_shape, &mut self.plan_rng);
        self.limit_fan_out(&mut subtrees);
        // One confirmed neighbor gets an announcement: if it missed the multicast, others may have
        // too.
        if !confirmed.is_empty() {
            let pick = confirmed.swap_remove(self.jitter_rng.index(confirmed.len()));
            subtrees.push(Subtree { class: LatencyClass::Island, nodes: vec![pick] });
        }
        if let Some(aggregation) = options.ack_key.and_then(|key| self.ack_aggregations.get_mut(&key)) {
            aggregation.open_subtrees += subtrees.len();
        }
        for subtree in subtrees {
            let outbound = OutboundBroadcast {
                ack_request: options.ack_request,
                ack_key: options.ack_key,
                topic: options.topic,
                catch_up: options.catch_up.clone(),
                ..OutboundBroadcast::new(id, content.clone())
            };
            self.start_handover(now, outbound, subtree.class, subtree.nodes);
        }
    }

    /// Describes a node for the planner.
    fn target(&self, now: Time, node: NetId) -> Target {
        let near = self.reception.is_near(node);
        let known = self.config.directory.get(node);
        let peer = self.peers.get(node);
        let island_id = peer.map_or(known.and_then(|known| known.island_id), |peer| peer.island_id);
        // This island received the multicast, so its nodes are sent to singly.
        let island_id = island_id.filter(|id| !near && Some(*id) != self.island_id);
        let class =
            peer.and_then(|peer| peer.class).or(known.map(|known| known.class)).unwrap_or(LatencyClass::Lan);
        // A class of its own only if the costs differ: several classes are divided separately, and
        // one division is better.
        let own = self.config.path_costs.island != self.config.path_costs.lan;
        let class = match (near, own) {
            (true, true) => LatencyClass::Island,
            (true, false) => LatencyClass::Lan,
            (false, _) => class,
        };
        let failing = peer.is_some_and(|peer| peer.backoff_until > now);
        Target { node, island_id, class, failing }
    }

    /// Merges subtrees beyond the fan-out limit into the others.
    fn limit_fan_out(&self, subtrees: &mut Vec<Subtree>) {
        let max = self.config.limits.fan_out;
        if subtrees.len() > max {
            for (place, extra) in subtrees.split_off(max).into_iter().enumerate() {
                if let Some(subtree) = subtrees.get_mut(place % max) {
                    subtree.nodes.extend(extra.nodes);
                }
            }
        }
    }

    /// Opens an aggregation of acks; `None` if too many are open.
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

    /// A neighbor missed a multicast: no confirmation is valid any longer, and all neighbors that
    /// were left out get an announcement.
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
            // With acks, all targets are sent to anyway; this would be a second subtree for them.
            return;
        }
        // Not by a tree: a node that has forwarded this broadcast would not do it again.
        for node in near {
            let outbound = OutboundBroadcast::new(id, content.clone());
            self.start_handover(now, outbound, LatencyClass::Island, vec![node]);
        }
    }
}
