//! The contact table: members of groups that this node does not hold, bounded and aging.
//!
//! A member's own word counts more than hearsay. Only own words are passed on to others and stored, so a name that no node holds any more dies out: its
//! last own words expire, and then the hearsay that came of them. When the table is full, a new name replaces the entry that was confirmed least recently
//! among those of the announcer with the most entries, so one announcer of many names cannot keep the names of others out.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use gm_broadcast::Time;
use gm_clock::NetId;
use gm_data::GroupName;

/// Whose word it is that a node holds a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Word {
    /// Another node's, which may not know that the member left, or died.
    Hearsay,
    /// Its own.
    Own,
}

/// Members that are remembered of one group.
const MEMBERS: usize = 3;

/// A member of a group that is not held here.
#[derive(Clone, Copy, Debug)]
struct Contact {
    node: NetId,
    word: Word,
    /// When that word came last.
    heard: Time,
}

/// What is known of a group that is not held here.
#[derive(Clone, Debug)]
struct Entry {
    /// Own words first, and of one kind the most recent first. Never empty.
    members: Vec<Contact>,
    /// The node to which the entry is attributed when room is needed.
    announcer: NetId,
    /// When a member was added that was not known before.
    news: Time,
    /// How often one of the members was named to another.
    named: usize,
}

impl Entry {
    fn first(&self) -> Option<&Contact> {
        self.members.first()
    }

    fn is_own(&self) -> bool {
        self.first().is_some_and(|first| first.word == Word::Own)
    }

    /// Its place in the order in which an announcer's entries make room for others.
    fn rank(&self, name: &GroupName) -> Rank {
        let first = self.first();
        let word = first.map_or(Word::Hearsay, |first| first.word);
        (word, first.map_or(Time::ZERO, |first| first.heard), name.clone())
    }

    fn sort(&mut self) {
        self.members.sort_by_key(|contact| std::cmp::Reverse((contact.word, contact.heard)));
        self.members.truncate(MEMBERS);
    }
}

type Rank = (Word, Time, GroupName);

/// What became of a note.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Noted {
    /// The member had not spoken for itself before.
    pub(crate) new: bool,
    /// Other members were added since it spoke last, or it is new.
    pub(crate) news: bool,
    /// The table is full: an entry made room, or the note was dropped.
    pub(crate) full: bool,
}

/// The contact table.
#[derive(Debug)]
pub(crate) struct Contacts {
    entries: BTreeMap<GroupName, Entry>,
    /// The entries of each announcer, those that make room first before the others.
    ranks: BTreeMap<NetId, BTreeSet<Rank>>,
    /// Announcers by the number of their entries.
    sizes: BTreeSet<(usize, NetId)>,
    most: usize,
    /// What is stored of the table is no longer what should be.
    pub(crate) changed: bool,
}

impl Contacts {
    pub(crate) fn new(most: usize) -> Contacts {
        let (entries, ranks, sizes) = (BTreeMap::new(), BTreeMap::new(), BTreeSet::new());
        Contacts { entries, ranks, sizes, most, changed: false }
    }

    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    /// Notes that a node is a member of a group, by the word of that announcer.
    pub(crate) fn note(&mut self, now: Time, group: &GroupName, node: NetId, word: Word, by: NetId) -> Noted {
        let mut noted = Noted::default();
        let mut entry = match self.entries.get(group).cloned() {
            Some(entry) => {
                self.unlist(group, &entry);
                entry
            }
            None => {
                if self.entries.len() >= self.most {
                    noted.full = true;
                    if !self.make_room(word) {
                        return noted;
                    }
                }
                Entry { members: Vec::new(), announcer: by, news: Time::ZERO, named: 0 }
            }
        };
        let was_own = entry.is_own();
        let known = entry.members.iter_mut().find(|contact| contact.node == node);
        let is_new = known.is_none();
        let spoke = known.as_ref().filter(|known| known.word == Word::Own).map(|known| known.heard);
        match known {
            Some(known) if word >= known.word => *known = Contact { node, word, heard: now },
            Some(_) => {}
            None => entry.members.push(Contact { node, word, heard: now }),
        }
        entry.sort();
        if word == Word::Own {
            entry.announcer = node;
            noted.new = spoke.is_none();
            noted.news = spoke.is_none_or(|spoke| entry.news > spoke);
        }
        if is_new {
            entry.news = now;
        }
        self.changed |= entry.is_own() != was_own;
        self.list(group, &entry);
        self.entries.insert(group.clone(), entry);
        noted
    }

