//! Freshness of a group: how far its state was compared with other hosts. A reader needs it to know
//! whether the answer "no member serves this key" can be trusted.

use std::collections::BTreeMap;
use std::time::Duration;

use gm_broadcast::Time;
use gm_clock::NetId;
use gm_data::{GroupName, Replica};

use crate::node::NodeMachine;
use crate::store::Store;

/// Freshness of a group: how far its state was compared with other hosts. Durations count back from
/// now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Freshness {
    /// Single-node mode: there is nothing to compare.
    SingleNode,
    /// Another host was in sync at the last comparison.
    InSync {
        /// The host.
        with: NetId,
        /// Time since that comparison.
        ago: Duration,
    },
    /// Another host was in sync before, but since then all comparisons found a difference, which is
    /// not repaired yet.
    Differs {
        /// Time since the first of these comparisons.
        since: Duration,
    },
    /// No other member is known, neither here nor to the peers that were asked: three, or all that
    /// are alive.
    SoleMember {
        /// The peer that answered last.
        asked: NetId,
        /// Time since its answer.
        ago: Duration,
    },
    /// Not compared since this node started or joined the group: members may be missing.
    Unverified,
}

impl Freshness {
    /// Whether a member that is missing here can be taken as missing everywhere, as of the given
    /// time.
    #[must_use]
    pub const fn is_verified(&self) -> bool {
        !matches!(self, Freshness::Unverified)
    }
}

/// Times of root comparisons that found no difference.
#[derive(Debug, Default)]
pub(in crate::node) struct Comparisons {
    /// Time of the last equal root, for each peer.
    last_equal: BTreeMap<NetId, Time>,
}

/// Number of peers that must report to know no other member of a group.
const REQUIRED_PEERS: usize = 3;
/// A peer that was heard from within this time is considered alive.
const ALIVE_WINDOW: Duration = Duration::from_secs(60);
/// Maximum number of peers whose times are kept; beyond it the oldest is dropped.
const MAX_NODES: usize = 1_024;

impl<S: Store> NodeMachine<S> {
    /// Notes that all groups shared with a peer are in sync.
    pub(in crate::node) fn note_equal(&mut self, now: Time, with: NetId) {
        let equal = &mut self.comparisons.last_equal;
        if equal.len() >= MAX_NODES && !equal.contains_key(&with) {
            let oldest = equal.iter().min_by_key(|(_, at)| **at).map(|(node, _)| *node);
            oldest.and_then(|oldest| equal.remove(&oldest));
        }
        equal.insert(with, now);
        let groups = &mut self.groups;
        let topology = &groups.set;
        for (name, hosted) in groups.hosted.iter_mut().filter(|(_, hosted)| hosted.differs_since.is_some()) {
            if topology.group(name).is_some_and(|replica| replica.state().is_member(with)) {
                hosted.differs_since = None;
            }
        }
    }

    /// Notes that a group differs from another host's.
    pub(in crate::node) fn note_difference(&mut self, now: Time, group: &GroupName) {
        if let Some(hosted) = self.groups.hosted.get_mut(group) {
            hosted.differs_since.get_or_insert(now);
        }
    }

    /// Notes that a peer does not host a group and has no contact for it.
    pub(in crate::node) fn note_unknown(&mut self, now: Time, from: NetId, group: &GroupName) {
        let me = self.me();
        let groups = &mut self.groups;
        let state = groups.set.group(group).map(Replica::state);
        let others = state.is_some_and(|state| state.members().any(|member| member != me));
        if let Some(hosted) =
            groups.hosted.get_mut(group).filter(|hosted| !others && hosted.host_candidates.is_empty())
        {
            hosted.asked_peers.retain(|(peer, _)| *peer != from);
            if hosted.asked_peers.len() < REQUIRED_PEERS {
                hosted.asked_peers.push((from, now));
            }
        }
    }

    /// Number of peers that must know no other member before this node considers itself the sole
    /// member: three, or all that are alive. A single peer may not have heard of a member that
    /// another one knows.
    pub(in crate::node) fn peers_to_ask(&self, now: Time) -> usize {
        self.broadcaster.count_alive(now, ALIVE_WINDOW, REQUIRED_PEERS).max(1)
    }

    /// The freshness of a hosted group.
    pub fn freshness(&self, now: Time, group: &GroupName) -> Option<Freshness> {
        let hosted = self.groups.hosted.get(group)?;
        let state = self.groups.replica(group).map(Replica::state)?;
        if self.config.single_node {
            return Some(Freshness::SingleNode);
        }
        if !hosted.in_sync {
            let alone = !state.members().any(|member| member != self.me());
            let enough = hosted.asked_peers.len() >= self.peers_to_ask(now);
            let last = hosted.asked_peers.iter().max_by_key(|(_, at)| *at);
            let sole = last.filter(|_| enough && alone && hosted.host_candidates.is_empty());
            return Some(match sole {
                Some(&(asked, at)) => Freshness::SoleMember { asked, ago: now.since(at) },
                None => Freshness::Unverified,
            });
        }
        if let Some(since) = hosted.differs_since {
            return Some(Freshness::Differs { since: now.since(since) });
        }
        let with_all = self.comparisons.last_equal.iter().filter(|(node, _)| state.is_member(**node));
        let with_all = with_all.map(|(node, at)| (*node, *at)).max_by_key(|(_, at)| *at);
        let last = [hosted.last_equal, with_all].into_iter().flatten().max_by_key(|(_, at)| *at);
        Some(last.map_or(Freshness::Unverified, |(with, at)| Freshness::InSync { with, ago: now.since(at) }))
    }
}
