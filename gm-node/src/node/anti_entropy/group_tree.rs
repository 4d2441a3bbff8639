//! Hash tree over the groups that two nodes share, as a Merkle tree: groups are put into buckets by
//! the hash of their names, with sixteen children each. Pure functions; `shared_groups.rs` sends
//! the messages.

use gm_codec::{GroupEntry, ParentBucket};
use gm_data::GroupName;

use crate::groups::is_reserved;

/// Maximum number of groups in a bucket that are listed instead of the fingerprints of its
/// children.
pub(super) const MAX_LISTED_GROUPS: usize = 16;
/// Number of children of a bucket.
const CHILDREN: u64 = 16;
const CHILDREN_OF_ONE: usize = 16;
/// The level at which a bucket has one position only.
pub(super) const DEEPEST_LEVEL: u8 = 8;

/// A group that is shared with another node, as far as is known here.
#[derive(Clone, Debug)]
pub(super) struct SharedGroup {
    pub(super) name_hash: u32,
    pub(super) name: GroupName,
    /// Its summand of the root.
    pub(super) fingerprint_part: u64,
}

/// Buckets of shared groups that a comparison lists completely: some children of one bucket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ListedBuckets {
    /// Level of the parent bucket.
    level: u8,
    index: u64,
    /// Bit i is set if child i is listed.
    children: u16,
}

impl ListedBuckets {
    /// The complete list of shared groups.
    pub(super) const ALL: ListedBuckets = ListedBuckets { level: 0, index: 0, children: u16::MAX };

    /// The encoding as a number, in place of a fingerprint.
    pub(super) fn to_number(self) -> u128 {
        u128::from(self.level) << 96 | u128::from(self.children) << 64 | u128::from(self.index)
    }

    fn from_number(number: u128) -> Option<ListedBuckets> {
        let level = u8::try_from(number >> 96).ok().filter(|level| *level < DEEPEST_LEVEL)?;
        let children = u16::try_from((number >> 64) & 0xffff_ffff).ok()?;
        let index = u64::try_from(number & u128::from(u64::MAX)).ok()?;
        Some(ListedBuckets { level, index, children })
    }

    /// Removes the listed buckets from the entries of a message.
    pub(super) fn take_from(groups: &mut Vec<(GroupName, GroupEntry)>) -> Option<ListedBuckets> {
        let place = groups.iter().position(|(name, _)| is_reserved(name))?;
        match groups.remove(place).1 {
            GroupEntry::Hosted(number) => ListedBuckets::from_number(number),
            GroupEntry::Contact(_) => None,
        }
    }

    pub(super) fn contains(self, place: u32) -> bool {
        let bucket = bucket_of(place, self.level + 1);
        bucket / CHILDREN == self.index && self.children >> (bucket % CHILDREN) & 1 == 1
    }
}

/// The bucket that contains a position at a level: its highest bits, four for each level.
fn bucket_of(place: u32, level: u8) -> u64 {
    u64::from(place) >> (4 * u32::from(DEEPEST_LEVEL - level))
}

/// The groups of a bucket; `all` is sorted by position.
fn bucket_groups(all: &[SharedGroup], level: u8, index: u64) -> &[SharedGroup] {
    let start = all.partition_point(|shared| bucket_of(shared.name_hash, level) < index);
    let end = all.partition_point(|shared| bucket_of(shared.name_hash, level) <= index);
    &all[start..end]
}

fn fingerprint(bucket: &[SharedGroup]) -> u64 {
    bucket.iter().fold(0, |sum, shared| sum.wrapping_add(shared.fingerprint_part))
}

/// A bucket with the fingerprints of its children.
pub(super) fn parent(all: &[SharedGroup], level: u8, index: u64) -> ParentBucket {
    let mut children = [None; CHILDREN_OF_ONE];
    for (child, at) in (0..).zip(&mut children) {
        let bucket = bucket_groups(all, level + 1, index * CHILDREN + child);
        *at = (!bucket.is_empty()).then(|| fingerprint(bucket));
    }
    ParentBucket { index, children }
}

/// Result of comparing buckets with another node's.
#[derive(Debug, Default)]
pub(super) struct BucketDiff<'a> {
    /// Buckets that differ and are small here, with their groups.
    pub(super) small: Vec<(ListedBuckets, Vec<&'a SharedGroup>)>,
    /// Groups that only this node takes to be shared.
    pub(super) only_ours: Vec<&'a SharedGroup>,
    /// Buckets that differ and are divided further.
    pub(super) parents: Vec<ParentBucket>,
}

