//! How far a group's state was compared with other holders of the group: what a reader needs to know before it takes the answer "no member
//! serves this key" for the truth.

use std::collections::BTreeMap;
use std::time::Duration;

use gm_broadcast::Time;
use gm_clock::NetId;
use gm_data::{GroupName, Replica};

use super::Node;
use crate::store::Store;

/// How far the state of a group was compared with other holders of it. Durations count back from now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Freshness {
    /// This node is alone by configuration: nothing is to be compared.
    Single,
    /// Another holder held the same when they last compared.
    Equal {
        /// Which one.
        with: NetId,
        /// How long ago.
        ago: Duration,
    },
    /// Another holder held the same before, and the comparisons since then have found a difference that is not settled yet.
    Differs {
        /// Since when.
        since: Duration,
    },
    /// No other member is known, neither here nor to the peers that were asked: three, or all that are alive.
    Sole {
        /// The last of them.
        asked: NetId,
        /// How long ago.
        ago: Duration,
    },
    /// Nothing was compared since this node started, or joined the group: members may be missing here.
    Unverified,
}

impl Freshness {
    /// Whether a reader may take what is missing here for missing everywhere, as of the time that is named.
    #[must_use]
    pub const fn is_verified(&self) -> bool {
        !matches!(self, Freshness::Unverified)
    }
}

/// Comparisons of all groups at once that found no difference.
#[derive(Debug, Default)]
pub(super) struct Comparisons {
    /// When the roots of all groups shared with a node were last equal.
    equal: BTreeMap<NetId, Time>,
}

/// Peers that are to know no other member of a group.
const ASKED: usize = 3;
/// A peer of which something came within this time is alive.
const ALIVE: Duration = Duration::from_secs(60);
/// Nodes for which such a time is kept; beyond it the oldest is dropped.
const NODES: usize = 1_024;

impl<S: Store> Node<S> {
    /// All groups that we share with a node are equal.
    pub(super) fn note_equal(&mut self, now: Time, with: NetId) {
        let equal = &mut self.comparisons.equal;
        if equal.len() >= NODES && !equal.contains_key(&with) {
            let oldest = equal.iter().min_by_key(|(_, at)| **at).map(|(node, _)| *node);
            oldest.and_then(|oldest| equal.remove(&oldest));
        }
        equal.insert(with, now);
        let groups = self.groups_mut();
        let topology = &groups.topology;
        for (name, held) in groups.held.iter_mut().filter(|(_, held)| held.differs.is_some()) {
            if topology.group(name).is_some_and(|replica| replica.state().is_member(with)) {
                held.differs = None;
            }
        }
    }

    /// A group differs from what another holder has.
    pub(super) fn note_difference(&mut self, now: Time, group: &GroupName) {
        if let Some(held) = self.groups_mut().held.get_mut(group) {
            held.differs.get_or_insert(now);
        }
    }

    /// A peer does not hold a group of ours, and knows no other member of it.
    pub(super) fn note_unknown(&mut self, now: Time, from: NetId, group: &GroupName) {
        let me = self.me();
        let groups = self.groups_mut();
        let state = groups.topology.group(group).map(Replica::state);
        let others = state.is_some_and(|state| state.members().any(|member| member != me));
        if let Some(held) = groups.held.get_mut(group).filter(|held| !others && held.leads.is_empty()) {
            held.asked.retain(|(peer, _)| *peer != from);
            if held.asked.len() < ASKED {
                held.asked.push((from, now));
            }
        }
    }

    /// So many peers have to know no other member of a group before this node takes itself for the only one: three, or all that are alive. One alone may
    /// just not have heard of a member that another knows.
    pub(super) fn peers_to_ask(&self, now: Time) -> usize {
        self.caster.count_alive(now, ALIVE, ASKED).max(1)
    }

    /// How far a group that is held was compared.
    pub fn freshness(&self, now: Time, group: &GroupName) -> Option<Freshness> {
        let held = self.groups().held.get(group)?;
        let state = self.groups().held(group).map(Replica::state)?;
        if self.config.alone {
            return Some(Freshness::Single);
        }
        if !held.agreed {
            let alone = !state.members().any(|member| member != self.me());
            let enough = held.asked.len() >= self.peers_to_ask(now);
            let last = held.asked.iter().max_by_key(|(_, at)| *at);
            let sole = last.filter(|_| enough && alone && held.leads.is_empty());
            return Some(match sole {
                Some(&(asked, at)) => Freshness::Sole { asked, ago: now.since(at) },
                None => Freshness::Unverified,
            });
        }
        if let Some(since) = held.differs {
            return Some(Freshness::Differs { since: now.since(since) });
        }
        let with_all = self.comparisons.equal.iter().filter(|(node, _)| state.is_member(**node));
        let with_all = with_all.map(|(node, at)| (*node, *at)).max_by_key(|(_, at)| *at);
        let last = [held.equal, with_all].into_iter().flatten().max_by_key(|(_, at)| *at);
        Some(last.map_or(Freshness::Unverified, |(with, at)| Freshness::Equal { with, ago: now.since(at) }))
    }
}
