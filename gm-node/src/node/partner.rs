//! Which peer to compare with next, or to ask about a group: mostly a member of a group of ours on another island, now and then any peer.

use gm_broadcast::Time;
use gm_clock::NetId;
use gm_data::GroupName;

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
        let agreed = self.groups().held.values().all(Held::was_compared);
        let of_four = match (self.is_eager(now), agreed) {
            (true, true) => 3,
            (true, false) => 2,
            (false, _) if self.sync.silent > 2 => 2,
            (false, _) => 1,
        };
        if self.chance.happens(of_four, 4) {
            return self.anybody().or_else(|| self.some_member());
        }
        self.some_member().or_else(|| self.anybody())
    }

    /// A member of one of our groups.
    fn some_member(&mut self) -> Option<NetId> {
        let place = self.chance.place(self.groups().held.len());
        let group = self.groups().held.keys().nth(place).cloned()?;
        let mut found = None;
        for _ in 0..DRAWS {
            let place = self.chance.number();
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
            view.record_from_place(place)?
        };
        (record.is_member() && record.member() != self.me()).then(|| record.member())
    }

    /// Somebody whom we know, or knew, or are to call.
    fn anybody(&mut self) -> Option<NetId> {
        let (seeds, old) = (self.caster.seeds().len(), self.sync.old_peers.len());
        let place = self.chance.number();
        let met = self.caster.pick(place);
        let called = (seeds + old > 0).then(|| {
            let place = self.chance.place(seeds + old);
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

    /// Whom to ask what is known of us in a group: a member, and in every other turn, as that may be dead, anybody.
    pub(super) fn whom_to_ask(&mut self, group: &GroupName, turn: u32) -> Option<NetId> {
        let place = self.chance.number();
        let contact = self.groups().held.get(group).and_then(|held| held.contact);
        let member = self.draw(group, place).or(contact.map(|(member, _)| member));
        if turn.is_multiple_of(2) { member.or_else(|| self.anybody()) } else { self.anybody().or(member) }
    }
}
