//! The state of one wait: which members were asked, what they answered, and whether the wait is
//! over. It sends nothing, and does not know how members are found.
//!
//! A wait asks in rounds. Each is a broadcast with receipts to members that are in no other round,
//! so that numbers of rounds can be added. Once a round is settled, its parts tell which members
//! acknowledged; those that did not answer are asked again in a later round.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use gm_broadcast::{AckPart, AckReport, Time};
use gm_clock::NetId;
use gm_data::{GroupName, KeyRange, Record};

use super::draft::PendingAnswer;
use crate::command::{AckCount, WaitOutcome, WaitReport};
use crate::plant::{Bug, planted};

/// Members that did not answer are asked again after this...
pub(super) const RETRY: Duration = Duration::from_millis(200);
/// ... and then after twice the time, up to this.
const MAX_RETRY: Duration = Duration::from_secs(1);
/// Bytes a second that asking again may cost.
const RETRY_BYTES: u64 = 1 << 20;

/// The record that members are to acknowledge.
#[derive(Clone, Debug)]
pub(super) enum Subject {
    /// Our own, as it is when a member is asked. It concerns the members whose ranges overlap
    /// these.
    Own(Vec<KeyRange>),
    /// That of a member that was forgotten. It concerns all other members.
    Forgotten(Record),
}

/// Which waits can share the same rounds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct WaitKind {
    /// All members that the write concerns are waited for; if not, a number of any.
    pub(super) all: bool,
    /// On disk.
    pub(super) disk: bool,
}

impl WaitKind {
    pub(super) fn of(answer: &PendingAnswer) -> WaitKind {
        WaitKind { all: answer.wait.count == AckCount::All, disk: answer.wait.on_disk }
    }
}

/// What the node knows, as far as it decides whether a wait is over.
#[derive(Clone, Copy, Debug)]
pub(super) struct GroupFacts {
    /// Another node held the same of the group: the members that are known are all, as far as one
    /// can tell.
    pub(super) in_sync: bool,
    /// By configuration there is no other node, and no other member is known.
    pub(super) single_node: bool,
    /// Other members that are known.
    pub(super) members: u64,
}

/// One broadcast of a wait.
#[derive(Debug)]
struct AckRound {
    targets: Vec<NetId>,
    /// It carries the whole record: a refusal is final. An increment that does not fit is refused
    /// too.
    whole: bool,
    /// So many of the targets are known to have acknowledged before.
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
    /// Each with the end of its time.
    pub(super) answers: Vec<(Time, PendingAnswer)>,
    /// The members that the write concerns, as far as they were known when that was looked at last.
    pub(super) required: BTreeSet<NetId>,
    /// When members are asked next that did not answer, and others beside them.
    pub(super) retry_at: Time,
    pause: Duration,
    /// When members that were found are asked.
    pub(super) found_at: Option<Time>,
    /// There were fewer members to ask than are wanted: those that are found are asked at once.
    pub(super) lacks_members: bool,
    /// The record cannot be broadcast, so nobody can acknowledge it.
    pub(super) not_broadcast: bool,
    /// Every member that was asked.
    asked: BTreeSet<NetId>,
    rounds: BTreeMap<u64, AckRound>,
    acknowledged: BTreeSet<NetId>,
    /// Members that all answered, and some of them refused; which ones is not always known. How
    /// many acknowledged, and refused.
    mixed_counts: (u64, u64),
    /// Members that are in no round and did not answer.
    unanswered: Vec<AckPart>,
}

