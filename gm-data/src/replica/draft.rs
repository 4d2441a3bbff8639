//! Writing what must be durable before anybody sees it: on a clone of the replica, a *draft*, which
//! is installed once it is durable. Knows nothing of disks.

use alloc::sync::Arc;

use super::Replica;
use crate::{GroupState, View};

impl Replica {
    /// Takes one's own record and the life of it from a draft: a clone of this replica on which was
    /// written since. What is known of all other members stays as it is here, as much as was heard
    /// meanwhile.
    ///
    /// Write on one draft at a time: if this replica has written by itself meanwhile, or a later
    /// draft is installed already, the greater record of one's own stays. Costs what the two
    /// records do not share.
    ///
    /// # Panics
    /// If the draft is of another node or group.
    pub fn commit(&mut self, draft: Replica) {
        let Replica {
            me,
            default_port: _,
            view,
            began_incarnation: alive,
            highest_incarnation: highest,
            conflict,
            evictions,
            resets: returns,
        } = draft;
        assert!(
            me == self.me && view.name() == self.view.name(),
            "a draft of another node or group was installed in a replica"
        );
        if let Some(written) = view.record_arc(me) {
            // A life that is below what was heard takes its place all the same.
            let overtaken = returns <= self.resets
                && self.own_record().is_some_and(|own| own.version_digest() > written.version_digest());
            let same = self.view.record_arc(me).is_some_and(|own| Arc::ptr_eq(own, written));
            if !same && !overtaken {
                self.state_mut().put_record(Arc::clone(written));
            }
        }
        self.began_incarnation |= alive;
        if returns > self.resets {
            (self.highest_incarnation, self.resets) = (highest, returns);
            self.evictions.copy_from(&evictions, me);
        }
        self.highest_incarnation = self.highest_incarnation.max(highest);
        self.conflict = conflict;
    }

    /// Drops what is known of all other members: what a node keeps of a group that it left, so that
    /// its incarnation and its clock go on from there. Costs what is known.
    pub fn retain_own_record(&mut self) {
        let own: GroupState = self.view.records_for([self.me]);
        self.view = View::new(own);
    }
}
