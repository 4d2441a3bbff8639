//! Choice of a partner for the next exchange or probe: mostly a member of one of our groups on
//! another island, sometimes any peer.

use gm_clock::NetId;
use gm_data::GroupName;

use super::lagging::LaggingMembers;
use crate::groups::HostedGroup;
use crate::node::context::Context;

/// Number of random draws in search of a member that is not near.
const DRAWS: u32 = 4;

/// The peers with which exchanges start first, and those known before the start.
#[derive(Debug)]
pub(super) struct Partners {
    pub(super) lagging: LaggingMembers,
    /// The partner of the next exchange.
    pub(super) first: Option<NetId>,
    /// Peers that were reached before the start.
    old_peers: Vec<NetId>,
}

impl Partners {
    pub(super) fn new(old_peers: Vec<NetId>) -> Partners {
        Partners { lagging: LaggingMembers::default(), first: None, old_peers }
    }

    pub(super) fn old_peers(&self) -> &[NetId] {
        &self.old_peers
    }

    /// Chooses the partner of an exchange: mostly a member of one of our groups, on another island
    /// if possible. One in four is any known peer; for a newcomer, two or three in four.
    /// `unanswered`: number of consecutive exchanges without an answer.
    pub(super) fn choose(&mut self, cx: &mut Context, unanswered: u32) -> Option<NetId> {
        if let Some(first) = self.first.take() {
            return Some(first);
        }
        if let Some(node) = self.lagging.take_due(cx.now, cx.config.timing.exchange_interval_active) {
            return Some(node);
        }
        let compared = cx.groups.hosted.values().all(HostedGroup::was_compared);
        let of_four = match (cx.is_newcomer(), compared) {
            (true, true) => 3,
            (true, false) => 2,
            (false, _) if unanswered > 2 => 2,
            (false, _) => 1,
        };
        if cx.rng.ratio(of_four, 4) {
            return self.random_peer(cx, unanswered).or_else(|| random_member(cx, unanswered));
        }
        random_member(cx, unanswered).or_else(|| self.random_peer(cx, unanswered))
    }

    /// A random peer: one that is known, was known before the start, or is a seed.
    fn random_peer(&self, cx: &mut Context, unanswered: u32) -> Option<NetId> {
        let (seeds, old) = (cx.peers().seeds().len(), self.old_peers.len());
        let place = cx.rng.next_u64();
        let known = cx.peers().pick(place);
        let configured = (seeds + old > 0).then(|| {
            let place = cx.rng.index(seeds + old);
            if place < seeds { cx.peers().seeds()[place] } else { self.old_peers[place - seeds] }
        });
        let configured = configured.filter(|node| *node != cx.me());
        let first = if unanswered > 2 { configured.or(known) } else { known.or(configured) };
        first.filter(|node| *node != cx.me())
    }

    /// Chooses the target of a first-write probe: a member; as it may be dead, a rendezvous node or
    /// any peer in other turns.
    pub(super) fn choose_probe_target(
        &self,
        cx: &mut Context,
        group: &GroupName,
        (turn, unanswered): (u32, u32),
        rendezvous: &[NetId],
    ) -> Option<NetId> {
        let place = cx.rng.next_u64();
        let candidate = cx.groups.hosted.get(group).and_then(|hosted| hosted.host_candidates.last());
        let member = cx.groups.sample_member(group, place).or(candidate.map(|candidate| candidate.node));
        let rendezvous = rendezvous.get(turn as usize % rendezvous.len().max(1)).copied();
        match turn % 4 {
            0 | 2 => member.or(rendezvous).or_else(|| self.random_peer(cx, unanswered)),
            1 => rendezvous.or_else(|| self.random_peer(cx, unanswered)).or(member),
            _ => self.random_peer(cx, unanswered).or(rendezvous).or(member),
        }
    }
}

/// Groups with other members that changed, or were not compared yet.
pub(super) fn unsettled_groups(cx: &Context) -> Vec<GroupName> {
    let groups = &cx.groups;
    let unsettled = groups
        .hosted
        .iter()
        .filter(|(name, hosted)| hosted.unsettled_turns > 0 && groups.has_other_members(name));
    unsettled.map(|(name, _)| name.clone()).collect()
}

/// A random member of one of our groups, mostly of one that is not settled.
fn random_member(cx: &mut Context, unanswered: u32) -> Option<NetId> {
    // Members of unsettled groups may be dead: after a peer that did not answer, any group is
    // chosen.
    let unsettled = if unanswered.is_multiple_of(2) { unsettled_groups(cx) } else { Vec::new() };
    let group = if unsettled.is_empty() {
        let place = cx.rng.index(cx.groups.hosted.len());
        cx.groups.hosted.keys().nth(place).cloned()?
    } else {
        unsettled[cx.rng.index(unsettled.len())].clone()
    };
    if let Some(hosted) = cx.groups.hosted.get_mut(&group) {
        hosted.unsettled_turns = hosted.unsettled_turns.saturating_sub(1);
    }
    let mut found = None;
    for _ in 0..DRAWS {
        let place = cx.rng.next_u64();
        if let Some(node) = cx.groups.sample_member(&group, place) {
            found = Some(node);
            if !cx.peers().is_near(node) {
                break;
            }
        }
    }
    found
}
