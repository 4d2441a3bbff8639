//! Freshness of a group: how far its state was compared with other hosts. A reader needs it to know
//! whether the answer "no member serves this key" can be trusted.

use std::collections::BTreeMap;
use std::time::Duration;

use gm_broadcast::Time;
use gm_clock::NetId;
use gm_data::{GroupName, Replica};

use crate::groups::HostedGroup;
use crate::node::action::Action;
use crate::node::context::Context;

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
pub(super) struct Comparisons {
    /// Time of the last equal root, for each peer.
    last_equal: BTreeMap<NetId, Time>,
}

/// Number of peers that must report to know no other member of a group.
const REQUIRED_PEERS: usize = 3;
/// A peer that was heard from within this time is considered alive.
const ALIVE_WINDOW: Duration = Duration::from_secs(60);
/// Maximum number of peers whose times are kept; beyond it the oldest is dropped.
const MAX_NODES: usize = 1_024;

impl Comparisons {
    /// Notes that all groups shared with a peer are in sync.
    pub(super) fn note_equal(&mut self, cx: &mut Context, with: NetId) {
        let equal = &mut self.last_equal;
        if equal.len() >= MAX_NODES && !equal.contains_key(&with) {
            let oldest = equal.iter().min_by_key(|(_, at)| **at).map(|(node, _)| *node);
            oldest.and_then(|oldest| equal.remove(&oldest));
        }
        equal.insert(with, cx.now);
        let groups = &mut cx.groups;
        let set = &groups.set;
        for (name, hosted) in groups.hosted.iter_mut().filter(|(_, hosted)| hosted.differs_since.is_some()) {
            if set.group(name).is_some_and(|replica| replica.state().is_member(with)) {
                hosted.differs_since = None;
            }
        }
    }

    /// The freshness of a hosted group.
    pub(super) fn freshness(&self, cx: &Context, now: Time, group: &GroupName) -> Option<Freshness> {
        let hosted = cx.groups.hosted.get(group)?;
        let state = cx.groups.replica(group).map(Replica::state)?;
        if cx.config.single_node {
            return Some(Freshness::SingleNode);
        }
        if !hosted.in_sync {
            let enough = hosted.asked_peers.len() >= peers_to_ask(cx, now);
            let last = hosted.asked_peers.iter().max_by_key(|(_, at)| *at);
            let alone = enough && !cx.groups.has_other_members(group);
            let sole = last.filter(|_| alone && hosted.host_candidates.is_empty());
            return Some(match sole {
                Some(&(asked, at)) => Freshness::SoleMember { asked, ago: now.since(at) },
                None => Freshness::Unverified,
            });
        }
        if let Some(since) = hosted.differs_since {
            return Some(Freshness::Differs { since: now.since(since) });
        }
        let with_all = self.last_equal.iter().filter(|(node, _)| state.is_member(**node));
        let with_all = with_all.map(|(node, at)| (*node, *at)).max_by_key(|(_, at)| *at);
        let last = [hosted.last_equal, with_all].into_iter().flatten().max_by_key(|(_, at)| *at);
        Some(last.map_or(Freshness::Unverified, |(with, at)| Freshness::InSync { with, ago: now.since(at) }))
    }
}

/// Notes that another host of a group is in sync.
pub(super) fn note_in_sync(cx: &mut Context, group: &GroupName, with: NetId) {
    let now = cx.now;
    let Some(hosted) = cx.groups.hosted.get_mut(group) else { return };
    (hosted.last_equal, hosted.differs_since, hosted.unsettled_turns) = (Some((with, now)), None, 0);
    if hosted.leaving_until.is_some() {
        // The peer has the leave.
        hosted.leaving_until = Some(now);
    }
    let first = !std::mem::replace(&mut hosted.in_sync, true);
    cx.act(Action::InSync { group: group.clone(), with, first });
}

/// Notes that a group differs from another host's.
pub(super) fn note_difference(cx: &mut Context, group: &GroupName) {
    if let Some(hosted) = cx.groups.hosted.get_mut(group) {
        hosted.differs_since.get_or_insert(cx.now);
    }
}

/// Notes that a peer does not host a group and has no contact for it.
pub(super) fn note_unknown(cx: &mut Context, from: NetId, group: &GroupName) {
    let others = cx.groups.has_other_members(group);
    let hosted = cx.groups.hosted.get_mut(group);
    if let Some(hosted) = hosted.filter(|hosted| !others && hosted.host_candidates.is_empty()) {
        hosted.asked_peers.retain(|(peer, _)| *peer != from);
        if hosted.asked_peers.len() < REQUIRED_PEERS {
            hosted.asked_peers.push((from, cx.now));
        }
    }
}

/// Number of peers that must know no other member before this node considers itself the sole
/// member: three, or all that are alive. A single peer may not have heard of a member that another
/// one knows.
pub(super) fn peers_to_ask(cx: &Context, now: Time) -> usize {
    cx.peers().count_alive(now, ALIVE_WINDOW, REQUIRED_PEERS).max(1)
}

/// Notes an equal root: both nodes are in sync in every group of which both are members.
pub(super) fn note_equal_root(cx: &mut Context, with: NetId) {
    let me = cx.me();
    let both = |replica: &Replica| {
        let state = replica.state();
        state.is_member(with) && state.is_member(me)
    };
    for group in compared(cx, |hosted| !hosted.in_sync, both) {
        note_in_sync(cx, &group, with);
    }
    let groups = &mut cx.groups;
    for (name, hosted) in groups.hosted.iter_mut().filter(|(_, hosted)| hosted.unsettled_turns > 0) {
        if groups.set.group(name).is_some_and(both) {
            hosted.unsettled_turns = 0;
        }
    }
}

/// Handles an exchange without a difference. A group without another known member cannot be in
/// sync, but it counts as compared.
pub(super) fn note_sole_members(cx: &mut Context) {
    let me = cx.me();
    let sole = |replica: &Replica| !replica.state().members().any(|member| member != me);
    for group in compared(cx, |hosted| !hosted.is_sole, sole) {
        if let Some(hosted) = cx.groups.hosted.get_mut(&group) {
            hosted.is_sole = true;
            cx.act(Action::SoleMember(group));
        }
    }
}

/// The hosted groups that satisfy both conditions and have no host candidate left to probe.
fn compared(
    cx: &Context,
    is_pending: impl Fn(&HostedGroup) -> bool,
    matches: impl Fn(&Replica) -> bool,
) -> Vec<GroupName> {
    let groups = &cx.groups;
    let pending =
        groups.hosted.iter().filter(|(_, hosted)| hosted.host_candidates.is_empty() && is_pending(hosted));
    let names = pending.map(|(name, _)| name);
    names.filter(|name| groups.set.group(name).is_some_and(&matches)).cloned().collect()
}
