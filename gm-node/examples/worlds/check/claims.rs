//! What a scenario claims beyond what holds in all worlds. Knows nothing of how plans are drawn.

use std::collections::BTreeSet;

use gm_node::{AckCount, NodeCounter, NodeEvent, WaitOutcome};
use gm_sim::{Checker, NodeIndex, Observation, ObservationContext, Violation};

use crate::environment::{NodeWorld, SimNode};
use crate::history::{NodeHistory, RequestKind, SharedHistory};
use crate::plan::ExpectedEnd;

/// Looks at how waits end, and at the world in the end.
#[derive(Debug)]
pub(crate) struct ClaimsChecker {
    history: SharedHistory,
    /// Waits for all that ended as claimed.
    ended_waits: u64,
}

impl ClaimsChecker {
    /// Of that book.
    pub(crate) fn new(history: &SharedHistory) -> ClaimsChecker {
        ClaimsChecker { history: SharedHistory::clone(history), ended_waits: 0 }
    }

    fn wait(&mut self, tag: u64, end: WaitOutcome) -> Result<(), String> {
        let history = self.history.borrow();
        let Some(claimed) = history.plan.claims.waits else { return Ok(()) };
        let Some(ask) = history.requests.get(&tag).filter(|ask| matches!(ask.kind, RequestKind::Write(_)))
        else {
            return Ok(());
        };
        let should = match claimed {
            // A dead member is all that is missing.
            ExpectedEnd::Settled if ask.wait.count == AckCount::All => WaitOutcome::Settled,
            ExpectedEnd::Settled | ExpectedEnd::Satisfied => WaitOutcome::Satisfied,
        };
        if end != should && ask.wait.count != AckCount::None {
            return Err(format!("{} waits, {:?}, and it ends {end:?}, not {should:?}", ask.node, ask.wait));
        }
        self.ended_waits += u64::from(ask.wait.count == AckCount::All);
        Ok(())
    }
}

/// What is claimed and is not so.
fn broken_claim(world: &NodeWorld, history: &NodeHistory) -> Option<String> {
    let claims = &history.plan.claims;
    if history.refused_writes < claims.min_refused_writes {
        return Some(format!(
            "{} writes are refused because of a bound, not {}",
            history.refused_writes, claims.min_refused_writes
        ));
    }
    if let (Some((_, most)), Some(idle)) = (claims.idle_limit, history.idle_bytes_per_second)
        && idle > most
    {
        return Some(format!("a node sends {idle} bytes a second in quiet, more than {most}"));
    }
    let misfits: u64 = world
        .indices()
        .filter_map(|node| world.machine(node))
        .map(|machine| machine.counters().get(NodeCounter::IncrementGaps))
        .sum();
    if claims.all_increments_fit && misfits > 0 {
        return Some(format!("{misfits} increments did not fit"));
    }
    for node in &claims.contacts {
        let machine = world.machine(*node)?;
        for group in &history.plan.groups {
            let held = machine.view(group).is_some();
            let contact = machine.contacts().find(|(name, _)| *name == group).map(|(_, member)| member);
            let is_member =
                |member| world.find(member).and_then(|place| world.machine(place)?.view(group)).is_some();
            if !held && !contact.is_some_and(is_member) {
                return Some(format!("{node} knows {contact:?} of {group:?}"));
            }
        }
    }
    for (group, members) in claims.members.iter().flatten() {
        let should: BTreeSet<_> = members.iter().map(|node| history.plan.id(*node)).collect();
        let machine = members.first().and_then(|node: &NodeIndex| world.machine(*node))?;
        let is: BTreeSet<_> = machine.members(&history.plan.groups[*group]).into_iter().collect();
        if is != should {
            return Some(format!("members are {is:?}, not {should:?}"));
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
        place: ObservationContext,
        seen: &Observation<'_, SimNode>,
    ) -> Result<(), Violation> {
        if let Observation::Event(NodeEvent::Answered { tag, result: Ok(written), .. }) = seen {
            self.wait(*tag, written.wait.outcome)
                .map_err(|what| Violation::liveness("claims", place.at, what))?;
        }
        Ok(())
    }

    fn at_end(&mut self, world: &NodeWorld) -> Result<(), Violation> {
        let history = self.history.borrow();
        if history.plan.claims.waits.is_some() && self.ended_waits == 0 {
            return Err(Violation::liveness("claims", world.now(), "nobody waited for all"));
        }
        match broken_claim(world, &history) {
            Some(what) => Err(Violation::liveness("claims", world.now(), what)),
            None => Ok(()),
        }
    }
}
