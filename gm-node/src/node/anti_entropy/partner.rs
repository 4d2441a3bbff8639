//! Which peer to compare with next, or to ask about a group: mostly a member of a group of ours on
//! another island, now and then any peer.

use gm_broadcast::Time;
use gm_clock::NetId;
use gm_data::{GroupName, Replica};

use crate::groups::HostedGroup;
use crate::node::NodeMachine;
use crate::plant::{Bug, planted};
use crate::store::Store;

/// Among so many records one is counted out; among more, the first after a place is taken.
const MAX_INDEXED: usize = 256;
/// Members that are drawn until one is found that is not near.
const DRAWS: u32 = 4;

impl<S: Store> NodeMachine<S> {
    /// A node to compare with: mostly a member of a group of ours, if possible of another island;
    /// one in four is anybody whom we know, and of a node that is new, more.
    pub(in crate::node) fn choose_partner(&mut self, now: Time) -> Option<NetId> {
        if let Some(node) = self.lagging.take_due(now, self.config.timing.exchange_interval_active) {
            return Some(node);
        }
        let agreed = self.groups().hosted.values().all(HostedGroup::was_compared);
        let of_four = match (self.is_eager(now), agreed) {
            (true, true) => 3,
            (true, false) => 2,
            (false, _) if self.schedule.unanswered > 2 => 2,
            (false, _) => 1,
        };
        if self.rng.ratio(of_four, 4) {
            return self.random_peer().or_else(|| self.random_member());
        }
        self.random_member().or_else(|| self.random_peer())
    }

    /// Groups that changed, or were not compared yet, and have other members.
    pub(in crate::node) fn unsettled_groups(&self) -> Vec<GroupName> {
        let groups = self.groups();
        let me = self.me();
        let others = |name: &GroupName| {
            let state = groups.set.group(name).map(Replica::state);
            state.is_some_and(|state| state.members().any(|member| member != me))
        };
        let unsettled =
            groups.hosted.iter().filter(|(name, hosted)| hosted.unsettled_turns > 0 && others(name));
        unsettled.map(|(name, _)| name.clone()).collect()
    }

    /// A member of one of our groups, mostly of one that is not settled.
    fn random_member(&mut self) -> Option<NetId> {
        // Their members may be dead: after a peer that did not answer it is any group's turn.
        let unsettled =
            if self.schedule.unanswered.is_multiple_of(2) { self.unsettled_groups() } else { Vec::new() };
        let group = if unsettled.is_empty() {
            let place = self.rng.index(self.groups().hosted.len());
            self.groups().hosted.keys().nth(place).cloned()?
        } else {
            unsettled[self.rng.index(unsettled.len())].clone()
        };
        if let Some(hosted) = self.groups_mut().hosted.get_mut(&group) {
            hosted.unsettled_turns = hosted.unsettled_turns.saturating_sub(1);
        }
        let mut found = None;
        for _ in 0..DRAWS {
            let place = self.rng.next_u64();
            let drawn = self.sample_member(&group, place);
            if let Some(node) = drawn {
                found = Some(node);
                if !self.broadcaster.is_near(node) {
                    break;
                }
            }
        }
        found
    }

    pub(in crate::node) fn sample_member(&self, group: &GroupName, place: u64) -> Option<NetId> {
        let view = self.groups().replica(group)?.view();
        let records = view.records().len();
        let record = if records <= MAX_INDEXED {
            // Of few, places are far from even.
            let at = usize::try_from((u128::from(place) * records as u128) >> 64).unwrap_or(0);
            view.records().nth(at)?
        } else {
            view.record_from_position(place)?
        };
        (record.is_member() && record.member() != self.me()).then(|| record.member())
    }

    /// Somebody whom we know, or knew, or are to call.
    fn random_peer(&mut self) -> Option<NetId> {
        let (seeds, old) = (self.broadcaster.seeds().len(), self.schedule.old_peers.len());
        let place = self.rng.next_u64();
        let met = self.broadcaster.pick(place);
        let called = (seeds + old > 0).then(|| {
            let place = self.rng.index(seeds + old);
            if place < seeds {
                self.broadcaster.seeds()[place]
            } else {
                self.schedule.old_peers[place - seeds]
            }
        });
        if planted(Bug::SeedsGivenUp) && self.schedule.unanswered > 2 {
            return None;
        }
        let me = self.me();
        let called = called.filter(|node| *node != me);
        let first = if self.schedule.unanswered > 2 { called.or(met) } else { met.or(called) };
        first.filter(|node| *node != me)
    }

    /// The node to ask what it knows of us in a group: a member; in other turns, as that one may be
    /// dead, a rendezvous node, or any peer.
    pub(in crate::node) fn choose_probe_target(&mut self, group: &GroupName, turn: u32) -> Option<NetId> {
        let place = self.rng.next_u64();
        let candidate = self.groups().hosted.get(group).and_then(|hosted| hosted.host_candidates.last());
        let member = self.sample_member(group, place).or(candidate.map(|candidate| candidate.node));
        let rendezvous = self.rendezvous_of(group);
        let rendezvous = rendezvous.get(turn as usize % rendezvous.len().max(1)).copied();
        match turn % 4 {
            0 | 2 => member.or(rendezvous).or_else(|| self.random_peer()),
            1 => rendezvous.or_else(|| self.random_peer()).or(member),
            _ => self.random_peer().or(rendezvous).or(member),
        }
    }
}
