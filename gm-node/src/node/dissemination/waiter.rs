//! State machine of one wait: the members that were asked, their acks, and the decision when the
//! wait is over. `waits.rs` sends for it.
//!
//! A wait asks in rounds. Each round is a broadcast with acks to members that are in no other
//! round, so the counts of rounds can be added. Once a round is settled, its parts show which
//! members acknowledged; those that did not answer are asked again in a later round.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use gm_broadcast::{AckPart, AckReport, Time};
use gm_clock::NetId;
use gm_data::{GroupName, KeyRange, Record};

use crate::command::{AckCount, PendingAnswer, WaitOutcome, WaitReport};

/// Delay before members that did not answer are asked again; it doubles each time.
pub(super) const RETRY: Duration = Duration::from_millis(200);
/// Maximum of that delay.
const MAX_RETRY: Duration = Duration::from_secs(1);
/// Limit in bytes per second for asking again.
const RETRY_BYTES: u64 = 1 << 20;

/// The record that members are to acknowledge.
#[derive(Clone, Debug)]
pub(super) enum Subject {
    /// This node's own record, in its version at the time of asking. Affects the members whose
    /// ranges overlap these.
    Own(Vec<KeyRange>),
    /// The record of a forgotten member. Affects all other members.
    Forgotten(Record),
}

/// The kind of a wait; waits of one kind share rounds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct WaitKind {
    /// Whether all affected members are waited for, instead of a number of any members.
    pub(super) all: bool,
    /// Whether acks count only from disk.
    pub(super) disk: bool,
}

impl WaitKind {
    pub(super) fn of(answer: &PendingAnswer) -> WaitKind {
        WaitKind { all: answer.wait.count == AckCount::All, disk: answer.wait.on_disk }
    }
}

/// Facts about the group that decide whether a wait is over.
#[derive(Clone, Copy, Debug)]
pub(super) struct GroupFacts {
    /// Whether another host was in sync, so that the known members are all members, as far as a
    /// node can know.
    pub(super) in_sync: bool,
    /// Whether single-node mode is set and no other member is known.
    pub(super) single_node: bool,
    /// Number of other known members.
    pub(super) members: u64,
}

/// A broadcast of a wait.
#[derive(Debug)]
struct AckRound {
    targets: Vec<NetId>,
    /// Whether it carries whole records: then a refusal is final. An increment with an unknown base
    /// is refused too.
    whole: bool,
    /// Number of targets that are known to have acknowledged in earlier rounds.
    before: u64,
    report: AckReport,
}

impl AckRound {
    fn delivered(&self) -> u64 {
        self.report.delivered.max(self.before)
    }
}

/// Answers that wait for the same members.
#[derive(Debug)]
pub(super) struct Waiter {
    pub(super) group: GroupName,
    pub(super) subject: Subject,
    pub(super) kind: WaitKind,
    /// The answers, each with its deadline.
    pub(super) answers: Vec<(Time, PendingAnswer)>,
    /// The members that the write affects, as of the last update.
    pub(super) required: BTreeSet<NetId>,
    /// Time at which members that did not answer, and further ones, are asked.
    pub(super) retry_at: Time,
    pause: Duration,
    /// Time at which discovered members are asked.
    pub(super) found_at: Option<Time>,
    /// Whether there were fewer members to ask than wanted: discovered ones are asked at once.
    pub(super) lacks_members: bool,
    /// Whether the record cannot be broadcast, so that no member can acknowledge it.
    pub(super) not_broadcast: bool,
    asked: BTreeSet<NetId>,
    rounds: BTreeMap<u64, AckRound>,
    acknowledged: BTreeSet<NetId>,
    /// Numbers of acks and refusals of members that all answered, where it is not known which of
    /// them refused.
    mixed_counts: (u64, u64),
    /// Members that are in no round and did not answer.
    unanswered: Vec<AckPart>,
}

/// Numbers of asked members, by result.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct AckTotals {
    delivered: u64,
    refused: u64,
    missing: u64,
    silent: u64,
}

impl Waiter {
    pub(super) fn new(
        now: Time,
        group: GroupName,
        subject: Subject,
        kind: WaitKind,
        answers: Vec<PendingAnswer>,
    ) -> Waiter {
        let answers = answers.into_iter().map(|answer| (now + answer.wait.timeout, answer)).collect();
        Waiter {
            group,
            subject,
            kind,
            answers,
            required: BTreeSet::new(),
            retry_at: now + RETRY,
            pause: RETRY,
            found_at: None,
            lacks_members: true,
            not_broadcast: false,
            asked: BTreeSet::new(),
            rounds: BTreeMap::new(),
            acknowledged: BTreeSet::new(),
            mixed_counts: (0, 0),
            unanswered: Vec::new(),
        }
    }

