//! Queries of anti-entropy (Demers et al. 1987) for a state: its buckets and the records in them.

use core::array;

use crate::buckets::{Bucket, Buckets};
use crate::{Record, View};

impl View {
    /// Number and fingerprint of the records in a bucket. Logarithmic.
    ///
    /// `hash.rs` specifies the buckets. Level 0 has one bucket with all records, whose fingerprint
    /// is the low 64 bits of [`fingerprint`](crate::GroupState::fingerprint). Level `l`, up to 16,
    /// has 16^`l` buckets. A bucket that does not exist is empty.
    pub fn bucket(&self, level: u8, index: u64) -> Bucket {
        self.buckets().bucket(level, index)
    }

    /// The sixteen children of a bucket on the next level, in the order of their indexes, from 16
    /// `index` on. They are empty if the bucket does not exist or is on the last level.
    pub fn bucket_children(&self, level: u8, index: u64) -> [Bucket; 16] {
        let Some(first) = index.checked_mul(16) else { return [Bucket::default(); 16] };
        let mut child = first..;
        array::from_fn(|_| {
            child.next().map_or_else(Bucket::default, |child| self.bucket(level.saturating_add(1), child))
        })
    }

    /// The records of a bucket by the hash positions of their members, then by member. Each costs a
    /// search.
    pub fn bucket_records(&self, level: u8, index: u64) -> impl Iterator<Item = &Record> + '_ {
        self.buckets().members(level, index).filter_map(|member| self.record(member))
    }

    /// The first record whose member's hash position is at or after `position`, wrapping around at
    /// the end; `None` if there are no records. With a random position, this selects a member at
    /// random, nearly uniformly. Logarithmic.
    pub fn record_from_position(&self, position: u64) -> Option<&Record> {
        self.record(self.buckets().first_member_from(position)?)
    }

    fn buckets(&self) -> &Buckets {
        self.state.buckets().expect("the state of a view is indexed")
    }
}
