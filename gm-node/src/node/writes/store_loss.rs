//! Suspected loss of a store's commits: reports the suspicion, and clears it once peers were asked.

use std::collections::BTreeSet;

use gm_data::{GroupName, Record, VersionDigest};

use crate::counter::NodeCounter;
use crate::event::NodeEvent;
use crate::node::action::Action;
use crate::node::context::Context;

/// The suspicion that the store lacks commits that it had reported as stored.
#[derive(Debug, Default)]
pub(super) struct SuspectedLoss {
    /// Its reason; `None` if there is no suspicion.
    why: Option<String>,
    /// The groups in which no peer was asked yet.
    groups: BTreeSet<GroupName>,
}

impl SuspectedLoss {
    /// A suspicion for this reason, in groups that are [added](Self::add) next.
    pub(super) fn new(why: Option<String>) -> SuspectedLoss {
        SuspectedLoss { why, groups: BTreeSet::new() }
    }

    /// Includes a group with a stored own record, if there is a suspicion.
    pub(super) fn add(&mut self, group: GroupName) {
        if self.why.is_some() {
            self.groups.insert(group);
        }
    }

    /// Whether peers have to be asked in a group.
    pub(super) fn concerns(&self, group: &GroupName) -> bool {
        self.groups.contains(group)
    }

    /// Reports that the store is suspect, if it is.
    pub(super) fn report(&mut self, cx: &mut Context) {
        let Some(why) = self.why.clone() else { return };
        cx.count(NodeCounter::StoreLossesSuspected);
        cx.emit(NodeEvent::StoreLossSuspected { why, groups: self.groups.len() });
        self.exclude_if_settled(cx);
    }

    /// Reports a confirmed loss: a peer has a record of ours that the store lacks.
    pub(super) fn report_confirmed(&self, cx: &mut Context, group: &GroupName, stamp: VersionDigest) {
        if self.concerns(group) {
            cx.count(NodeCounter::StoreLossesConfirmed);
            let stored = cx.groups.version(group, cx.me());
            cx.emit(NodeEvent::StoreLossConfirmed { group: group.clone(), stored, known: stamp.version });
        }
    }

    /// Clears the suspicion in a group: peers reported our record, or a greater version was
    /// written.
    pub(super) fn exclude_in(&mut self, cx: &mut Context, group: &GroupName) {
        if self.groups.remove(group) {
            self.exclude_if_settled(cx);
        }
    }

    /// Groups that were left need no answer: they are probed when this node writes in them again.
    fn exclude_if_settled(&mut self, cx: &mut Context) {
        let is_in = |group: &GroupName| cx.groups.record(group, cx.me()).is_some_and(Record::is_member);
        if self.why.is_some() && !self.groups.iter().any(is_in) {
            self.why = None;
            cx.act(Action::ExcludeLoss);
            cx.emit(NodeEvent::StoreLossExcluded);
        }
    }
}
