//! The contact table: members of groups that this node does not host, bounded and ageing.
//!
//! What a member announced itself outranks gossip. Only direct announcements are stored and passed
//! on, so a name that no node hosts any more dies out: its last direct announcement expires, and
//! then the gossip that came from it. When the table is full, a new name replaces the entry that
//! was confirmed least recently among those of the announcer with the most entries, so an announcer
//! of many names cannot displace the names of others.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use gm_broadcast::Time;
use gm_clock::NetId;
use gm_data::GroupName;

/// Source of the information that a node hosts a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Source {
    /// Another node, which may not know that the member left or died.
    Gossip,
    /// The member itself.
    Direct,
}

/// Maximum number of remembered members of one group.
const MAX_MEMBERS: usize = 3;

#[derive(Clone, Copy, Debug)]
struct Contact {
    node: NetId,
    source: Source,
    /// Time of the last announcement from this source.
    last_heard: Time,
}

/// An entry of the contact table: a group that is not hosted.
#[derive(Clone, Debug)]
struct Entry {
    /// Direct ones first, then the most recent first. Never empty.
    members: Vec<Contact>,
    /// The node to which the entry counts when the table is full.
    announcer: NetId,
    /// Time at which a member was last added.
    extended_at: Time,
    /// Number of referrals made from this entry.
    referrals: usize,
}

impl Entry {
    fn first(&self) -> Option<&Contact> {
        self.members.first()
    }

    fn is_direct(&self) -> bool {
        self.first().is_some_and(|first| first.source == Source::Direct)
    }

    /// Position in the order in which an announcer's entries are displaced.
    fn rank(&self, name: &GroupName) -> DisplacementRank {
        let first = self.first();
        let source = first.map_or(Source::Gossip, |first| first.source);
        (source, first.map_or(Time::ZERO, |first| first.last_heard), name.clone())
    }

    fn sort(&mut self) {
        self.members.sort_by_key(|contact| std::cmp::Reverse((contact.source, contact.last_heard)));
        self.members.truncate(MAX_MEMBERS);
    }
}

type DisplacementRank = (Source, Time, GroupName);

/// Result of adding a contact.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct AddedContact {
    /// The member had not announced itself before.
    pub(crate) is_new: bool,
    /// The member is new, or others were added since its last announcement.
    pub(crate) has_news: bool,
    /// The table is full: an entry was displaced, or the new one dropped.
    pub(crate) is_full: bool,
}

#[derive(Debug)]
pub(crate) struct Contacts {
    entries: BTreeMap<GroupName, Entry>,
    /// The entries of each announcer, in the order of displacement.
    by_announcer: BTreeMap<NetId, BTreeSet<DisplacementRank>>,
    /// Announcers by the number of their entries.
    announcer_sizes: BTreeSet<(usize, NetId)>,
    max: usize,
    /// Whether the stored copy of the table is outdated.
    pub(crate) changed: bool,
}

impl Contacts {
    pub(crate) fn new(max: usize) -> Contacts {
        let (entries, ranks, sizes) = (BTreeMap::new(), BTreeMap::new(), BTreeSet::new());
        Contacts { entries, by_announcer: ranks, announcer_sizes: sizes, max, changed: false }
    }

    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    /// Adds a node as a member of a group, as reported by an announcer.
    pub(crate) fn add(
        &mut self,
        now: Time,
        group: &GroupName,
        node: NetId,
        source: Source,
        by: NetId,
    ) -> AddedContact {
        let mut added = AddedContact::default();
        let mut entry = match self.entries.get(group).cloned() {
            Some(entry) => {
                self.unindex(group, &entry);
                entry
            }
            None => {
                if self.entries.len() >= self.max {
                    added.is_full = true;
                    if !self.displace_entry(source) {
                        return added;
                    }
                }
                Entry { members: Vec::new(), announcer: by, extended_at: Time::ZERO, referrals: 0 }
            }
        };
        let was_direct = entry.is_direct();
        let known = entry.members.iter_mut().find(|contact| contact.node == node);
        let is_new = known.is_none();
        let last_announced =
            known.as_ref().filter(|known| known.source == Source::Direct).map(|known| known.last_heard);
        match known {
            Some(known) if source >= known.source => *known = Contact { node, source, last_heard: now },
            Some(_) => {}
            None => entry.members.push(Contact { node, source, last_heard: now }),
        }
        entry.sort();
        if source == Source::Direct {
            entry.announcer = node;
            added.is_new = last_announced.is_none();
            added.has_news = last_announced.is_none_or(|last_announced| entry.extended_at > last_announced);
        }
        if is_new {
            entry.extended_at = now;
        }
        self.changed |= entry.is_direct() != was_direct;
        self.index(group, &entry);
        self.entries.insert(group.clone(), entry);
        added
    }