    /// Makes room for a new entry; hearsay does not displace own words.
    fn make_room(&mut self, word: Word) -> bool {
        let Some((_, announcer)) = self.sizes.last() else { return false };
        let first = self.ranks.get(announcer).and_then(BTreeSet::first).cloned();
        let Some((_, _, name)) = first.filter(|(first, _, _)| *first <= word) else { return false };
        self.remove(&name);
        true
    }

    /// Removes a group; returns the members that were known.
    pub(crate) fn remove(&mut self, group: &GroupName) -> Vec<NetId> {
        let Some(entry) = self.entries.remove(group) else { return Vec::new() };
        self.unlist(group, &entry);
        self.changed |= entry.is_own();
        entry.members.into_iter().map(|contact| contact.node).collect()
    }

    /// A node says that it does not hold the group.
    pub(crate) fn drop_member(&mut self, group: &GroupName, node: NetId) {
        self.retain(group, |contact| contact.node != node);
    }

    /// Drops the members whose word is older than that.
    pub(crate) fn expire(&mut self, now: Time, age: Duration) {
        let fresh = |contact: &Contact| now.since(contact.heard) < age;
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
        let was_own = entry.is_own();
        self.unlist(group, &entry);
        entry.members.retain(keep);
        if entry.members.is_empty() {
            self.entries.remove(group);
            self.changed |= was_own;
        } else {
            self.changed |= entry.is_own() != was_own;
            self.list(group, &entry);
            self.entries.insert(group.clone(), entry);
        }
    }

    /// A member other than that node, to be named to it; another one each time.
    pub(crate) fn name_other(&mut self, group: &GroupName, than: NetId) -> Option<NetId> {
        let entry = self.entries.get_mut(group)?;
        let others = || entry.members.iter().filter(|contact| contact.node != than);
        let other = others().nth(entry.named % others().count().max(1)).map(|contact| contact.node);
        entry.named = entry.named.wrapping_add(usize::from(other.is_some()));
        other
    }

    /// The groups in the order of their names, each with a member to ask.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&GroupName, NetId)> + '_ {
        self.entries.iter().filter_map(|(name, entry)| Some((name, entry.first()?.node)))
    }

    /// The groups whose names are greater than that of which a member spoke for itself, and that member.
    pub(crate) fn own_words<'a>(
        &'a self,
        after: Option<&GroupName>,
    ) -> impl Iterator<Item = (&'a GroupName, NetId)> + use<'a> {
        use std::ops::Bound;
        let after = after.map_or(Bound::Unbounded, |after| Bound::Excluded(after.clone()));
        let own =
            |entry: &Entry| entry.first().filter(|first| first.word == Word::Own).map(|first| first.node);
        self.entries
            .range((after, Bound::Unbounded))
            .filter_map(move |(name, entry)| Some((name, own(entry)?)))
    }

    fn list(&mut self, group: &GroupName, entry: &Entry) {
        let ranks = self.ranks.entry(entry.announcer).or_default();
        self.sizes.remove(&(ranks.len(), entry.announcer));
        ranks.insert(entry.rank(group));
        self.sizes.insert((ranks.len(), entry.announcer));
    }

    fn unlist(&mut self, group: &GroupName, entry: &Entry) {
        let Some(ranks) = self.ranks.get_mut(&entry.announcer) else { return };
        self.sizes.remove(&(ranks.len(), entry.announcer));
        ranks.remove(&entry.rank(group));
        if ranks.is_empty() {
            self.ranks.remove(&entry.announcer);
        } else {
            self.sizes.insert((ranks.len(), entry.announcer));
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
