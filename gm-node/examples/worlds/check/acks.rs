//! What a wait says is so: as many have it as it says, on disk if that was asked for; all means
//! all. Knows nothing of how receipts travel.

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

/// Looks at answers, once the node that gave them has handled its input.
#[derive(Debug)]
pub(crate) struct AcksChecker {
    history: SharedHistory,
    validity: Rc<RefCell<ValidityChecker>>,
    to_check: Vec<(u64, Answer)>,
}

impl AcksChecker {
    /// Of that book, and of who held what.
    pub(crate) fn new(history: &SharedHistory, written: &Rc<RefCell<ValidityChecker>>) -> AcksChecker {
        AcksChecker {
            history: SharedHistory::clone(history),
            validity: Rc::clone(written),
            to_check: Vec::new(),
        }
    }

    fn check_answer(&self, machine: &SimNode, ask: &Request, answer: &Answer) -> Result<(), String> {
        let history = self.history.borrow();
        // Of whom the record is that was written.
        let (me, waited) = (machine.me(), &answer.wait);
        let of = match &ask.kind {
            RequestKind::Write(_) => me,
            RequestKind::Forget(member) => history.identity[member.0 as usize],
        };
        let written = self.validity.borrow();
        let mut holders = written.holders(ask.group, of, answer.version);
        holders.retain(|node| *node != ask.node);
        let said = format!("{} was told that {} have {:?}", ask.node, waited.acknowledged, answer.version);
        if waited.acknowledged > holders.len() as u64 {
            return Err(format!("{said}: {holders:?}"));
        }
        let asked = waited.acknowledged + waited.refused + waited.unreachable + waited.unanswered;
        if asked > waited.members {
            return Err(format!("{said}, of {asked} that were asked, and {} are known", waited.members));
        }
        if waited.outcome != WaitOutcome::Satisfied {
            return Ok(());
        }
        if let AckCount::Some(count) = ask.wait.count
            && (holders.len() as u64) < count
        {
            return Err(format!("{said}, enough for {count}: {holders:?}"));
        }
        if ask.wait.on_disk {
            let all = holders.clone();
            holders.retain(|node| was_on_disk(&history, *node, ask.group, of, answer));
            if waited.acknowledged > holders.len() as u64 && ask.wait.count != AckCount::None {
                return Err(format!("{said} on disk: {holders:?} of {all:?}"));
            }
        }
        if ask.wait.count == AckCount::All {
            if holders.is_empty() {
                return Err(format!("{said}, all, and nobody has it"));
            }
            if !history.in_sync.contains(&(ask.node, ask.group)) {
                return Err(format!("{said}, all, and agreed with nobody yet"));
            }
            let now = machine.view(&history.plan.groups[ask.group]).map(|view| -> &GroupState { view });
            let RequestKind::Write(what) = &ask.kind else { return Ok(()) };
            let Some(lacks) = members_concerned(me, what, ask.state_before.as_ref(), now)
                .into_iter()
                .filter(|member| !history.impersonated.contains(member))
                .find(|member| !holders.iter().any(|node| history.identity[node.0 as usize] == *member))
            else {
                return Ok(());
            };
            let of = |state: Option<&GroupState>| state.and_then(|state| state.record(lacks)).map(items_of);
            let (before, now) = (of(ask.state_before.as_ref()), of(now));
            return Err(format!(
                "{said}, all, but {lacks} has not: {holders:?}; {what:?}, when it said {before:?}, and now {now:?}"
            ));
        }
        Ok(())
    }
}

/// Whether a disk that the node used ever said that it was safe: it may have left since, or lost
/// its disk.
fn was_on_disk(history: &NodeHistory, node: NodeIndex, group: usize, member: NetId, answer: &Answer) -> bool {
    let used = history.used.get(&node).into_iter().flatten();
    let disks = used.filter_map(|place| history.environment.disks.get(place.0 as usize));
    let promised = disks.filter_map(|disk| disk.promised(&history.plan.groups[group], member)).max();
    promised >= Some(answer.version)
}

/// Members whom a write concerns, as far as the writer knew when it wrote, and knows now.
fn members_concerned(
    me: NetId,
    what: &WriteKind,
    before: Option<&GroupState>,
    now: Option<&GroupState>,
) -> Vec<NetId> {
    let (Some(before), Some(now)) = (before, now) else { return Vec::new() };
    let WriteKind::Change(batch) = what else { return Vec::new() };
    // What stands already is no change, and concerns nobody.
    let stands = before.record(me).map(items_of).unwrap_or_default();
    let ranges: Vec<KeyRange> = batch.iter().filter_map(|change| changed_service(change, &stands)).collect();
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

/// The range that a change serves otherwise than it was.
fn changed_service(change: &gm_data::Change, stands: &Items) -> Option<KeyRange> {
    let gm_data::Change::Serve { range, port, priority } = *change else { return None };
    let says = (gm_data::Op::Add, port.unwrap_or(0), priority);
    (stands.get(&range) != Some(&says)).then_some(range)
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

    fn after_input(&mut self, place: ObservationContext, machine: &SimNode) -> Result<(), Violation> {
        for (tag, answer) in std::mem::take(&mut self.to_check) {
            let ask = self.history.borrow().requests.get(&tag).cloned();
            if let Some(ask) = ask {
                self.check_answer(machine, &ask, &answer)
                    .map_err(|what| Violation::safety("acks", place.at, what))?;
            }
        }
        Ok(())
    }
}
