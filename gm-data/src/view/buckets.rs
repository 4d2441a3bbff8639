//! What anti-entropy asks a state: its buckets, and the records in them. Knows nothing of what is
//! sent.

use core::array;

use crate::buckets::{Bucket, Buckets};
use crate::{Record, View};

impl View {
    /// How many records are in a bucket, and their fingerprint. Logarithmic.
    ///
    /// Buckets are those of the page on hashes in `hash.rs`: level 0 has one, with all records,
    /// whose fingerprint is the low 64 bits of [`fingerprint`](crate::GroupState::fingerprint);
    /// level `l`, up to 16, has 16^`l`. One that is not there is empty.
    pub fn bucket(&self, level: u8, index: u64) -> Bucket {
        self.buckets().bucket(level, index)
    }

    /// The sixteen buckets of the next level that make up a bucket, in the order of their indexes,
    /// from 16 `index` on. Those of a bucket that is not there, or is of the last level, are empty.
    pub fn bucket_children(&self, level: u8, index: u64) -> [Bucket; 16] {
        let Some(first) = index.checked_mul(16) else { return [Bucket::default(); 16] };
        let mut child = first..;
        array::from_fn(|_| {
            child.next().map_or_else(Bucket::default, |child| self.bucket(level.saturating_add(1), child))
        })
    }

    /// The records of a bucket, in the order of their members' places; those of one place in that
    /// of the members. Costs a search for each.
    pub fn bucket_records(&self, level: u8, index: u64) -> impl Iterator<Item = &Record> + '_ {
        self.buckets().members(level, index).filter_map(|member| self.record(member))
    }

    /// The first record whose member's place is `place` or after it, going round at the end; `None`
    /// if there are no records. With a number of chance: a member of chance, nearly evenly.
    /// Logarithmic.
    pub fn record_from_position(&self, position: u64) -> Option<&Record> {
        self.record(self.buckets().first_member_from(position)?)
    }

    fn buckets(&self) -> &Buckets {
        self.state.buckets().expect("the message of a view is indexed")
    }
}
