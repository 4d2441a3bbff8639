//! One record or one increment of a group. Knows nothing of the others.

use gm_clock::{CEILING, Incarnation};
use gm_data::{Increment, Opened, Record, Version};

use super::header::Refs;
use super::items::{self, Items};
use super::read::Reader;
use super::{Part, PayloadError};
use crate::varint;

/// What a part is: the low two bits of its head. Bit 2 says whether its life was opened from a former one, and the rest is
/// the distance of its member to the one before.
mod kind {
    pub(super) const RECORD: u64 = 0;
    pub(super) const GONE: u64 = 1;
    pub(super) const INCREMENT: u64 = 2;
    pub(super) const OPENED: u64 = 1 << 2;
}

/// Items of a part, removals included.
pub(super) fn items(part: &Part) -> usize {
    match part {
        Part::Record(record) => record.counts().1,
        Part::Increment(increment) => increment.items().len(),
    }
}

pub(super) fn encode(part: &Part, distance: usize, out: &mut Vec<u8>) {
    let (version, opened, kind) = match part {
        Part::Record(record) if record.version().gone => (record.version(), record.opened(), kind::GONE),
        Part::Record(record) => (record.version(), record.opened(), kind::RECORD),
        Part::Increment(increment) => (increment.stamp().version, increment.opened(), kind::INCREMENT),
    };
    let opened_bit = if opened.is_some() { kind::OPENED } else { 0 };
    varint::write((distance as u64) << 3 | opened_bit | kind, out);
    varint::write(version.incarnation.get(), out);
    varint::write(version.clock, out);
    if let Some(opened) = opened {
        // Both lie before the version's own, so the distances are at least 1.
        varint::write(version.incarnation.get() - opened.incarnation.get() - 1, out);
        varint::write(version.clock - opened.clock - 1, out);
    }
    match part {
        Part::Record(record) => {
            varint::write(record.floor(), out);
            if !version.gone {
                items::encode(record.timed_items(), version.clock, out);
            }
        }
        Part::Increment(increment) => {
            varint::write(version.clock - increment.span().0 - 1, out);
            out.extend_from_slice(&increment.stamp().digest.to_be_bytes());
            items::encode(increment.items(), version.clock, out);
        }
    }
}

pub(super) fn decode(
    reader: &mut Reader<'_>,
    refs: &mut Refs<'_>,
    next: &mut u64,
    items_left: &mut usize,
    most: usize,
) -> Result<Part, PayloadError> {
    let head = reader.varint()?;
    let kind = head & 3;
    let position = next.saturating_add(head >> 3);
    let member = refs.at(position)?;
    *next = position.saturating_add(1);
    if kind > kind::INCREMENT {
        return Err(PayloadError::UnknownCode { what: "kind", code: kind });
    }
    let incarnation = number(reader, "incarnation")?;
    let clock = number(reader, "clock")?;
    let opened = if head & kind::OPENED == 0 {
        None
    } else {
        let before = |number: u64, distance: u64| number.checked_sub(distance)?.checked_sub(1);
        let of = before(incarnation, reader.varint()?).ok_or(reader.out_of_range("opened"))?;
        let at = before(clock, reader.varint()?).ok_or(reader.out_of_range("opened"))?;
        Some(Opened { incarnation: life(reader, of)?, clock: at })
    };
    let incarnation = life(reader, incarnation)?;
    if kind == kind::INCREMENT {
        let distance = reader.varint()?;
        let since = clock.checked_sub(distance).and_then(|since| since.checked_sub(1));
        let since = since.ok_or(reader.out_of_range("since"))?;
        let digest = u64::from_be_bytes(reader.array()?);
        let mut items = Items::begin(reader, member, clock, items_left, most)?;
        let increment =
            Increment::from_parts(member, incarnation, opened, (since, clock), digest, &mut items);
        items.end()?;
        return Ok(Part::Increment(increment?));
    }
    let gone = kind == kind::GONE;
    let version = Version { incarnation, gone, clock };
    let floor = number(reader, "floor")?;
    if gone {
        return Ok(Part::Record(Record::from_parts(member, version, opened, floor, [])?));
    }
    let mut items = Items::begin(reader, member, clock, items_left, most)?;
    let record = Record::from_parts(member, version, opened, floor, &mut items);
    items.end()?;
    Ok(Part::Record(record?))
}

/// A clock, a floor or an incarnation.
fn number(reader: &mut Reader<'_>, what: &'static str) -> Result<u64, PayloadError> {
    let number = reader.varint()?;
    if number > CEILING { Err(reader.out_of_range(what)) } else { Ok(number) }
}

fn life(reader: &Reader<'_>, number: u64) -> Result<Incarnation, PayloadError> {
    Incarnation::new(number).map_err(|_| reader.out_of_range("incarnation"))
}
