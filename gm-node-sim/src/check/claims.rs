//! Checks what a scenario claims in addition to the properties of all plans.

use std::collections::BTreeSet;

use gm_node::{AckCount, NodeCounter, NodeEvent, WaitOutcome};
use gm_sim::{Checker, NodeIndex, Observation, ObservationContext, Violation};

use crate::environment::{NodeWorld, SimNode};
use crate::history::{NodeHistory, RequestKind, SharedHistory};
use crate::plan::ExpectedEnd;

/// Checks the outcomes of waits, and the state of the world at the end.
#[derive(Debug)]
pub(crate) struct ClaimsChecker {
    history: SharedHistory,
    /// Number of waits for all that ended as claimed.
    ended_waits: u64,
}

impl ClaimsChecker {
    /// A checker with this history.
    pub(crate) fn new(history: &SharedHistory) -> ClaimsChecker {
        ClaimsChecker { history: SharedHistory::clone(history), ended_waits: 0 }
    }

    fn wait(&mut self, tag: u64, end: WaitOutcome) -> Result<(), String> {
        let history = self.history.borrow();
        let Some(claimed) = history.plan.claims.waits else { return Ok(()) };
        let Some(request) =
            history.requests.get(&tag).filter(|request| matches!(request.kind, RequestKind::Write(_)))
        else {
            return Ok(());
        };
        let expected = match claimed {
            // The dead member is the only one that does not acknowledge.
            ExpectedEnd::Settled if request.wait.count == AckCount::All => WaitOutcome::Settled,
            ExpectedEnd::Settled | ExpectedEnd::Satisfied => WaitOutcome::Satisfied,
        };
        if end != expected && request.wait.count != AckCount::None {
            return Err(format!(
                "{} waits, {:?}, and the outcome is {end:?} instead of {expected:?}",
                request.node, request.wait
            ));
        }
        self.ended_waits += u64::from(request.wait.count == AckCount::All);
        Ok(())
    }
}

/// A claim that does not hold, if there is one.
fn broken_claim(world: &NodeWorld, history: &NodeHistory) -> Option<String> {
    let claims = &history.plan.claims;
    if history.refused_writes < claims.min_refused_writes {
        return Some(format!(
            "{} writes were refused because of a limit, fewer than {}",
            history.refused_writes, claims.min_refused_writes
        ));
    }
    if let (Some((_, limit)), Some(idle)) = (claims.idle_limit, history.idle_bytes_per_second)
        && idle > limit
    {
        return Some(format!("an idle node sends {idle} bytes per second, limit {limit}"));
    }
    let misfits: u64 = world
        .indices()
        .filter_map(|node| world.machine(node))
        .map(|machine| machine.counters().get(NodeCounter::IncrementGaps))
        .sum();
    if claims.all_increments_fit && misfits > 0 {
        return Some(format!("{misfits} increments did not apply"));
    }
    for node in &claims.contacts {
        let machine = world.machine(*node)?;
        for group in &history.plan.groups {
            let held = machine.view(group).is_some();
            let contact = machine.contacts().find(|(name, _)| *name == group).map(|(_, member)| member);
            let is_member = |member| {
                world.find(member).and_then(|location| world.machine(location)?.view(group)).is_some()
            };
            if !held && !contact.is_some_and(is_member) {
                return Some(format!("{node} does not host {group:?}, and its contact is {contact:?}"));
            }
        }
    }
    for (group, members) in claims.members.iter().flatten() {
        let expected: BTreeSet<_> = members.iter().map(|node| history.plan.id(*node)).collect();
        let machine = members.first().and_then(|node: &NodeIndex| world.machine(*node))?;
        let actual: BTreeSet<_> = machine.members(&history.plan.groups[*group]).into_iter().collect();
        if actual != expected {
            return Some(format!("members are {actual:?} instead of {expected:?}"));
        }
    }
    None
}

impl Checker<SimNode> for ClaimsChecker {
    fn name(&self) -> &'static str {
        "claims"
    }

    fn observe(
        &mut self,
        context: ObservationContext,
        seen: &Observation<'_, SimNode>,
    ) -> Result<(), Violation> {
        if let Observation::Event(NodeEvent::Answered { tag, result: Ok(written), .. }) = seen {
            self.wait(*tag, written.wait.outcome)
                .map_err(|what| Violation::liveness("claims", context.at, what))?;
        }
        Ok(())
    }

    fn at_end(&mut self, world: &NodeWorld) -> Result<(), Violation> {
        let history = self.history.borrow();
        if history.plan.claims.waits.is_some() && self.ended_waits == 0 {
            return Err(Violation::liveness("claims", world.now(), "no write waited for all"));
        }
        match broken_claim(world, &history) {
            Some(what) => Err(Violation::liveness("claims", world.now(), what)),
            None => Ok(()),
        }
    }
}
