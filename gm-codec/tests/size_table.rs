//! The table of sizes in `docs/FIGURES.md`: the same changes, encoded by this crate and by other
//! formats. If the page differs, the test fails and prints the correct table.

mod group_states;

use gm_codec::{Body, Limits, MemberUpdate, Payload, varint};
use gm_data::{Op, StampedItem};
use group_states::{GROUP, adjoining, apart, increment, item, random_ranges, sizes};
use serde::Serialize;

const PAGE: &str = include_str!("../../docs/FIGURES.md");

/// The content of an increment in a straightforward form.
#[derive(Serialize)]
struct Change {
    group: String,
    ip: u32,
    port: u16,
    sequence: u64,
    incarnation: u64,
    since: u64,
    clock: u64,
    digest: u64,
    items: Vec<Changed>,
}

#[derive(Serialize)]
struct Changed {
    op: u8,
    start: u32,
    end: u32,
    port: u16,
    priority: u16,
    stamp: u64,
}

fn change(payload: &Payload) -> Change {
    let Body::GroupUpdate(group) = &payload.body else { unreachable!("a group") };
    let [MemberUpdate::Increment(increment)] = group.updates.as_slice() else {
        unreachable!("one increment")
    };
    let std::net::IpAddr::V4(ip) = increment.member().ip() else { unreachable!("IPv4") };
    let changed = |StampedItem { item, stamp: time }: StampedItem| Changed {
        op: match item.op() {
            Op::Add => 0,
            Op::Rmv => 1,
            Op::Get => 2,
        },
        start: item.range().start(),
        end: item.range().end(),
        port: item.port(),
        priority: item.priority(),
        stamp: time,
    };
    Change {
        group: group.name.as_str().to_owned(),
        ip: ip.to_bits(),
        port: increment.member().port(),
        sequence: payload.header.broadcast().map_or(0, |broadcast| broadcast.sequence),
        incarnation: increment.version_digest().version.incarnation.get(),
        since: increment.span().0,
        clock: increment.span().1,
        digest: increment.version_digest().digest,
        items: increment.items().map(changed).collect(),
    }
}

impl Change {
    /// The numbers in order, without the items.
    fn numbers(&self) -> [u64; 7] {
        let Change { ip, port, sequence, incarnation, since, clock, digest, .. } = *self;
        [ip.into(), port.into(), sequence, incarnation, since, clock, digest]
    }
}

impl Changed {
    fn numbers(&self) -> [u64; 6] {
        let Changed { op, start, end, port, priority, stamp } = *self;
        [op.into(), start.into(), end.into(), port.into(), priority.into(), stamp]
    }
}

/// Length in Protocol Buffers version 3: a byte of field and type before each number, and nothing
/// for a number that is 0.
fn protobuf(change: &Change) -> usize {
    let fields = |numbers: &[u64]| -> usize {
        numbers.iter().filter(|number| **number != 0).map(|number| 1 + varint::len(*number)).sum()
    };
    let counted = |bytes: usize| 1 + varint::len(bytes as u64) + bytes;
    let items: usize = change.items.iter().map(|item| counted(fields(&item.numbers()))).sum();
    counted(change.group.len()) + fields(&change.numbers()) + items
}

/// Length in bincode 2 with its standard configuration: a byte up to 250, else a byte and 2, 4 or
/// 8.
fn bincode(change: &Change) -> usize {
    let number = |number: &u64| match *number {
        0..=250 => 1,
        251..=0xffff => 3,
        0x1_0000..=0xffff_ffff => 5,
        _ => 9,
    };
    let of = |numbers: &[u64]| -> usize { numbers.iter().map(number).sum() };
    let items: usize = change.items.iter().map(|item| of(&item.numbers())).sum();
    let lengths = of(&[change.group.len() as u64, change.items.len() as u64]);
    lengths + change.group.len() + of(&change.numbers()) + items
}

fn postcard(change: &Change) -> usize {
    let mut room = vec![0; 100_000];
    postcard::to_slice(change, &mut room).expect("it fits").len()
}

fn cbor(change: &Change) -> usize {
    let mut bytes = Vec::new();
    ciborium::into_writer(change, &mut bytes).expect("serialization never fails");
    bytes.len()
}

/// The bytes of a sealed frame by field: header, nonce and tag; table; header; tag, name and number
/// of updates; the update without its items; items and their number; minus the gain of snappy.
fn by_field(payload: &Payload) -> String {
    let mut bytes = Vec::new();
    payload.encode(&Limits::DEFAULT, &mut bytes).expect("valid");
    let (table, header, name, update) = (8, 4, 12, 19);
    assert_eq!(bytes[table..][..header], [0, 0, 0xe8, 7], "no flags, entry 0, sequence 1,000");
    assert_eq!(&bytes[table + header..][..name], [b"\x01\x09", GROUP.as_bytes(), b"\x01"].concat());
    assert_eq!(bytes[table + header + name + update - 8..][..8], 0x0123_4567_89ab_cdef_u64.to_be_bytes());
    let items = bytes.len() - table - header - name - update;
    let sealed = sizes(payload).1;
    let frame = |text: usize| 3 + varint::len(text as u64 + 28) + 28;
    let plain = frame(bytes.len()) + bytes.len();
    let start = format!("{table} + {header} + {name} + {update} + {}", shown(items));
    if sealed == plain {
        return format!("{} + {start}", frame(bytes.len()));
    }
    // Compressed: the header of the shorter text.
    let text = (1..bytes.len()).find(|text| frame(*text) + text == sealed).expect("it is a frame");
    format!("{} + {start} - {}", frame(text), shown(bytes.len() - text))
}

/// A number with a comma at the thousands.
fn shown(number: usize) -> String {
    match number {
        0..=999 => number.to_string(),
        _ => format!("{},{:03}", number / 1_000, number % 1_000),
    }
}

#[test]
fn size_table_matches_the_page() {
    let rows: [(&str, Vec<StampedItem>, &str); 6] = [
        ("one changed item", vec![item(0x8123_4567, 0xf234_5678, 20_000)], "89"),
        ("16 clustered", apart(16, 1), ""),
        ("128 clustered", apart(128, 1), ""),
        ("100 adjoining", adjoining(100), "1,169"),
        ("100 random", random_ranges(100), "1,751"),
        ("1,000 random", random_ranges(1_000), "17,711"),
    ];
    let row = |(name, items, original): (&str, Vec<StampedItem>, &str)| {
        let count = items.len();
        let payload = increment(items);
        let change = change(&payload);
        let (ours, sealed) = sizes(&payload);
        // Tenths of a byte, rounded.
        let each = (sealed * 10 + count / 2) / count;
        let others = [
            postcard(&change),
            bincode(&change),
            protobuf(&change),
            rmp_serde::to_vec(&change).expect("serialization never fails").len(),
            cbor(&change),
            serde_json::to_vec(&change).expect("serialization never fails").len(),
        ];
        let others = others.map(shown).join(" | ");
        let (fields, sealed, ours) = (by_field(&payload), shown(sealed), shown(ours));
        format!(
            "| {name} | {sealed} ({}.{}) | {fields} | {original} | {ours} | {others} |\n",
            each / 10,
            each % 10
        )
    };
    let head = "| | gm, sealed (an item) | where its bytes are | the original | gm, payload | postcard | bincode | Protocol Buffers | \
                MessagePack | CBOR | JSON |\n|---|---|---|---|---|---|---|---|---|---|---|\n";
    let table: String = std::iter::once(head.to_owned()).chain(rows.into_iter().map(row)).collect();
    assert!(PAGE.contains(&table), "docs/FIGURES.md should have this table:\n{table}");
}
