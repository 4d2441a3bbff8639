//! The update of one member: a record, an increment or an eviction.

use gm_clock::{CEILING, Incarnation};
use gm_data::{Eviction, Increment, Predecessor, Record, RecordError, Version};

use super::items::{self, ItemReader};
use super::reader::Reader;
use super::table_refs::{DeltaCoder, TableRefs};
use super::trace::Trace;
use super::versions::{decode_incarnation, decode_ticks};
use super::{MemberUpdate, PayloadError};
use crate::varint;

/// The kind of an update, in the low two bits of its head. Bit 2 means that the incarnation was
/// opened from another one or, for an eviction, that its greatest version is forgotten. The other
/// bits are the distance of the member to the one before.
mod kind {
    pub(super) const RECORD: u64 = 0;
    pub(super) const FORGOTTEN: u64 = 1;
    pub(super) const INCREMENT: u64 = 2;
    pub(super) const EVICTION: u64 = 3;
    pub(super) const OPENED: u64 = 1 << 2;
    /// The same bit in an eviction.
    pub(super) const UP_TO_FORGOTTEN: u64 = OPENED;
}

/// Number of items in an update, including removed ones.
pub(super) fn item_count(update: &MemberUpdate) -> usize {
    match update {
        MemberUpdate::Record(record) => record.item_counts().1,
        MemberUpdate::Increment(increment) => increment.items().len(),
        MemberUpdate::Eviction(_) => 0,
    }
}

pub(super) fn encode(update: &MemberUpdate, distance: u64, out: &mut Vec<u8>) {
    let (version, opened, kind) = match update {
        MemberUpdate::Record(record) if record.version().forgotten => {
            (record.version(), record.predecessor(), kind::FORGOTTEN)
        }
        MemberUpdate::Record(record) => (record.version(), record.predecessor(), kind::RECORD),
        MemberUpdate::Increment(increment) => {
            (increment.version_digest().version, increment.predecessor(), kind::INCREMENT)
        }
        MemberUpdate::Eviction(eviction) => return encode_eviction(eviction, distance, out),
    };
    let opened_bit = if opened.is_some() { kind::OPENED } else { 0 };
    varint::write(distance << 3 | opened_bit | kind, out);
    varint::write(version.incarnation.get(), out);
    varint::write(version.clock, out);
    if let Some(opened) = opened {
        // Both values are below those of the version, so the distances are at least 1.
        varint::write(version.incarnation.get() - opened.incarnation.get() - 1, out);
        varint::write(version.clock - opened.clock - 1, out);
    }
    match update {
        MemberUpdate::Record(record) => {
            varint::write(record.floor(), out);
            if !version.forgotten {
                items::encode(record.stamped_items(), version.clock, out);
            }
        }
        MemberUpdate::Increment(increment) => {
            varint::write(version.clock - increment.span().0 - 1, out);
            out.extend_from_slice(&increment.version_digest().digest.to_be_bytes());
            items::encode(increment.items(), version.clock, out);
        }
        // Encoded above.
        MemberUpdate::Eviction(_) => {}
    }
}

fn encode_eviction(eviction: &Eviction, distance: u64, out: &mut Vec<u8>) {
    let Eviction { least, greatest, .. } = eviction;
    let forgotten_bit = if greatest.forgotten { kind::UP_TO_FORGOTTEN } else { 0 };
    varint::write(distance << 3 | forgotten_bit | kind::EVICTION, out);
    varint::write(greatest.incarnation.get(), out);
    varint::write(greatest.clock, out);
    varint::write(greatest.incarnation.get() - least.incarnation.get(), out);
    varint::write(least.clock << 1 | u64::from(least.forgotten), out);
}

