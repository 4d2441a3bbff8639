//! Checks convergence: after the faults all hosts of a group hold the same state, with all
//! acknowledged writes, and without members that were forgotten or moved away.

use gm_data::{GroupState, Record};
use gm_sim::{Checker, NodeIndex, Observation, ObservationContext, Violation};

use crate::environment::{NodeWorld, SimNode};
use crate::history::{NodeHistory, SharedHistory};
use crate::writer_model::items_of;

/// Checks the state of the world at the end.
#[derive(Debug)]
pub(crate) struct ConvergenceChecker {
    history: SharedHistory,
}

impl ConvergenceChecker {
    /// A checker with this history.
    pub(crate) fn new(history: &SharedHistory) -> ConvergenceChecker {
        ConvergenceChecker { history: SharedHistory::clone(history) }
    }
}

/// Name of the property that does not hold, and a description.
pub(crate) type Difference = (&'static str, String);

/// The first difference from the required final state, if there is one.
pub(crate) fn difference(world: &NodeWorld, history: &NodeHistory) -> Option<Difference> {
    if history.plan.claims.may_differ {
        return None;
    }
    (0..history.plan.groups.len())
        .find_map(|group| difference_in_group(world, history, group))
        .or_else(|| unanswered_request(world, history))
}

fn difference_in_group(world: &NodeWorld, history: &NodeHistory, group: usize) -> Option<Difference> {
    let name = &history.plan.groups[group];
    let mut holders: Vec<(NodeIndex, &GroupState)> = Vec::new();
    for node in world.indices() {
        let Some(machine) = world.machine(node) else { continue };
        let own = machine.own_record(name);
        let owned = own.map(items_of).unwrap_or_default();
        let expected = history
            .writers
            .get(&(node, group))
            .map(crate::writer_model::WriterModel::items)
            .unwrap_or_default();
        if owned != expected {
            return Some((
                "writers",
                format!("{node} has the items {owned:?} in {name:?} instead of {expected:?}"),
            ));
        }
        let state = machine.view(name).map(|view| -> &GroupState { view });
        let status = machine.status(world.now(), name);
        match (state, status) {
            (Some(state), Some(status)) if !status.is_leaving => holders.push((node, state)),
            (None, _)
                if own.is_some_and(Record::is_member) || machine.hosted_groups().any(|held| held == name) =>
            {
                return Some(("fingerprints", format!("{node} hosts {name:?}, but has no state of it")));
            }
            _ => {}
        }
    }
    let (first, state) = holders.first()?;
    for (node, other) in &holders {
        if other.fingerprint() != state.fingerprint() {
            let what = describe_difference(state, other);
            return Some((
                "fingerprints",
                format!("{first} and {node} hold different states of {name:?}: {what}"),
            ));
        }
    }
    for node in world.indices() {
        let Some(machine) = world.machine(node) else { continue };
        let held = state.record(history.identity[node.0 as usize]);
        let Some(own) = machine.own_record(name) else {
            if held.is_some_and(Record::is_member) {
                return Some((
                    "fingerprints",
                    format!("{node} has no record in {name:?}, but others hold {held:?}"),
                ));
            }
            continue;
        };
        let same = held.is_some_and(|held| held.version_digest() == own.version_digest());
        if !(same || !own.is_member() && held.is_none_or(|held| !held.is_member())) {
            let (held, own) = (held.map(Record::version_digest), own.version_digest());
            return Some((
                "fingerprints",
                format!("{node} has {own:?} in {name:?}, but others hold {held:?}"),
            ));
        }
    }
    lingering_member(world, history, group, state)
}

/// A member that should have disappeared: forgotten while dead and not restarted, or moved to
/// another address.
fn lingering_member(
    world: &NodeWorld,
    history: &NodeHistory,
    group: usize,
    state: &GroupState,
) -> Option<Difference> {
    for forgotten in history.forgotten.iter().filter(|forgotten| forgotten.group == group) {
        let location = forgotten.member.0 as usize;
        let stayed = forgotten.dead_after == Some(history.starts[location]);
        let held = state.record(history.identity[location]);
        if stayed
            && let Some(held) = held.filter(|held| held.is_member())
            && held.version().incarnation <= forgotten.version.incarnation
        {
            return Some((
                "forgotten",
                format!("{} was forgotten, but is a member: {held:?}", forgotten.member),
            ));
        }
    }
    // A process that impersonated the member may have written since; no node removes that.
    for (former, location) in
        history.moved.iter().filter(|(former, _)| !history.impersonated.contains(former))
    {
        let lives = world.find(*former).is_some_and(|node| world.machine(node).is_some());
        if !lives && world.machine(*location).is_some() && state.is_member(*former) {
            return Some(("moved", format!("{former} moved to {location}, but is still a member")));
        }
    }
    None
}

/// A request to a live node that was not answered.
fn unanswered_request(world: &NodeWorld, history: &NodeHistory) -> Option<Difference> {
    let open = history
        .requests
        .iter()
        .find(|(_, request)| !request.answered && world.machine(request.node).is_some())?;
    Some(("answered", format!("{} did not answer: {:?} {:?}", open.1.node, open.1.kind, open.1.wait)))
}

fn describe_difference(one: &GroupState, other: &GroupState) -> String {
    let members = one.records().chain(other.records()).map(Record::member);
    let mut difference: Vec<String> = members
        .filter(|member| {
            one.record(*member).map(Record::version_digest)
                != other.record(*member).map(Record::version_digest)
        })
        .map(|member| {
            let stamp = |state: &GroupState| state.record(member).map(|record| record.version());
            format!("{member} {:?} {:?}", stamp(one), stamp(other))
        })
        .collect();
    difference.sort();
    difference.dedup();
    difference.truncate(4);
    difference.join(", ")
}

impl Checker<SimNode> for ConvergenceChecker {
    fn name(&self) -> &'static str {
        "convergence"
    }

    fn observe(&mut self, _: ObservationContext, _: &Observation<'_, SimNode>) -> Result<(), Violation> {
        Ok(())
    }

    fn at_end(&mut self, world: &NodeWorld) -> Result<(), Violation> {
        let history = self.history.borrow();
        match history.not_converged.clone().or_else(|| difference(world, &history)) {
            Some((checker, what)) => Err(Violation::liveness(checker, world.now(), what)),
            None => Ok(()),
        }
    }
}
