//! A storage that may lack what it reported as kept: what is said of it, and until when others are
//! asked. Knows nothing of how that was found.

use gm_data::{GroupName, VersionDigest};

use super::NodeMachine;
use crate::event::NodeEvent;
use crate::store::Store;

impl<S: Store> NodeMachine<S> {
    /// The storage is doubted, if it is.
    pub(super) fn report_suspected_loss(&mut self) {
        let Some(why) = self.suspected_loss.clone() else { return };
        self.count("storage", "doubted");
        self.emit(NodeEvent::StoreLossSuspected { why, groups: self.loss_suspected_in.len() });
        self.exclude_loss_if_settled();
    }

    /// Others hold of us what we did not write: in a group that is doubted, we did.
    pub(super) fn report_confirmed_loss(&mut self, group: &GroupName, stamp: VersionDigest) {
        if self.loss_suspected_in.contains(group) {
            self.count("storage", "lacked");
            let stored = self.groups().version(group, self.me());
            self.emit(NodeEvent::StoreLossConfirmed { group: group.clone(), stored, known: stamp.version });
        }
    }

    /// Others said what they know of us in the group, or we wrote above whatever they may know.
    pub(super) fn exclude_loss_in(&mut self, group: &GroupName) {
        if self.loss_suspected_in.remove(group) {
            self.exclude_loss_if_settled();
        }
    }

    /// A group that we left is asked about when we write in it again, and nothing else waits for
    /// that.
    fn exclude_loss_if_settled(&mut self) {
        let me = self.me();
        let is_in =
            |group: &&GroupName| self.groups().record(group, me).is_some_and(gm_data::Record::is_member);
        if self.suspected_loss.is_some() && self.loss_suspected_in.iter().find(is_in).is_none() {
            self.suspected_loss = None;
            self.store.exclude_loss();
            self.emit(NodeEvent::StoreLossExcluded);
        }
    }
}
