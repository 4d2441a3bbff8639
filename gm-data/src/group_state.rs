//! [`GroupState`], the replicated state of a group or a part of it: a name and a record per member.
//! Records of other members change only by merging here; writes of a node's own record are in
//! `replica.rs`.

mod equality;
mod record_entry;

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::cmp::Reverse;

use gm_clock::{NetId, WorldClock};
use thiserror::Error;

use crate::buckets::Buckets;
use crate::event::each_item_change;
use crate::index::{Index, MemberNumber};
use crate::tree::Tree;
use crate::{ApplyOutcome, GroupName, Increment, Record, VersionDigest, hash};

pub(crate) use record_entry::{RecordEdit, RecordEntry};

/// The state of a group, or any subset of its records (a delta): both have the same type and merge
/// in the same way.
///
/// A clone takes constant time and shares all data: a reader keeps a clone while the original
/// changes. Records are in the order of their members, each member once.
#[derive(Clone)]
pub struct GroupState {
    name: GroupName,
    pub(crate) records: Tree<RecordEntry>,
    fingerprint: u128,
    live_items: usize,
    members: usize,
    /// `None` for deltas.
    indexes: Option<Indexes>,
}

/// Secondary structures that are updated with every change of the state.
#[derive(Clone)]
struct Indexes {
    index: Index,
    buckets: Buckets,
}

/// Error: the two states belong to different groups. Nothing was changed.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Error)]
#[error("a state of group {theirs:?} cannot be merged into group {mine:?}")]
pub struct WrongGroup {
    /// The group of the state that was to be changed.
    pub mine: GroupName,
    /// The group of the other state.
    pub theirs: GroupName,
}

/// Outcome of a merge, per member, in the order of the members. Members whose records were equal
/// are in no list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MergeOutcome {
    /// Members whose records were newer and were taken over.
    pub newer: Vec<NetId>,
    /// Members whose records were older than the local ones. The sender needs the local records.
    pub older: Vec<NetId>,
    /// Members whose records a replica refused, because they were [evicted](crate::Eviction).
    pub refused: Vec<NetId>,
}

impl GroupState {
    /// The empty state of the group with the given name.
    pub const fn new(name: GroupName) -> GroupState {
        GroupState { name, records: Tree::new(), fingerprint: 0, live_items: 0, members: 0, indexes: None }
    }

    /// The state that has the given records. Of two records of one member the greater is kept.
    /// Linear if the records are sorted by member.
    pub fn from_records(name: GroupName, records: impl IntoIterator<Item = Record>) -> GroupState {
        let mut entries: Vec<RecordEntry> =
            records.into_iter().map(|record| RecordEntry::new(Arc::new(record))).collect();
        if !entries.is_sorted_by(|a, b| a.member < b.member) {
            // The greater version digest first; of equal ones the first in the list wins, as in a
            // merge.
            entries.sort_by_key(|entry| (entry.member, Reverse(entry.record.version_digest())));
            entries.dedup_by_key(|entry| entry.member);
        }
        let mut state = GroupState::new(name);
        for entry in &entries {
            state.add_to_totals(&entry.record, hash::member_hash(entry.member));
        }
        state.records = Tree::from_sorted(&entries);
        state
    }

    /// The group's name.
    pub const fn name(&self) -> &GroupName {
        &self.name
    }

    /// The record of the member, if there is one.
    pub fn record(&self, member: NetId) -> Option<&Record> {
        self.records.get(member).map(|entry| &*entry.record)
    }

    /// The record of the member as a shared pointer.
    pub(crate) fn record_arc(&self, member: NetId) -> Option<&Arc<Record>> {
        self.records.get(member).map(|entry| &entry.record)
    }

