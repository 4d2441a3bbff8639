//! Records, increments and evictions of one group. Knows nothing of what is inside them.

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
    /// The group.
    pub name: GroupName,
    /// In the order of the members, each member once.
    pub updates: Vec<MemberUpdate>,
}

/// What is said of one member.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MemberUpdate {
    /// The whole record.
    Record(Record),
    /// What was written since a version.
    Increment(Increment),
    /// Versions of its record that everybody is to drop.
    Eviction(Eviction),
}

impl MemberUpdate {
    /// Of whom it is.
    pub const fn member(&self) -> NetId {
        match self {
            MemberUpdate::Record(record) => record.member(),
            MemberUpdate::Increment(increment) => increment.member(),
            MemberUpdate::Eviction(eviction) => eviction.member,
        }
    }
}

impl GroupUpdate {
    pub(super) fn check(&self, limits: &Limits) -> Result<(), PayloadError> {
        check::sorted("parts", &self.updates, |after, before| after.member() > before.member())?;
        check::at_most("parts", self.updates.len(), limits.nodes)?;
        for part in &self.updates {
            if let MemberUpdate::Eviction(Eviction { least, greatest, .. }) = part {
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
        for part in &self.updates {
            member_update::encode(part, distances.encode(table.position(part.member())), out);
        }
    }

    pub(super) fn decode<T: Trace>(
        reader: &mut Reader<'_, T>,
        refs: &mut TableRefs<'_>,
        limits: &Limits,
    ) -> Result<GroupUpdate, PayloadError> {
        let name = names::decode_group_name(reader, "name")?;
        let count = reader.count("parts", limits.nodes)?;
        let mut updates = Vec::new();
        let (mut distances, mut items) = (DeltaCoder::default(), limits.items);
        for _ in 0..count {
            updates.push(member_update::decode(reader, refs, &mut distances, &mut items, limits.items)?);
        }
        Ok(GroupUpdate { name, updates })
    }
}
