//! What is kept of a group that is held, besides its state. Knows nothing of what is done with it.

use std::collections::BTreeSet;

use gm_broadcast::Time;
use gm_clock::NetId;
use gm_data::{GroupName, Replica};

/// A node that is said to hold a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct HostCandidate {
    pub(crate) node: NetId,
    /// How often the group was compared with it.
    pub(crate) tries: u32,
    /// When it is compared next.
    pub(crate) due: Time,
}

/// Members of a group that changed are preferred as partners so often, as they may be dead.
const UNSETTLED_TURNS: u32 = 3;

/// What is kept of a group that is held, besides its state.
#[derive(Clone, Debug)]
pub(crate) struct HostedGroup {
    /// What stands for the state while nothing is held: it is compared, and shown, as any other.
    pub(crate) empty: Replica,
    /// Another node that holds the group held the same, at some time since our start.
    pub(crate) in_sync: bool,
    /// Since when the comparisons with other holders have found a difference, the last one
    /// included.
    pub(crate) differs_since: Option<Time>,
    /// With which holder the group was last found to be equal, name by name, and when.
    pub(crate) last_equal: Option<(NetId, Time)>,
    /// Peers that were asked for members of the group and know no other one, the first few, and
    /// when they answered last.
    pub(crate) asked_peers: Vec<(NetId, Time)>,
    /// An exchange with another node found no difference, since our start, and no other member was
    /// known here: either there is none, or that node does not know of any.
    pub(crate) is_sole: bool,
    /// Nodes that are said to hold the group and of which nothing is held here: compared with next.
    /// At most [`HostedGroup::MAX_CANDIDATES`].
    pub(crate) host_candidates: Vec<HostCandidate>,
    /// The group changed, or was never compared: its members are preferred as partners of
    /// anti-entropy, so many times more at most.
    pub(crate) unsettled_turns: u32,
    /// How often other nodes were asked for members, as those that they named did not answer.
    pub(crate) rendezvous_queries: u32,
    /// Who passed on last what we did not write under our identity.
    pub(crate) conflict_source: Option<NetId>,
    /// Our first record of the group is with the storage: a place is kept for it.
    pub(crate) joining: bool,
    /// We left: it is held until somebody has our leave, or until then.
    pub(crate) leaving_until: Option<Time>,
    /// While we are new in the group: who was told what we wrote last, or told us something, so
    /// that it knows us.
    pub(crate) informed: Option<BTreeSet<NetId>>,
    /// The fingerprint when it was purged last.
    pub(crate) purged_fingerprint: u128,
    /// There are nearly as many records as may be, and that was said.
    pub(crate) near_limit_reported: bool,
    /// A bound kept a record out, and that was said.
    pub(crate) limit_reported: bool,
}

impl HostedGroup {
    /// Leads that are kept of one group.
    const MAX_CANDIDATES: usize = 3;

    /// A node is said to hold the group; a new one takes the place of the oldest.
    pub(crate) fn add_candidate(&mut self, node: NetId, due: Time) {
        if self.host_candidates.iter().any(|candidate| candidate.node == node) {
            return;
        }
        if self.host_candidates.len() >= HostedGroup::MAX_CANDIDATES {
            self.host_candidates.remove(0);
        }
        self.host_candidates.push(HostCandidate { node, tries: 0, due });
    }

    /// The group changed.
    pub(crate) fn mark_unsettled(&mut self) {
        self.unsettled_turns = UNSETTLED_TURNS;
        self.rendezvous_queries = 0;
    }

    /// A group that is held from now on.
    pub(crate) fn new(me: NetId, group: &GroupName) -> HostedGroup {
        HostedGroup {
            empty: Replica::new(me, group.clone()),
            in_sync: false,
            differs_since: None,
            last_equal: None,
            asked_peers: Vec::new(),
            is_sole: false,
            host_candidates: Vec::new(),
            unsettled_turns: UNSETTLED_TURNS,
            rendezvous_queries: 0,
            conflict_source: None,
            joining: false,
            leaving_until: None,
            informed: None,
            purged_fingerprint: 0,
            near_limit_reported: false,
            limit_reported: false,
        }
    }

    /// Whether the group was neither compared with another holder, nor found to have none that so
    /// many peers know.
    pub(crate) const fn is_unverified(&self, peers: usize) -> bool {
        !self.in_sync && self.asked_peers.len() < peers
    }

    /// Whether the group was compared since our start: with a node that held the same, or with one
    /// that knows of nobody in it.
    pub(crate) const fn was_compared(&self) -> bool {
        self.in_sync || self.is_sole
    }
}