    /// The records of all members in the order of their members, including those of members that
    /// left or were forgotten.
    pub fn records(&self) -> impl ExactSizeIterator<Item = &Record> + '_ {
        self.records.iter().map(|entry| &*entry.record)
    }

    /// The version and digest of each record, in the order of the members.
    pub fn version_digests(&self) -> impl ExactSizeIterator<Item = (NetId, VersionDigest)> + '_ {
        self.records().map(|record| (record.member(), record.version_digest()))
    }

    /// The clocks of all records, to compare how far nodes have advanced. Forgotten records are
    /// left out.
    pub fn world_clock(&self) -> WorldClock {
        self.records().filter(|record| !record.version().forgotten).map(Record::clock).collect()
    }

    /// The fingerprint of the group: the sum over all records of a hash of member, version and
    /// digest. Equal states have equal fingerprints; different states have different ones, except
    /// with a probability of about 1 in 2^64. Updated with every change, so reading it costs
    /// nothing.
    pub const fn fingerprint(&self) -> u128 {
        self.fingerprint
    }

    /// Number of members of the group, which are those whose record has a live item.
    pub const fn member_count(&self) -> usize {
        self.members
    }

    /// Number of live items of all members.
    pub const fn live_item_count(&self) -> usize {
        self.live_items
    }

    /// Merges `other` into this state: takes over every record that is greater than the local one.
    /// The cost is proportional to what the two states do not share, or is one search for each
    /// record of `other` if these are few.
    ///
    /// # Errors
    /// [`WrongGroup`] if `other` belongs to another group.
    pub fn merge(&mut self, other: &GroupState) -> Result<MergeOutcome, WrongGroup> {
        self.merge_except(other, None)
    }

    /// Same as [`merge`](GroupState::merge), except that the record of `own` is left out.
    pub(crate) fn merge_except(
        &mut self,
        other: &GroupState,
        own: Option<NetId>,
    ) -> Result<MergeOutcome, WrongGroup> {
        if self.name != other.name {
            return Err(WrongGroup { mine: self.name.clone(), theirs: other.name.clone() });
        }
        let mut merged = MergeOutcome::default();
        let mut taken: Vec<Arc<Record>> = Vec::new();
        let mut compare = |mine: Option<&RecordEntry>, theirs: Option<&RecordEntry>| {
            let Some(theirs) = theirs.filter(|theirs| Some(theirs.member) != own) else { return };
            let remote = theirs.record.version_digest();
            match mine.map(|mine| mine.record.version_digest()) {
                Some(mine) if !supersedes(remote, mine) => {
                    if supersedes(mine, remote) {
                        merged.older.push(theirs.member);
                    }
                }
                Some(_) | None => {
                    merged.newer.push(theirs.member);
                    taken.push(Arc::clone(&theirs.record));
                }
            }
        };
        if other.records.len() < self.records.len() / SMALL_DELTA {
            // A delta shares nothing with a state, so a parallel walk would cost as much as the
            // state is large. Therefore each of its records is looked up.
            other.records.iter().for_each(|theirs| compare(self.records.get(theirs.member), Some(theirs)));
        } else {
            self.records.each_difference(&other.records, compare);
        }
        for record in taken {
            self.merge_record(record);
        }
        Ok(merged)
    }

    /// Applies an increment of another member. The outcome states whether it was applied, and if
    /// not, why.
    pub fn apply(&mut self, increment: &Increment) -> ApplyOutcome {
        let member = increment.member();
        let Some(record) = self.record(member) else { return ApplyOutcome::DoesNotFit };
        let news = match record.new_items(increment) {
            Ok(news) => news,
            Err(reason) => return reason,
        };
        self.edit_record(member, |record, edit| match record.apply(increment, &news) {
            Ok(replaced) => {
                replaced.into_iter().for_each(|(old, new)| edit.replaced(old, new));
                ApplyOutcome::Applied
            }
            Err(reason) => reason,
        })
    }

    /// A delta of the given members' records, as far as there are any. It shares the records.
    pub fn records_for(&self, members: impl IntoIterator<Item = NetId>) -> GroupState {
        let mut delta = GroupState::new(self.name.clone());
        for entry in members.into_iter().filter_map(|member| self.records.get(member)) {
            delta.put_record(Arc::clone(&entry.record));
        }
        delta
    }

    /// Takes over the record if it is greater than the local one.
    fn merge_record(&mut self, record: Arc<Record>) {
        let mine = self.record(record.member());
        if mine.is_none_or(|mine| supersedes(record.version_digest(), mine.version_digest())) {
            self.put_record(record);
        }
    }

    /// Stores the record in place of its member's previous one, without comparing the two. Every
    /// whole record enters the state here.
    pub(crate) fn put_record(&mut self, record: Arc<Record>) {
        let member = record.member();
        let seed = hash::member_hash(member);
        let share = self.add_to_totals(&record, seed);
        let mut number = 0;
        if let Some(Indexes { index, .. }) = &mut self.indexes {
            let old = self.records.get(member);
            number = old.map_or_else(|| index.add_member(member), |old| old.number);
            let old = old.map(|old| &*old.record);
            each_item_change(old, Some(&record), |old, new| index.replace(number, old, new));
        }
        let old = self.records.insert(RecordEntry { member, number, record });
        let old_share = old.map(|old| self.subtract_from_totals(&old.record, seed));
        if let Some(Indexes { buckets, .. }) = &mut self.indexes {
            buckets.set((hash::hash_position_of(seed), member), old_share, share);
        }
    }

    /// Drops the records of the members that `drop` selects. Rebuilds the state, which is linear:
    /// this is rare, and member numbers of the index are never reused.
    pub(crate) fn drop_records(&mut self, drop: impl Fn(NetId) -> bool) {
        let is_indexed = self.indexes.is_some();
        let mut left = GroupState::new(self.name.clone());
        let kept: Vec<RecordEntry> =
            self.records.iter().filter(|entry| !drop(entry.member)).cloned().collect();
        for entry in &kept {
            left.add_to_totals(&entry.record, hash::member_hash(entry.member));
        }
        left.records = Tree::from_sorted(&kept);
        *self = if is_indexed { left.indexed() } else { left };
    }

    /// Edits the member's record, which must exist, in place. Every change other than that of a
    /// whole record is made here; the closure reports each item that it stores to the `RecordEdit`.
    pub(crate) fn edit_record<R>(
        &mut self,
        member: NetId,
        change: impl FnOnce(&mut Record, &mut RecordEdit<'_>) -> R,
    ) -> R {
        let entry = self.records.get_mut(member).expect("only a known record is edited");
        let indexes = self.indexes.as_mut().map(|all| (&mut all.index, &mut all.buckets));
        let (index, buckets) = indexes.unzip();
        let mut edit = RecordEdit { number: entry.number, index };
        let record = Arc::make_mut(&mut entry.record);
        let seed = hash::member_hash(member);
        let (share, live) = (record.record_hash(seed), record.live_count);
        let result = change(record, &mut edit);
        let (new_share, new_live) = (record.record_hash(seed), record.live_count);
        self.fingerprint = self.fingerprint.wrapping_sub(share).wrapping_add(new_share);
        if let Some(buckets) = buckets.filter(|_| new_share != share) {
            buckets.set((hash::hash_position_of(seed), member), Some(share), new_share);
        }
        self.live_items = self.live_items - live + new_live;
        self.members = self.members + usize::from(new_live > 0) - usize::from(live > 0);
        result
    }

    /// The same state with its index and buckets. Linear.
    pub(crate) fn indexed(mut self) -> GroupState {
        let index = Index::build(self.records.iter().map(|entry| (entry.member, &entry.record.items)));
        let numbered =
            |(number, entry): (MemberNumber, &RecordEntry)| RecordEntry { number, ..entry.clone() };
        let records: Vec<RecordEntry> = (0..).zip(self.records.iter()).map(numbered).collect();
        self.records = Tree::from_sorted(&records);
        let share =
            |entry: &RecordEntry| (entry.member, entry.record.record_hash(hash::member_hash(entry.member)));
        self.indexes = Some(Indexes { index, buckets: Buckets::build(self.records.iter().map(share)) });
        self
    }

    /// The same state without the indexes of a [`View`](crate::View), for callers that keep a state
    /// for comparison. Constant time.
    #[must_use]
    pub fn unindexed(&self) -> GroupState {
        GroupState { indexes: None, name: self.name.clone(), records: self.records.clone(), ..*self }
    }

    pub(crate) const fn index(&self) -> Option<&Index> {
        match &self.indexes {
            Some(all) => Some(&all.index),
            None => None,
        }
    }

    pub(crate) const fn buckets(&self) -> Option<&Buckets> {
        match &self.indexes {
            Some(all) => Some(&all.buckets),
            None => None,
        }
    }

    /// Adds the record to the totals. Returns its summand of the fingerprint. `seed` is H0 of the
    /// member.
    fn add_to_totals(&mut self, record: &Record, seed: u64) -> u128 {
        let share = record.record_hash(seed);
        self.fingerprint = self.fingerprint.wrapping_add(share);
        self.live_items += record.live_count;
        self.members += usize::from(record.is_member());
        share
    }

    /// Removes the record from the totals. Returns its summand of the fingerprint.
    fn subtract_from_totals(&mut self, record: &Record, seed: u64) -> u128 {
        let share = record.record_hash(seed);
        self.fingerprint = self.fingerprint.wrapping_sub(share);
        self.live_items -= record.live_count;
        self.members -= usize::from(record.is_member());
        share
    }
}

/// Ratio below which a merge looks up each record of `other`: if the local state has more than 16
/// times as many records.
const SMALL_DELTA: usize = 16;

/// Whether `theirs` wins over `mine`: the greater (incarnation, forgotten, clock, digest) does.
fn supersedes(theirs: VersionDigest, mine: VersionDigest) -> bool {
    theirs > mine
}
