//! Who has got a broadcast, summed on its way up the tree: one tally at each node that passes it
//! on. Knows nothing of frames and connections.

use std::collections::BTreeSet;
use std::time::Duration;

use gm_clock::NetId;
use gm_codec::{AckSummary, BroadcastId};

use crate::event::AckPart;
use crate::plant::{Bug, planted};
use crate::time::Time;

/// Names of the missing that a sum carries.
pub(crate) const MAX_MISSING_NAMED: usize = 16;

/// Which tally: of which broadcast, for whom, and whether of a share that was another's before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct AckKey {
    pub(crate) id: BroadcastId,
    /// Who waits for it; nothing if we began the broadcast.
    pub(crate) parent: Option<NetId>,
    pub(crate) reissued: bool,
}

/// This node's own part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OwnAck {
    /// It is not a target: it began the broadcast.
    NotTarget,
    /// It is not said yet whether it counts.
    Pending,
    Acked,
    Refused,
}

/// A relay that took a share of ours.
#[derive(Clone, Debug)]
pub(crate) struct RelayAcks {
    pub(crate) relay: NetId,
    /// What it took, without itself.
    pub(crate) targets: Vec<NetId>,
    pub(crate) reissued: bool,
    /// When something of it came, or when it took the share.
    pub(crate) last_heard: Time,
    /// How long it may be silent.
    pub(crate) silence_timeout: Duration,
    pub(crate) summary: Option<AckSummary>,
    pub(crate) state: RelayState,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RelayState {
    Pending,
    /// It said its last word.
    Done,
    /// It went silent, and what it said before stands.
    Silent,
    /// It went silent, and its share was given to others: what it said is not counted, they are.
    Replaced,
}

#[derive(Debug)]
pub(crate) struct AckAggregation {
    /// What the owner calls the broadcast, if we began it.
    pub(crate) tag: Option<u64>,
    pub(crate) targets: u64,
    pub(crate) deadline: Time,
    pub(crate) durable: bool,
    pub(crate) own: OwnAck,
    /// Shares that no hop has taken yet.
    pub(crate) open_subtrees: usize,
    pub(crate) missing: u64,
    pub(crate) missing_named: BTreeSet<NetId>,
    /// All the missing, if we began the broadcast.
    pub(crate) missing_nodes: Vec<NetId>,
    pub(crate) children: Vec<RelayAcks>,
    /// What was told to who waits, last.
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

    /// Nothing more will come.
    pub(crate) fn is_finished(&self) -> bool {
        let waits = self.children.iter().any(|child| child.state == RelayState::Pending);
        self.open_subtrees == 0 && self.own != OwnAck::Pending && (!waits || planted(Bug::LastTooEarly))
    }

    /// Everything so far.
    pub(crate) fn summary(&self, again: bool) -> AckSummary {
        let mut sum = AckSummary {
            is_final: self.is_finished(),
            reassigned: again,
            delivered: u64::from(self.own == OwnAck::Acked),
            refused: u64::from(self.own == OwnAck::Refused),
            missing: self.missing,
            missing_sample: Vec::new(),
        };
        let mut names = self.missing_named.clone();
        let counted = |state| state != RelayState::Replaced || planted(Bug::ReceiptCountedTwice);
        let counted = self.children.iter().filter(|child| counted(child.state));
        for child in counted.filter_map(|child| child.summary.as_ref()) {
            sum.delivered = sum.delivered.saturating_add(child.delivered);
            sum.refused = sum.refused.saturating_add(child.refused);
            sum.missing = sum.missing.saturating_add(child.missing);
            names.extend(child.missing_sample.iter().copied());
        }
        sum.missing_sample = names.into_iter().take(MAX_MISSING_NAMED).collect();
        sum
    }

    /// The targets, as far as it is known of whom the numbers of [`sum`](Tally::sum) speak. Only
    /// for a broadcast that we began.
    pub(crate) fn parts(&self) -> Vec<AckPart> {
        let missing = self.missing_nodes.iter().map(|node| missing(*node));
        let mut parts: Vec<AckPart> = missing.collect();
        for child in &self.children {
            child.add_parts(&mut parts);
        }
        parts
    }

    /// When a child was silent for too long, at the earliest.
    pub(crate) fn silence_deadline(&self) -> Option<Time> {
        let waiting = self.children.iter().filter(|child| child.state == RelayState::Pending);
        waiting.map(|child| child.last_heard + child.silence_timeout).min()
    }
}

impl RelayAcks {
    fn add_parts(&self, parts: &mut Vec<AckPart>) {
        if self.state == RelayState::Replaced {
            // Its list is with others. It may have the broadcast all the same.
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
