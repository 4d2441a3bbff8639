//! The state of a group, or a part of it: a name and records. Joining is all that happens to
//! records of others; what an owner does with its own stands in `replica.rs`.

mod record_entry;

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::cmp::Reverse;

use gm_clock::{NetId, WorldClock};
use thiserror::Error;

use crate::buckets::Buckets;
use crate::event::each_item_change;
use crate::index::{Index, MemberNumber};
use crate::planted_bugs::{Bug, planted};
use crate::tree::{Entry as _, Tree};
use crate::{ApplyOutcome, GroupName, Increment, Record, Version, VersionDigest, hash};

pub(crate) use record_entry::{RecordEdit, RecordEntry};

/// The state of a group, or any subset of its records (a delta): the same type, joined the same
/// way.
///
/// A clone is constant in time and shares everything: readers keep one while the original goes on.
/// Records are in the order of their members, each member once.
#[derive(Clone)]
pub struct GroupState {
    name: GroupName,
    pub(crate) records: Tree<RecordEntry>,
    fingerprint: u128,
    live_items: usize,
    members: usize,
    /// Deltas have none.
    indexes: Option<Indexes>,
}

/// What follows every change of a state, once it is there.
#[derive(Clone)]
struct Indexes {
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

/// What a merge did, member by member, in the order of the members. Members whose records were
/// equal are in neither list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MergeOutcome {
    /// Whose records were taken.
    pub newer: Vec<NetId>,
    /// Whose records were older than those held here: whoever sent them wants to know.
    pub older: Vec<NetId>,
    /// Whose records a replica refused, because they were [evicted](crate::Eviction).
    pub refused: Vec<NetId>,
}

impl GroupState {
    /// The group of that name, of which nothing is known.
    pub const fn new(name: GroupName) -> GroupState {
        GroupState { name, records: Tree::new(), fingerprint: 0, live_items: 0, members: 0, indexes: None }
    }

    /// The message of those records. Of two records of one member the greater is taken. Linear, if
    /// they come in the order of their members.
    pub fn from_records(name: GroupName, records: impl IntoIterator<Item = Record>) -> GroupState {
        let mut entries: Vec<RecordEntry> =
            records.into_iter().map(|record| RecordEntry::new(Arc::new(record))).collect();
        if !entries.is_sorted_by(|a, b| a.member < b.member) {
            // The greater stamp first; of equal ones the one that came first, as in a merge.
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

    /// What is known of the member.
    pub fn record(&self, member: NetId) -> Option<&Record> {
        self.records.get(member).map(|entry| &*entry.record)
    }

    /// What is known of the member, to be shared.
    pub(crate) fn record_arc(&self, member: NetId) -> Option<&Arc<Record>> {
        self.records.get(member).map(|entry| &entry.record)
    }

    /// All records, in the order of their members: of those who left and of the forgotten too.
    pub fn records(&self) -> impl ExactSizeIterator<Item = &Record> + '_ {
        self.records.iter().map(|entry| &*entry.record)
    }

    /// Version and digest of each record, in the order of the members.
    pub fn version_digests(&self) -> impl ExactSizeIterator<Item = (NetId, VersionDigest)> + '_ {
        self.records().map(|record| (record.member(), record.version_digest()))
    }

    /// The clocks of all records, for callers who compare how far nodes have come. Forgotten
    /// records have none.
    pub fn world_clock(&self) -> WorldClock {
        self.records().filter(|record| !record.version().forgotten).map(Record::clock).collect()
    }

    /// The sum over all records of a hash of member, version and digest. Equal states have equal
    /// ones; different states different ones, but for an accident of about 1 in 2^64. Kept up to
    /// date by every change, so asking costs nothing.
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

    /// Takes from `other` every record that is greater than the one held here. Costs what the two
    /// do not share, or a search for each record of `other` if these are few.
    ///
    /// # Errors
    /// [`WrongGroup`] if `other` is of another group.
    pub fn merge(&mut self, other: &GroupState) -> Result<MergeOutcome, WrongGroup> {
        self.merge_except(other, None)
    }

