//! Hashes of buckets of members within a group (tag 10): inner nodes of a Merkle tree
//! (Merkle 1987).

use gm_data::GroupName;

use super::reader::Reader;
use super::table_refs::DeltaCoder;
use super::trace::Trace;
use super::{PayloadError, check, names};
use crate::Limits;
use crate::varint;

/// The hashes of the children of some buckets of a group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Buckets {
    /// The name of the group.
    pub name: GroupName,
    /// Level of the parents, 0 to 15; a level has 16^level buckets.
    pub level: u8,
    /// The parent buckets, at least one, sorted by index, without duplicates.
    pub parents: Vec<ParentBucket>,
}

/// A bucket and its 16 children.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParentBucket {
    /// Index of the bucket in its level, below 16^level.
    pub index: u64,
    /// Fingerprint of each child, from child 0; `None` for a child without members.
    pub children: [Option<u64>; CHILDREN],
}

/// Number of children of a bucket.
const CHILDREN: usize = 16;
/// The lowest level whose buckets have children.
const MAX_LEVEL: u8 = 15;
/// Minimum length of a parent in bytes: distance and mask.
const MIN_PARENT_BYTES: usize = 3;

impl Buckets {
    pub(super) fn check(&self, limits: &Limits) -> Result<(), PayloadError> {
        check_level(self.level)?;
        check::not_empty("parents", self.parents.len())?;
        check::at_most("parents", self.parents.len(), limits.nodes)?;
        check::sorted("parents", &self.parents, |after, before| after.index > before.index)?;
        check::in_range("index", self.parents.iter().all(|parent| has_index(self.level, parent.index)))
    }

    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        names::encode_text(self.name.as_str(), out);
        out.push(self.level);
        varint::write(self.parents.len() as u64, out);
        let mut distances = DeltaCoder::default();
        for parent in &self.parents {
            varint::write(distances.encode(parent.index), out);
            let mask = |mask: u16, child: usize| mask | u16::from(parent.children[child].is_some()) << child;
            out.extend_from_slice(&(0..CHILDREN).fold(0, mask).to_be_bytes());
            for fingerprint in parent.children.iter().flatten() {
                out.extend_from_slice(&fingerprint.to_be_bytes());
            }
        }
    }

    pub(super) fn decode<T: Trace>(
        reader: &mut Reader<'_, T>,
        limits: &Limits,
    ) -> Result<Buckets, PayloadError> {
        let name = names::decode_group_name(reader, "name")?;
        let level = decode_level(reader)?;
        let count = reader.nonzero_count("parents", limits.nodes)?;
        let mut parents = Vec::with_capacity(reader.capacity_for(count, MIN_PARENT_BYTES));
        let mut distances = DeltaCoder::default();
        for _ in 0..count {
            let index = decode_index(reader, level, &mut distances)?;
            let mask = u16::from_be_bytes(reader.array("mask")?);
            let mut children = [None; CHILDREN];
            for (child, fingerprint) in children.iter_mut().enumerate() {
                if mask >> child & 1 == 1 {
                    *fingerprint = Some(u64::from_be_bytes(reader.array("child")?));
                }
            }
            parents.push(ParentBucket { index, children });
        }
        Ok(Buckets { name, level, parents })
    }
}

/// Whether a level has a bucket with this index. A distance beyond 64 bits saturates and never
/// leads to a valid index, because the lowest level has only 2^60.
const fn has_index(level: u8, index: u64) -> bool {
    index >> (4 * level) == 0
}

/// Refuses a level whose buckets have no children.
pub(super) const fn check_level(level: u8) -> Result<(), PayloadError> {
    check::in_range("level", level <= MAX_LEVEL)
}

/// Refuses indexes that are unsorted or outside of the level.
pub(super) fn check_indexes(level: u8, indexes: &[u64]) -> Result<(), PayloadError> {
    check_level(level)?;
    check::sorted("buckets", indexes, |after, before| after > before)?;
    check::in_range("index", indexes.iter().all(|index| has_index(level, *index)))
}

pub(super) fn decode_level<T: Trace>(reader: &mut Reader<'_, T>) -> Result<u8, PayloadError> {
    let level = reader.byte("level")?;
    if level > MAX_LEVEL { Err(reader.out_of_range("level")) } else { Ok(level) }
}

/// Decodes the next index.
pub(super) fn decode_index<T: Trace>(
    reader: &mut Reader<'_, T>,
    level: u8,
    distances: &mut DeltaCoder,
) -> Result<u64, PayloadError> {
    let distance = reader.varint_as("index", |distance| distances.peek(distance).to_string())?;
    let index = distances.decode(distance);
    if has_index(level, index) { Ok(index) } else { Err(reader.out_of_range("index")) }
}
