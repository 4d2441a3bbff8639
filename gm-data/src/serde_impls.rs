//! Serde implementations of this crate's types, for any serde format. Deserialization validates
//! everything that it reads.
//!
//! Ranges, names and ops are texts, in binary formats too; all other types are structures of named
//! fields. Values that a constructor would refuse are refused, and so are unknown fields. A
//! [`Change`](crate::Change) needs a self-describing format.

mod changes;
mod records;

use alloc::string::String;
use core::fmt;
use core::marker::PhantomData;
use core::str::FromStr;

use gm_clock::{ClockError, Incarnation, NetId};
use serde::de::{Error, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::{
    GroupEvent, GroupName, Item, ItemError, KeyRange, Op, Predecessor, StampedItem, Version, VersionDigest,
};

/// Visitor for types that are serialized as text.
struct Text<T>(&'static str, PhantomData<T>);

impl<T: FromStr<Err: fmt::Display>> Visitor<'_> for Text<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<T, E> {
        text.parse().map_err(E::custom)
    }
}

/// Serialized as `0x00000000-0xffffffff`.
impl Serialize for KeyRange {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// Deserialized from any text that [`KeyRange`] parses.
impl<'de> Deserialize<'de> for KeyRange {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<KeyRange, D::Error> {
        deserializer.deserialize_str(Text("START-END or one KEY, as text", PhantomData))
    }
}

/// Serialized as text.
impl Serialize for GroupName {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for GroupName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<GroupName, D::Error> {
        deserializer.deserialize_str(Text("the name of a group", PhantomData))
    }
}

/// Serialized as `add`, `rmv` or `get`.
impl Serialize for Op {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Op {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Op, D::Error> {
        const WORDS: &[&str] = &["add", "rmv", "get"];
        let word = String::deserialize(deserializer)?;
        let op = [Op::Add, Op::Rmv, Op::Get].into_iter().zip(WORDS).find(|(_, known)| **known == word);
        op.map(|(op, _)| op).ok_or_else(|| D::Error::unknown_variant(&word, WORDS))
    }
}

/// The fields of an [`Item`] before they are checked.
#[derive(Serialize, Deserialize)]
#[serde(rename = "Item", deny_unknown_fields)]
struct ItemParts {
    member: NetId,
    range: KeyRange,
    op: Op,
    port: u16,
    priority: u16,
}

impl From<&Item> for ItemParts {
    fn from(item: &Item) -> ItemParts {
        let (member, range, op) = (item.member(), item.range(), item.op());
        ItemParts { member, range, op, port: item.port(), priority: item.priority() }
    }
}

impl TryFrom<ItemParts> for Item {
    type Error = ItemError;

