//! The state of a group, or a part of it: a name and records. Joining is all that happens to records of others; what an
//! owner does with its own stands in `replica.rs`.

mod held;

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::cmp::Reverse;

use gm_clock::{NetId, WorldClock};
use thiserror::Error;

use crate::buckets::Buckets;
use crate::event::each_slot_change;
use crate::index::{Index, Seat};
use crate::plant::{Bug, planted};
use crate::tree::{Entry as _, Tree};
use crate::{Applied, GroupName, Increment, Record, Stamp, Version, hash};

pub(crate) use held::{Edit, Held};

/// The state of a group, or any subset of its records (a delta): the same type, joined the same way.
///
/// A clone is constant in time and shares everything: readers keep one while the original goes on. Records are in the
/// order of their members, each member once.
#[derive(Clone)]
pub struct Message {
    name: GroupName,
    pub(crate) records: Tree<Held>,
    fingerprint: u128,
    live_items: usize,
    members: usize,
    /// Deltas have none.
    followers: Option<Followers>,
}

/// What follows every change of a state, once it is there.
#[derive(Clone)]
struct Followers {
    index: Index,
    buckets: Buckets,
}

/// The messages are of two groups. Nothing was changed.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Error)]
#[error("a message of group {theirs:?} cannot be merged into group {mine:?}")]
pub struct WrongGroup {
    /// The group that it should have been.
    pub mine: GroupName,
    /// The group that it is.
    pub theirs: GroupName,
}

/// What a merge did, member by member, in the order of the members. Members whose records were equal are in neither list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Merged {
    /// Whose records were taken.
    pub newer: Vec<NetId>,
    /// Whose records were older than those held here: whoever sent them wants to know.
    pub older: Vec<NetId>,
    /// Whose records a replica refused, because they were [evicted](crate::Eviction).
    pub refused: Vec<NetId>,
}

impl Message {
    /// The group of that name, of which nothing is known.
    pub const fn new(name: GroupName) -> Message {
        Message { name, records: Tree::new(), fingerprint: 0, live_items: 0, members: 0, followers: None }
    }

    /// The message of those records. Of two records of one member the greater is taken. Linear, if they come in the order of
    /// their members.
    pub fn from_records(name: GroupName, records: impl IntoIterator<Item = Record>) -> Message {
        let mut held: Vec<Held> = records.into_iter().map(|record| Held::new(Arc::new(record))).collect();
        if !held.is_sorted_by(|a, b| a.member < b.member) {
            // The greater stamp first; of equal ones the one that came first, as in a merge.
            held.sort_by_key(|held| (held.member, Reverse(held.record.stamp())));
            held.dedup_by_key(|held| held.member);
        }
        let mut message = Message::new(name);
        for held in &held {
            message.count_in(&held.record, hash::member(held.member));
        }
        message.records = Tree::from_sorted(&held);
        message
    }

    /// The group's name.
    pub const fn name(&self) -> &GroupName {
        &self.name
    }

    /// What is known of the member.
    pub fn record(&self, member: NetId) -> Option<&Record> {
        self.records.get(member).map(|held| &*held.record)
    }

    /// What is known of the member, to be shared.
    pub(crate) fn record_shared(&self, member: NetId) -> Option<&Arc<Record>> {
        self.records.get(member).map(|held| &held.record)
    }

