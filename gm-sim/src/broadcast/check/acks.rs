//! Checks ack reports: counted nodes have the broadcast, missing nodes were out of reach, and each
//! report settles once, in time.

use std::collections::BTreeMap;

use gm_broadcast::{AckPart, AckReport, BroadcastEvent, Time};

use super::{REACHABILITY_FAULTS, with_clock_error};
use crate::broadcast::history::{BroadcastHistory, SendHistory, SharedHistory};
use crate::broadcast::node::SimBroadcaster;
use crate::checker::{Checker, Violation};
use crate::observation::{Observation, ObservationContext};
use crate::world::World;

/// Compares ack reports with the history.
#[derive(Debug)]
pub struct AcksChecker {
    history: SharedHistory,
    settled: BTreeMap<u64, AckReport>,
    /// Reports of the input in progress, checked when the history contains all its effects.
    to_check: Vec<(u64, AckReport, Vec<AckPart>)>,
}

impl AcksChecker {
    /// A checker that has observed nothing yet.
    #[must_use]
    pub fn new(history: &SharedHistory) -> AcksChecker {
        AcksChecker { history: SharedHistory::clone(history), settled: BTreeMap::new(), to_check: Vec::new() }
    }

    pub(super) fn check_report(
        &mut self,
        context: ObservationContext,
        tag: u64,
        report: AckReport,
        parts: &[AckPart],
    ) -> Option<String> {
        let history = self.history.borrow();
        let send = history.sends.get(&tag)?;
        let mut wrong =
            false_count(&history, send, &report).or_else(|| wrong_parts(&send.targets, &report, parts));
        if self.settled.contains_key(&tag) {
            wrong = Some("it was settled before".to_owned());
        }
        let within = send.planned.acks.map(|request| request.within).unwrap_or_default();
        if history.is_up_since(context.node, send.at) && context.at > send.at + with_clock_error(within) {
            wrong = wrong.or_else(|| Some(format!("its deadline expired {within:?} after {}", send.at)));
        }
        if report.settled && send.planned.exact_acks && history.is_up_since(context.node, send.at) {
            wrong = wrong.or_else(|| inexact_count(&history, send, &report));
        }
        if report.settled {
            self.settled.insert(tag, report);
        }
        wrong
    }
}

/// A false count in a report, if there is one.
#[must_use]
pub fn false_count(history: &BroadcastHistory, send: &SendHistory, report: &AckReport) -> Option<String> {
    let AckReport { delivered, refused, missing, unknown, missing_nodes: names, .. } = report;
    let targets = send.targets.len() as u64;
    if delivered + refused + missing + unknown != targets {
        return Some(format!(
            "{delivered} + {refused} + {missing} + {unknown} do not add up to {targets} targets"
        ));
    }
    let durable = send.planned.acks.is_some_and(|request| request.durable);
    let has = send.targets.iter().filter_map(|target| history.node(*target));
    let has = has.filter(|node| {
        if durable { send.stored_by.contains_key(node) } else { send.delivered_to.contains_key(node) }
    });
    let has = has.count() as u64;
    if *delivered > has {
        return Some(format!("{delivered} are counted as delivered, but {has} have it"));
    }
    if *refused > 0 {
        return Some(format!("{refused} are counted as refused, but no target refuses"));
    }
    if names.len() as u64 > *missing {
        return Some(format!("{} names for {missing} missing targets", names.len()));
    }
    let plan = history.plan();
    let memory =
        plan.network.tcp.user_timeout + plan.network.tcp.connect_timeout + plan.times.backoff_max * 3 / 2;
    let since = send.at - memory;
    let path_faults = history.fault_since(since, &REACHABILITY_FAULTS);
    for name in names {
        if send.targets.binary_search(name).is_err() {
            return Some(format!("{name} is reported missing, but is no target"));
        }
        let steady = history.node(*name).is_some_and(|node| history.is_up_since(node, since));
        if steady && !path_faults {
            return Some(format!("{name} is reported missing, but was in reach"));
        }
    }
    None
}

/// An error in the parts of a report, if there is one. Parts are disjoint sets of targets, and
/// their counts add up to those of the report. A report that is not settled has no parts.
#[must_use]
pub fn wrong_parts(targets: &[gm_clock::NetId], report: &AckReport, parts: &[AckPart]) -> Option<String> {
    let mut nodes: Vec<_> = parts.iter().flat_map(|part| part.nodes.iter().copied()).collect();
    let count = nodes.len();
    nodes.sort_unstable();
    nodes.dedup();
    if nodes.len() < count {
        return Some(format!("{count} nodes in its parts, only {} distinct", nodes.len()));
    }
    if let Some(node) = nodes.iter().find(|node| targets.binary_search(node).is_err()) {
        return Some(format!("{node} is in a part, but is no target"));
    }
    let total = |of: fn(&AckPart) -> u64| parts.iter().map(of).sum::<u64>();
    let sums = (total(|part| part.delivered), total(|part| part.refused), total(|part| part.missing));
    let reported = (report.delivered, report.refused, report.missing);
    // A broadcast whose acks could not be gathered has no counts, and its report has no parts.
    let right = if report.settled { sums == reported } else { parts.is_empty() };
    (!right).then(|| format!("its parts add up to {sums:?}, but it reports {reported:?}"))
}

/// A difference between a settled report and the nodes that are up, if there is one. Without faults
/// other than dead nodes, every node that is up has the broadcast and is counted. (That no other
/// node is counted holds always.)
#[must_use]
pub fn inexact_count(history: &BroadcastHistory, send: &SendHistory, report: &AckReport) -> Option<String> {
    let up = send.targets.iter().filter_map(|target| history.node(*target));
    let excused = &send.planned.excused;
    let up = up.filter(|node| history.is_up_since(*node, send.at) && !excused.contains(node)).count() as u64;
    let AckReport { delivered, missing, unknown, .. } = report;
    (*delivered < up)
        .then(|| format!("{up} have it, but {delivered} are counted ({missing} missing, {unknown} unknown)"))
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

    fn after_input(&mut self, context: ObservationContext, _: &SimBroadcaster) -> Result<(), Violation> {
        for (tag, report, parts) in std::mem::take(&mut self.to_check) {
            if let Some(why) = self.check_report(context, tag, report, &parts) {
                let what = format!("{} got a wrong report on broadcast {tag}: {why}", context.node);
                return Err(Violation::safety("acks", context.at, what));
            }
        }
        Ok(())
    }

    fn at_end(&mut self, world: &World<SimBroadcaster>) -> Result<(), Violation> {
        let history = self.history.borrow();
        for (number, send) in history.sends.iter().filter(|(_, send)| send.id.is_some()) {
            let Some(request) = send.planned.acks else { continue };
            if !history.is_up_since(send.planned.node, send.at) {
                continue;
            }
            let over = send.at != Time::NEVER && world.now() > send.at + with_clock_error(request.within);
            if over && !self.settled.contains_key(number) {
                let what = format!(
                    "broadcast {number}, sent by {} at {}, is not settled",
                    send.planned.node, send.at
                );
                return Err(Violation::liveness("acks", world.now(), what));
            }
        }
        Ok(())
    }
}
