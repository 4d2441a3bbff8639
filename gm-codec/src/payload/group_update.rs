//! Updates of one group (tag 1): records, increments and evictions.

use gm_clock::{CEILING, NetId};
use gm_data::{Eviction, GroupName, Increment, Record};

use super::reader::Reader;
use super::table::Table;
use super::table_refs::{DeltaCoder, TableRefs};
use super::trace::Trace;
use super::{PayloadError, check, member_update, names};
use crate::Limits;
use crate::varint;

/// Records, increments and evictions of one group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupUpdate {
    /// The name of the group.
    pub name: GroupName,
    /// The updates, sorted by member, at most one for each.
    pub updates: Vec<MemberUpdate>,
}

/// The update of one member.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MemberUpdate {
    /// A whole record.
    Record(Record),
    /// The changes of a record since a version.
    Increment(Increment),
    /// Versions of the member's record that every receiver must drop.
    Eviction(Eviction),
}

impl MemberUpdate {
    /// The member that the update is about.
    pub const fn member(&self) -> NetId {
        match self {
            MemberUpdate::Record(record) => record.member(),
            MemberUpdate::Increment(increment) => increment.member(),
            MemberUpdate::Eviction(eviction) => eviction.member,
        }
    }
}

/// Minimum length of an update in bytes: distance, kind, incarnation, clock, floor.
const MIN_UPDATE_BYTES: usize = 5;

impl GroupUpdate {
    pub(super) fn check(&self, limits: &Limits) -> Result<(), PayloadError> {
        check::sorted("updates", &self.updates, |after, before| after.member() > before.member())?;
        check::at_most("updates", self.updates.len(), limits.nodes)?;
        for update in &self.updates {
            if let MemberUpdate::Eviction(Eviction { least, greatest, .. }) = update {
                check::in_range("clock", least.clock <= CEILING && greatest.clock <= CEILING)?;
                check::in_range("least", least <= greatest)?;
            }
        }
        check::at_most("items", self.updates.iter().map(member_update::item_count).sum(), limits.items)
    }

    pub(super) fn encode(&self, table: &Table, out: &mut Vec<u8>) {
        names::encode_text(self.name.as_str(), out);
        varint::write(self.updates.len() as u64, out);
        let mut distances = DeltaCoder::default();
        for update in &self.updates {
            member_update::encode(update, distances.encode(table.position(update.member())), out);
        }
    }

    pub(super) fn decode<T: Trace>(
        reader: &mut Reader<'_, T>,
        refs: &mut TableRefs<'_>,
        limits: &Limits,
    ) -> Result<GroupUpdate, PayloadError> {
        let name = names::decode_group_name(reader, "name")?;
        let count = reader.count("updates", limits.nodes)?;
        let mut updates = Vec::with_capacity(reader.capacity_for(count, MIN_UPDATE_BYTES));
        let (mut distances, mut items) = (DeltaCoder::default(), limits.items);
        for _ in 0..count {
            updates.push(member_update::decode(reader, refs, &mut distances, &mut items, limits.items)?);
        }
        Ok(GroupUpdate { name, updates })
    }
}
