//! What is kept of a group that is held, besides its state. Knows nothing of what is done with it.

use std::collections::BTreeSet;

use gm_broadcast::Time;
use gm_clock::NetId;
use gm_data::{GroupName, Replica};

/// A node that is said to hold a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Lead {
    pub(crate) node: NetId,
    /// How often the group was compared with it.
    pub(crate) tries: u32,
    /// When it is compared next.
    pub(crate) due: Time,
}

/// Members of a group that changed are preferred as partners so often, as they may be dead.
const UNSETTLED: u32 = 3;

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
    /// Peers that were asked for members of the group and know no other one, the first few, and when they answered last.
    pub(crate) asked: Vec<(NetId, Time)>,
    /// An exchange with another node found no difference, since our start, and no other member was known here: either there is none, or
    /// that node does not know of any.
    pub(crate) sole: bool,
    /// Nodes that are said to hold the group and of which nothing is held here: compared with next. At most [`Held::LEADS`].
    pub(crate) leads: Vec<Lead>,
    /// The group changed, or was never compared: its members are preferred as partners of anti-entropy, so many times more at most.
    pub(crate) unsettled: u32,
    /// How often other nodes were asked for members, as those that they named did not answer.
    pub(crate) sought: u32,
    /// Who passed on last what we did not write under our identity.
    pub(crate) claimed: Option<NetId>,
    /// Our first record of the group is with the storage: a place is kept for it.
    pub(crate) joining: bool,
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
    /// Leads that are kept of one group.
    const LEADS: usize = 3;

    /// A node is said to hold the group; a new one takes the place of the oldest.
    pub(crate) fn follow(&mut self, node: NetId, due: Time) {
        if self.leads.iter().any(|lead| lead.node == node) {
            return;
        }
        if self.leads.len() >= Held::LEADS {
            self.leads.remove(0);
        }
        self.leads.push(Lead { node, tries: 0, due });
    }

    /// The group changed.
    pub(crate) fn unsettle(&mut self) {
        self.unsettled = UNSETTLED;
        self.sought = 0;
    }

    /// A group that is held from now on.
    pub(crate) fn new(me: NetId, group: &GroupName) -> Held {
        Held {
            blank: Replica::new(me, group.clone()),
            agreed: false,
            differs: None,
            equal: None,
            asked: Vec::new(),
            sole: false,
            leads: Vec::new(),
            unsettled: UNSETTLED,
            sought: 0,
            claimed: None,
            joining: false,
            leaving: None,
            told: None,
            purged: 0,
            crowded: false,
            full: false,
        }
    }

    /// Whether the group was neither compared with another holder, nor found to have none that so many peers know.
    pub(crate) const fn is_unverified(&self, peers: usize) -> bool {
        !self.agreed && self.asked.len() < peers
    }

    /// Whether the group was compared since our start: with a node that held the same, or with one that knows of nobody in it.
    pub(crate) const fn was_compared(&self) -> bool {
        self.agreed || self.sole
    }
}