/// Compares this node's buckets with those of another node.
pub(super) fn diff_buckets<'a>(
    mine: &'a [SharedGroup],
    level: u8,
    theirs: &[ParentBucket],
) -> BucketDiff<'a> {
    let mut found = BucketDiff::default();
    for parent_of in theirs {
        let mut listed = ListedBuckets { level, index: parent_of.index, children: 0 };
        let mut few = Vec::new();
        for (child, theirs) in (0..CHILDREN).zip(parent_of.children) {
            let index = parent_of.index * CHILDREN + child;
            let bucket = bucket_groups(mine, level + 1, index);
            match theirs {
                Some(theirs) if !bucket.is_empty() && theirs == fingerprint(bucket) => {}
                Some(_) if bucket.len() <= MAX_LISTED_GROUPS || level + 1 >= DEEPEST_LEVEL => {
                    listed.children |= 1 << child;
                    few.extend(bucket);
                }
                Some(_) => found.parents.push(parent(mine, level + 1, index)),
                None => found.only_ours.extend(bucket),
            }
        }
        if listed.children != 0 {
            found.small.push((listed, few));
        }
    }
    found
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::rendezvous::key;

    fn groups(numbers: std::ops::Range<u64>) -> Vec<SharedGroup> {
        let mut all: Vec<SharedGroup> = numbers
            .map(|number| {
                let name: GroupName = format!("group-{number:05}").parse().unwrap();
                SharedGroup {
                    name_hash: key(&name),
                    name,
                    fingerprint_part: number.wrapping_mul(0x9e37_79b9_7f4a_7c15),
                }
            })
            .collect();
        all.sort_unstable_by(|a, b| (a.name_hash, &a.name).cmp(&(b.name_hash, &b.name)));
        all
    }

    /// Runs the descent between two nodes. Returns the names that were listed by either, and the
    /// numbers of messages and of buckets in them.
    fn descend(one: &[SharedGroup], other: &[SharedGroup]) -> (Vec<GroupName>, usize, usize) {
        let (mut listed, mut messages, mut buckets) = (Vec::new(), 1, 16);
        let (mut turn, mut received) = (false, (0, vec![parent(one, 0, 0)]));
        while !received.1.is_empty() {
            turn = !turn;
            let (mine, theirs) = if turn { (other, one) } else { (one, other) };
            let found = diff_buckets(mine, received.0, &received.1);
            messages += found.small.len() + usize::from(!found.only_ours.is_empty());
            listed.extend(found.only_ours.iter().map(|shared| shared.name.clone()));
            for (what, few) in found.small {
                listed.extend(few.iter().map(|shared| shared.name.clone()));
                listed
                    .extend(theirs.iter().filter(|of| what.contains(of.name_hash)).map(|of| of.name.clone()));
            }
            messages += usize::from(!found.parents.is_empty());
            buckets += 16 * found.parents.len();
            received = (received.0 + 1, found.parents);
        }
        listed.sort_unstable();
        listed.dedup();
        (listed, messages, buckets)
    }

    #[test]
    fn one_difference_in_a_thousand_groups_costs_few_messages() {
        let mine = groups(0..1_000);
        assert_eq!(descend(&mine, &mine), (vec![], 1, 16));
        for different in [0, 17, 500, 999] {
            let mut theirs = groups(0..1_000);
            theirs[different].fingerprint_part ^= 1;
            let (listed, messages, buckets) = descend(&mine, &theirs);
            assert!(listed.contains(&theirs[different].name));
            assert!(
                listed.len() <= MAX_LISTED_GROUPS && messages <= 4 && buckets <= 48,
                "{listed:?}, {messages}"
            );
        }
    }

    #[test]
    fn a_group_shared_on_one_side_only_is_listed() {
        let (all, few) = (groups(0..600), groups(0..590));
        for (one, other) in [(&all, &few), (&few, &all)] {
            let (listed, _, _) = descend(one, other);
            assert!(groups(590..600).iter().all(|shared| listed.contains(&shared.name)));
            assert!(listed.len() < 200, "{}", listed.len());
        }
        let (listed, messages, _) = descend(&[], &all);
        assert_eq!((listed.len(), messages), (600, 2));
    }

    #[test]
    fn listed_buckets_survive_their_encoding() {
        let listed = ListedBuckets { level: 3, index: 0xabc, children: 0x8001 };
        assert_eq!(ListedBuckets::from_number(listed.to_number()), Some(listed));
        assert_eq!(ListedBuckets::from_number(ListedBuckets::ALL.to_number()), Some(ListedBuckets::ALL));
        assert_eq!(ListedBuckets::from_number(8 << 96), None);
        assert_eq!(ListedBuckets::from_number(u128::MAX), None);
        assert!(listed.contains(0xabc0_1234) && listed.contains(0xabcf_0000));
        assert!(!listed.contains(0xabc1_0000) && !listed.contains(0xabd0_0000));
    }

    #[test]
    fn a_hash_is_in_one_bucket_of_each_level() {
        assert_eq!(bucket_of(0xdead_beef, 0), 0);
        assert_eq!(bucket_of(0xdead_beef, 1), 0xd);
        assert_eq!(bucket_of(0xdead_beef, DEEPEST_LEVEL), 0xdead_beef);
    }
}
