//! What is held of a member is something that its owner had, or that it is forgotten; it never goes
//! back, and never vanishes. Keeps who held what. Knows nothing of how it came there.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use gm_clock::NetId;
use gm_data::{GroupState, Record, Version, VersionDigest};
use gm_sim::{Checker, NodeIndex, Observation, ObservationContext, Violation};

use crate::environment::SimNode;
use crate::history::{RequestKind, SharedHistory};

/// Looks at every state of every node.
#[derive(Debug)]
pub(crate) struct ValidityChecker {
    history: SharedHistory,
    /// What each node held when it was looked at last.
    states: BTreeMap<(NodeIndex, usize), GroupState>,
    /// All that owners ever had: a version and its digests.
    written: BTreeSet<(usize, NetId, Version, u64)>,
    /// What each owner had when it was looked at last.
    own_stamps: BTreeMap<(NodeIndex, usize), VersionDigest>,
    /// The highest that each node ever held of a member.
    highest_held: BTreeMap<(usize, NetId), BTreeMap<NodeIndex, Version>>,
}

impl ValidityChecker {
    /// Of that book.
    pub(crate) fn shared(history: &SharedHistory) -> Rc<RefCell<ValidityChecker>> {
        Rc::new(RefCell::new(ValidityChecker {
            history: SharedHistory::clone(history),
            states: BTreeMap::new(),
            written: history
                .borrow()
                .plan
                .preloaded
                .iter()
                .map(|(_, record)| (0, record.member(), record.version(), record.digest()))
                .collect(),
            own_stamps: BTreeMap::new(),
            highest_held: BTreeMap::new(),
        }))
    }

    /// Who ever held that version of a member, or a higher one.
    pub(crate) fn holders(&self, group: usize, member: NetId, version: Version) -> Vec<NodeIndex> {
        let held = self.highest_held.get(&(group, member)).into_iter().flatten();
        held.filter(|(_, held)| **held >= version).map(|(node, _)| *node).collect()
    }

    fn check_group(
        &mut self,
        place: ObservationContext,
        group: usize,
        machine: &SimNode,
    ) -> Result<(), String> {
        let node = place.node;
        let name = self.history.borrow().plan.groups[group].clone();
        let me = machine.me();
        if let Some(stamp) = machine.own_record(&name).map(Record::version_digest)
            && self.own_stamps.insert((node, group), stamp) != Some(stamp)
        {
            self.written.insert((group, me, stamp.version, stamp.digest));
        }
        let Some(view) = machine.view(&name) else {
            self.states.remove(&(node, group));
            return Ok(());
        };
        let before = self.states.get(&(node, group));
        if before.is_some_and(|before| before.fingerprint() == view.fingerprint()) {
            return Ok(());
        }
        let state: GroupState = (**view).clone();
        let before = before.cloned().unwrap_or_else(|| GroupState::new(name));
        let mut result = Ok(());
        state.each_changed_record(&before, |old, new| {
            if result.is_ok() {
                result = match (old, new) {
                    (old, Some(record)) => self.check_record(node, group, old, record),
                    (Some(lost), None) => Err(format!("{node} holds {} no longer", lost.member())),
                    (None, None) => Ok(()),
                };
            }
        });
        self.states.insert((node, group), state);
        result
    }

    fn check_record(
        &mut self,
        node: NodeIndex,
        group: usize,
        old: Option<&Record>,
        record: &Record,
    ) -> Result<(), String> {
        let (member, version) = (record.member(), record.version());
        if let Some(old) = old.filter(|old| old.version() > version) {
            return Err(format!("{node} had {member} as {:?}, and has {version:?}", old.version()));
        }
        let history = self.history.borrow();
        let held = self.highest_held.entry((group, member)).or_default().entry(node).or_insert(version);
        *held = version.max(*held);
        if version.forgotten {
            let forgets = |asked: &RequestKind| matches!(asked, RequestKind::Forget(of) if history.identity[of.0 as usize] == member);
            if !history.requests.values().any(|ask| ask.group == group && forgets(&ask.kind)) {
                return Err(format!("{node} holds {member} as forgotten, and nobody forgot it"));
            }
            return Ok(());
        }
        let key = (group, member, version, record.digest());
        // Who has no disk may write twice at one time; in between nobody looks.
        let hasty = history.plan.diskless.iter().any(|place| history.identity[place.0 as usize] == member);
        if history.former_ids.contains(&(node, member)) || history.moved.get(&member) == Some(&node) || hasty
        {
            self.written.insert(key);
        }
        if !self.written.contains(&key) {
            return Err(format!("{node} holds {member} as {version:?}, which it never was: {record:?}"));
        }
        Ok(())
    }
}

impl Checker<SimNode> for ValidityChecker {
    fn name(&self) -> &'static str {
        "validity"
    }

    fn observe(
        &mut self,
        place: ObservationContext,
        seen: &Observation<'_, SimNode>,
    ) -> Result<(), Violation> {
        if let Observation::Ended = seen {
            self.states.retain(|(node, _), _| *node != place.node);
            self.own_stamps.retain(|(node, _), _| *node != place.node);
        }
        Ok(())
    }

    fn after_input(&mut self, place: ObservationContext, machine: &SimNode) -> Result<(), Violation> {
        let groups = self.history.borrow().plan.groups.len();
        for group in 0..groups {
            self.check_group(place, group, machine)
                .map_err(|what| Violation::safety("validity", place.at, what))?;
        }
        Ok(())
    }
}
