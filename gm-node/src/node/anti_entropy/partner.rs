//! Choice of a partner for the next exchange or probe: mostly a member of one of our groups on
//! another island, sometimes any peer.

use gm_broadcast::Time;
use gm_clock::NetId;
use gm_data::{GroupName, Replica};

use crate::groups::HostedGroup;
use crate::node::NodeMachine;
use crate::store::Store;

/// Up to this number of records, a random one is drawn by index; above it, by hash position.
const MAX_INDEXED: usize = 256;
/// Number of random draws in search of a member that is not near.
const DRAWS: u32 = 4;

impl<S: Store> NodeMachine<S> {
    /// Chooses the partner of an exchange: mostly a member of one of our groups, on another island
    /// if possible. One in four is any known peer; for a newcomer, two or three in four.
    pub(in crate::node) fn choose_partner(&mut self, now: Time) -> Option<NetId> {
        if let Some(node) = self.lagging.take_due(now, self.config.timing.exchange_interval_active) {
            return Some(node);
        }
        let compared = self.groups.hosted.values().all(HostedGroup::was_compared);
        let of_four = match (self.is_eager(now), compared) {
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

    /// Groups with other members that changed, or were not compared yet.
    pub(in crate::node) fn unsettled_groups(&self) -> Vec<GroupName> {
        let groups = &self.groups;
        let me = self.me();
        let others = |name: &GroupName| {
            let state = groups.set.group(name).map(Replica::state);
            state.is_some_and(|state| state.members().any(|member| member != me))
        };
        let unsettled =
            groups.hosted.iter().filter(|(name, hosted)| hosted.unsettled_turns > 0 && others(name));
        unsettled.map(|(name, _)| name.clone()).collect()
    }

    /// A random member of one of our groups, mostly of one that is not settled.
    fn random_member(&mut self) -> Option<NetId> {
        // Members of unsettled groups may be dead: after a peer that did not answer, any group is
        // chosen.
        let unsettled =
            if self.schedule.unanswered.is_multiple_of(2) { self.unsettled_groups() } else { Vec::new() };
        let group = if unsettled.is_empty() {
            let place = self.rng.index(self.groups.hosted.len());
            self.groups.hosted.keys().nth(place).cloned()?
        } else {
            unsettled[self.rng.index(unsettled.len())].clone()
        };
        if let Some(hosted) = self.groups.hosted.get_mut(&group) {
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
        let view = self.groups.replica(group)?.view();
        let records = view.records().len();
        let record = if records <= MAX_INDEXED {
            // The hash positions of a few records are far from uniform.
            let at = usize::try_from((u128::from(place) * records as u128) >> 64).unwrap_or(0);
            view.records().nth(at)?
        } else {
            view.record_from_position(place)?
        };
        (record.is_member() && record.member() != self.me()).then(|| record.member())
    }

    /// A random peer: one that is known, was known before the start, or is a seed.
    fn random_peer(&mut self) -> Option<NetId> {
        let (seeds, old) = (self.broadcaster.seeds().len(), self.schedule.old_peers.len());
        let place = self.rng.next_u64();
        let known = self.broadcaster.pick(place);
        let configured = (seeds + old > 0).then(|| {
            let place = self.rng.index(seeds + old);
            if place < seeds {
                self.broadcaster.seeds()[place]
            } else {
                self.schedule.old_peers[place - seeds]
            }
        });
        let me = self.me();
        let configured = configured.filter(|node| *node != me);
        let first = if self.schedule.unanswered > 2 { configured.or(known) } else { known.or(configured) };
        first.filter(|node| *node != me)
    }

    /// Chooses the target of a first-write probe: a member; as it may be dead, a rendezvous node or
    /// any peer in other turns.
    pub(in crate::node) fn choose_probe_target(&mut self, group: &GroupName, turn: u32) -> Option<NetId> {
        let place = self.rng.next_u64();
        let candidate = self.groups.hosted.get(group).and_then(|hosted| hosted.host_candidates.last());
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
