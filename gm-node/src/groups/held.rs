//! What is kept of a group that is held, besides its state. Knows nothing of what is done with it.

use std::collections::BTreeSet;

use gm_broadcast::Time;
use gm_clock::NetId;
use gm_data::{GroupName, Replica};

/// What is kept of a group that is held, besides its state.
#[derive(Clone, Debug)]
pub(crate) struct Held {
    /// What stands for the state while nothing is held: it is compared, and shown, as any other.
    pub(crate) blank: Replica,
    /// Another node that holds the group held the same, at some time since our start.
    pub(crate) agreed: bool,
    /// Since when the comparisons with other holders have found a difference, the last one included.
    pub(crate) differs: Option<Time>,
    /// With which holder the group was last found to be equal, name by name, and when.
    pub(crate) equal: Option<(NetId, Time)>,
    /// A peer that was asked for members of the group and knows no other one, and when.
    pub(crate) asked: Option<(NetId, Time)>,
    /// An exchange with another node found no difference, since our start, and no other member was known here: either there is none, or
    /// that node does not know of any.
    pub(crate) sole: bool,
    /// Somebody who is named as a member and of whom nothing is held: compared with next, so many times more.
    pub(crate) contact: Option<(NetId, u32)>,
    /// We left: it is held until somebody has our leave, or until then.
    pub(crate) leaving: Option<Time>,
    /// While we are new in the group: who was told what we wrote last, or told us something, so that it knows us.
    pub(crate) told: Option<BTreeSet<NetId>>,
    /// The fingerprint when it was purged last.
    pub(crate) purged: u128,
    /// There are nearly as many records as may be, and that was said.
    pub(crate) crowded: bool,
    /// A bound kept a record out, and that was said.
    pub(crate) full: bool,
}

impl Held {
    /// A group that is held from now on.
    pub(crate) fn new(me: NetId, group: &GroupName) -> Held {
        Held {
            blank: Replica::new(me, group.clone()),
            agreed: false,
            differs: None,
            equal: None,
            asked: None,
            sole: false,
            contact: None,
            leaving: None,
            told: None,
            purged: 0,
            crowded: false,
            full: false,
        }
    }

    /// Whether the group was compared since our start: with a node that held the same, or with one that knows of nobody in it.
    pub(crate) const fn was_compared(&self) -> bool {
        self.agreed || self.sole
    }
}
