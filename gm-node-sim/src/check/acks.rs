//! Checks the results of waits: at least the reported number of members have the write, on disk if
//! requested; and a wait for all covers all affected members.

use std::cell::RefCell;
use std::rc::Rc;

use gm_clock::NetId;
use gm_data::{GroupState, KeyRange, Record};
use gm_node::{AckCount, CommittedWrite as Answer, NodeEvent, WaitOutcome, WriteKind};
use gm_sim::{Checker, NodeIndex, Observation, ObservationContext, Violation};

use super::validity::ValidityChecker;
use crate::environment::SimNode;
use crate::history::{NodeHistory, Request, RequestKind, SharedHistory};
use crate::writer_model::{Items, items_of};

/// Checks answers after the node has handled the input that led to them.
#[derive(Debug)]
pub(crate) struct AcksChecker {
    history: SharedHistory,
    validity: Rc<RefCell<ValidityChecker>>,
    to_check: Vec<(u64, Answer)>,
}

impl AcksChecker {
    /// A checker with this history, and the record of which node held which version.
    pub(crate) fn new(history: &SharedHistory, validity: &Rc<RefCell<ValidityChecker>>) -> AcksChecker {
        AcksChecker {
            history: SharedHistory::clone(history),
            validity: Rc::clone(validity),
            to_check: Vec::new(),
        }
    }

    fn check_answer(&self, machine: &SimNode, request: &Request, answer: &Answer) -> Result<(), String> {
        let history = self.history.borrow();
        // The member whose record was written.
        let (me, waited) = (machine.me(), &answer.wait);
        let of = match &request.kind {
            RequestKind::Write(_) => me,
            RequestKind::Forget(member) => history.identity[member.0 as usize],
        };
        let validity = self.validity.borrow();
        let mut holders = validity.holders(request.group, of, answer.version);
        holders.retain(|node| *node != request.node);
        let claim = format!("{} reports {} acks of {:?}", request.node, waited.acknowledged, answer.version);
        if waited.acknowledged > holders.len() as u64 {
            return Err(format!("{claim}, but the holders are {holders:?}"));
        }
        let counted = waited.acknowledged + waited.refused + waited.unreachable + waited.unanswered;
        if counted > waited.members {
            return Err(format!("{claim} and counts {counted} members, but {} are known", waited.members));
        }
        if waited.outcome != WaitOutcome::Satisfied {
            return Ok(());
        }
        if let AckCount::Some(count) = request.wait.count
            && (holders.len() as u64) < count
        {
            return Err(format!("{claim}, enough for {count}, but the holders are {holders:?}"));
        }
        if request.wait.on_disk {
            let all = holders.clone();
            holders.retain(|node| was_on_disk(&history, *node, request.group, of, answer));
            if waited.acknowledged > holders.len() as u64 && request.wait.count != AckCount::None {
                return Err(format!(
                    "{claim} on disk, but it is on the disks of {holders:?} among {all:?} only"
                ));
            }
        }
        if request.wait.count == AckCount::All {
            if holders.is_empty() {
                return Err(format!("{claim}, all members, but no other node has it"));
            }
            if !history.in_sync.contains(&(request.node, request.group)) {
                return Err(format!("{claim}, all members, but was not in sync with any node yet"));
            }
            let now = machine.view(&history.plan.groups[request.group]).map(|view| -> &GroupState { view });
            let RequestKind::Write(what) = &request.kind else { return Ok(()) };
            let Some(missing) = members_concerned(me, what, request.state_before.as_ref(), now)
                .into_iter()
                .filter(|member| !history.impersonated.contains(member))
                .find(|member| !holders.iter().any(|node| history.identity[node.0 as usize] == *member))
            else {
                return Ok(());
            };
            let of = |state: Option<&GroupState>| state.and_then(|state| state.record(missing)).map(items_of);
            let (before, now) = (of(request.state_before.as_ref()), of(now));
            return Err(format!(
                "{claim}, all members, but {missing} is not among the holders {holders:?}; {what:?}, its items were {before:?} and are {now:?}"
            ));
        }
        Ok(())
    }
}

/// Whether a disk that the node used ever reported the version as synced. The node may have left or
/// lost its disk since.
fn was_on_disk(history: &NodeHistory, node: NodeIndex, group: usize, member: NetId, answer: &Answer) -> bool {
    let used = history.used.get(&node).into_iter().flatten();
    let disks = used.filter_map(|location| history.environment.disks.get(location.0 as usize));
    let promised = disks.filter_map(|disk| disk.promised(&history.plan.groups[group], member)).max();
    promised >= Some(answer.version)
}

/// Members whose ranges the write affects, as the writer knew them both at the write and now.
fn members_concerned(
    me: NetId,
    what: &WriteKind,
    before: Option<&GroupState>,
    now: Option<&GroupState>,
) -> Vec<NetId> {
    let (Some(before), Some(now)) = (before, now) else { return Vec::new() };
    let WriteKind::Change(batch) = what else { return Vec::new() };
    // A range that is served already does not change, and affects no member.
    let current = before.record(me).map(items_of).unwrap_or_default();
    let ranges: Vec<KeyRange> = batch.iter().filter_map(|change| changed_service(change, &current)).collect();
    let overlaps = |record: &Record| {
        record.items().filter(|item| item.op().is_live()).any(|item| {
            ranges
                .iter()
                .any(|range| item.range().start() <= range.end() && range.start() <= item.range().end())
        })
    };
    let members = before.records().filter(|record| record.member() != me && overlaps(record));
    members.map(Record::member).filter(|member| now.record(*member).is_some_and(overlaps)).collect()
}

/// The range whose service a change alters.
fn changed_service(change: &gm_data::Change, current: &Items) -> Option<KeyRange> {
    let gm_data::Change::Serve { range, port, priority } = *change else { return None };
    let entry = (gm_data::Op::Add, port.unwrap_or(0), priority);
    (current.get(&range) != Some(&entry)).then_some(range)
}

impl Checker<SimNode> for AcksChecker {
    fn name(&self) -> &'static str {
        "acks"
    }

    fn observe(&mut self, _: ObservationContext, seen: &Observation<'_, SimNode>) -> Result<(), Violation> {
        if let Observation::Event(NodeEvent::Answered { tag, result: Ok(answer), .. }) = seen {
            self.to_check.push((*tag, answer.clone()));
        }
        Ok(())
    }

    fn after_input(&mut self, context: ObservationContext, machine: &SimNode) -> Result<(), Violation> {
        for (tag, answer) in std::mem::take(&mut self.to_check) {
            let request = self.history.borrow().requests.get(&tag).cloned();
            if let Some(request) = request {
                self.check_answer(machine, &request, &answer)
                    .map_err(|what| Violation::safety("acks", context.at, what))?;
            }
        }
        Ok(())
    }
}
