//! Groups that are no longer held: a node that left tells it until somebody has it, and then keeps its own record only. Knows nothing of how it is told.

use gm_broadcast::Time;
use gm_clock::NetId;
use gm_data::GroupName;

use super::Node;
use crate::event::Event;
use crate::groups::Word;
use crate::plant::{Bug, planted};
use crate::store::{Batch, Store};

impl<S: Store> Node<S> {
    /// We left, and perhaps long since: the group is held on until somebody has it.
    pub(super) fn on_left(&mut self, now: Time, group: &GroupName) {
        if self.config.observe {
            return;
        }
        let until = now + self.config.times.leaving;
        let Some(held) = self.groups_mut().held.get_mut(group) else { return };
        held.leaving.get_or_insert(until);
        if planted(Bug::LeaveNotTold) {
            return self.unhold(now, group);
        }
        self.let_go_if_left(now, group);
    }

    /// A group that we left is let go if its time is over, or if there is nobody to tell.
    pub(super) fn let_go_if_left(&mut self, now: Time, group: &GroupName) {
        let groups = self.groups();
        let Some(held) = groups.held.get(group) else { return };
        let Some(until) = held.leaving else { return };
        let me = self.me();
        let members = groups.topology.group(group).map(|replica| replica.state().members());
        let alone = !members.into_iter().flatten().any(|member| member != me);
        // Before the group was compared there may be members that we do not know.
        let nobody = alone && (held.was_compared() || self.config.alone);
        if (until <= now || nobody) && !self.is_needed(group) {
            self.unhold(now, group);
        }
    }

    /// Another node that holds a group holds of it what we do.
    pub(super) fn agree(&mut self, now: Time, group: &GroupName, with: NetId) {
        let Some(held) = self.groups_mut().held.get_mut(group) else { return };
        (held.equal, held.differs, held.unsettled) = (Some((with, now)), None, 0);
        if held.leaving.is_some() {
            // Somebody has our leave.
            held.leaving = Some(now);
        }
        if !std::mem::replace(&mut held.agreed, true) {
            self.emit(Event::Agreed { group: group.clone(), with });
            self.on_knows_all(now, group);
        }
        self.on_heard(now, group);
        self.let_go_if_left(now, group);
    }

    /// A peer knows of nobody in a group in which we know nobody else.
    pub(super) fn on_sole(&mut self, now: Time, group: &GroupName) {
        let Some(held) = self.groups_mut().held.get_mut(group) else { return };
        held.sole = true;
        self.on_heard(now, group);
        self.let_go_if_left(now, group);
    }

    /// Whether a group that was left is still needed: a write in it waits for the storage, or for other members.
    fn is_needed(&self, group: &GroupName) -> bool {
        self.queue.iter().any(|queued| queued.group() == group) || self.waits.is_any_in(group)
    }

    /// A group is let go if there is no reason to hold it.
    pub(super) fn unhold_if_idle(&mut self, now: Time, group: &GroupName) {
        let me = self.me();
        let wanted = self.config.observe
            || self.groups().held.get(group).is_none_or(|held| held.leaving.is_some())
            || self.hearing.contains_key(group)
            || self.is_needed(group)
            || self.groups().held(group).is_some_and(|replica| replica.state().is_member(me));
        if !wanted {
            self.unhold(now, group);
        }
    }

    /// Keeps of a group only what we wrote ourselves, and one of its members.
    fn unhold(&mut self, now: Time, group: &GroupName) {
        let me = self.me();
        let groups = self.groups_mut();
        let said = groups.held.remove(group).and_then(|held| held.leads.last().copied());
        groups.stirred.insert(group.clone());
        let (mut others, mut contact) = (Vec::new(), said.map(|lead| lead.node));
        if let Some(replica) = groups.topology.group(group) {
            let state = replica.state();
            others = state.records().map(gm_data::Record::member).filter(|member| *member != me).collect();
            contact = state.members().find(|member| *member != me).or(contact);
        }
        groups.topology.edit(group, gm_data::Replica::retain_own_record);
        groups.dirty.retain(|(name, member)| name != group || *member == me);
        if let Some(contact) = contact {
            groups.meet(now, group, contact, Word::Hearsay, contact);
        }
        self.unenroll(group);
        self.retell.remove(group);
        self.topics.remove(group);
        self.questions.retain(|(name, _), _| name != group);
        // What was said of it and is not stored yet will not be; nor, perhaps, what was said of we know not which.
        if !others.is_empty() {
            self.unheld_at = Some(now);
        }
        let unstored = std::mem::take(&mut self.unstored).into_iter();
        let (gone, rest): (Vec<_>, Vec<_>) =
            unstored.partition(|(of, _)| of.as_ref().is_none_or(|of| of == group));
        self.unstored = rest.into();
        for (_, id) in gone {
            self.order(now, gm_broadcast::Command::NotStored(id));
        }
        if !others.is_empty() {
            let dropped = others.into_iter().map(|member| (group.clone(), member)).collect();
            self.store.submit(now, Batch { dropped, ..Batch::default() });
            let flight =
                super::Flight::Learned { records: vec![], said: vec![], contacts: false, peers: false };
            self.flights.push_back(flight);
        }
    }

    /// Groups whose time of telling is over.
    pub(super) fn end_leaving(&mut self, now: Time) {
        let left = self.groups().held.iter().filter(|(_, held)| held.leaving.is_some()).map(|(name, _)| name);
        let names: Vec<GroupName> = left.cloned().collect();
        names.iter().for_each(|name| self.let_go_if_left(now, name));
    }
}
