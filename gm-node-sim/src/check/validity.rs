//! Checks validity: every record that a node holds is one that its owner had, or is forgotten; it
//! never gets older, and never vanishes. Also keeps which node held which version.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use gm_clock::NetId;
use gm_data::{GroupState, Record, Version, VersionDigest};
use gm_sim::{Checker, NodeIndex, Observation, ObservationContext, Violation};

use crate::environment::SimNode;
use crate::history::{RequestKind, SharedHistory};

/// Checks every state of every node.
#[derive(Debug)]
pub(crate) struct ValidityChecker {
    history: SharedHistory,
    /// State of each node at the last check.
    states: BTreeMap<(NodeIndex, usize), GroupState>,
    /// Records that owners ever had, as versions with digests.
    written: BTreeSet<(usize, NetId, Version, u64)>,
    /// Own record of each owner at the last check.
    own_stamps: BTreeMap<(NodeIndex, usize), VersionDigest>,
    /// Highest version of a member that each node ever held.
    highest_held: BTreeMap<(usize, NetId), BTreeMap<NodeIndex, Version>>,
}

impl ValidityChecker {
    /// A shared checker with this history.
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

    /// Nodes that ever held this version of a member, or a higher one.
    pub(crate) fn holders(&self, group: usize, member: NetId, version: Version) -> Vec<NodeIndex> {
        let held = self.highest_held.get(&(group, member)).into_iter().flatten();
        held.filter(|(_, held)| **held >= version).map(|(node, _)| *node).collect()
    }

    fn check_group(
        &mut self,
        context: ObservationContext,
        group: usize,
        machine: &SimNode,
    ) -> Result<(), String> {
        let node = context.node;
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
                    (Some(lost), None) => Err(format!("{node} lost the record of {}", lost.member())),
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
            return Err(format!("{node} had {member} at {:?}, and now at {version:?}", old.version()));
        }
        let history = self.history.borrow();
        let held = self.highest_held.entry((group, member)).or_default().entry(node).or_insert(version);
        *held = version.max(*held);
        if version.forgotten {
            let forgets = |kind: &RequestKind| matches!(kind, RequestKind::Forget(of) if history.identity[of.0 as usize] == member);
            if !history.requests.values().any(|request| request.group == group && forgets(&request.kind)) {
                return Err(format!("{node} holds {member} as forgotten, but no node forgot it"));
            }
            return Ok(());
        }
        let key = (group, member, version, record.digest());
        // A node without a disk may write twice in one input, and the checker does not see the
        // record between.
        let diskless =
            history.plan.diskless.iter().any(|location| history.identity[location.0 as usize] == member);
        if history.former_ids.contains(&(node, member))
            || history.moved.get(&member) == Some(&node)
            || diskless
        {
            self.written.insert(key);
        }
        if !self.written.contains(&key) {
            return Err(format!(
                "{node} holds {member} at {version:?}, a record that it never had: {record:?}"
            ));
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
        context: ObservationContext,
        seen: &Observation<'_, SimNode>,
    ) -> Result<(), Violation> {
        if let Observation::Ended = seen {
            self.states.retain(|(node, _), _| *node != context.node);
            self.own_stamps.retain(|(node, _), _| *node != context.node);
        }
        Ok(())
    }

    fn after_input(&mut self, context: ObservationContext, machine: &SimNode) -> Result<(), Violation> {
        let groups = self.history.borrow().plan.groups.len();
        for group in 0..groups {
            self.check_group(context, group, machine)
                .map_err(|what| Violation::safety("validity", context.at, what))?;
        }
        Ok(())
    }
}
