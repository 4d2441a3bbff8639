//! How far a group's state was compared with other holders of the group: what a reader needs to
//! know before it takes the answer "no member serves this key" for the truth.

use std::collections::BTreeMap;
use std::time::Duration;

use gm_broadcast::Time;
use gm_clock::NetId;
use gm_data::{GroupName, Replica};

use crate::node::NodeMachine;
use crate::store::Store;

/// How far the state of a group was compared with other holders of it. Durations count back from
/// now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Freshness {
    /// This node is alone by configuration: nothing is to be compared.
    SingleNode,
    /// Another holder held the same when they last compared.
    InSync {
        /// Which one.
        with: NetId,
        /// How long ago.
        ago: Duration,
    },
    /// Another holder held the same before, and the comparisons since then have found a difference
    /// that is not settled yet.
    Differs {
        /// Since when.
        since: Duration,
    },
    /// No other member is known, neither here nor to the peers that were asked: three, or all that
    /// are alive.
    SoleMember {
        /// The last of them.
        asked: NetId,
        /// How long ago.
        ago: Duration,
    },
    /// Nothing was compared since this node started, or joined the group: members may be missing
    /// here.
    Unverified,
}

impl Freshness {
    /// Whether a reader may take what is missing here for missing everywhere, as of the time that
    /// is named.
    #[must_use]
    pub const fn is_verified(&self) -> bool {
        !matches!(self, Freshness::Unverified)
    }
}

/// Comparisons of all groups at once that found no difference.
#[derive(Debug, Default)]
pub(in crate::node) struct Comparisons {
    /// When the roots of all groups shared with a node were last equal.
    last_equal: BTreeMap<NetId, Time>,
}

/// Peers that are to know no other member of a group.
const REQUIRED_PEERS: usize = 3;
/// A peer of which something came within this time is alive.
const ALIVE_WINDOW: Duration = Duration::from_secs(60);
/// Nodes for which such a time is kept; beyond it the oldest is dropped.
const MAX_NODES: usize = 1_024;

impl<S: Store> NodeMachine<S> {
    /// All groups that we share with a node are equal.
    pub(in crate::node) fn note_equal(&mut self, now: Time, with: NetId) {
        let equal = &mut self.comparisons.last_equal;
        if equal.len() >= MAX_NODES && !equal.contains_key(&with) {
            let oldest = equal.iter().min_by_key(|(_, at)| **at).map(|(node, _)| *node);
            oldest.and_then(|oldest| equal.remove(&oldest));
        }
        equal.insert(with, now);
        let groups = self.groups_mut();
        let topology = &groups.set;
        for (name, hosted) in groups.hosted.iter_mut().filter(|(_, hosted)| hosted.differs_since.is_some()) {
            if topology.group(name).is_some_and(|replica| replica.state().is_member(with)) {
                hosted.differs_since = None;
            }
        }
    }

    /// A group differs from what another holder has.
    pub(in crate::node) fn note_difference(&mut self, now: Time, group: &GroupName) {
        if let Some(hosted) = self.groups_mut().hosted.get_mut(group) {
            hosted.differs_since.get_or_insert(now);
        }
    }

    /// A peer does not hold a group of ours, and knows no other member of it.
    pub(in crate::node) fn note_unknown(&mut self, now: Time, from: NetId, group: &GroupName) {
        let me = self.me();
        let groups = self.groups_mut();
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

    /// So many peers have to know no other member of a group before this node takes itself for the
    /// only one: three, or all that are alive. One alone may just not have heard of a member that
    /// another knows.
    pub(in crate::node) fn peers_to_ask(&self, now: Time) -> usize {
        self.broadcaster.count_alive(now, ALIVE_WINDOW, REQUIRED_PEERS).max(1)
    }

    /// How far a group that is held was compared.
    pub fn freshness(&self, now: Time, group: &GroupName) -> Option<Freshness> {
        let hosted = self.groups().hosted.get(group)?;
        let state = self.groups().replica(group).map(Replica::state)?;
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
