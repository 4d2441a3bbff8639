//! Writing what must be durable before anybody sees it: on a clone of the replica, a *draft*, which is installed once it is
//! durable. Knows nothing of disks.

use alloc::sync::Arc;

use super::Replica;
use crate::{Message, View};

impl Replica {
    /// Takes one's own record and the life of it from a draft: a clone of this replica on which was written since. What is
    /// known of all other members stays as it is here, as much as was heard meanwhile.
    ///
    /// Write on one draft at a time: if this replica has written by itself meanwhile, or a later draft is installed already,
    /// the greater record of one's own stays. Costs what the two records do not share.
    ///
    /// # Panics
    /// If the draft is of another node or group.
    pub fn install(&mut self, draft: Replica) {
        let Replica { me, default_port: _, view, alive, highest, conflict, evictions, returns } = draft;
        assert!(
            me == self.me && view.name() == self.view.name(),
            "a draft of another node or group was installed in a replica"
        );
        if let Some(written) = view.record_shared(me) {
            // A life that is below what was heard takes its place all the same.
            let overtaken =
                returns <= self.returns && self.own().is_some_and(|own| own.stamp() > written.stamp());
            let same = self.view.record_shared(me).is_some_and(|own| Arc::ptr_eq(own, written));
            if !same && !overtaken {
                self.state_mut().put(Arc::clone(written));
            }
        }
        self.alive |= alive;
        if returns > self.returns {
            (self.highest, self.returns) = (highest, returns);
            self.evictions.take_over(&evictions, me);
        }
        self.highest = self.highest.max(highest);
        self.conflict = conflict;
    }

    /// Drops what is known of all other members: what a node keeps of a group that it left, so that its incarnation and its
    /// clock go on from there. Costs what is known.
    pub fn keep_own(&mut self) {
        let own: Message = self.view.records_for([self.me]);
        self.view = View::new(own);
    }
}
