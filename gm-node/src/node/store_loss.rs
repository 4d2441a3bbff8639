//! A store that may lack commits that it had reported as stored: reports the suspicion, and clears
//! it once peers were asked.

use gm_data::{GroupName, VersionDigest};

use super::NodeMachine;
use crate::counter::NodeCounter;
use crate::event::NodeEvent;
use crate::store::Store;

impl<S: Store> NodeMachine<S> {
    /// Reports that the store is suspect, if it is.
    pub(super) fn report_suspected_loss(&mut self) {
        let Some(why) = self.suspected_loss.clone() else { return };
        self.count(NodeCounter::StoreLossesSuspected);
        self.emit(NodeEvent::StoreLossSuspected { why, groups: self.loss_suspected_in.len() });
        self.exclude_loss_if_settled();
    }

    /// Reports a confirmed loss: a peer has a record of ours that the store lacks.
    pub(super) fn report_confirmed_loss(&mut self, group: &GroupName, stamp: VersionDigest) {
        if self.loss_suspected_in.contains(group) {
            self.count(NodeCounter::StoreLossesConfirmed);
            let stored = self.groups.version(group, self.me());
            self.emit(NodeEvent::StoreLossConfirmed { group: group.clone(), stored, known: stamp.version });
        }
    }

    /// Clears the suspicion in a group: peers reported our record, or a greater version was
    /// written.
    pub(super) fn exclude_loss_in(&mut self, group: &GroupName) {
        if self.loss_suspected_in.remove(group) {
            self.exclude_loss_if_settled();
        }
    }

    /// Groups that were left need no answer: they are probed when this node writes in them again.
    fn exclude_loss_if_settled(&mut self) {
        let me = self.me();
        let is_in =
            |group: &&GroupName| self.groups.record(group, me).is_some_and(gm_data::Record::is_member);
        if self.suspected_loss.is_some() && self.loss_suspected_in.iter().find(is_in).is_none() {
            self.suspected_loss = None;
            self.store.exclude_loss();
            self.emit(NodeEvent::StoreLossExcluded);
        }
    }
}
