//! The contact table: members of groups that this node does not hold, bounded and aging.
//!
//! A member's own word counts more than hearsay. Only own words are passed on to others and stored,
//! so a name that no node holds any more dies out: its last own words expire, and then the hearsay
//! that came of them. When the table is full, a new name replaces the entry that was confirmed
//! least recently among those of the announcer with the most entries, so one announcer of many
//! names cannot keep the names of others out.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use gm_broadcast::Time;
use gm_clock::NetId;
use gm_data::GroupName;

/// Whose word it is that a node holds a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Source {
    /// Another node's, which may not know that the member left, or died.
    Gossip,
    /// Its own.
    Direct,
}

/// Members that are remembered of one group.
const MAX_MEMBERS: usize = 3;

/// A member of a group that is not held here.
#[derive(Clone, Copy, Debug)]
struct Contact {
    node: NetId,
    source: Source,
    /// When that word came last.
    last_heard: Time,
}

/// What is known of a group that is not held here.
#[derive(Clone, Debug)]
struct Entry {
    /// Own words first, and of one kind the most recent first. Never empty.
    members: Vec<Contact>,
    /// The node to which the entry is attributed when room is needed.
    announcer: NetId,
    /// When a member was added that was not known before.
    extended_at: Time,
    /// How often one of the members was named to another.
    referrals: usize,
}

impl Entry {
    fn first(&self) -> Option<&Contact> {
        self.members.first()
    }

    fn is_direct(&self) -> bool {
        self.first().is_some_and(|first| first.source == Source::Direct)
    }

    /// Its place in the order in which an announcer's entries make room for others.
    fn rank(&self, name: &GroupName) -> DisplacementRank {
        let first = self.first();
        let word = first.map_or(Source::Gossip, |first| first.source);
        (word, first.map_or(Time::ZERO, |first| first.last_heard), name.clone())
    }

    fn sort(&mut self) {
        self.members.sort_by_key(|contact| std::cmp::Reverse((contact.source, contact.last_heard)));
        self.members.truncate(MAX_MEMBERS);
    }
}

type DisplacementRank = (Source, Time, GroupName);

/// What became of a note.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct AddedContact {
    /// The member had not spoken for itself before.
    pub(crate) is_new: bool,
    /// Other members were added since it spoke last, or it is new.
    pub(crate) has_news: bool,
    /// The table is full: an entry made room, or the note was dropped.
    pub(crate) is_full: bool,
}

/// The contact table.
#[derive(Debug)]
pub(crate) struct Contacts {
    entries: BTreeMap<GroupName, Entry>,
    /// The entries of each announcer, those that make room first before the others.
    by_announcer: BTreeMap<NetId, BTreeSet<DisplacementRank>>,
    /// Announcers by the number of their entries.
    announcer_sizes: BTreeSet<(usize, NetId)>,
    max: usize,
    /// What is stored of the table is no longer what should be.
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

    /// Notes that a node is a member of a group, by the word of that announcer.
    pub(crate) fn add(
        &mut self,
        now: Time,
        group: &GroupName,
        node: NetId,
        word: Source,
        by: NetId,
    ) -> AddedContact {
        let mut noted = AddedContact::default();
        let mut entry = match self.entries.get(group).cloned() {
            Some(entry) => {
                self.unindex(group, &entry);
                entry
            }
            None => {
                if self.entries.len() >= self.max {
                    noted.is_full = true;
                    if !self.displace_entry(word) {
                        return noted;
                    }
                }
                Entry { members: Vec::new(), announcer: by, extended_at: Time::ZERO, referrals: 0 }
            }
        };
        let was_own = entry.is_direct();
        let known = entry.members.iter_mut().find(|contact| contact.node == node);
        let is_new = known.is_none();
        let spoke =
            known.as_ref().filter(|known| known.source == Source::Direct).map(|known| known.last_heard);
        match known {
            Some(known) if word >= known.source => *known = Contact { node, source: word, last_heard: now },
            Some(_) => {}
            None => entry.members.push(Contact { node, source: word, last_heard: now }),
        }
        entry.sort();
        if word == Source::Direct {
            entry.announcer = node;
            noted.is_new = spoke.is_none();
            noted.has_news = spoke.is_none_or(|spoke| entry.extended_at > spoke);
        }
        if is_new {
            entry.extended_at = now;
        }
        self.changed |= entry.is_direct() != was_own;
        self.index(group, &entry);
        self.entries.insert(group.clone(), entry);
        noted
    }

    /// Makes room for a new entry; hearsay does not displace own words.
    fn displace_entry(&mut self, word: Source) -> bool {
        let Some((_, announcer)) = self.announcer_sizes.last() else { return false };
        let first = self.by_announcer.get(announcer).and_then(BTreeSet::first).cloned();
        let Some((_, _, name)) = first.filter(|(first, _, _)| *first <= word) else { return false };
        self.remove(&name);
        true
    }

    /// Removes a group; returns the members that were known.
    pub(crate) fn remove(&mut self, group: &GroupName) -> Vec<NetId> {
        let Some(entry) = self.entries.remove(group) else { return Vec::new() };
        self.unindex(group, &entry);
        self.changed |= entry.is_direct();
        entry.members.into_iter().map(|contact| contact.node).collect()
    }

    /// A node says that it does not hold the group.
    pub(crate) fn remove_member(&mut self, group: &GroupName, node: NetId) {
        self.retain(group, |contact| contact.node != node);
    }

    /// Drops the members whose word is older than that.
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
        let was_own = entry.is_direct();
        self.unindex(group, &entry);
        entry.members.retain(keep);
        if entry.members.is_empty() {
            self.entries.remove(group);
            self.changed |= was_own;
        } else {
            self.changed |= entry.is_direct() != was_own;
            self.index(group, &entry);
            self.entries.insert(group.clone(), entry);
        }
    }

    /// A member other than that node, to be named to it; another one each time.
    pub(crate) fn refer_to_other(&mut self, group: &GroupName, than: NetId) -> Option<NetId> {
        let entry = self.entries.get_mut(group)?;
        let others = || entry.members.iter().filter(|contact| contact.node != than);
        let other = others().nth(entry.referrals % others().count().max(1)).map(|contact| contact.node);
        entry.referrals = entry.referrals.wrapping_add(usize::from(other.is_some()));
        other
    }

    /// The groups in the order of their names, each with a member to ask.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&GroupName, NetId)> + '_ {
        self.entries.iter().filter_map(|(name, entry)| Some((name, entry.first()?.node)))
    }

    /// The groups whose names are greater than that of which a member spoke for itself, and that
    /// member.
    pub(crate) fn direct_contacts<'a>(
        &'a self,
        after: Option<&GroupName>,
    ) -> impl Iterator<Item = (&'a GroupName, NetId)> + use<'a> {
        use std::ops::Bound;
        let after = after.map_or(Bound::Unbounded, |after| Bound::Excluded(after.clone()));
        let own = |entry: &Entry| {
            entry.first().filter(|first| first.source == Source::Direct).map(|first| first.node)
        };
        self.entries
            .range((after, Bound::Unbounded))
            .filter_map(move |(name, entry)| Some((name, own(entry)?)))
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
