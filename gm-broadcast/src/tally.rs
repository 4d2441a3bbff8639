//! Who has got a broadcast, summed on its way up the tree: one tally at each node that passes it on. Knows nothing of frames and
//! connections.

use std::collections::BTreeSet;
use std::time::Duration;

use gm_clock::NetId;
use gm_codec::{AckSummary, BroadcastId};

use crate::event::Part;
use crate::plant::{Bug, planted};
use crate::time::Time;

/// Names of the missing that a sum carries.
pub(crate) const NAMES: usize = 16;

/// Which tally: of which broadcast, for whom, and whether of a share that was another's before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct TallyKey {
    pub(crate) id: BroadcastId,
    /// Who waits for it; nothing if we began the broadcast.
    pub(crate) parent: Option<NetId>,
    pub(crate) again: bool,
}

/// This node's own part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Own {
    /// It is not a target: it began the broadcast.
    None,
    /// It is not said yet whether it counts.
    Waiting,
    Counts,
    Refused,
}

/// A relay that took a share of ours.
#[derive(Clone, Debug)]
pub(crate) struct Child {
    pub(crate) hop: NetId,
    /// What it took, without itself.
    pub(crate) list: Vec<NetId>,
    pub(crate) again: bool,
    /// When something of it came, or when it took the share.
    pub(crate) heard: Time,
    /// How long it may be silent.
    pub(crate) patience: Duration,
    pub(crate) sum: Option<AckSummary>,
    pub(crate) state: ChildState,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ChildState {
    Waiting,
    /// It said its last word.
    Done,
    /// It went silent, and what it said before stands.
    Silent,
    /// It went silent, and its share was given to others: what it said is not counted, they are.
    Replaced,
}

#[derive(Debug)]
pub(crate) struct Tally {
    /// What the owner calls the broadcast, if we began it.
    pub(crate) tag: Option<u64>,
    pub(crate) targets: u64,
    pub(crate) until: Time,
    pub(crate) durable: bool,
    pub(crate) own: Own,
    /// Shares that no hop has taken yet.
    pub(crate) open: usize,
    pub(crate) missing: u64,
    pub(crate) names: BTreeSet<NetId>,
    /// All the missing, if we began the broadcast.
    pub(crate) missed: Vec<NetId>,
    pub(crate) children: Vec<Child>,
    /// What was told to who waits, last.
    pub(crate) told: Option<AckSummary>,
    pub(crate) told_at: Time,
}

impl Tally {
    pub(crate) fn new(until: Time, durable: bool, own: Own, now: Time) -> Tally {
        Tally {
            tag: None,
            targets: 0,
            until,
            durable,
            own,
            open: 0,
            missing: 0,
            names: BTreeSet::new(),
            missed: Vec::new(),
            children: Vec::new(),
            told: None,
            told_at: now,
        }
    }

    pub(crate) fn miss(&mut self, node: NetId) {
        self.missing += 1;
        if self.names.len() < NAMES {
            self.names.insert(node);
        }
        if self.tag.is_some() {
            self.missed.push(node);
        }
    }

    /// Nothing more will come.
    pub(crate) fn is_finished(&self) -> bool {
        let waits = self.children.iter().any(|child| child.state == ChildState::Waiting);
        self.open == 0 && self.own != Own::Waiting && (!waits || planted(Bug::LastTooEarly))
    }

    /// Everything so far.
    pub(crate) fn sum(&self, again: bool) -> AckSummary {
        let mut sum = AckSummary {
            is_final: self.is_finished(),
            reassigned: again,
            delivered: u64::from(self.own == Own::Counts),
            refused: u64::from(self.own == Own::Refused),
            missing: self.missing,
            missing_sample: Vec::new(),
        };
        let mut names = self.names.clone();
        let counted = |state| state != ChildState::Replaced || planted(Bug::ReceiptCountedTwice);
        let counted = self.children.iter().filter(|child| counted(child.state));
        for child in counted.filter_map(|child| child.sum.as_ref()) {
            sum.delivered = sum.delivered.saturating_add(child.delivered);
            sum.refused = sum.refused.saturating_add(child.refused);
            sum.missing = sum.missing.saturating_add(child.missing);
            names.extend(child.missing_sample.iter().copied());
        }
        sum.missing_sample = names.into_iter().take(NAMES).collect();
        sum
    }

    /// The targets, as far as it is known of whom the numbers of [`sum`](Tally::sum) speak. Only for a broadcast that we began.
    pub(crate) fn parts(&self) -> Vec<Part> {
        let missing = self.missed.iter().map(|node| missing(*node));
        let mut parts: Vec<Part> = missing.collect();
        for child in &self.children {
            child.add_parts(&mut parts);
        }
        parts
    }

    /// When a child was silent for too long, at the earliest.
    pub(crate) fn next_silence(&self) -> Option<Time> {
        let waiting = self.children.iter().filter(|child| child.state == ChildState::Waiting);
        waiting.map(|child| child.heard + child.patience).min()
    }
}

impl Child {
    fn add_parts(&self, parts: &mut Vec<Part>) {
        if self.state == ChildState::Replaced {
            // Its list is with others. It may have the broadcast all the same.
            return parts.push(Part { nodes: vec![self.hop], ..Part::default() });
        }
        let mut nodes: Vec<NetId> = std::iter::once(self.hop).chain(self.list.iter().copied()).collect();
        let Some(sum) = &self.sum else { return parts.push(Part { nodes, ..Part::default() }) };
        let mut part =
            Part { delivered: sum.delivered, refused: sum.refused, missing: sum.missing, ..Part::default() };
        let named: BTreeSet<NetId> =
            sum.missing_sample.iter().filter(|name| nodes.contains(name)).copied().collect();
        if named.len() as u64 == sum.missing {
            nodes.retain(|node| !named.contains(node));
            part.missing = 0;
            parts.extend(named.into_iter().map(missing));
        }
        if !nodes.is_empty() {
            parts.push(Part { nodes, ..part });
        }
    }
}

fn missing(node: NetId) -> Part {
    Part { nodes: vec![node], missing: 1, ..Part::default() }
}

#[cfg(test)]
mod tests;
