//! Receipts are true: what they count is there, what they miss was out of reach, and they settle
//! once, in time. Knows nothing of trees.

use std::collections::BTreeMap;

use gm_broadcast::{AckPart, AckReport, BroadcastEvent, Time};

use super::{REACHABILITY_FAULTS, with_clock_error};
use crate::broadcast::history::{BroadcastHistory, SendHistory, SharedHistory};
use crate::broadcast::node::SimBroadcaster;
use crate::checker::{Checker, Violation};
use crate::observation::{Observation, ObservationContext};
use crate::world::World;

/// Compares reports with the book.
#[derive(Debug)]
pub struct AcksChecker {
    history: SharedHistory,
    settled: BTreeMap<u64, AckReport>,
    /// Of the input that is being handled: judged when the book knows all that came of it.
    to_check: Vec<(u64, AckReport, Vec<AckPart>)>,
}

impl AcksChecker {
    /// None yet.
    #[must_use]
    pub fn new(history: &SharedHistory) -> AcksChecker {
        AcksChecker { history: SharedHistory::clone(history), settled: BTreeMap::new(), to_check: Vec::new() }
    }

    pub(super) fn check_report(
        &mut self,
        place: ObservationContext,
        tag: u64,
        report: AckReport,
        parts: &[AckPart],
    ) -> Option<String> {
        let history = self.history.borrow();
        let said = history.sends.get(&tag)?;
        let mut wrong =
            false_count(&history, said, &report).or_else(|| wrong_parts(&said.targets, &report, parts));
        if self.settled.contains_key(&tag) {
            wrong = Some("it was settled before".to_owned());
        }
        let within = said.planned.acks.map(|wanted| wanted.within).unwrap_or_default();
        if history.is_up_since(place.node, said.at) && place.at > said.at + with_clock_error(within) {
            wrong = wrong.or_else(|| Some(format!("its deadline was {within:?} after {}", said.at)));
        }
        if report.settled && said.planned.exact_acks && history.is_up_since(place.node, said.at) {
            wrong = wrong.or_else(|| inexact_count(&history, said, &report));
        }
        if report.settled {
            self.settled.insert(tag, report);
        }
        wrong
    }
}

/// What of a report is not so.
#[must_use]
pub fn false_count(history: &BroadcastHistory, said: &SendHistory, report: &AckReport) -> Option<String> {
    let AckReport { delivered, refused, missing, unknown, missing_nodes: names, .. } = report;
    let targets = said.targets.len() as u64;
    if delivered + refused + missing + unknown != targets {
        return Some(format!("{delivered} + {refused} + {missing} + {unknown} are not {targets}"));
    }
    let durable = said.planned.acks.is_some_and(|wanted| wanted.durable);
    let has = said.targets.iter().filter_map(|target| history.node(*target));
    let has = has.filter(|node| {
        if durable { said.stored_by.contains_key(node) } else { said.delivered_to.contains_key(node) }
    });
    let has = has.count() as u64;
    if *delivered > has {
        return Some(format!("{delivered} are said to have it, {has} do"));
    }
    if *refused > 0 {
        return Some(format!("{refused} are said to refuse it, nobody does"));
    }
    if names.len() as u64 > *missing {
        return Some(format!("{} names of {missing} that are missing", names.len()));
    }
    let plan = history.plan();
    let memory =
        plan.network.tcp.user_timeout + plan.network.tcp.connect_timeout + plan.times.backoff_max * 3 / 2;
    let since = said.at - memory;
    let ways = history.fault_since(since, &REACHABILITY_FAULTS);
    for name in names {
        if said.targets.binary_search(name).is_err() {
            return Some(format!("{name} is missing, and no target"));
        }
        let steady = history.node(*name).is_some_and(|node| history.is_up_since(node, since));
        if steady && !ways {
            return Some(format!("{name} is said to be missing, and was in reach"));
        }
    }
    None
}

/// What is wrong with the parts of a report: they are of targets, each in one of them, and add up
/// to the report's numbers. A report that is not settled has none.
#[must_use]
pub fn wrong_parts(targets: &[gm_clock::NetId], report: &AckReport, parts: &[AckPart]) -> Option<String> {
    let mut nodes: Vec<_> = parts.iter().flat_map(|part| part.nodes.iter().copied()).collect();
    let count = nodes.len();
    nodes.sort_unstable();
    nodes.dedup();
    if nodes.len() < count {
        return Some(format!("{count} nodes in its parts, {} of them different", nodes.len()));
    }
    if let Some(node) = nodes.iter().find(|node| targets.binary_search(node).is_err()) {
        return Some(format!("{node} is in a part, and no target"));
    }
    let total = |of: fn(&AckPart) -> u64| parts.iter().map(of).sum::<u64>();
    let sums = (total(|part| part.delivered), total(|part| part.refused), total(|part| part.missing));
    let told = (report.delivered, report.refused, report.missing);
    // Of a broadcast whose receipts could not be gathered nothing is known, and no parts are told.
    let right = if report.settled { sums == told } else { parts.is_empty() };
    (!right).then(|| format!("its parts add up to {sums:?}, and it says {told:?}"))
}

/// What a last report must say when nothing is wrong but that some are down: who is up has it, and
/// is counted. (That nobody is counted besides is so always.)
#[must_use]
pub fn inexact_count(history: &BroadcastHistory, said: &SendHistory, report: &AckReport) -> Option<String> {
    let up = said.targets.iter().filter_map(|target| history.node(*target));
    let excused = &said.planned.excused;
    let up = up.filter(|node| history.is_up_since(*node, said.at) && !excused.contains(node)).count() as u64;
    let AckReport { delivered, missing, unknown, .. } = report;
    (*delivered < up)
        .then(|| format!("{up} have it, {delivered} are said to ({missing} missing, {unknown} unknown)"))
}

impl Checker<SimBroadcaster> for AcksChecker {
    fn name(&self) -> &'static str {
        "acks"
    }

    fn observe(
        &mut self,
        _: ObservationContext,
        seen: &Observation<'_, SimBroadcaster>,
    ) -> Result<(), Violation> {
        if let Observation::Event(BroadcastEvent::Acks { tag, report, parts }) = seen {
            self.to_check.push((*tag, report.clone(), parts.clone()));
        }
        Ok(())
    }

    fn after_input(&mut self, place: ObservationContext, _: &SimBroadcaster) -> Result<(), Violation> {
        for (tag, report, parts) in std::mem::take(&mut self.to_check) {
            if let Some(why) = self.check_report(place, tag, report, &parts) {
                let what = format!("{} hears of number {tag}: {why}", place.node);
                return Err(Violation::safety("acks", place.at, what));
            }
        }
        Ok(())
    }

    fn at_end(&mut self, world: &World<SimBroadcaster>) -> Result<(), Violation> {
        let history = self.history.borrow();
        for (number, said) in history.sends.iter().filter(|(_, said)| said.id.is_some()) {
            let Some(wanted) = said.planned.acks else { continue };
            if !history.is_up_since(said.planned.node, said.at) {
                continue;
            }
            let over = said.at != Time::NEVER && world.now() > said.at + with_clock_error(wanted.within);
            if over && !self.settled.contains_key(number) {
                let what =
                    format!("number {number}, said by {} at {}, is not settled", said.planned.node, said.at);
                return Err(Violation::liveness("acks", world.now(), what));
            }
        }
        Ok(())
    }
}
