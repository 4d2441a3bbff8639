//! Drafts of a replica, for writes that must be durable before they become visible (the write-ahead
//! rule): a *draft* is a clone of the replica, and is committed once it is durable.

use alloc::sync::Arc;

use super::Replica;
use crate::{GroupState, View};

impl Replica {
    /// Takes over the node's own record and its incarnation from a draft, which is a clone of this
    /// replica that was written to. The records of all other members stay as they are here,
    /// including those merged since the clone was made.
    ///
    /// Write on one draft at a time. If this replica itself was written to meanwhile, or a later
    /// draft was committed already, the greater of the two own records stays. The cost is
    /// proportional to what the two records do not share.
    ///
    /// # Panics
    /// If the draft is of another node or group.
    pub fn commit(&mut self, draft: Replica) {
        let Replica {
            me,
            default_port: _,
            view,
            began_incarnation,
            highest_incarnation: highest,
            conflict,
            evictions,
            resets,
        } = draft;
        assert!(
            me == self.me && view.name() == self.view.name(),
            "a draft of another node or group was committed to a replica"
        );
        if let Some(written) = view.record_arc(me) {
            // After a reset the draft's record is taken over although its incarnation is lower.
            let overtaken = resets <= self.resets
                && self.own_record().is_some_and(|own| own.version_digest() > written.version_digest());
            let same = self.view.record_arc(me).is_some_and(|own| Arc::ptr_eq(own, written));
            if !same && !overtaken {
                self.state_mut().put_record(Arc::clone(written));
            }
        }
        self.began_incarnation |= began_incarnation;
        if resets > self.resets {
            (self.highest_incarnation, self.resets) = (highest, resets);
            self.evictions.copy_from(&evictions, me);
        }
        self.highest_incarnation = self.highest_incarnation.max(highest);
        self.conflict = conflict;
    }

    /// Drops the records of all other members. A node keeps only its own record of a group that it
    /// left, so that incarnation and clock continue from there. The cost is proportional to what is
    /// dropped.
    pub fn retain_own_record(&mut self) {
        let own: GroupState = self.view.records_for([self.me]);
        self.view = View::new(own);
    }
}
