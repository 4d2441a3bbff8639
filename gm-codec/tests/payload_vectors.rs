//! The payload vectors: each is made anew, compared with the committed file, and read back; and malformed payloads, each
//! with the name of its error. `GM_VECTORS=write` writes the file instead of comparing with it.

mod payloads;

use gm_codec::{Body, Header, Part, Payload};
use gm_data::{Opened, TimedItem};
use payloads::{limits, payload};
use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use serde_json::{Value, json};

/// Generated payloads in the file.
const GENERATED: usize = 200;

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex(text: &str) -> Vec<u8> {
    let digits: Vec<char> = text.chars().filter(|digit| !digit.is_whitespace()).collect();
    digits
        .chunks(2)
        .map(|pair| u8::from_str_radix(&pair.iter().collect::<String>(), 16).expect("hex digits"))
        .collect()
}

/// What a payload says. Numbers that may be above 2^53 are decimal texts.
fn meaning(payload: &Payload) -> Value {
    let Header { sender, origin, sequence, multicast, receipts, island, heard, lost, list } = &payload.header;
    let texts = |nodes: &[gm_clock::NetId]| nodes.iter().map(ToString::to_string).collect::<Vec<_>>();
    let header = json!({
        "sender": sender.to_string(),
        "origin": origin.map(|origin| json!({ "node": origin.node.to_string(), "epoch": hex(&origin.epoch) })),
        "sequence": sequence.to_string(),
        "multicast": multicast.map(|number| number.to_string()),
        "receipts": receipts,
        "island": island.map(|island| island.to_string()),
        "heard": texts(heard), "lost": texts(lost), "list": texts(list),
    });
    let body = match &payload.body {
        Body::Group(group) => json!({
            "group": group.name.as_str(), "parts": group.parts.iter().map(part).collect::<Vec<_>>(),
        }),
        Body::Application(application) => {
            json!({ "application": application.name, "bytes": hex(&application.bytes) })
        }
    };
    json!({ "header": header, "body": body })
}

fn part(part: &Part) -> Value {
    let opened = |opened: Option<Opened>| {
        opened.map(|opened| json!([opened.incarnation.get().to_string(), opened.clock.to_string()]))
    };
    match part {
        Part::Record(record) => json!({
            "record": record.member().to_string(),
            "incarnation": record.version().incarnation.get().to_string(),
            "gone": record.version().gone,
            "clock": record.version().clock.to_string(),
            "opened": opened(record.opened()),
            "floor": record.floor().to_string(),
            "items": record.timed_items().map(item).collect::<Vec<_>>(),
        }),
        Part::Increment(increment) => json!({
            "increment": increment.member().to_string(),
            "incarnation": increment.stamp().version.incarnation.get().to_string(),
            "opened": opened(increment.opened()),
            "since": increment.span().0.to_string(),
            "upto": increment.span().1.to_string(),
            "digest": format!("{:016x}", increment.stamp().digest),
            "items": increment.items().map(item).collect::<Vec<_>>(),
        }),
    }
}

fn item(timed: TimedItem) -> Value {
    let (item, range) = (timed.item, timed.item.range());
    let op = item.op().to_string();
    json!([op, range.start(), range.end(), item.port(), item.priority(), timed.time.to_string()])
}

fn generated() -> Vec<Value> {
    let seed = TestRng::from_seed(RngAlgorithm::ChaCha, &[9; 32]);
    let mut runner = TestRunner::new_with_rng(Config::default(), seed);
    let mut vectors = Vec::new();
    while vectors.len() < GENERATED {
        let payload = payload().new_tree(&mut runner).expect("nothing is filtered for ever").current();
        let mut bytes = Vec::new();
        payload.encode(&limits(), &mut bytes).expect("a sound payload");
        if bytes.len() <= 200 {
            assert_eq!(Payload::decode(&bytes, &limits()).as_ref(), Ok(&payload));
            vectors.push(json!({ "bytes": hex(&bytes), "payload": meaning(&payload) }));
        }
    }
    vectors
}

/// A table of 10.0.0.1:29999 alone, and a header by it with sequence 1.
const START: &str = "02 828080a001 752f  00 00 01";