/// How many of the members that were asked did what.
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

    /// When something is to be done about it.
    pub(super) fn due(&self) -> Time {
        let ends = self.answers.iter().map(|(until, _)| *until);
        ends.chain([self.retry_at]).chain(self.found_at).min().unwrap_or(self.retry_at)
    }

    /// The end of the last of its answers.
    pub(super) fn until(&self) -> Time {
        self.answers.iter().map(|(until, _)| *until).max().unwrap_or(Time::ZERO)
    }

    pub(super) fn was_asked(&self, member: NetId) -> bool {
        self.asked.contains(&member)
    }

    pub(super) fn asked(&self) -> u64 {
        self.asked.len() as u64
    }

    /// Acknowledgements that are still wanted, if not of all.
    pub(super) fn wanted(&self) -> u64 {
        let count = |answer: &PendingAnswer| match answer.wait.count {
            AckCount::None => 0,
            AckCount::Some(count) => count,
            // It is not for nobody, even if it concerns nobody.
            AckCount::All => u64::from(self.required.is_empty()),
        };
        let max = self.answers.iter().map(|(_, answer)| count(answer)).max().unwrap_or(0);
        max.saturating_sub(self.counts().delivered)
    }

    /// The time of asking again has come. Sets the next one: longer each time, and the longer, the
    /// more it costs.
    pub(super) fn pause(&mut self, now: Time, bytes: u64) {
        let open: u64 = self.unanswered.iter().map(|part| part.nodes.len() as u64).sum();
        let cost = Duration::from_millis(open.saturating_mul(bytes) * 1_000 / RETRY_BYTES);
        self.pause = (self.pause * 2).min(MAX_RETRY);
        self.retry_at = now + self.pause.max(cost);
    }

    /// The members that did not answer, to be asked again, and how many of them are known to have
    /// acknowledged. Those that are no members any longer are not asked again: it is as if they
    /// never were.
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
            // Which of them acknowledged is not known: it may be those that are no members any
            // longer.
            before += part.delivered.saturating_sub((of_part - left.len()) as u64);
            nodes.extend(left);
        }
        (nodes, before)
    }

    /// A round begins. `before`: of these so many are known to have acknowledged, see
    /// [`take_open`](Waiter::take_open).
    pub(super) fn begin(&mut self, tag: u64, mut targets: Vec<NetId>, before: u64, whole: bool) {
        targets.sort_unstable();
        self.asked.extend(&targets);
        let report = AckReport { unknown: targets.len() as u64, ..AckReport::default() };
        self.rounds.insert(tag, AckRound { targets, whole, before, report });
    }

    /// Receipts of a round changed. Says whether the round is over.
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

    /// A round is over: each member acknowledged, refused, or did not answer.
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
        // Those that acknowledged in a round before, and said nothing in this one.
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

    /// Whether every member acknowledged that the write concerns, and at least one member if it
    /// concerns nobody.
    fn all_have(&self, have: u64, alone: bool) -> bool {
        let complete = |round: &AckRound| round.delivered() == round.targets.len() as u64;
        let in_complete = |member: &NetId| {
            self.rounds.values().any(|round| complete(round) && round.targets.binary_search(member).is_ok())
        };
        let has = |member: &&NetId| self.acknowledged.contains(member) || in_complete(member);
        let lack = self.required.iter().filter(|member| !has(member)).count();
        lack <= usize::from(planted(Bug::WaitCountsWriter)) && (have > 0 || alone)
    }

    /// Whether nobody can answer any more of those that were asked: each acknowledged, refused, or
    /// is on a host where nothing listens.
    fn is_over(&self) -> bool {
        self.rounds.is_empty() && (self.not_broadcast || self.unanswered.iter().all(|part| part.closed))
    }

    /// Whether everybody was asked who is known and could acknowledge it, and nobody else may be
    /// found in time: others agree on who there is, or there is nobody else by configuration.
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

    /// How a wait ends, if it does.
    pub(super) fn verdict(
        &self,
        now: Time,
        until: Time,
        count: AckCount,
        facts: GroupFacts,
    ) -> Option<WaitOutcome> {
        let have = self.counts().delivered + u64::from(planted(Bug::WaitCountsWriter));
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

    /// Whether one of its answers ends so.
    pub(super) fn answer_due(&self, now: Time, end: WaitOutcome, facts: GroupFacts) -> bool {
        self.answers
            .iter()
            .any(|(until, answer)| self.verdict(now, *until, answer.wait.count, facts) == Some(end))
    }

    /// Whether all are waited for, and some of them were not asked.
    pub(super) fn lacks_questions(&self) -> bool {
        self.kind.all && !self.required.is_subset(&self.asked)
    }

    /// What the owner is told.
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
            acknowledged: delivered + u64::from(planted(Bug::WaitCountsWriter)),
            refused,
            unreachable: missing,
            unanswered: silent,
            unreachable_members: missed.into_iter().take(names).collect(),
            unanswered_members: unheard.into_iter().take(names).collect(),
        }
    }
}

impl AckTotals {
    /// Adds members of whom so many acknowledged, refused, and could not be reached.
    fn add(&mut self, members: u64, delivered: u64, refused: u64, missing: u64) {
        self.delivered += delivered;
        self.refused += refused;
        self.missing += missing;
        self.silent += members.saturating_sub(delivered + refused + missing);
    }
}

#[cfg(test)]
mod tests;