    /// Makes space for a new entry; gossip does not displace direct contacts.
    fn displace_entry(&mut self, source: Source) -> bool {
        let Some((_, announcer)) = self.announcer_sizes.last() else { return false };
        let first = self.by_announcer.get(announcer).and_then(BTreeSet::first).cloned();
        let Some((_, _, name)) = first.filter(|(first, _, _)| *first <= source) else { return false };
        self.remove(&name);
        true
    }

    /// Removes a group and returns its known members.
    pub(crate) fn remove(&mut self, group: &GroupName) -> Vec<NetId> {
        let Some(entry) = self.entries.remove(group) else { return Vec::new() };
        self.unindex(group, &entry);
        self.changed |= entry.is_direct();
        entry.members.into_iter().map(|contact| contact.node).collect()
    }

    /// Removes a node that reported that it does not host the group.
    pub(crate) fn remove_member(&mut self, group: &GroupName, node: NetId) {
        self.retain(group, |contact| contact.node != node);
    }

    /// Drops contacts that are older than `age`.
    pub(crate) fn expire(&mut self, now: Time, age: Duration) {
        let fresh = |contact: &Contact| now.since(contact.last_heard) < age;
        let stale = |entry: &Entry| !entry.members.iter().all(fresh);
        let names: Vec<GroupName> =
            self.entries.iter().filter(|(_, entry)| stale(entry)).map(|(name, _)| name.clone()).collect();
        names.iter().for_each(|name| self.retain(name, fresh));
    }

    fn retain(&mut self, group: &GroupName, keep: impl Fn(&Contact) -> bool) {
        let Some(mut entry) = self.entries.get(group).cloned() else { return };
        if entry.members.iter().all(&keep) {
            return;
        }
        let was_direct = entry.is_direct();
        self.unindex(group, &entry);
        entry.members.retain(keep);
        if entry.members.is_empty() {
            self.entries.remove(group);
            self.changed |= was_direct;
        } else {
            self.changed |= entry.is_direct() != was_direct;
            self.index(group, &entry);
            self.entries.insert(group.clone(), entry);
        }
    }

    /// Another member to which a node can be referred, a different one each time.
    pub(crate) fn refer_to_other(&mut self, group: &GroupName, except: NetId) -> Option<NetId> {
        let entry = self.entries.get_mut(group)?;
        let others = || entry.members.iter().filter(|contact| contact.node != except);
        let other = others().nth(entry.referrals % others().count().max(1)).map(|contact| contact.node);
        entry.referrals = entry.referrals.wrapping_add(usize::from(other.is_some()));
        other
    }

    /// The groups in the order of their names, each with its best contact.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&GroupName, NetId)> + '_ {
        self.entries.iter().filter_map(|(name, entry)| Some((name, entry.first()?.node)))
    }

    /// The groups after a name, in order, that have a direct contact, with that contact.
    pub(crate) fn direct_contacts<'a>(
        &'a self,
        after: Option<&GroupName>,
    ) -> impl Iterator<Item = (&'a GroupName, NetId)> + use<'a> {
        use std::ops::Bound;
        let after = after.map_or(Bound::Unbounded, |after| Bound::Excluded(after.clone()));
        let direct = |entry: &Entry| {
            entry.first().filter(|first| first.source == Source::Direct).map(|first| first.node)
        };
        self.entries
            .range((after, Bound::Unbounded))
            .filter_map(move |(name, entry)| Some((name, direct(entry)?)))
    }

    fn index(&mut self, group: &GroupName, entry: &Entry) {
        let ranks = self.by_announcer.entry(entry.announcer).or_default();
        self.announcer_sizes.remove(&(ranks.len(), entry.announcer));
        ranks.insert(entry.rank(group));
        self.announcer_sizes.insert((ranks.len(), entry.announcer));
    }

    fn unindex(&mut self, group: &GroupName, entry: &Entry) {
        let Some(ranks) = self.by_announcer.get_mut(&entry.announcer) else { return };
        self.announcer_sizes.remove(&(ranks.len(), entry.announcer));
        ranks.remove(&entry.rank(group));
        if ranks.is_empty() {
            self.by_announcer.remove(&entry.announcer);
        } else {
            self.announcer_sizes.insert((ranks.len(), entry.announcer));
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
