//! The hashes computed a second time from their specification alone, and compared with the crate
//! and the vectors.
//!
//! Numbers are 128 bits wide and reduced explicitly, so nothing wraps by accident; no code is
//! shared with the crate. `cargo xtask vectors` rewrites `vectors/hashes.json`.

mod common;

use common::{id, incarnation};
use gm_clock::{CEILING, NetId};
use gm_data::{
    GroupName, GroupSet, GroupState, Item, KeyRange, Op, Record, StampedItem, Version, View, WriteContext,
};
use serde_json::{Value, json};
use std::net::IpAddr;
use std::path::Path;

const TWO_64: u128 = 1 << 64;

/// The finalizer of SplitMix64.
fn mix(x: u128) -> u128 {
    assert!(x < TWO_64);
    let x = (x ^ (x / (1 << 30))) * 0xbf58_476d_1ce4_e5b9 % TWO_64;
    let x = (x ^ (x / (1 << 27))) * 0x94d0_49bb_1331_11eb % TWO_64;
    x ^ (x / (1 << 31))
}

fn step(h: u128, w: u128) -> u128 {
    mix(((h + 0x9e37_79b9_7f4a_7c15) % TWO_64) ^ w)
}

fn steps(start: u128, words: &[u128]) -> u128 {
    words.iter().fold(start, |h, w| step(h, *w))
}

fn h0(member: NetId) -> u128 {
    let port = u128::from(member.port());
    match member.ip() {
        IpAddr::V4(ip) => steps(1, &[4 * 65_536 + port, u128::from(u32::from(ip))]),
        IpAddr::V6(ip) => {
            let address = u128::from(ip);
            steps(1, &[6 * 65_536 + port, address / TWO_64, address % TWO_64])
        }
    }
}

/// H of an item, or 0 for a removal: only live items are summed.
fn h(StampedItem { item, stamp: time }: &StampedItem) -> u128 {
    let op = match item.op() {
        Op::Add => 1,
        Op::Get => 3,
        Op::Rmv => return 0,
    };
    let range = u128::from(item.range().start()) * (1 << 32) + u128::from(item.range().end());
    let content = op * (1 << 32) + u128::from(item.port()) * 65_536 + u128::from(item.priority());
    steps(h0(item.member()), &[range, content, u128::from(*time)])
}

fn digest(items: &[StampedItem]) -> u128 {
    items.iter().map(h).sum::<u128>() % TWO_64
}

fn halves(tag: u128, words: &[u128]) -> u128 {
    steps(tag, words) * TWO_64 + steps(tag + 1, words)
}

fn h_record(member: NetId, version: Version, digest: u128) -> u128 {
    let forgotten = if version.forgotten { 1 << 63 } else { 0 };
    let incarnation = u128::from(version.incarnation.get());
    halves(2, &[h0(member), incarnation, forgotten + u128::from(version.clock), digest])
}

fn bytes_hash(tag: u128, bytes: &[u8]) -> u128 {
    bytes.chunks(8).fold(step(tag, bytes.len() as u128), |n, chunk| {
        let word = chunk.iter().rev().fold(0, |word, byte| word * 256 + u128::from(*byte));
        step(n, word)
    })
}

/// The group's summand of the root.
fn h_group(name: &str, fingerprint: u128) -> u128 {
    let n = bytes_hash(6, name.as_bytes());
    halves(4, &[n, fingerprint / TWO_64, fingerprint % TWO_64])
}

fn hex64(number: impl Into<u128>) -> String {
    let number = number.into();
    assert!(number < TWO_64);
    format!("{number:016x}")
}

fn hex128(number: u128) -> String {
    format!("{number:032x}")
}

fn members() -> Vec<NetId> {
    let texts = [
        "10.0.0.1:29999",
        "0.0.0.1:1",
        "192.168.1.27:65535",
        "255.255.255.254:80",
        "[2001:db8::1]:29999",
        "[::1]:1",
        "[fd00:1234:5678:9abc:def0:1234:5678:9abc]:443",
        "[fdff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535",
    ];
    texts.map(|text| text.parse().expect("an ordinary address")).to_vec()
}

fn stamped(
    member: NetId,
    (start, end): (u32, u32),
    op: Op,
    port: u16,
    priority: u16,
    time: u64,
) -> StampedItem {
    let range = KeyRange::new(start, end).expect("in order");
    StampedItem { item: Item::new(member, range, op, port, priority).expect("a priority"), stamp: time }
}