    /// All records, in the order of their members: of those who left and of the forgotten too.
    pub fn records(&self) -> impl ExactSizeIterator<Item = &Record> + '_ {
        self.records.iter().map(|held| &*held.record)
    }

    /// Version and digest of each record, in the order of the members.
    pub fn stamps(&self) -> impl ExactSizeIterator<Item = (NetId, Stamp)> + '_ {
        self.records().map(|record| (record.member(), record.stamp()))
    }

    /// The clocks of all records, for callers who compare how far nodes have come. Forgotten records have none.
    pub fn world_clock(&self) -> WorldClock {
        self.records().filter(|record| !record.version().gone).map(Record::clock).collect()
    }

    /// The sum over all records of a hash of member, version and digest. Equal states have equal ones; different states
    /// different ones, but for an accident of about 1 in 2^64. Kept up to date by every change, so asking costs nothing.
    pub const fn fingerprint(&self) -> u128 {
        self.fingerprint
    }

    /// Members of the group: records with a live item.
    pub const fn member_count(&self) -> usize {
        self.members
    }

    /// Live items of all members.
    pub const fn live_item_count(&self) -> usize {
        self.live_items
    }

    /// Takes from `other` every record that is greater than the one held here. Costs what the two do not share, or a search for each
    /// record of `other` if these are few.
    ///
    /// # Errors
    /// [`WrongGroup`] if `other` is of another group.
    pub fn merge(&mut self, other: &Message) -> Result<Merged, WrongGroup> {
        self.merge_but(other, None)
    }

    /// As [`merge`](Message::merge), leaving out the records of `own`.
    pub(crate) fn merge_but(&mut self, other: &Message, own: Option<NetId>) -> Result<Merged, WrongGroup> {
        if self.name != other.name {
            return Err(WrongGroup { mine: self.name.clone(), theirs: other.name.clone() });
        }
        let mut merged = Merged::default();
        let mut taken: Vec<Arc<Record>> = Vec::new();
        let mut compare = |mine: Option<&Held>, theirs: Option<&Held>| {
            let Some(theirs) = theirs.filter(|theirs| Some(theirs.member) != own) else { return };
            let stamp = theirs.record.stamp();
            match mine.map(|mine| mine.record.stamp()) {
                Some(mine) if !beats(stamp, mine) => {
                    if beats(mine, stamp) {
                        merged.older.push(theirs.member);
                    }
                }
                Some(_) | None => {
                    merged.newer.push(theirs.member);
                    taken.push(Arc::clone(&theirs.record));
                }
            }
        };
        if other.records.len() < self.records.len() / FEW {
            // A delta shares nothing with a state, so walking both would cost the state: its records are looked up one by one.
            other.records.iter().for_each(|theirs| compare(self.records.get(theirs.member), Some(theirs)));
        } else {
            self.records.each_difference(&other.records, compare);
        }
        for record in taken {
            self.join_record(record);
        }
        Ok(merged)
    }

    /// Applies an increment of another member, or says why it was not.
    pub fn apply(&mut self, increment: &Increment) -> Applied {
        let member = increment.member();
        if planted(Bug::IncrementJoined) {
            let stamp = increment.stamp();
            let items = increment.items();
            let whole = Record::from_parts(member, stamp.version, increment.opened(), 0, items);
            return whole.map_or(Applied::Ask, |whole| {
                self.join_record(Arc::new(whole));
                Applied::Applied
            });
        }
        let Some(record) = self.record(member) else { return Applied::Ask };
        let news = match record.fits(increment) {
            Ok(news) => news,
            Err(why_not) => return why_not,
        };
        self.edit(member, |record, edit| match record.apply(increment, &news) {
            Ok(replaced) => {
                replaced.into_iter().for_each(|(old, new)| edit.replaced(old, new));
                Applied::Applied
            }
            Err(why_not) => why_not,
        })
    }

    /// A delta: the records of those members of which there is one here. It shares them.
    pub fn records_for(&self, members: impl IntoIterator<Item = NetId>) -> Message {
        let mut delta = Message::new(self.name.clone());
        for held in members.into_iter().filter_map(|member| self.records.get(member)) {
            delta.put(Arc::clone(&held.record));
        }
        delta
    }

    /// Takes the record, if it is greater than the one held here.
    fn join_record(&mut self, record: Arc<Record>) {
        match self.record(record.member()) {
            Some(mine) if !beats(record.stamp(), mine.stamp()) => {}
            mine => {
                let planted_record = misjoined(mine, &record);
                self.put(planted_record.map_or(record, Arc::new));
            }
        }
    }

    /// Puts the record in the place of its member's, whatever was there. Every whole record comes in here.
    pub(crate) fn put(&mut self, record: Arc<Record>) {
        let member = record.member();
        let seed = hash::member(member);
        let share = self.count_in(&record, seed);
        let mut seat = 0;
        if let Some(Followers { index, .. }) = &mut self.followers {
            let old = self.records.get(member);
            seat = old.map_or_else(|| index.seat(member), |old| old.seat);
            let old = old.map(|old| &*old.record);
            each_slot_change(old, Some(&record), |old, new| index.replace(seat, old, new));
        }
        let old = self.records.insert(Held { member, seat, record });
        let old_share = old.map(|old| self.count_out(&old.record, seed));
        if let Some(Followers { buckets, .. }) = &mut self.followers {
            buckets.set((hash::place_of(seed), member), old_share, share);
        }
    }

    /// Drops the records of those members. Made anew without them, which is linear: it is rare, and no number in the index is used twice.
    pub(crate) fn drop_records(&mut self, drop: impl Fn(NetId) -> bool) {
        let is_indexed = self.followers.is_some();
        let mut left = Message::new(self.name.clone());
        let kept: Vec<Held> = self.records.iter().filter(|held| !drop(held.member)).cloned().collect();
        for held in &kept {
            left.count_in(&held.record, hash::member(held.member));
        }
        left.records = Tree::from_sorted(&kept);
        *self = if is_indexed { left.indexed() } else { left };
    }

    /// Changes the member's record, of which there must be one, in place. Every other change comes in here, and reports each
    /// slot that it puts to the `Edit` that it is handed.
    pub(crate) fn edit<R>(
        &mut self,
        member: NetId,
        change: impl FnOnce(&mut Record, &mut Edit<'_>) -> R,
    ) -> R {
        let held = self.records.get_mut(member).expect("only a known record is edited");
        let followers = self.followers.as_mut().map(|all| (&mut all.index, &mut all.buckets));
        let (index, buckets) = followers.unzip();
        let mut edit = Edit { seat: held.seat, index };
        let record = Arc::make_mut(&mut held.record);
        let seed = hash::member(member);
        let (share, live) = (record.share(seed), record.live);
        let result = change(record, &mut edit);
        let (new_share, new_live) = (record.share(seed), record.live);
        if !planted(Bug::FingerprintStale) {
            self.fingerprint = self.fingerprint.wrapping_sub(share).wrapping_add(new_share);
        }
        if let Some(buckets) = buckets.filter(|_| new_share != share && !planted(Bug::BucketsMissIncrements))
        {
            buckets.set((hash::place_of(seed), member), Some(share), new_share);
        }
        self.live_items = self.live_items - live + new_live;
        self.members = self.members + usize::from(new_live > 0) - usize::from(live > 0);
        result
    }

    /// The same state with an index and its buckets. Linear.
    pub(crate) fn indexed(mut self) -> Message {
        let index = Index::build(self.records.iter().map(|held| (held.member, &held.record.items)));
        let seated = |(seat, held): (Seat, &Held)| Held { seat, ..held.clone() };
        let records: Vec<Held> = (0..).zip(self.records.iter()).map(seated).collect();
        self.records = Tree::from_sorted(&records);
        let share = |held: &Held| (held.member, held.record.share(hash::member(held.member)));
        self.followers = Some(Followers { index, buckets: Buckets::build(self.records.iter().map(share)) });
        self
    }

    /// The same state without what a [`View`](crate::View) adds to it: for whoever keeps it to compare with. Constant in time.
    #[must_use]
    pub fn unindexed(&self) -> Message {
        Message { followers: None, name: self.name.clone(), records: self.records.clone(), ..*self }
    }

    pub(crate) const fn index(&self) -> Option<&Index> {
        match &self.followers {
            Some(all) => Some(&all.index),
            None => None,
        }
    }

    pub(crate) const fn buckets(&self) -> Option<&Buckets> {
        match &self.followers {
            Some(all) => Some(&all.buckets),
            None => None,
        }
    }

    /// Returns what the record adds to the fingerprint. `seed` is H0 of the member.
    fn count_in(&mut self, record: &Record, seed: u64) -> u128 {
        let share = record.share(seed);
        self.fingerprint = self.fingerprint.wrapping_add(share);
        self.live_items += record.live;
        self.members += usize::from(record.is_member());
        share
    }

    /// Returns what the record added to the fingerprint.
    fn count_out(&mut self, record: &Record, seed: u64) -> u128 {
        let share = record.share(seed);
        self.fingerprint = self.fingerprint.wrapping_sub(share);
        self.live_items -= record.live;
        self.members -= usize::from(record.is_member());
        share
    }
}

