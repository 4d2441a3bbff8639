//! Items of one record, each encoded as its difference to the item before.

use gm_clock::NetId;
use gm_data::{Item, KeyRange, Op, StampedItem};

use super::PayloadError;
use super::reader::Reader;
use super::trace::Trace;
use crate::varint;

/// The first byte of an item: the op in the low two bits, and the fields that equal those of the
/// item before.
mod bit {
    pub(super) const OP: u8 = 0b11;
    /// The range starts at the key after the end of the item before.
    pub(super) const ADJOINS: u8 = 1 << 2;
    pub(super) const SAME_WIDTH: u8 = 1 << 3;
    pub(super) const SAME_PORT: u8 = 1 << 4;
    pub(super) const SAME_PRIORITY: u8 = 1 << 5;
    pub(super) const SAME_AGE: u8 = 1 << 6;
    pub(super) const RESERVED: u8 = 1 << 7;
}

/// The item to which the next one is compared. Before the first item: start 0, width 0, no port,
/// priority 1, age 0, and no key that an item could adjoin.
#[derive(Clone, Copy)]
struct PreviousItem {
    start: u32,
    /// The key after its end; `None` before the first item and after the last key.
    next_key: Option<u32>,
    width: u32,
    port: u16,
    priority: u16,
    age: u64,
}

const BEFORE_FIRST: PreviousItem =
    PreviousItem { start: 0, next_key: None, width: 0, port: 0, priority: 1, age: 0 };

const fn op_code(op: Op) -> u8 {
    match op {
        Op::Add => 0,
        Op::Rmv => 1,
        Op::Get => 2,
    }
}

/// Encodes items that are sorted by range. `clock` is the clock of their record or increment.
pub(super) fn encode(items: impl ExactSizeIterator<Item = StampedItem>, clock: u64, out: &mut Vec<u8>) {
    varint::write(items.len() as u64, out);
    let mut before = BEFORE_FIRST;
    for StampedItem { item, stamp: time } in items {
        let range = item.range();
        let now = PreviousItem {
            start: range.start(),
            next_key: range.end().checked_add(1),
            width: range.end() - range.start(),
            port: item.port(),
            priority: item.priority(),
            age: clock - time,
        };
        let adjoins = before.next_key == Some(now.start);
        let mut head = op_code(item.op());
        for (bit, same) in [
            (bit::ADJOINS, adjoins),
            (bit::SAME_WIDTH, now.width == before.width),
            (bit::SAME_PORT, now.port == before.port),
            (bit::SAME_PRIORITY, now.priority == before.priority),
            (bit::SAME_AGE, now.age == before.age),
        ] {
            head |= if same { bit } else { 0 };
        }
        out.push(head);
        if !adjoins {
            varint::write((now.start - before.start).into(), out);
        }
        if now.width != before.width {
            varint::write(now.width.into(), out);
        }
        if now.port != before.port {
            out.extend_from_slice(&now.port.to_be_bytes());
        }
        if now.priority != before.priority {
            varint::write(now.priority.into(), out);
        }
        if now.age != before.age {
            varint::write(now.age, out);
        }
        before = now;
    }
}

/// An iterator over decoded items, so that a record is built without an intermediate list. An error
/// ends the iteration, and `finish` returns it.
pub(super) struct ItemReader<'r, 'a, T: Trace> {
    reader: &'r mut Reader<'a, T>,
    member: NetId,
    clock: u64,
    left: usize,
    before: PreviousItem,
    error: Option<PayloadError>,
}

impl<'r, 'a, T: Trace> ItemReader<'r, 'a, T> {
    /// Decodes the number of items. `items_left` is what remains of `max`, the limit of the whole
    /// payload.
    pub(super) fn begin(
        reader: &'r mut Reader<'a, T>,
        member: NetId,
        clock: u64,
        items_left: &mut usize,
        max: usize,
    ) -> Result<ItemReader<'r, 'a, T>, PayloadError> {
        let left = reader.count("items", max)?;
        *items_left = items_left.checked_sub(left).ok_or(PayloadError::TooMany {
            what: "items",
            count: max as u64 + 1,
            max: max as u64,
        })?;
        Ok(ItemReader { reader, member, clock, left, before: BEFORE_FIRST, error: None })
    }

    /// Returns the error that ended the iteration, if any.
    pub(super) fn finish(self) -> Result<(), PayloadError> {
        match self.error {
            None => Ok(()),
            Some(error) => Err(error),
        }
    }