    fn try_from(parts: ItemParts) -> Result<Item, ItemError> {
        let ItemParts { member, range, op, port, priority } = parts;
        Item::new(member, range, op, port, priority)
    }
}

/// Serialized as a structure of five fields.
impl Serialize for Item {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        ItemParts::from(self).serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Item {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Item, D::Error> {
        ItemParts::deserialize(deserializer)?.try_into().map_err(D::Error::custom)
    }
}

/// The fields of a [`StampedItem`] before they are checked: those of the item, and the stamp. Not
/// nested, and without serde's flattening, which accepts unknown fields and needs a self-describing
/// format.
#[derive(Serialize, Deserialize)]
#[serde(rename = "StampedItem", deny_unknown_fields)]
struct StampedItemParts {
    member: NetId,
    range: KeyRange,
    op: Op,
    port: u16,
    priority: u16,
    time: u64,
}

/// Serialized as a structure of six fields.
impl Serialize for StampedItem {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let ItemParts { member, range, op, port, priority } = ItemParts::from(&self.item);
        StampedItemParts { member, range, op, port, priority, time: self.stamp }.serialize(serializer)
    }
}

/// The stamp is checked too: it must not be above the ceiling of clocks.
impl<'de> Deserialize<'de> for StampedItem {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<StampedItem, D::Error> {
        let StampedItemParts { member, range, op, port, priority, time } =
            StampedItemParts::deserialize(deserializer)?;
        let item = Item::new(member, range, op, port, priority).map_err(D::Error::custom)?;
        clock(time).map_err(D::Error::custom)?;
        Ok(StampedItem { item, stamp: time })
    }
}

/// The fields of a [`Version`] before its clock is checked.
#[derive(Serialize, Deserialize)]
#[serde(rename = "Version", deny_unknown_fields)]
struct VersionParts {
    incarnation: Incarnation,
    gone: bool,
    clock: u64,
}

/// Serialized as a structure of three fields.
impl Serialize for Version {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Version { incarnation, forgotten: gone, clock } = *self;
        VersionParts { incarnation, gone, clock }.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Version {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Version, D::Error> {
        let VersionParts { incarnation, gone, clock } = VersionParts::deserialize(deserializer)?;
        Version::new(incarnation, gone, clock).map_err(D::Error::custom)
    }
}

/// The fields of a [`Predecessor`] before its clock is checked.
#[derive(Serialize, Deserialize)]
#[serde(rename = "Predecessor", deny_unknown_fields)]
struct PredecessorParts {
    incarnation: Incarnation,
    clock: u64,
}

/// Serialized as a structure of two fields.
impl Serialize for Predecessor {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Predecessor { incarnation, clock } = *self;
        PredecessorParts { incarnation, clock }.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Predecessor {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Predecessor, D::Error> {
        let PredecessorParts { incarnation, clock: time } = PredecessorParts::deserialize(deserializer)?;
        clock(time).map_err(D::Error::custom)?;
        Ok(Predecessor { incarnation, clock: time })
    }
}

/// The fields of a [`VersionDigest`]. Every number is a valid digest.
#[derive(Serialize, Deserialize)]
#[serde(rename = "VersionDigest", deny_unknown_fields)]
struct VersionDigestParts {
    version: Version,
    digest: u64,
}

/// Serialized as a structure of two fields.
impl Serialize for VersionDigest {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let VersionDigest { version, digest } = *self;
        VersionDigestParts { version, digest }.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for VersionDigest {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<VersionDigest, D::Error> {
        let VersionDigestParts { version, digest } = VersionDigestParts::deserialize(deserializer)?;
        Ok(VersionDigest { version, digest })
    }
}

/// A [`GroupEvent`] by its name: `joined`, `range_added`, `range_changed`, `range_removed` or
/// `left`.
#[derive(Serialize, Deserialize)]
#[serde(rename = "Event", rename_all = "snake_case", deny_unknown_fields)]
enum EventParts {
    Joined(NetId),
    RangeAdded(Item),
    RangeChanged { from: Item, to: Item },
    RangeRemoved(Item),
    Left(NetId),
}

/// Serialized as the event's name with its content: `{"joined": "10.0.0.1:29999"}`.
impl Serialize for GroupEvent {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match *self {
            GroupEvent::Joined(member) => EventParts::Joined(member),
            GroupEvent::RangeAdded(item) => EventParts::RangeAdded(item),
            GroupEvent::RangeChanged { from, to } => EventParts::RangeChanged { from, to },
            GroupEvent::RangeRemoved(item) => EventParts::RangeRemoved(item),
            GroupEvent::Left(member) => EventParts::Left(member),
        }
        .serialize(serializer)
    }
}

/// The two items of a changed range must be live, different, and of one member and one range.
impl<'de> Deserialize<'de> for GroupEvent {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<GroupEvent, D::Error> {
        let event = match EventParts::deserialize(deserializer)? {
            EventParts::Joined(member) => GroupEvent::Joined(member),
            EventParts::RangeAdded(item) => GroupEvent::RangeAdded(item),
            EventParts::RangeChanged { from, to } => GroupEvent::RangeChanged { from, to },
            EventParts::RangeRemoved(item) => GroupEvent::RangeRemoved(item),
            EventParts::Left(member) => GroupEvent::Left(member),
        };
        let is_sound = match event {
            GroupEvent::RangeChanged { from, to } => {
                let is_live = from.op().is_live() && to.op().is_live();
                from != to && is_live && (from.member(), from.range()) == (to.member(), to.range())
            }
            GroupEvent::RangeAdded(item) | GroupEvent::RangeRemoved(item) => item.op().is_live(),
            GroupEvent::Joined(_) | GroupEvent::Left(_) => true,
        };
        if !is_sound {
            return Err(D::Error::custom("the items of the event are not live, or not of one range"));
        }
        Ok(event)
    }
}

/// Checks that the number is a valid clock.
fn clock(time: u64) -> Result<(), ClockError> {
    Version::new(Incarnation::ORIGINAL, false, time).map(drop)
}
