//! Reading and writing the types in any serde format. Knows nothing of the wire's own format;
//! trusts nothing that it reads.
//!
//! Ranges, names and ops are texts, in binary formats too; everything else is a structure of its
//! named parts. What could not be built is not read, and neither is a part that nobody knows.

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

/// Reads what is written as a text.
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

/// As `0x00000000-0xffffffff`.
impl Serialize for KeyRange {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// From any text that [`KeyRange`] reads.
impl<'de> Deserialize<'de> for KeyRange {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<KeyRange, D::Error> {
        deserializer.deserialize_str(Text("START-END or one KEY, as text", PhantomData))
    }
}

/// As its text.
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

/// As `add`, `rmv` or `get`.
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

/// The parts of an [`Item`], before they are checked.
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

/// As a structure of its five parts.
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

/// The parts of a [`StampedItem`], before they are checked: those of the item, and the time. Not
/// nested, and not serde's flattening either, which lets unknown parts through and needs a format
/// that describes itself.
#[derive(Serialize, Deserialize)]
#[serde(rename = "StampedItem", deny_unknown_fields)]
struct TimedParts {
    member: NetId,
    range: KeyRange,
    op: Op,
    port: u16,
    priority: u16,
    time: u64,
}

/// As a structure of its six parts.
impl Serialize for StampedItem {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let ItemParts { member, range, op, port, priority } = ItemParts::from(&self.item);
        TimedParts { member, range, op, port, priority, time: self.stamp }.serialize(serializer)
    }
}

/// Its time is checked too: none is above the ceiling of clocks.
impl<'de> Deserialize<'de> for StampedItem {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<StampedItem, D::Error> {
        let TimedParts { member, range, op, port, priority, time } = TimedParts::deserialize(deserializer)?;
        let item = Item::new(member, range, op, port, priority).map_err(D::Error::custom)?;
        clock(time).map_err(D::Error::custom)?;
        Ok(StampedItem { item, stamp: time })
    }
}

/// The parts of a [`Version`], before its clock is checked.
#[derive(Serialize, Deserialize)]
#[serde(rename = "Version", deny_unknown_fields)]
struct VersionParts {
    incarnation: Incarnation,
    gone: bool,
    clock: u64,
}

/// As a structure of its three parts.
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

/// The parts of an [`Predecessor`], before its clock is checked.
#[derive(Serialize, Deserialize)]
#[serde(rename = "Predecessor", deny_unknown_fields)]
struct OpenedParts {
    incarnation: Incarnation,
    clock: u64,
}

/// As a structure of its two parts.
impl Serialize for Predecessor {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Predecessor { incarnation, clock } = *self;
        OpenedParts { incarnation, clock }.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Predecessor {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Predecessor, D::Error> {
        let OpenedParts { incarnation, clock: time } = OpenedParts::deserialize(deserializer)?;
        clock(time).map_err(D::Error::custom)?;
        Ok(Predecessor { incarnation, clock: time })
    }
}

/// The parts of a [`VersionDigest`]. Any number is a digest.
#[derive(Serialize, Deserialize)]
#[serde(rename = "VersionDigest", deny_unknown_fields)]
struct StampParts {
    version: Version,
    digest: u64,
}

/// As a structure of its two parts.
impl Serialize for VersionDigest {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let VersionDigest { version, digest } = *self;
        StampParts { version, digest }.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for VersionDigest {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<VersionDigest, D::Error> {
        let StampParts { version, digest } = StampParts::deserialize(deserializer)?;
        Ok(VersionDigest { version, digest })
    }
}

/// An [`Event`] by its name: `joined`, `range_added`, `range_changed`, `range_removed` or `left`.
#[derive(Serialize, Deserialize)]
#[serde(rename = "Event", rename_all = "snake_case", deny_unknown_fields)]
enum EventParts {
    Joined(NetId),
    RangeAdded(Item),
    RangeChanged { from: Item, to: Item },
    RangeRemoved(Item),
    Left(NetId),
}

/// As what happened, and to what: `{"joined": "10.0.0.1:29999"}`.
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

/// A change of a range must be one: of one member and one range, and not into what it was.
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

/// Whether the number can be a clock.
fn clock(time: u64) -> Result<(), ClockError> {
    Version::new(Incarnation::ORIGINAL, false, time).map(drop)
}