    fn read(&mut self) -> Result<StampedItem, PayloadError> {
        let ItemReader { reader, before, clock, .. } = self;
        let head = reader.byte_as("item", describe_head)?;
        if head & bit::RESERVED != 0 {
            return Err(PayloadError::UnknownFlags { flags: head.into() });
        }
        let op = match head & bit::OP {
            0 => Op::Add,
            1 => Op::Rmv,
            2 => Op::Get,
            code => return Err(PayloadError::UnknownCode { what: "op", code: code.into() }),
        };
        let has = |bit: u8| head & bit != 0;
        let start = if has(bit::ADJOINS) {
            before.next_key.ok_or(reader.out_of_range("start"))?
        } else {
            let to = u64::from(before.start);
            let start = reader.varint32_as("start", |distance| to.saturating_add(distance).to_string())?;
            let start = before.start.checked_add(start).ok_or(reader.out_of_range("start"))?;
            if before.next_key == Some(start) {
                return Err(reader.not_canonical("start"));
            }
            start
        };
        let width = match has(bit::SAME_WIDTH) {
            true => before.width,
            false => read_changed(reader, "width", before.width, |reader| reader.varint32("width"))?,
        };
        // The end is checked here, because the later fields do not depend on it.
        let end = start.checked_add(width).ok_or(reader.out_of_range("end"))?;
        let range = KeyRange::new(start, end).map_err(|_| reader.out_of_range("end"))?;
        let port = match has(bit::SAME_PORT) {
            true => before.port,
            false => read_changed(reader, "port", before.port, |reader| reader.port("port"))?,
        };
        let priority = match has(bit::SAME_PRIORITY) {
            true => before.priority,
            false => read_changed(reader, "priority", before.priority, |reader| {
                let priority = u16::try_from(reader.varint("priority")?).ok().filter(|number| *number > 0);
                priority.ok_or(reader.out_of_range("priority"))
            })?,
        };
        let age = match has(bit::SAME_AGE) {
            true => before.age,
            false => read_changed(reader, "age", before.age, |reader| {
                let age = reader.varint("age")?;
                if age > *clock { Err(reader.out_of_range("age")) } else { Ok(age) }
            })?,
        };
        let time = clock.checked_sub(age).ok_or(reader.out_of_range("age"))?;
        let item = Item::new(self.member, range, op, port, priority);
        let item = item.map_err(|_| reader.out_of_range("priority"))?;
        *before = PreviousItem { start, next_key: end.checked_add(1), width, port, priority, age };
        Ok(StampedItem { item, stamp: time })
    }
}

/// The first byte of an item as text.
fn describe_head(head: u8) -> String {
    let mut text = ["add", "rmv", "get", "op 3"][usize::from(head & bit::OP)].to_owned();
    for (bit, name) in [
        (bit::ADJOINS, "adjoins"),
        (bit::SAME_WIDTH, "same width"),
        (bit::SAME_PORT, "same port"),
        (bit::SAME_PRIORITY, "same priority"),
        (bit::SAME_AGE, "same age"),
        (bit::RESERVED, "reserved bit"),
    ] {
        if head & bit != 0 {
            text += ", ";
            text += name;
        }
    }
    text
}

/// Decodes a field that is present because it differs from that of the item before; refuses an
/// equal value.
fn read_changed<'a, T: Trace, V: PartialEq + Copy>(
    reader: &mut Reader<'a, T>,
    what: &'static str,
    before: V,
    read: impl FnOnce(&mut Reader<'a, T>) -> Result<V, PayloadError>,
) -> Result<V, PayloadError> {
    let value = read(reader)?;
    if value == before { Err(reader.not_canonical(what)) } else { Ok(value) }
}

impl<T: Trace> Iterator for &mut ItemReader<'_, '_, T> {
    type Item = StampedItem;

    // Inlining this into the loop that builds records would make that loop a fifth slower.
    #[inline(never)]
    fn next(&mut self) -> Option<StampedItem> {
        if self.left == 0 || self.error.is_some() {
            return None;
        }
        self.left -= 1;
        match self.read() {
            Ok(item) => Some(item),
            Err(error) => {
                self.error = Some(error);
                None
            }
        }
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        // Each item takes at least one byte, which `begin` has checked.
        (self.left, Some(self.left))
    }
}
