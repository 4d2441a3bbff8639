//! Aggregation of acknowledgements: each relay sums the acks of its subtree and reports one summary
//! to the node above it.

use std::collections::BTreeSet;
use std::time::Duration;

use gm_clock::NetId;
use gm_codec::{AckSummary, BroadcastId};

use crate::event::AckPart;
use crate::time::Time;

/// Missing nodes that a summary names.
pub(crate) const MAX_MISSING_NAMED: usize = 16;

/// Identity of an aggregation. A node may have two of one broadcast: one for its own subtree, and
/// one for a reassigned subtree.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct AckKey {
    pub(crate) id: BroadcastId,
    /// The node that waits for the summary; `None` at the origin.
    pub(crate) parent: Option<NetId>,
    pub(crate) reissued: bool,
}

/// This node's own acknowledgement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OwnAck {
    /// This node is the origin, not a target.
    NotTarget,
    /// Not decided yet: the content is not on disk.
    Pending,
    Acked,
    Refused,
}

/// A relay to which this node handed a subtree.
#[derive(Clone, Debug)]
pub(crate) struct RelayAcks {
    pub(crate) relay: NetId,
    /// The targets of its subtree, without the relay itself.
    pub(crate) targets: Vec<NetId>,
    pub(crate) reissued: bool,
    /// Time of its last sign of life, at first of the handover.
    pub(crate) last_heard: Time,
    pub(crate) silence_timeout: Duration,
    pub(crate) summary: Option<AckSummary>,
    pub(crate) state: RelayState,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RelayState {
    Pending,
    /// It sent its final summary.
    Done,
    /// It went silent, and its last summary still counts.
    Silent,
    /// It went silent, and its subtree was reassigned: its summary no longer counts, those of its
    /// successors do.
    Replaced,
}

#[derive(Debug)]
pub(crate) struct AckAggregation {
    /// The caller's tag, at the origin only.
    pub(crate) tag: Option<u64>,
    pub(crate) targets: u64,
    pub(crate) deadline: Time,
    pub(crate) durable: bool,
    pub(crate) own: OwnAck,
    /// Subtrees that no relay has taken yet.
    pub(crate) open_subtrees: usize,
    pub(crate) missing: u64,
    pub(crate) missing_named: BTreeSet<NetId>,
    /// The missing targets, at the origin only.
    pub(crate) missing_nodes: Vec<NetId>,
    pub(crate) children: Vec<RelayAcks>,
    /// The last summary that was reported.
    pub(crate) last_reported: Option<AckSummary>,
    pub(crate) reported_at: Time,
}

impl AckAggregation {
    pub(crate) fn new(until: Time, durable: bool, own: OwnAck, now: Time) -> AckAggregation {
        AckAggregation {
            tag: None,
            targets: 0,
            deadline: until,
            durable,
            own,
            open_subtrees: 0,
            missing: 0,
            missing_named: BTreeSet::new(),
            missing_nodes: Vec::new(),
            children: Vec::new(),
            last_reported: None,
            reported_at: now,
        }
    }

    pub(crate) fn add_missing(&mut self, node: NetId) {
        self.missing += 1;
        if self.missing_named.len() < MAX_MISSING_NAMED {
            self.missing_named.insert(node);
        }
        if self.tag.is_some() {
            self.missing_nodes.push(node);
        }
    }

    /// Whether no further ack can arrive.
    pub(crate) fn is_finished(&self) -> bool {
        let waits = self.children.iter().any(|child| child.state == RelayState::Pending);
        self.open_subtrees == 0 && self.own != OwnAck::Pending && !waits
    }

    /// The summary so far.
    pub(crate) fn summary(&self, reissued: bool) -> AckSummary {
        let mut sum = AckSummary {
            is_final: self.is_finished(),
            reassigned: reissued,
            delivered: u64::from(self.own == OwnAck::Acked),
            refused: u64::from(self.own == OwnAck::Refused),
            missing: self.missing,
            missing_sample: Vec::new(),
        };
        let mut named = self.missing_named.clone();
        let counted = self.children.iter().filter(|child| child.state != RelayState::Replaced);
        for child in counted.filter_map(|child| child.summary.as_ref()) {
            sum.delivered = sum.delivered.saturating_add(child.delivered);
            sum.refused = sum.refused.saturating_add(child.refused);
            sum.missing = sum.missing.saturating_add(child.missing);
            named.extend(child.missing_sample.iter().copied());
        }
        sum.missing_sample = named.into_iter().take(MAX_MISSING_NAMED).collect();
        sum
    }

    /// The targets, grouped by the numbers of [`summary`](Self::summary) that cover them. At the
    /// origin only.
    pub(crate) fn parts(&self) -> Vec<AckPart> {
        let missing = self.missing_nodes.iter().map(|node| missing(*node));
        let mut parts: Vec<AckPart> = missing.collect();
        for child in &self.children {
            child.add_parts(&mut parts);
        }
        parts
    }

    /// The earliest time at which a relay counts as silent.
    pub(crate) fn silence_deadline(&self) -> Option<Time> {
        let waiting = self.children.iter().filter(|child| child.state == RelayState::Pending);
        waiting.map(|child| child.last_heard + child.silence_timeout).min()
    }
}

impl RelayAcks {
    fn add_parts(&self, parts: &mut Vec<AckPart>) {
        if self.state == RelayState::Replaced {
            // Its targets were reassigned. It may have the broadcast itself.
            return parts.push(AckPart { nodes: vec![self.relay], ..AckPart::default() });
        }
        let mut nodes: Vec<NetId> = std::iter::once(self.relay).chain(self.targets.iter().copied()).collect();
        let Some(sum) = &self.summary else { return parts.push(AckPart { nodes, ..AckPart::default() }) };
        let mut part = AckPart {
            delivered: sum.delivered,
            refused: sum.refused,
            missing: sum.missing,
            ..AckPart::default()
        };
        let named: BTreeSet<NetId> =
            sum.missing_sample.iter().filter(|name| nodes.contains(name)).copied().collect();
        if named.len() as u64 == sum.missing {
            nodes.retain(|node| !named.contains(node));
            part.missing = 0;
            parts.extend(named.into_iter().map(missing));
        }
        if !nodes.is_empty() {
            parts.push(AckPart { nodes, ..part });
        }
    }
}

fn missing(node: NetId) -> AckPart {
    AckPart { nodes: vec![node], missing: 1, ..AckPart::default() }
}

#[cfg(test)]
mod tests;