fn items() -> Vec<StampedItem> {
    let whole = (0, u32::MAX);
    let mut items: Vec<StampedItem> =
        members().into_iter().map(|member| stamped(member, (0, 99), Op::Add, 80, 1, 1)).collect();
    for member in [0, 3, 4, 7].map(|at| members()[at]) {
        items.extend([
            stamped(member, whole, Op::Get, 0, 1, 1),
            stamped(member, whole, Op::Rmv, 0, 1, 2),
            stamped(member, whole, Op::Add, u16::MAX, u16::MAX, CEILING),
            stamped(member, (0, 0), Op::Add, 0, 1, 0),
            stamped(member, (u32::MAX, u32::MAX), Op::Get, 1, u16::MAX, 1 << 32),
            stamped(member, (0x8000_0000, 0xdead_beef), Op::Add, 5432, 256, 0x0123_4567_89ab_cdef),
        ]);
    }
    items
}

fn record(member: NetId, version: Version, items: &[StampedItem]) -> Record {
    Record::from_parts(member, version, None, 0, items.iter().copied()).expect("sound parts")
}

fn item_vectors() -> Vec<Value> {
    let vector = |stamped: StampedItem| {
        let (item, member) = (stamped.item, stamped.item.member());
        let version = Version::new(incarnation(1), false, CEILING).expect("in range");
        assert_eq!(u128::from(record(member, version, &[stamped]).digest()), h(&stamped), "{stamped:?}");
        json!({
            "member": member.to_string(), "start": item.range().start(), "end": item.range().end(),
            "op": item.op().to_string(), "port": item.port(), "priority": item.priority(),
            "stamp": hex64(stamped.stamp), "h0": hex64(h0(member)), "adds_to_digest": hex64(h(&stamped)),
        })
    };
    items().into_iter().map(vector).collect()
}

/// Records, each in its own group, and finally all of them in one group.
fn record_vectors() -> Vec<Value> {
    let version = |number, forgotten, clock| Version { forgotten, ..common::version(number, clock) };
    let [v4, v6, other] = [members()[0], members()[4], members()[2]];
    let three = |member| {
        vec![
            stamped(member, (0, 99), Op::Add, 80, 1, 1),
            stamped(member, (100, 199), Op::Rmv, 0, 1, 3),
            stamped(member, (200, 299), Op::Get, 0, 1, 2),
        ]
    };
    let cases = [
        vec![(v4, version(0, false, 0), vec![])],
        vec![(v4, version(1, false, 3), three(v4))],
        vec![(v6, version(1, false, 3), three(v6))],
        vec![(v4, version(1, true, 4), vec![])],
        vec![(v6, version(CEILING, true, CEILING), vec![])],
        vec![(
            v4,
            version(CEILING, false, CEILING),
            vec![stamped(v4, (0, u32::MAX), Op::Add, 1, 1, CEILING)],
        )],
        vec![
            (v4, version(1, false, 3), three(v4)),
            (other, version(2, true, 9), vec![]),
            (v6, version(7, false, 5), three(v6)),
        ],
    ];
    let vector = |records: Vec<(NetId, Version, Vec<StampedItem>)>| {
        let parts: Vec<Value> =
            records.iter().map(|(member, version, items)| record_parts(*member, *version, items)).collect();
        let shares =
            records.iter().map(|(member, version, items)| h_record(*member, *version, digest(items)));
        let fingerprint = shares.fold(0_u128, u128::wrapping_add);
        let state = records.iter().map(|(member, version, items)| record(*member, *version, items));
        assert_eq!(common::group_state(state).fingerprint(), fingerprint);
        json!({ "records": parts, "fingerprint": hex128(fingerprint) })
    };
    cases.into_iter().map(vector).collect()
}

fn record_parts(member: NetId, version: Version, items: &[StampedItem]) -> Value {
    assert_eq!(u128::from(record(member, version, items).digest()), digest(items));
    let item = |stamped: &StampedItem| {
        let (item, range) = (&stamped.item, stamped.item.range());
        json!([
            range.start(),
            range.end(),
            item.op().to_string(),
            item.port(),
            item.priority(),
            hex64(stamped.stamp)
        ])
    };
    json!({
        "member": member.to_string(), "incarnation": hex64(version.incarnation.get()), "gone": version.forgotten,
        "clock": hex64(version.clock), "items": items.iter().map(item).collect::<Vec<_>>(),
        "digest": hex64(digest(items)), "adds_to_fingerprint": hex128(h_record(member, version, digest(items))),
    })
}

