//! Which peer to compare with next, or to ask about a group: mostly a member of a group of ours on another island, now and then any peer.

use gm_broadcast::Time;
use gm_clock::NetId;
use gm_data::{GroupName, Replica};

use super::Node;
use crate::groups::Held;
use crate::plant::{Bug, planted};
use crate::store::Store;

/// Among so many records one is counted out; among more, the first after a place is taken.
const FEW: usize = 256;
/// Members that are drawn until one is found that is not near.
const DRAWS: u32 = 4;

impl<S: Store> Node<S> {
    /// A node to compare with: mostly a member of a group of ours, if possible of another island; one in four is anybody whom we know, and of a node that is new, more.
    pub(super) fn whom_to_compare_with(&mut self, now: Time) -> Option<NetId> {
        if let Some(node) = self.doubts.take(now, self.config.times.moving) {
            return Some(node);
        }
        let agreed = self.groups().held.values().all(Held::was_compared);
        let of_four = match (self.is_eager(now), agreed) {
            (true, true) => 3,
            (true, false) => 2,
            (false, _) if self.sync.silent > 2 => 2,
            (false, _) => 1,
        };
        if self.chance.ratio(of_four, 4) {
            return self.anybody().or_else(|| self.some_member());
        }
        self.some_member().or_else(|| self.anybody())
    }

    /// Groups that changed, or were not compared yet, and have other members.
    pub(super) fn unsettled(&self) -> Vec<GroupName> {
        let groups = self.groups();
        let me = self.me();
        let others = |name: &GroupName| {
            let state = groups.topology.group(name).map(Replica::state);
            state.is_some_and(|state| state.members().any(|member| member != me))
        };
        let unsettled = groups.held.iter().filter(|(name, held)| held.unsettled > 0 && others(name));
        unsettled.map(|(name, _)| name.clone()).collect()
    }

    /// A member of one of our groups, mostly of one that is not settled.
    fn some_member(&mut self) -> Option<NetId> {
        // Their members may be dead: after a peer that did not answer it is any group's turn.
        let unsettled = if self.sync.silent.is_multiple_of(2) { self.unsettled() } else { Vec::new() };
        let group = if unsettled.is_empty() {
            let place = self.chance.index(self.groups().held.len());
            self.groups().held.keys().nth(place).cloned()?
        } else {
            unsettled[self.chance.index(unsettled.len())].clone()
        };
        if let Some(held) = self.groups_mut().held.get_mut(&group) {
            held.unsettled = held.unsettled.saturating_sub(1);
        }
        let mut found = None;
        for _ in 0..DRAWS {
            let place = self.chance.next_u64();
            let drawn = self.draw(&group, place);
            if let Some(node) = drawn {
                found = Some(node);
                if !self.caster.is_near(node) {
                    break;
                }
            }
        }
        found
    }

    pub(super) fn draw(&self, group: &GroupName, place: u64) -> Option<NetId> {
        let view = self.groups().held(group)?.view();
        let records = view.records().len();
        let record = if records <= FEW {
            // Of few, places are far from even.
            let at = usize::try_from((u128::from(place) * records as u128) >> 64).unwrap_or(0);
            view.records().nth(at)?
        } else {
            view.record_from_position(place)?
        };
        (record.is_member() && record.member() != self.me()).then(|| record.member())
    }

    /// Somebody whom we know, or knew, or are to call.
    fn anybody(&mut self) -> Option<NetId> {
        let (seeds, old) = (self.caster.seeds().len(), self.sync.old_peers.len());
        let place = self.chance.next_u64();
        let met = self.caster.pick(place);
        let called = (seeds + old > 0).then(|| {
            let place = self.chance.index(seeds + old);
            if place < seeds { self.caster.seeds()[place] } else { self.sync.old_peers[place - seeds] }
        });
        if planted(Bug::SeedsGivenUp) && self.sync.silent > 2 {
            return None;
        }
        let me = self.me();
        let called = called.filter(|node| *node != me);
        let first = if self.sync.silent > 2 { called.or(met) } else { met.or(called) };
        first.filter(|node| *node != me)
    }

    /// The node to ask what it knows of us in a group: a member; in other turns, as that one may be dead, a rendezvous node, or any peer.
    pub(super) fn whom_to_ask(&mut self, group: &GroupName, turn: u32) -> Option<NetId> {
        let place = self.chance.next_u64();
        let lead = self.groups().held.get(group).and_then(|held| held.leads.last());
        let member = self.draw(group, place).or(lead.map(|lead| lead.node));
        let rendezvous = self.rendezvous_of(group);
        let rendezvous = rendezvous.get(turn as usize % rendezvous.len().max(1)).copied();
        match turn % 4 {
            0 | 2 => member.or(rendezvous).or_else(|| self.anybody()),
            1 => rendezvous.or_else(|| self.anybody()).or(member),
            _ => self.anybody().or(rendezvous).or(member),
        }
    }
}
