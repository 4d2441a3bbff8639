//! Serde implementations of records, group states and increments. Deserialized values pass the same
//! checks as values from the wire.

use alloc::vec::Vec;

use gm_clock::{Incarnation, NetId};
use serde::de::Error;
use serde::ser::SerializeStruct;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::{GroupName, GroupState, Increment, Predecessor, Record, StampedItem, Version, VersionDigest};

/// Serializes a sequence without collecting it first.
struct List<F>(F);

impl<I, F> Serialize for List<F>
where
    I: Iterator<Item: Serialize>,
    F: Fn() -> I,
{
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq((self.0)())
    }
}

/// Serialized as a structure of its parts, including kept removals. The digest is left out, because
/// it is computed from them.
impl Serialize for Record {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut parts = serializer.serialize_struct("Record", 5)?;
        parts.serialize_field("member", &self.member())?;
        parts.serialize_field("version", &self.version())?;
        parts.serialize_field("opened", &self.predecessor())?;
        parts.serialize_field("floor", &self.floor())?;
        parts.serialize_field("items", &List(|| self.stamped_items()))?;
        parts.end()
    }
}

/// Deserialized through [`Record::from_parts`].
impl<'de> Deserialize<'de> for Record {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Record, D::Error> {
        #[derive(Deserialize)]
        #[serde(rename = "Record", deny_unknown_fields)]
        struct Parts {
            member: NetId,
            version: Version,
            opened: Option<Predecessor>,
            floor: u64,
            items: Vec<StampedItem>,
        }

        let Parts { member, version, opened, floor, items } = Parts::deserialize(deserializer)?;
        Record::from_parts(member, version, opened, floor, items).map_err(D::Error::custom)
    }
}

/// Serialized as the name and the list of records.
impl Serialize for GroupState {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut parts = serializer.serialize_struct("GroupState", 2)?;
        parts.serialize_field("name", self.name())?;
        parts.serialize_field("records", &List(|| self.records()))?;
        parts.end()
    }
}

/// Deserialized from records in any order. Two records of one member are refused, because it is
/// unclear which one is meant.
impl<'de> Deserialize<'de> for GroupState {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<GroupState, D::Error> {
        #[derive(Deserialize)]
        #[serde(rename = "GroupState", deny_unknown_fields)]
        struct Parts {
            name: GroupName,
            records: Vec<Record>,
        }

        let Parts { name, mut records } = Parts::deserialize(deserializer)?;
        records.sort_by_key(Record::member);
        if let Some(twice) = records.windows(2).find(|pair| pair[0].member() == pair[1].member()) {
            return Err(D::Error::custom(format_args!("two records of {}", twice[0].member())));
        }
        Ok(GroupState::from_records(name, records))
    }
}

/// Serialized as a structure of its parts.
impl Serialize for Increment {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let (VersionDigest { version, digest }, (since, upto)) = (self.version_digest(), self.span());
        let mut parts = serializer.serialize_struct("Increment", 7)?;
        parts.serialize_field("member", &self.member())?;
        parts.serialize_field("incarnation", &version.incarnation)?;
        parts.serialize_field("opened", &self.predecessor())?;
        parts.serialize_field("since", &since)?;
        parts.serialize_field("upto", &upto)?;
        parts.serialize_field("digest", &digest)?;
        parts.serialize_field("items", &List(|| self.items()))?;
        parts.end()
    }
}

/// Deserialized through [`Increment::from_parts`].
impl<'de> Deserialize<'de> for Increment {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Increment, D::Error> {
        #[derive(Deserialize)]
        #[serde(rename = "Increment", deny_unknown_fields)]
        struct Parts {
            member: NetId,
            incarnation: Incarnation,
            opened: Option<Predecessor>,
            since: u64,
            upto: u64,
            digest: u64,
            items: Vec<StampedItem>,
        }

        let Parts { member, incarnation, opened, since, upto, digest, items } =
            Parts::deserialize(deserializer)?;
        Increment::from_parts(member, incarnation, opened, (since, upto), digest, items)
            .map_err(D::Error::custom)
    }
}