/// Groups with one record of 10.0.0.2 each, and finally all of them together.
fn group_vectors() -> Vec<Value> {
    let names = [
        "G",
        "1234567",
        "12345678",
        "123456789",
        "Customers",
        "ügyfelek",
        "1234567\u{a0}",
        &"x".repeat(255),
        &"é".repeat(127),
    ];
    let mut together = GroupSet::new(id(1));
    let mut sum = 0_u128;
    let mut vectors = Vec::new();
    for (at, name) in names.iter().enumerate() {
        let version = common::version(1, at as u64);
        let fingerprint = h_record(id(2), version, 0);
        let root = h_group(name, fingerprint);
        let group = GroupName::new(name).expect("a good name");
        let state = GroupState::from_records(group.clone(), [record(id(2), version, &[])]);
        assert_eq!(state.fingerprint(), fingerprint);
        let mut alone = GroupSet::new(id(1));
        for groups in [&mut alone, &mut together] {
            groups
                .edit(&group, |replica| replica.merge(&state, WriteContext::default()))
                .expect("of this group");
        }
        sum = sum.wrapping_add(root);
        assert_eq!((alone.root(), together.root()), (root, sum), "{name}");
        vectors.push(json!({
            "name": name, "fingerprint": hex128(fingerprint), "root": hex128(root), "root_with_those_above": hex128(sum),
        }));
    }
    vectors
}

/// Keys of applications, and the most preferred of several members for each of them.
fn key_vectors() -> Vec<Value> {
    let mut keys: Vec<Vec<u8>> =
        ["", "a", "ab", "customer:4711", "1234567", "12345678", "123456789", "ügyfél"]
            .map(|key| key.as_bytes().to_vec())
            .to_vec();
    keys.extend([vec![0], vec![0; 8], vec![0; 9], vec![0xff; 16], (0..=255).collect()]);
    let vector = |bytes: Vec<u8>| {
        let key = u32::try_from(bytes_hash(8, &bytes) / (1 << 32)).expect("32 bits are left");
        assert_eq!(gm_data::key_of(&bytes), key, "{bytes:?}");
        let weight = |member: NetId| steps(7, &[h0(member), u128::from(key)]);
        let mut order = members();
        for member in &order {
            assert_eq!(u128::from(gm_data::rendezvous_weight(key, *member)), weight(*member));
        }
        order.sort_by_key(|member| std::cmp::Reverse(weight(*member)));
        let states = order.iter().map(|member| {
            let item = Item::serves(*member, KeyRange::WHOLE, 80, 1).expect("a priority");
            record(*member, common::version(1, 1), &[StampedItem { item, stamp: 1 }])
        });
        let view = View::new(common::group_state(states));
        assert!(view.locate(key).iter().map(|owner| owner.member).eq(order.iter().copied()));
        let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        let of = |member: &NetId| json!([member.to_string(), hex64(weight(*member))]);
        json!({ "bytes": hex, "key": key, "weights": order.iter().map(of).collect::<Vec<_>>() })
    };
    keys.into_iter().map(vector).collect()
}

/// Hash positions of members, and for each level the low 64 bits of the sum of H' in their buckets.
/// Each of the members has a record with its number in the list as incarnation, clock 1 and no
/// items.
fn place_vectors() -> Vec<Value> {
    let versions = (1..).map(|number| common::version(number, 1));
    let records: Vec<(NetId, Version)> = members().into_iter().zip(versions).collect();
    let position = |member: NetId| step(9, h0(member));
    let view = View::new(common::group_state(
        records.iter().map(|(member, version)| record(*member, *version, &[])),
    ));
    let vector = |(member, version): &(NetId, Version)| {
        let bucket = |level: u32| {
            let of = |member: NetId| position(member) / (TWO_64 / 16_u128.pow(level));
            let index = of(*member);
            let inside = records.iter().filter(|(other, _)| of(*other) == index);
            let sum = inside.map(|(member, version)| h_record(*member, *version, 0) % TWO_64).sum::<u128>()
                % TWO_64;
            let found =
                view.bucket(u8::try_from(level).expect("at most 16"), u64::try_from(index).expect("a place"));
            assert_eq!(u128::from(found.fingerprint), sum, "{member}, level {level}");
            json!([level, hex64(index), found.records, hex64(sum)])
        };
        assert_eq!(u128::from(gm_data::hash_position(*member)), position(*member));
        let buckets = [0, 1, 2, 16].map(bucket);
        json!({
            "member": member.to_string(), "incarnation": hex64(version.incarnation.get()), "clock": hex64(version.clock),
            "place": hex64(position(*member)), "buckets": buckets,
        })
    };
    records.iter().map(vector).collect()
}