/// Equality is that of the state: the group, and the version and the live items of every record, with their stamps. What is
/// kept of removals and floors is not part of it.
impl PartialEq for Message {
    fn eq(&self, other: &Message) -> bool {
        self.name == other.name
            && self.records().len() == other.records().len()
            && self.records().zip(other.records()).all(|(mine, theirs)| {
                mine.member() == theirs.member()
                    && mine.version() == theirs.version()
                    && mine.live().eq(theirs.live())
            })
    }
}

impl Eq for Message {}

impl core::fmt::Debug for Message {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Message")
            .field("name", &self.name)
            .field("records", &self.records().collect::<Vec<_>>())
            .finish_non_exhaustive()
    }
}

/// A message with fewer records than one in so many of those here is taken record by record.
const FEW: usize = 16;

/// Whether a record of that stamp wins over one of the other: (incarnation, gone, clock, digest).
fn beats(theirs: Stamp, mine: Stamp) -> bool {
    let blind = |stamp: Stamp| Version { gone: false, ..stamp.version };
    if planted(Bug::ForgetAsFilter) {
        return blind(theirs) > blind(mine);
    }
    if planted(Bug::DigestNotCompared) {
        return theirs.version > mine.version;
    }
    theirs > mine
}

/// What a planted bug makes of a record that wins.
fn misjoined(mine: Option<&Record>, theirs: &Record) -> Option<Record> {
    if planted(Bug::FloorNotCarried) {
        let mut record = theirs.clone();
        record.floor = mine.map_or(0, Record::floor);
        return Some(record);
    }
    let mine = mine.filter(|_| planted(Bug::ItemsJoined))?;
    let (seed, mut record) = (hash::member(theirs.member()), theirs.clone());
    for slot in mine.items.iter() {
        if theirs.items.get(slot.key()).is_none_or(|own| own.stamp() < slot.stamp()) {
            record.put(seed, *slot);
        }
    }
    Some(record)
}
