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
    /// No other member is known, neither here nor to a peer that was asked.
    Sole {
        /// The peer.
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
    /// The peer to which names of groups were listed last, and those names.
    listed: Option<(NetId, Vec<GroupName>)>,
}

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

    /// Names of groups that we hold were listed to a peer, which will answer with the members that it knows.
    pub(super) fn note_listed(&mut self, to: NetId, names: Vec<GroupName>) {
        self.comparisons.listed = Some((to, names));
    }

    /// A peer answered a list of names: where it named nobody, no other member is known to it.
    pub(super) fn note_answered_list(&mut self, now: Time, from: NetId) {
        let Some((_, names)) = self.comparisons.listed.take_if(|(to, _)| *to == from) else { return };
        let me = self.me();
        let groups = self.groups_mut();
        for name in names {
            let others = groups
                .topology
                .group(&name)
                .is_some_and(|replica| replica.state().members().any(|member| member != me));
            if let Some(held) = groups.held.get_mut(&name).filter(|held| !others && held.contact.is_none()) {
                held.asked = Some((from, now));
            }
        }
    }

    /// Whether there is a group that was neither compared with another holder, nor found to have none that a peer knows.
    pub(super) fn has_unverified(&self) -> bool {
        self.groups().held.values().any(|held| !held.agreed && held.asked.is_none())
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
            let sole = held.asked.filter(|_| alone && held.contact.is_none());
            return Some(match sole {
                Some((asked, at)) => Freshness::Sole { asked, ago: now.since(at) },
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