/// Formats one vector per line, so that changing one vector changes one line.
fn format_item(parts: &[(&str, Vec<Value>)]) -> String {
    let note = "Numbers of 64 and 128 bits are hex texts, most significant digit first. `h0` is H0 of the member; the other \
                names are those of the crate's page on hashes (src/hash.rs). Items of a record: start, end, op, port, priority, stamp. \
                Keys: an application's key in hex, its key_of, and the weights of members for it, the most preferred first. \
                Places: of a group with these records, none of which has items: the place of the member, and the buckets that it \
                is in: level, index, records in it, fingerprint.";
    let mut text = format!("{{\n  \"note\": {}", json!(note));
    for (part, vectors) in parts {
        let lines: Vec<String> = vectors.iter().map(|vector| format!("    {vector}")).collect();
        text += &format!(",\n  \"{part}\": [\n{}\n  ]", lines.join(",\n"));
    }
    text + "\n}\n"
}

#[test]
fn the_crate_its_description_and_the_vectors_agree() {
    let parts = [
        ("items", item_vectors()),
        ("fingerprints", record_vectors()),
        ("roots", group_vectors()),
        ("keys", key_vectors()),
        ("places", place_vectors()),
    ];
    let count: usize = parts.iter().map(|(_, vectors)| vectors.len()).sum();
    assert!(count >= 40, "{count} vectors");
    let text = format_item(&parts);
    serde_json::from_str::<Value>(&text).expect("it is JSON");
    let committed: Value = serde_json::from_str(&vector_file(&text)).expect("they are JSON");
    for (part, vectors) in &parts {
        let old = committed[part].as_array().expect("every part is there");
        for (at, (old, new)) in old.iter().zip(vectors).enumerate() {
            assert_eq!(old, new, "{part}, vector {at}: if the change is intended, run `cargo xtask vectors`");
        }
        assert_eq!(old.len(), vectors.len(), "{part}");
    }
}

/// The text of the vector file, which is the given one if `GM_VECTORS=write`. The folder is the
/// crate's, or the one with the crate's name below `GM_VECTORS_DIR`.
fn vector_file(made: &str) -> String {
    let folder = match std::env::var_os("GM_VECTORS_DIR") {
        Some(folder) => Path::new(&folder).join(env!("CARGO_PKG_NAME")),
        None => Path::new(env!("CARGO_MANIFEST_DIR")).join("vectors"),
    };
    let path = folder.join("hashes.json");
    if std::env::var_os("GM_VECTORS").is_some_and(|what| what == "write") {
        std::fs::create_dir_all(&folder).expect("the folder can be created");
        std::fs::write(&path, made).expect("the folder can be written to");
    }
    std::fs::read_to_string(&path).expect("the vectors are there")
}

/// The digest depends on every part of an item.
#[test]
fn every_part_of_an_item_reaches_its_hash() {
    let base = stamped(id(1), (5, 9), Op::Add, 80, 3, 7);
    let others = [
        stamped(id(2), (5, 9), Op::Add, 80, 3, 7),
        stamped(id(1), (4, 9), Op::Add, 80, 3, 7),
        stamped(id(1), (5, 8), Op::Add, 80, 3, 7),
        stamped(id(1), (5, 9), Op::Get, 80, 3, 7),
        stamped(id(1), (5, 9), Op::Rmv, 80, 3, 7),
        stamped(id(1), (5, 9), Op::Add, 81, 3, 7),
        stamped(id(1), (5, 9), Op::Add, 80, 4, 7),
        stamped(id(1), (5, 9), Op::Add, 80, 3, 8),
    ];
    let digest =
        |stamped: StampedItem| record(stamped.item.member(), common::version(1, 9), &[stamped]).digest();
    let mut digests: Vec<u64> = others.into_iter().chain([base]).map(digest).collect();
    digests.sort_unstable();
    digests.dedup();
    assert_eq!(digests.len(), 9);
}