    /// Time of the next action.
    pub(super) fn due(&self) -> Time {
        let ends = self.answers.iter().map(|(until, _)| *until);
        ends.chain([self.retry_at]).chain(self.found_at).min().unwrap_or(self.retry_at)
    }

    /// The latest deadline of its answers.
    pub(super) fn until(&self) -> Time {
        self.answers.iter().map(|(until, _)| *until).max().unwrap_or(Time::ZERO)
    }

    pub(super) fn was_asked(&self, member: NetId) -> bool {
        self.asked.contains(&member)
    }

    pub(super) fn asked(&self) -> u64 {
        self.asked.len() as u64
    }

    /// Number of acks that are still wanted, other than from all affected members.
    pub(super) fn wanted(&self) -> u64 {
        let count = |answer: &PendingAnswer| match answer.wait.count {
            AckCount::None => 0,
            AckCount::Some(count) => count,
            // A write that affects no member waits for one.
            AckCount::All => u64::from(self.required.is_empty()),
        };
        let max = self.answers.iter().map(|(_, answer)| count(answer)).max().unwrap_or(0);
        max.saturating_sub(self.counts().delivered)
    }

    /// Schedules the next repetition: the delay doubles each time, and is longer the more bytes a
    /// repetition costs.
    pub(super) fn pause(&mut self, now: Time, bytes: u64) {
        let open: u64 = self.unanswered.iter().map(|part| part.nodes.len() as u64).sum();
        let cost = Duration::from_millis(open.saturating_mul(bytes) * 1_000 / RETRY_BYTES);
        self.pause = (self.pause * 2).min(MAX_RETRY);
        self.retry_at = now + self.pause.max(cost);
    }

    /// Takes the members that did not answer, to be asked again, and the number of them that are
    /// known to have acknowledged. Nodes that are no members any more are treated as never asked.
    pub(super) fn take_unanswered(&mut self, is_member: impl Fn(NetId) -> bool) -> (Vec<NetId>, u64) {
        let (mut nodes, mut before) = (Vec::new(), 0);
        for part in std::mem::take(&mut self.unanswered) {
            let of_part = part.nodes.len();
            let asked = &mut self.asked;
            let stays = |node: &NetId| {
                let stays = is_member(*node);
                if !stays {
                    asked.remove(node);
                }
                stays
            };
            let left: Vec<NetId> = part.nodes.into_iter().filter(stays).collect();
            // It is not known which of them acknowledged; it may be those that are no members any
            // more.
            before += part.delivered.saturating_sub((of_part - left.len()) as u64);
            nodes.extend(left);
        }
        (nodes, before)
    }

    /// Begins a round. `before`: number of targets known to have acknowledged, see
    /// [`take_unanswered`](Waiter::take_unanswered).
    pub(super) fn begin(&mut self, tag: u64, mut targets: Vec<NetId>, before: u64, whole: bool) {
        targets.sort_unstable();
        self.asked.extend(&targets);
        let report = AckReport { unknown: targets.len() as u64, ..AckReport::default() };
        self.rounds.insert(tag, AckRound { targets, whole, before, report });
    }

    /// Number of targets of an open round.
    pub(super) fn targets(&self, tag: u64) -> u64 {
        self.rounds.get(&tag).map_or(0, |round| round.targets.len() as u64)
    }

    /// Updates the acks of a round. Returns whether the round is over.
    pub(super) fn on_acks(&mut self, tag: u64, report: AckReport, parts: Vec<AckPart>) -> bool {
        let settled = report.settled;
        if let Some(round) = self.rounds.get_mut(&tag) {
            round.report = report;
        }
        if settled && let Some(round) = self.rounds.remove(&tag) {
            self.settle(&round, parts);
        }
        settled
    }

    /// Settles a round: each member acknowledged, refused, or did not answer.
    fn settle(&mut self, round: &AckRound, parts: Vec<AckPart>) {
        let mut left: BTreeSet<NetId> = round.targets.iter().copied().collect();
        let mut open = Vec::new();
        let mut delivered = 0;
        for part in parts {
            let nodes = part.nodes.len() as u64;
            for node in &part.nodes {
                left.remove(node);
            }
            delivered += part.delivered;
            if part.delivered == nodes {
                self.acknowledged.extend(part.nodes);
            } else if round.whole && part.delivered + part.refused == nodes {
                self.mixed_counts =
                    (self.mixed_counts.0 + part.delivered, self.mixed_counts.1 + part.refused);
            } else {
                open.push(part);
            }
        }
        if !left.is_empty() {
            open.push(AckPart { nodes: left.into_iter().collect(), ..AckPart::default() });
        }
        // Acks of earlier rounds that this round does not include.
        let mut more = round.before.saturating_sub(delivered);
        for part in &mut open {
            let silent =
                (part.nodes.len() as u64).saturating_sub(part.delivered + part.refused + part.missing);
            part.delivered += more.min(silent);
            more -= more.min(silent);
        }
        self.unanswered.append(&mut open);
    }

