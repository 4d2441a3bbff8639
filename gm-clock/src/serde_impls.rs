//! Serde implementations of this crate's types, for any serde format. Deserialization validates
//! everything that it reads.

use alloc::vec::Vec;
use core::fmt;

use serde::de::{Error, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::{ClockError, Incarnation, LocalClock, NetId, WorldClock};

/// Serialized as text, in binary formats too.
impl Serialize for NetId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for NetId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<NetId, D::Error> {
        struct Text;

        impl Visitor<'_> for Text {
            type Value = NetId;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a.b.c.d:port or [v6]:port")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<NetId, E> {
                text.parse().map_err(E::custom)
            }
        }

        deserializer.deserialize_str(Text)
    }
}

/// Serialized as a number.
impl Serialize for Incarnation {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u64(self.get())
    }
}

impl<'de> Deserialize<'de> for Incarnation {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Incarnation, D::Error> {
        Incarnation::new(u64::deserialize(deserializer)?).map_err(D::Error::custom)
    }
}

/// The fields of a [`LocalClock`] before its time is checked.
#[derive(Serialize, Deserialize)]
#[serde(rename = "LocalClock", deny_unknown_fields)]
struct LocalClockParts {
    member: NetId,
    incarnation: Incarnation,
    time: u64,
}

impl TryFrom<LocalClockParts> for LocalClock {
    type Error = ClockError;

    fn try_from(
        LocalClockParts { member, incarnation, time }: LocalClockParts,
    ) -> Result<LocalClock, ClockError> {
        LocalClock::new(member, incarnation, time)
    }
}

/// Serialized as a structure of three fields.
impl Serialize for LocalClock {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        LocalClockParts { member: self.member(), incarnation: self.incarnation(), time: self.time() }
            .serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for LocalClock {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<LocalClock, D::Error> {
        LocalClockParts::deserialize(deserializer)?.try_into().map_err(D::Error::custom)
    }
}

/// Serialized as the list of its clocks.
impl Serialize for WorldClock {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self)
    }
}

/// Deserialized from a list of clocks in any order. Two clocks of one member are refused, because
/// it is unclear which one is meant.
impl<'de> Deserialize<'de> for WorldClock {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<WorldClock, D::Error> {
        let mut clocks: Vec<LocalClock> = Vec::deserialize(deserializer)?;
        clocks.sort_unstable();
        if let Some(twice) = clocks.windows(2).find(|pair| pair[0].member() == pair[1].member()) {
            return Err(D::Error::custom(format_args!("two clocks of {}", twice[0].member())));
        }
        Ok(WorldClock::from_iter(clocks))
    }
}