/// What is wrong, the bytes after `START` (or all bytes, where they begin with `=`), the name of the error.
const MALFORMED: [(&str, &str, &str); 46] = [
    ("nothing at all", "=", "Truncated"),
    ("a table without its entries", "= 04 828080a001 752f", "Truncated"),
    ("no header", "= 02 828080a001 752f", "Truncated"),
    ("a count spelled with a byte too many", "= 8200 828080a001 752f", "OverLong"),
    ("a count above 64 bits", "= 82808080808080808002", "TooLarge"),
    ("a table of more entries than bytes", "= fe01 00", "Truncated"),
    ("a table above the limit", "= feffffff0f", "TooMany"),
    ("IPv6 entries announced, and none", "= 03 00 828080a001 752f 00 00 01 02 01 61", "NotCanonical"),
    ("an address above 32 bits", "= 02 80808080 20 752f 00 00 01 02 01 61", "OutOfRange"),
    ("port 0", "= 02 828080a001 0000 00 00 01 02 01 61", "NotCanonical"),
    ("port 0 as that of the entry before", "= 02 838080a001 00 00 01 02 01 61", "BadNetId"),
    ("an address that is unspecified", "= 02 00 752f 00 00 01 02 01 61", "BadNetId"),
    ("a multicast address", "= 02 80808080 1c 752f 00 00 01 02 01 61", "BadNetId"),
    ("one entry twice", "= 04 828080a001 752f 01 00 00 01 02 01 61", "Unsorted"),
    (
        "a port that is written and was the one before",
        "= 04 828080a001 752f 02 752f 00 00 01 02 01 61",
        "NotCanonical",
    ),
    ("more octets shared than there are", "= 01 01 22 752f 00 00 01 02 01 61", "OutOfRange"),
    (
        "an octet written that was shared",
        "= 01 01 00 00000000000000000000000000000001 752f 00 00 01 02 01 61",
        "NotCanonical",
    ),
    ("an entry that nothing refers to", "= 04 828080a001 752f 03 00 00 01 02 01 61", "UnusedEntry"),
    ("an unknown flag", "= 02 828080a001 752f 8001 00 01 02 01 61", "UnknownFlags"),
    ("a sender that the table does not have", "= 02 828080a001 752f 00 01 01 02 01 61", "NoSuchEntry"),
    ("a list that is announced and empty", "= 02 828080a001 752f 40 00 01 00 02 01 61", "NotCanonical"),
    ("a list with one node twice", "= 02 828080a001 752f 40 00 01 02 00 00 02 01 61", "NoSuchEntry"),
    ("a list longer than the payload", "= 02 828080a001 752f 40 00 01 7f 00", "Truncated"),
    ("no tag", "", "Truncated"),
    ("tag 0", "00", "UnknownTag"),
    ("an unknown tag", "7f", "UnknownTag"),
    ("an application without a name", "02 00", "OutOfRange"),
    ("an application's name above 64 bytes", "02 41", "TooMany"),
    ("an application's name that is not UTF-8", "02 01 ff", "NotUtf8"),
    ("a group without a name", "01 00 00", "BadName"),
    ("a group's name with a line feed", "01 01 0a 00", "BadName"),
    ("a group's name above 255 bytes", "01 8002", "TooMany"),
    ("a byte after the end", "01 01 47 00 00", "Trailing"),
    ("a part of a member that the table does not have", "01 01 47 01 08 01 01 00 00", "NoSuchEntry"),
    ("an unknown kind of part", "01 01 47 01 03 01 01 00 00", "UnknownCode"),
    ("an incarnation above the ceiling", "01 01 47 01 00 8080808080808080 40 01 00 00", "OutOfRange"),
    ("a clock above the ceiling", "01 01 47 01 00 01 8080808080808080 40 00 00", "OutOfRange"),
    ("a floor above the clock", "01 01 47 01 00 01 01 02 00", "BadRecord"),
    ("opened from a life before the first", "01 01 47 01 04 01 01 01 00 00 00", "OutOfRange"),
    ("forgotten, and opened from a life", "01 01 47 01 05 01 01 00 00 00", "BadRecord"),
    ("an increment of no time", "01 01 47 01 02 01 00 00 0000000000000000 00", "OutOfRange"),
    ("more items than bytes", "01 01 47 01 00 01 01 00 02 7c", "Truncated"),
    ("an item with the reserved bit", "01 01 47 01 00 01 01 00 01 f8 00", "UnknownFlags"),
    ("an item with an unknown op", "01 01 47 01 00 01 01 00 01 7b 00", "UnknownCode"),
    ("a width that is that of the item before", "01 01 47 01 00 01 01 00 01 70 00 00", "NotCanonical"),
    ("two items of one range", "01 01 47 01 00 01 01 00 02 78 00 78 00", "BadRecord"),
];

fn malformed() -> Vec<Value> {
    let start = unhex(START);
    let sound = Payload::decode(&[start.clone(), unhex("01 01 47 00")].concat(), &limits());
    assert!(sound.is_ok(), "{sound:?}");
    let vector = |(what, text, name): &(&str, &str, &str)| {
        let bytes = match text.strip_prefix('=') {
            Some(all) => unhex(all),
            None => [start.clone(), unhex(text)].concat(),
        };
        let error = Payload::decode(&bytes, &limits()).err();
        assert_eq!(error.as_ref().map(gm_codec::PayloadError::name), Some(*name), "{what}: {error:?}");
        json!({ "what": what, "bytes": hex(&bytes), "error": name })
    };
    MALFORMED.iter().map(vector).collect()
}

#[test]
fn the_codec_and_the_vectors_agree() {
    let note = "`bytes` are whole payloads in hex. Numbers that may be above 2^53 are decimal texts; epochs, digests and an \
                application's bytes are hex. An item is [op, start, end, port, priority, time].";
    let parts = [("payloads", generated()), ("malformed", malformed())];
    let mut text = format!("{{\n  \"note\": {}", json!(note));
    for (part, vectors) in &parts {
        let lines: Vec<String> = vectors.iter().map(|vector| format!("    {vector}")).collect();
        text += &format!(",\n  \"{part}\": [\n{}\n  ]", lines.join(",\n"));
    }
    text += "\n}\n";
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/vectors/payloads.json");
    if std::env::var_os("GM_VECTORS").is_some_and(|what| what == "write") {
        std::fs::write(path, &text).expect("the folder can be written to");
    }
    let committed = std::fs::read_to_string(path).expect("the vectors are there");
    assert!(committed == text, "the vectors differ: if others are meant, run with GM_VECTORS=write");
}