    fn counts(&self) -> AckTotals {
        let (acknowledged, refused) = self.mixed_counts;
        let delivered = acknowledged + self.acknowledged.len() as u64;
        let mut counts = AckTotals { delivered, refused, ..AckTotals::default() };
        for AckPart { nodes, delivered, refused, missing, .. } in &self.unanswered {
            counts.add(nodes.len() as u64, *delivered, *refused, *missing);
        }
        for round in self.rounds.values() {
            let AckReport { refused, missing, .. } = round.report;
            counts.add(round.targets.len() as u64, round.delivered(), refused, missing);
        }
        counts
    }

    /// Whether all affected members acknowledged, and at least one member.
    fn all_have(&self, have: u64, alone: bool) -> bool {
        let complete = |round: &AckRound| round.delivered() == round.targets.len() as u64;
        let in_complete = |member: &NetId| {
            self.rounds.values().any(|round| complete(round) && round.targets.binary_search(member).is_ok())
        };
        let has = |member: &&NetId| self.acknowledged.contains(member) || in_complete(member);
        let lack = self.required.iter().filter(|member| !has(member)).count();
        lack == 0 && (have > 0 || alone)
    }

    /// Whether no asked member can answer any more: each acknowledged, refused, or its host refuses
    /// connections.
    fn is_over(&self) -> bool {
        self.rounds.is_empty() && (self.not_broadcast || self.unanswered.iter().all(|part| part.closed))
    }

    /// Whether all members that could acknowledge were asked, and no further one can be discovered
    /// in time: the group is in sync, or single-node mode is set.
    fn asked_all(&self, count: AckCount, facts: GroupFacts) -> bool {
        let GroupFacts { in_sync: agreed, single_node: alone, members } = facts;
        let named = match count {
            AckCount::None | AckCount::Some(0) => true,
            AckCount::Some(count) => members >= count && members <= self.asked(),
            AckCount::All if self.required.is_empty() => members >= 1 && members <= self.asked(),
            AckCount::All => self.required.is_subset(&self.asked),
        };
        alone || agreed && named
    }

    /// The outcome of an answer's wait, if it has ended.
    pub(super) fn verdict(
        &self,
        now: Time,
        until: Time,
        count: AckCount,
        facts: GroupFacts,
    ) -> Option<WaitOutcome> {
        let have = self.counts().delivered;
        let enough = match count {
            AckCount::None => true,
            AckCount::Some(count) => have >= count,
            AckCount::All => facts.in_sync && self.all_have(have, facts.single_node),
        };
        if enough {
            Some(WaitOutcome::Satisfied)
        } else if until <= now {
            Some(WaitOutcome::TimedOut)
        } else {
            let over = self.is_over() && (self.not_broadcast || self.asked_all(count, facts));
            over.then_some(WaitOutcome::Settled)
        }
    }

    /// Whether one of its answers has this outcome now.
    pub(super) fn answer_due(&self, now: Time, end: WaitOutcome, facts: GroupFacts) -> bool {
        self.answers
            .iter()
            .any(|(until, answer)| self.verdict(now, *until, answer.wait.count, facts) == Some(end))
    }

    /// Whether all affected members are waited for, and some of them were not asked.
    pub(super) fn lacks_questions(&self) -> bool {
        self.kind.all && !self.required.is_subset(&self.asked)
    }

    /// The report for the caller.
    pub(super) fn report(&self, end: WaitOutcome, facts: GroupFacts, names: usize) -> WaitReport {
        let AckTotals { delivered, refused, missing, silent } = self.counts();
        let mut missed: BTreeSet<NetId> =
            self.rounds.values().flat_map(|round| round.report.missing_nodes.iter().copied()).collect();
        let unreached = self.unanswered.iter().filter(|part| part.missing == part.nodes.len() as u64);
        missed.extend(unreached.flat_map(|part| part.nodes.iter().copied()));
        let unheard = self.unanswered.iter().filter(|part| part.delivered + part.refused + part.missing == 0);
        let unheard: BTreeSet<NetId> = unheard.flat_map(|part| part.nodes.iter().copied()).collect();
        WaitReport {
            outcome: end,
            members: facts.members.max(self.asked()),
            acknowledged: delivered,
            refused,
            unreachable: missing,
            unanswered: silent,
            unreachable_members: missed.into_iter().take(names).collect(),
            unanswered_members: unheard.into_iter().take(names).collect(),
        }
    }
}

impl AckTotals {
    /// Adds members with their numbers of acks, refusals and unreachable ones.
    fn add(&mut self, members: u64, delivered: u64, refused: u64, missing: u64) {
        self.delivered += delivered;
        self.refused += refused;
        self.missing += missing;
        self.silent += members.saturating_sub(delivered + refused + missing);
    }
}

#[cfg(test)]
mod tests;