    /// As [`merge`](GroupState::merge), leaving out the records of `own`.
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
            let stamp = theirs.record.version_digest();
            match mine.map(|mine| mine.record.version_digest()) {
                Some(mine) if !supersedes(stamp, mine) => {
                    if supersedes(mine, stamp) {
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
            // A delta shares nothing with a state, so walking both would cost the state: its
            // records are looked up one by one.
            other.records.iter().for_each(|theirs| compare(self.records.get(theirs.member), Some(theirs)));
        } else {
            self.records.each_difference(&other.records, compare);
        }
        for record in taken {
            self.merge_record(record);
        }
        Ok(merged)
    }

    /// Applies an increment of another member, or says why it was not.
    pub fn apply(&mut self, increment: &Increment) -> ApplyOutcome {
        let member = increment.member();
        if planted(Bug::IncrementMerged) {
            let stamp = increment.version_digest();
            let items = increment.items();
            let whole = Record::from_parts(member, stamp.version, increment.predecessor(), 0, items);
            return whole.map_or(ApplyOutcome::DoesNotFit, |whole| {
                self.merge_record(Arc::new(whole));
                ApplyOutcome::Applied
            });
        }
        let Some(record) = self.record(member) else { return ApplyOutcome::DoesNotFit };
        let news = match record.new_items(increment) {
            Ok(news) => news,
            Err(why_not) => return why_not,
        };
        self.edit_record(member, |record, edit| match record.apply(increment, &news) {
            Ok(replaced) => {
                replaced.into_iter().for_each(|(old, new)| edit.replaced(old, new));
                ApplyOutcome::Applied
            }
            Err(why_not) => why_not,
        })
    }

    /// A delta: the records of those members of which there is one here. It shares them.
    pub fn records_for(&self, members: impl IntoIterator<Item = NetId>) -> GroupState {
        let mut delta = GroupState::new(self.name.clone());
        for entry in members.into_iter().filter_map(|member| self.records.get(member)) {
            delta.put_record(Arc::clone(&entry.record));
        }
        delta
    }

    /// Takes the record, if it is greater than the one held here.
    fn merge_record(&mut self, record: Arc<Record>) {
        match self.record(record.member()) {
            Some(mine) if !supersedes(record.version_digest(), mine.version_digest()) => {}
            mine => {
                let planted_record = planted_merge(mine, &record);
                self.put_record(planted_record.map_or(record, Arc::new));
            }
        }
    }

    /// Puts the record in the place of its member's, whatever was there. Every whole record comes
    /// in here.
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

    /// Drops the records of those members. Made anew without them, which is linear: it is rare, and
    /// no number in the index is used twice.
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

    /// Changes the member's record, of which there must be one, in place. Every other change comes
    /// in here, and reports each slot that it puts to the `Edit` that it is handed.
    pub(crate) fn edit_record<R>(
        &mut self,
        member: NetId,
        change: impl FnOnce(&mut Record, &mut RecordEdit<'_>) -> R,
    ) -> R {
        let entry = self.records.get_mut(member).expect("only a known record is edited");
        let followers = self.indexes.as_mut().map(|all| (&mut all.index, &mut all.buckets));
        let (index, buckets) = followers.unzip();
        let mut edit = RecordEdit { number: entry.number, index };
        let record = Arc::make_mut(&mut entry.record);
        let seed = hash::member_hash(member);
        let (share, live) = (record.record_hash(seed), record.live_count);
        let result = change(record, &mut edit);
        let (new_share, new_live) = (record.record_hash(seed), record.live_count);
        if !planted(Bug::FingerprintStale) {
            self.fingerprint = self.fingerprint.wrapping_sub(share).wrapping_add(new_share);
        }
        if let Some(buckets) = buckets.filter(|_| new_share != share && !planted(Bug::BucketsMissIncrements))
        {
            buckets.set((hash::hash_position_of(seed), member), Some(share), new_share);
        }
        self.live_items = self.live_items - live + new_live;
        self.members = self.members + usize::from(new_live > 0) - usize::from(live > 0);
        result
    }

    /// The same state with an index and its buckets. Linear.
    pub(crate) fn indexed(mut self) -> GroupState {
        let index = Index::build(self.records.iter().map(|entry| (entry.member, &entry.record.items)));
        let seated = |(number, entry): (MemberNumber, &RecordEntry)| RecordEntry { number, ..entry.clone() };
        let records: Vec<RecordEntry> = (0..).zip(self.records.iter()).map(seated).collect();
        self.records = Tree::from_sorted(&records);
        let share =
            |entry: &RecordEntry| (entry.member, entry.record.record_hash(hash::member_hash(entry.member)));
        self.indexes = Some(Indexes { index, buckets: Buckets::build(self.records.iter().map(share)) });
        self
    }

    /// The same state without what a [`View`](crate::View) adds to it: for whoever keeps it to
    /// compare with. Constant in time.
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

    /// Returns what the record adds to the fingerprint. `seed` is H0 of the member.
    fn add_to_totals(&mut self, record: &Record, seed: u64) -> u128 {
        let share = record.record_hash(seed);
        self.fingerprint = self.fingerprint.wrapping_add(share);
        self.live_items += record.live_count;
        self.members += usize::from(record.is_member());
        share
    }

    /// Returns what the record added to the fingerprint.
    fn subtract_from_totals(&mut self, record: &Record, seed: u64) -> u128 {
        let share = record.record_hash(seed);
        self.fingerprint = self.fingerprint.wrapping_sub(share);
        self.live_items -= record.live_count;
        self.members -= usize::from(record.is_member());
        share
    }
}

/// Equality is that of the state: the group, and the version and the live items of every record,
/// with their stamps. What is kept of removals and floors is not part of it.
impl PartialEq for GroupState {
    fn eq(&self, other: &GroupState) -> bool {
        self.name == other.name
            && self.records().len() == other.records().len()
            && self.records().zip(other.records()).all(|(mine, theirs)| {
                mine.member() == theirs.member()
                    && mine.version() == theirs.version()
                    && mine.live_items().eq(theirs.live_items())
            })
    }
}

impl Eq for GroupState {}

impl core::fmt::Debug for GroupState {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("GroupState")
            .field("name", &self.name)
            .field("records", &self.records().collect::<Vec<_>>())
            .finish_non_exhaustive()
    }
}

/// A message with fewer records than one in so many of those here is taken record by record.
const SMALL_DELTA: usize = 16;

/// Whether a record of that stamp wins over one of the other: (incarnation, gone, clock, digest).
fn supersedes(theirs: VersionDigest, mine: VersionDigest) -> bool {
    let blind = |stamp: VersionDigest| Version { forgotten: false, ..stamp.version };
    if planted(Bug::ForgetAsFilter) {
        return blind(theirs) > blind(mine);
    }
    if planted(Bug::DigestNotCompared) {
        return theirs.version > mine.version;
    }
    theirs > mine
}

/// What a planted bug makes of a record that wins.
fn planted_merge(mine: Option<&Record>, theirs: &Record) -> Option<Record> {
    if planted(Bug::FloorNotCarried) {
        let mut record = theirs.clone();
        record.floor = mine.map_or(0, Record::floor);
        return Some(record);
    }
    let mine = mine.filter(|_| planted(Bug::ItemsMerged))?;
    let (seed, mut record) = (hash::member_hash(theirs.member()), theirs.clone());
    for packed in mine.items.iter() {
        if theirs.items.get(packed.key()).is_none_or(|own| own.stamp() < packed.stamp()) {
            record.put(seed, *packed);
        }
    }
    Some(record)
}