pub(super) fn decode<T: Trace>(
    reader: &mut Reader<'_, T>,
    refs: &mut TableRefs<'_>,
    distances: &mut DeltaCoder,
    items_left: &mut usize,
    max: usize,
) -> Result<MemberUpdate, PayloadError> {
    let head = reader.varint_as("update", |head| {
        let kind = ["record", "record of a forgotten member", "increment", "eviction"];
        let kind = kind[usize::try_from(head & 3).unwrap_or(3)];
        let bit = if head & 3 == kind::EVICTION { " up to a forgotten record" } else { ", opened" };
        let opened = if head & kind::OPENED == 0 { "" } else { bit };
        format!("{kind}{opened} of {}", refs.describe(distances.peek(head >> 3)))
    })?;
    let kind = head & 3;
    let member = refs.node_at(distances.decode(head >> 3))?;
    let (forgotten, is_opened) = (kind == kind::FORGOTTEN, head & kind::OPENED != 0);
    if forgotten && is_opened {
        return Err(RecordError::ForgottenNotEmpty { member }.into());
    }
    let incarnation = decode_incarnation(reader)?;
    let clock = decode_ticks(reader, "clock")?;
    if kind == kind::EVICTION {
        let greatest = Version { incarnation, forgotten: is_opened, clock };
        return Ok(MemberUpdate::Eviction(Eviction {
            member,
            least: decode_least(reader, greatest)?,
            greatest,
        }));
    }
    let opened = if is_opened {
        let before = |number: u64, distance: u64| number.checked_sub(distance)?.checked_sub(1);
        let text = |number: u64, distance: u64| {
            before(number, distance).map_or("below 0".to_owned(), |number| number.to_string())
        };
        let whose = "opened.incarnation";
        let of = reader.varint_as(whose, |distance| text(incarnation.get(), distance))?;
        let of = before(incarnation.get(), of).ok_or(reader.out_of_range(whose))?;
        let of = Incarnation::new(of).map_err(|_| reader.out_of_range(whose))?;
        let at = reader.varint_as("opened.clock", |distance| text(clock, distance))?;
        let at = before(clock, at).ok_or(reader.out_of_range("opened.clock"))?;
        Some(Predecessor { incarnation: of, clock: at })
    } else {
        None
    };
    if kind == kind::INCREMENT {
        let since = |distance: u64| clock.checked_sub(distance)?.checked_sub(1);
        let distance = reader.varint_as("since", |distance| {
            since(distance).map_or("below 0".to_owned(), |since| since.to_string())
        })?;
        let since = since(distance).ok_or(reader.out_of_range("since"))?;
        let digest = u64::from_be_bytes(reader.array("digest")?);
        let mut items = ItemReader::begin(reader, member, clock, items_left, max)?;
        let increment =
            Increment::from_parts(member, incarnation, opened, (since, clock), digest, &mut items);
        items.finish()?;
        return Ok(MemberUpdate::Increment(increment?));
    }
    let version = Version { incarnation, forgotten, clock };
    let floor = decode_ticks(reader, "floor")?;
    if floor > clock {
        return Err(RecordError::FloorAboveClock { member, floor, clock }.into());
    }
    if forgotten {
        return Ok(MemberUpdate::Record(Record::from_parts(member, version, opened, floor, [])?));
    }
    let mut items = ItemReader::begin(reader, member, clock, items_left, max)?;
    let record = Record::from_parts(member, version, opened, floor, &mut items);
    items.finish()?;
    Ok(MemberUpdate::Record(record?))
}

/// Decodes the least version of an eviction.
fn decode_least<T: Trace>(reader: &mut Reader<'_, T>, greatest: Version) -> Result<Version, PayloadError> {
    let whose = "least.incarnation";
    let of = |distance: u64| greatest.incarnation.get().checked_sub(distance);
    let distance = reader.varint_as(whose, |distance| {
        of(distance).map_or("below 0".to_owned(), |incarnation| incarnation.to_string())
    })?;
    let incarnation = of(distance).and_then(|number| Incarnation::new(number).ok());
    let incarnation = incarnation.ok_or(reader.out_of_range(whose))?;
    let clock = reader.varint_as("least.clock", |head| {
        format!("{}{}", head >> 1, if head & 1 == 0 { "" } else { ", of a forgotten record" })
    })?;
    let version = Version { incarnation, forgotten: clock & 1 == 1, clock: clock >> 1 };
    if version.clock > CEILING || version > greatest {
        return Err(reader.out_of_range("least.clock"));
    }
    Ok(version)
}
