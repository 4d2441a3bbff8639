//! What a payload says: a part of a group's state, or something of an application's own. Knows nothing of how it is used.

use gm_clock::NetId;
use gm_data::{GroupName, Increment, Message, Record};

use super::header::Refs;
use super::read::Reader;
use super::table::Table;
use super::{PayloadError, parts};
use crate::Limits;
use crate::varint;

/// What a payload says, by its tag.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Body {
    /// Records and increments of one group. Tag 1.
    Group(Group),
    /// Something of an application's own. Tag 2.
    Application(Application),
}

/// Records and increments of one group.
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
}

impl Part {
    /// Of whom it is.
    pub const fn member(&self) -> NetId {
        match self {
            Part::Record(record) => record.member(),
            Part::Increment(increment) => increment.member(),
        }
    }
}

/// Something of an application's own: bytes that mean something to whoever registered the name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Application {
    /// The name of the payload's type: 1 to 64 bytes of UTF-8.
    pub name: String,
    /// What it says.
    pub bytes: Vec<u8>,
}

/// Bytes of the name of an application's payload type, at most.
const MAX_NAME: usize = 64;

mod tag {
    pub(super) const GROUP: u64 = 1;
    pub(super) const APPLICATION: u64 = 2;
}

impl Body {
    /// The state of a group, or a part of it, as whole records.
    pub fn state(message: &Message) -> Body {
        let parts = message.records().cloned().map(Part::Record).collect();
        Body::Group(Group { name: message.name().clone(), parts })
    }

    pub(super) fn check(&self, limits: &Limits) -> Result<(), PayloadError> {
        let too_many = |what, count: usize, most: usize| {
            Err(PayloadError::TooMany { what, count: count as u64, most: most as u64 })
        };
        match self {
            Body::Group(group) => {
                if !group.parts.is_sorted_by(|a, b| a.member() < b.member()) {
                    return Err(PayloadError::Unsorted { what: "parts" });
                }
                if group.parts.len() > limits.nodes {
                    return too_many("parts", group.parts.len(), limits.nodes);
                }
                let items: usize = group.parts.iter().map(parts::items).sum();
                if items > limits.items { too_many("items", items, limits.items) } else { Ok(()) }
            }
            Body::Application(application) => match application.name.len() {
                1..=MAX_NAME => Ok(()),
                bytes => too_many("application name", bytes, MAX_NAME),
            },
        }
    }

    pub(super) fn name_all(&self, named: &mut Vec<NetId>) {
        if let Body::Group(group) = self {
            named.extend(group.parts.iter().map(Part::member));
        }
    }

    pub(super) fn encode(&self, table: &Table, out: &mut Vec<u8>) {
        match self {
            Body::Group(group) => {
                varint::write(tag::GROUP, out);
                put_text(out, group.name.as_str());
                varint::write(group.parts.len() as u64, out);
                let mut next = 0;
                for part in &group.parts {
                    let position = table.position(part.member());
                    parts::encode(part, position - next, out);
                    next = position + 1;
                }
            }
            Body::Application(application) => {
                varint::write(tag::APPLICATION, out);
                put_text(out, &application.name);
                // The rest of the payload: it needs no length of its own.
                out.extend_from_slice(&application.bytes);
            }
        }
    }

    pub(super) fn decode(
        reader: &mut Reader<'_>,
        refs: &mut Refs<'_>,
        limits: &Limits,
    ) -> Result<Body, PayloadError> {
        match reader.varint()? {
            tag::GROUP => {
                let name = GroupName::new(text(reader, GroupName::MAX_BYTES)?)?;
                let count = reader.count("parts", limits.nodes, 1)?;
                let mut parts = Vec::new();
                let (mut next, mut items) = (0, limits.items);
                for _ in 0..count {
                    let part = parts::decode(reader, refs, &mut next, &mut items, limits.items)?;
                    parts.push(part);
                }
                Ok(Body::Group(Group { name, parts }))
            }
            tag::APPLICATION => {
                let name = text(reader, MAX_NAME)?.to_owned();
                if name.is_empty() {
                    return Err(reader.out_of_range("application name"));
                }
                let bytes = reader.bytes(reader.left())?.to_vec();
                Ok(Body::Application(Application { name, bytes }))
            }
            tag => Err(PayloadError::UnknownTag { tag }),
        }
    }
}

fn put_text(out: &mut Vec<u8>, text: &str) {
    varint::write(text.len() as u64, out);
    out.extend_from_slice(text.as_bytes());
}

fn text<'a>(reader: &mut Reader<'a>, most: usize) -> Result<&'a str, PayloadError> {
    let length = reader.count("name", most, 1)?;
    core::str::from_utf8(reader.bytes(length)?).map_err(|_| PayloadError::NotUtf8)
}
