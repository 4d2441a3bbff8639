//! Local state of a hosted group in addition to its replica.

use std::collections::BTreeSet;

use gm_broadcast::Time;
use gm_clock::NetId;
use gm_data::{GroupName, Replica};

/// A node that is reported to host a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct HostCandidate {
    pub(crate) node: NetId,
    pub(crate) tries: u32,
    pub(crate) due: Time,
}

/// The peer that a newcomer asked first: it introduces it to the members of the group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Sponsor {
    pub(crate) node: NetId,
    /// Time until which it is waited for.
    pub(crate) until: Time,
    /// Whether it has answered the question.
    pub(crate) has_answered: bool,
    /// Whether it has shown that it has this node's record.
    pub(crate) is_confirmed: bool,
    /// Number of comparisons that were deferred, since it was to send what was missing.
    pub(crate) deferred: u32,
}

/// Number of turns for which members of a changed group are preferred as partners; more would be
/// wasted if they are dead.
const UNSETTLED_TURNS: u32 = 3;

/// Local state of a hosted group in addition to its replica.
#[derive(Clone, Debug)]
pub(crate) struct HostedGroup {
    /// Stands for the replica while the group has no record; it is compared and displayed like any
    /// other.
    pub(crate) empty: Replica,
    /// Whether the group was in sync with another host at some time since the start.
    pub(crate) in_sync: bool,
    /// Time since which all exchanges with other hosts found a difference.
    pub(crate) differs_since: Option<Time>,
    /// The host with which the group was last found in sync, by fingerprint of this group, and the
    /// time.
    pub(crate) last_equal: Option<(NetId, Time)>,
    /// The first few peers that were asked for members and know no other one, with the times of
    /// their last answers.
    pub(crate) asked_peers: Vec<(NetId, Time)>,
    /// Since the start, an exchange with another node found no difference, and no other member was
    /// known here: either there is none, or that node does not know of any.
    pub(crate) is_sole: bool,
    /// Nodes that are reported to host the group and have no record here; they are probed next. At
    /// most [`HostedGroup::MAX_CANDIDATES`].
    pub(crate) host_candidates: Vec<HostCandidate>,
    /// Remaining turns in which anti-entropy prefers members of this group as partners, because it
    /// changed or was never compared.
    pub(crate) unsettled_turns: u32,
    /// Number of queries for members since the group last changed; a query is sent when known
    /// members do not answer.
    pub(crate) rendezvous_queries: u32,
    /// The peer that last sent a foreign record of this node.
    pub(crate) conflict_source: Option<NetId>,
    /// Whether this node's first record of the group is with the store; it counts towards the
    /// limit.
    pub(crate) joining: bool,
    /// Set after a leave: the group is hosted until a peer has acknowledged the leave, or until
    /// this time.
    pub(crate) leaving_until: Option<Time>,
    /// While this node is a newcomer in the group: the peers that know it, because it sent them its
    /// record or received a message from them.
    pub(crate) informed: Option<BTreeSet<NetId>>,
    /// The peer that introduces this node, if there is one.
    pub(crate) sponsor: Option<Sponsor>,
    /// Fingerprint at the last purge.
    pub(crate) purged_fingerprint: u128,
    /// Whether it was reported that the record limit is nearly reached.
    pub(crate) near_limit_reported: bool,
    /// Whether it was reported that a limit refused a record.
    pub(crate) limit_reported: bool,
}

impl HostedGroup {
    /// Maximum number of host candidates of one group.
    const MAX_CANDIDATES: usize = 3;

    /// Adds a node that is reported to host the group; it replaces the oldest candidate.
    pub(crate) fn add_candidate(&mut self, node: NetId, due: Time) {
        if self.host_candidates.iter().any(|candidate| candidate.node == node) {
            return;
        }
        if self.host_candidates.len() >= HostedGroup::MAX_CANDIDATES {
            self.host_candidates.remove(0);
        }
        self.host_candidates.push(HostCandidate { node, tries: 0, due });
    }

    /// Notes that the group changed.
    pub(crate) fn mark_unsettled(&mut self) {
        self.unsettled_turns = UNSETTLED_TURNS;
        self.rendezvous_queries = 0;
    }

    /// A group that is hosted from now on.
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
            sponsor: None,
            purged_fingerprint: 0,
            near_limit_reported: false,
            limit_reported: false,
        }
    }

    /// Whether the group was neither in sync with another host, nor reported to have no other host
    /// by this number of peers.
    pub(crate) const fn is_unverified(&self, peers: usize) -> bool {
        !self.in_sync && self.asked_peers.len() < peers
    }

    /// Whether a sponsor introduced this node to the members.
    pub(crate) fn is_introduced(&self) -> bool {
        self.sponsor.is_some_and(|sponsor| sponsor.is_confirmed)
    }

    /// Whether the group was compared since the start: with a host in sync, or with a node without
    /// any other member to report.
    pub(crate) const fn was_compared(&self) -> bool {
        self.in_sync || self.is_sole
    }
}
