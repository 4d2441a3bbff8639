//! How waits end: as receipts come, as they settle, or as time is over. Knows nothing of what was written.

use gm_broadcast::{Report, Time};
use gm_codec::{Body, Group, Part};
use gm_data::{GroupName, Replica};

use super::Node;
use super::draft::Answer;
use super::tell::Telling;
use crate::command::{Count, End, Waited, Written};
use crate::plant::{Bug, planted};
use crate::store::Store;

/// Answers that wait for the receipts of one broadcast.
#[derive(Debug)]
pub(super) struct Waiter {
    group: GroupName,
    targets: u64,
    /// Each with the end of its time.
    answers: Vec<(Time, Answer)>,
    report: Report,
    /// All members were known when it was told: that holds on if the group is left.
    knows_all: bool,
}

impl Waiter {
    pub(super) fn new(
        now: Time,
        group: GroupName,
        targets: u64,
        answers: Vec<Answer>,
        knows_all: bool,
    ) -> Waiter {
        let answers = answers.into_iter().map(|answer| (now + answer.wait.within, answer)).collect();
        let report = Report { unknown: targets, settled: targets == 0, ..Report::default() };
        Waiter { group, targets, answers, report, knows_all }
    }

    /// It could not be said: nobody will have it by the broadcast. Says of which group it was.
    pub(super) fn unsaid(&mut self) -> GroupName {
        self.report.settled = true;
        self.group.clone()
    }

    fn waited(&self, end: End, names: usize) -> Waited {
        let Report { delivered, refused, missing, unknown, names: missed, .. } = &self.report;
        Waited {
            end,
            delivered: *delivered + u64::from(planted(Bug::WaitCountsWriter)),
            unreachable: missing + refused,
            unknown: *unknown,
            names: missed.iter().take(names).copied().collect(),
        }
    }
}

impl<S: Store> Node<S> {
    /// When the next wait is over.
    pub(super) fn next_wait(&self) -> Option<Time> {
        self.waiters.values().flat_map(|waiter| waiter.answers.iter().map(|(until, _)| *until)).min()
    }

    /// Receipts of a broadcast came.
    pub(super) fn on_receipts(&mut self, now: Time, tag: u64, report: Report) {
        if let Some(waiter) = self.waiters.get_mut(&tag) {
            waiter.report = report;
            self.look_at_wait(now, tag);
        }
    }

    /// Whether all members of a group are known: somebody holds the same, or nobody else is there by configuration.
    pub(super) fn knows_all(&self, group: &GroupName) -> bool {
        self.config.alone
            || planted(Bug::AllBeforeAgreement)
            || self.groups().held.get(group).is_some_and(|held| held.agreed)
    }

    /// Answers whoever has what he waited for, or can no longer get it.
    pub(super) fn look_at_wait(&mut self, now: Time, tag: u64) {
        let names = self.config.bounds.names;
        let Some(waiter) = self.waiters.get(&tag) else { return };
        let knows_all = waiter.knows_all || self.knows_all(&waiter.group);
        let Some(waiter) = self.waiters.get_mut(&tag) else { return };
        let report = &waiter.report;
        let have = report.delivered + u64::from(planted(Bug::WaitCountsWriter));
        let mut done = Vec::new();
        let ends: Vec<Option<End>> = waiter
            .answers
            .iter()
            .map(|(until, answer)| {
                let count = answer.wait.count;
                let known = count != Count::All || knows_all;
                if known && have >= wanted(count, waiter.targets) {
                    Some(End::Satisfied)
                } else if known && report.settled && *until > now {
                    Some(End::Settled)
                } else {
                    (*until <= now).then_some(End::TimedOut)
                }
            })
            .collect();
        let mut ends = ends.into_iter();
        let mut rest = Vec::new();
        for (until, answer) in std::mem::take(&mut waiter.answers) {
            match ends.next().flatten() {
                Some(end) => done.push((answer, waiter.waited(end, names))),
                None => rest.push((until, answer)),
            }
        }
        waiter.answers = rest;
        let group = waiter.group.clone();
        if waiter.answers.is_empty() {
            self.waiters.remove(&tag);
        }
        for (Answer { tag, changed, version, .. }, waited) in done {
            self.answer(tag, Some(group.clone()), Ok(Written { version, changed, waited }));
        }
    }

    /// The time of some waits is over.
    pub(super) fn end_waits(&mut self, now: Time) {
        let due = |waiter: &Waiter| waiter.answers.iter().any(|(until, _)| *until <= now);
        let tags: Vec<u64> =
            self.waiters.iter().filter(|(_, waiter)| due(waiter)).map(|(tag, _)| *tag).collect();
        tags.into_iter().for_each(|tag| self.look_at_wait(now, tag));
    }

    /// All members of a group are known now: whoever waits for all waits for those who were found since, too.
    pub(super) fn on_knows_all(&mut self, now: Time, group: &GroupName) {
        let all = |answer: &Answer| answer.wait.count == Count::All;
        let of =
            |waiter: &Waiter| waiter.group == *group && waiter.answers.iter().any(|(_, answer)| all(answer));
        let tags: Vec<u64> =
            self.waiters.iter().filter(|(_, waiter)| of(waiter)).map(|(tag, _)| *tag).collect();
        let mut again = Vec::new();
        for tag in tags {
            let Some(waiter) = self.waiters.get_mut(&tag) else { continue };
            for (until, answer) in std::mem::take(&mut waiter.answers) {
                if all(&answer) && until > now {
                    let wait = crate::Wait { within: until.since(now), ..answer.wait };
                    again.push(Answer { wait, ..answer });
                } else {
                    waiter.answers.push((until, answer));
                }
            }
            if waiter.answers.is_empty() {
                self.waiters.remove(&tag);
            }
        }
        let own = self.groups().topology.group(group).and_then(Replica::own).cloned();
        let Some(own) = own.filter(|_| !again.is_empty()) else { return };
        let ranges: Vec<_> = own.timed_items().map(|timed| timed.item.range()).collect();
        let to = self.concerned(group, &ranges);
        let body = Body::Group(Group { name: group.clone(), parts: vec![Part::Record(own)] });
        let topic = Some(self.topic(group));
        self.broadcast(now, group, Telling { body, instead: None, topic, to }, again);
    }
}

/// A wait that nobody waits for any more needs no count.
const fn wanted(count: Count, targets: u64) -> u64 {
    match count {
        Count::None => 0,
        Count::Some(count) => count,
        Count::All => targets,
    }
}
