//! Records, increments and evictions of one group. Knows nothing of what is inside them.

use gm_clock::{CEILING, NetId};
use gm_data::{Eviction, GroupName, Increment, Record};

use super::read::Reader;
use super::refs::{Distances, Refs};
use super::table::Table;
use super::trace::Trace;
use super::{PayloadError, check, names, parts};
use crate::Limits;
use crate::varint;

/// Records, increments and evictions of one group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// The group.
    pub name: GroupName,
    /// In the order of the members, each member once.
    pub parts: Vec<Part>,
}

/// What is said of one member.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Part {
    /// The whole record.
    Record(Record),
    /// What was written since a version.
    Increment(Increment),
    /// Versions of its record that everybody is to drop.
    Eviction(Eviction),
}

impl Part {
    /// Of whom it is.
    pub const fn member(&self) -> NetId {
        match self {
            Part::Record(record) => record.member(),
            Part::Increment(increment) => increment.member(),
            Part::Eviction(eviction) => eviction.member,
        }
    }
}

impl Group {
    pub(super) fn check(&self, limits: &Limits) -> Result<(), PayloadError> {
        check::sorted("parts", &self.parts, |after, before| after.member() > before.member())?;
        check::at_most("parts", self.parts.len(), limits.nodes)?;
        for part in &self.parts {
            if let Part::Eviction(Eviction { least, greatest, .. }) = part {
                check::in_range("clock", least.clock <= CEILING && greatest.clock <= CEILING)?;
                check::in_range("least", least <= greatest)?;
            }
        }
        check::at_most("items", self.parts.iter().map(parts::items).sum(), limits.items)
    }

    pub(super) fn encode(&self, table: &Table, out: &mut Vec<u8>) {
        names::put(self.name.as_str(), out);
        varint::write(self.parts.len() as u64, out);
        let mut distances = Distances::default();
        for part in &self.parts {
            parts::encode(part, distances.to(table.position(part.member())), out);
        }
    }

    pub(super) fn decode<T: Trace>(
        reader: &mut Reader<'_, T>,
        refs: &mut Refs<'_>,
        limits: &Limits,
    ) -> Result<Group, PayloadError> {
        let name = names::group(reader, "name")?;
        let count = reader.count("parts", limits.nodes)?;
        let mut parts = Vec::new();
        let (mut distances, mut items) = (Distances::default(), limits.items);
        for _ in 0..count {
            parts.push(parts::decode(reader, refs, &mut distances, &mut items, limits.items)?);
        }
        Ok(Group { name, parts })
    }
}
