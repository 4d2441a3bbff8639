//! A storage that may lack what it reported as kept: what is said of it, and until when others are asked. Knows nothing of how that was found.

use gm_data::{GroupName, VersionDigest};

use super::Node;
use crate::event::Event;
use crate::store::Store;

impl<S: Store> Node<S> {
    /// The storage is doubted, if it is.
    pub(super) fn tell_doubt(&mut self) {
        let Some(why) = self.doubt.clone() else { return };
        self.count("storage", "doubted");
        self.emit(Event::StorageDoubted { why, groups: self.doubted.len() });
        self.trust_if_settled();
    }

    /// Others hold of us what we did not write: in a group that is doubted, we did.
    pub(super) fn tell_lacked(&mut self, group: &GroupName, stamp: VersionDigest) {
        if self.doubted.contains(group) {
            self.count("storage", "lacked");
            let stored = self.groups().version(group, self.me());
            self.emit(Event::StorageLacked { group: group.clone(), stored, known: stamp.version });
        }
    }

    /// Others said what they know of us in the group, or we wrote above whatever they may know.
    pub(super) fn doubt_no_longer(&mut self, group: &GroupName) {
        if self.doubted.remove(group) {
            self.trust_if_settled();
        }
    }

    /// A group that we left is asked about when we write in it again, and nothing else waits for that.
    fn trust_if_settled(&mut self) {
        let me = self.me();
        let is_in =
            |group: &&GroupName| self.groups().record(group, me).is_some_and(gm_data::Record::is_member);
        if self.doubt.is_some() && self.doubted.iter().find(is_in).is_none() {
            self.doubt = None;
            self.store.trust();
            self.emit(Event::StorageTrusted);
        }
    }
}
