//! Learning which nodes hold which groups: leads of the groups that are held here, contacts of all others.

use std::time::Duration;

use gm_broadcast::Time;
use gm_clock::NetId;
use gm_codec::{GroupUpdate, MemberUpdate};
use gm_data::{GroupName, StampedItem};

use super::{Effect, Groups, Held, Noted, Word, stands_for_all};
use crate::event::Event;
use crate::plant::{Bug, planted};

/// A node that spoke for itself is being compared with already: it is compared with again only if nothing came of that.
const SPOKE: Duration = Duration::from_millis(500);

impl Groups {
    /// Holds a group from now on, if there is room.
    pub(crate) fn hold(&mut self, now: Time, group: &GroupName) -> bool {
        if !self.held.contains_key(group) {
            if self.held.len() >= self.bounds.groups || stands_for_all(group) {
                return false;
            }
            let mut held = Held::new(self.me(), group);
            for member in self.contacts.remove(group).into_iter().rev() {
                held.follow(member, now);
                self.introduce_by(now);
            }
            self.held.insert(group.clone(), held);
        }
        true
    }

    /// A node is said to hold a group, by that announcer.
    pub(crate) fn meet(
        &mut self,
        now: Time,
        group: &GroupName,
        member: NetId,
        word: Word,
        by: NetId,
    ) -> Noted {
        if member == self.me() || stands_for_all(group) {
            return Noted::default();
        }
        if self.observe {
            self.hold(now, group);
        }
        // By hearsay, who left or was forgotten is not looked for again.
        let record = self.record(group, member);
        let known = record.is_some_and(|record| word == Word::Hearsay || record.is_member());
        if let Some(held) = self.held.get_mut(group) {
            if !known && !planted(Bug::ContactPassedOver) {
                let due = if word == Word::Own { now + SPOKE } else { now };
                held.follow(member, due);
                self.introduce_by(due);
            }
            return Noted { new: !known, ..Noted::default() };
        }
        let noted = self.contacts.note(now, group, member, word, by);
        if noted.full {
            self.counters.count("dropped", "contact, too many");
            if !std::mem::replace(&mut self.contacts_full, true) {
                let most = self.bounds.contacts;
                self.effects.push_back(Effect::Tell(Event::ContactsFull { most }));
            }
        }
        noted
    }

    /// What that node wrote came, of a group that is not held here.
    pub(super) fn meet_writer(&mut self, now: Time, writer: NetId, group: &GroupUpdate) {
        let name = &group.name;
        let part = group.updates.iter().find(|part| part.member() == writer);
        let is_live = |timed: StampedItem| timed.item.op().is_live();
        match part {
            Some(MemberUpdate::Record(record)) if !record.is_member() => self.leave_out(name, writer),
            // It may have left, or have more that was not sent.
            Some(MemberUpdate::Increment(increment)) if !increment.items().any(is_live) => {}
            Some(_) => drop(self.meet(now, name, writer, Word::Own, writer)),
            None => drop(self.meet(now, name, writer, Word::Hearsay, writer)),
        }
    }

    /// A node does not hold a group, by its own word.
    pub(crate) fn leave_out(&mut self, group: &GroupName, node: NetId) {
        if let Some(held) = self.held.get_mut(group) {
            held.leads.retain(|lead| lead.node != node);
        }
        self.contacts.drop_member(group, node);
    }

    /// Drops contacts that were not confirmed for so long.
    pub(crate) fn expire_contacts(&mut self, now: Time, age: Duration) {
        self.contacts.expire(now, age);
        let most = self.bounds.contacts;
        if self.contacts.len() < most - most / 10 {
            self.contacts_full = false;
        }
    }

    fn introduce_by(&mut self, due: Time) {
        self.introduce_at = Some(self.introduce_at.map_or(due, |at| at.min(due)));
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
