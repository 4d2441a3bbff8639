//! The `serde` feature: serialized forms, and refusal of every value that a constructor would
//! refuse.

mod common;

use core::fmt::Debug;

use common::{
    NOW, empty_replica, forgotten, group_state, id, incarnation, interest, name, predecessor, range, record,
    removal, serve, serves, unserve, version,
};
use gm_clock::CEILING;
use gm_data::{
    Change, DEFAULT_PRIORITY, GroupEvent, GroupName, GroupState, Increment, Item, KeyRange, Op, Predecessor,
    RangeError, Record, StampedItem, Version, VersionDigest,
};
use proptest::prelude::*;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, from_str, from_value, json, to_string, to_value};

/// Asserts that the value is serialized in the given form and deserialized from it, and that an
/// additional field is refused.
fn assert_form<T: Serialize + DeserializeOwned + PartialEq + Debug>(value: &T, form: Value) {
    assert_eq!(to_value(value).expect("plain data"), form);
    assert_eq!(&from_str::<T>(&form.to_string()).expect("its own form"), value);
    if let Value::Object(mut parts) = form {
        parts.insert("stranger".to_owned(), json!(0));
        from_value::<T>(Value::Object(parts)).expect_err("an unknown field");
    }
}

/// The serialized form of every type.
#[test]
fn serialized_forms() {
    assert_form(&range("16-255"), json!("0x00000010-0x000000ff"));
    assert_form(&name("ügyfelek"), json!("ügyfelek"));
    assert_eq!(to_value([Op::Add, Op::Rmv, Op::Get]).expect("plain data"), json!(["add", "rmv", "get"]));
    assert_form(&[Op::Add, Op::Rmv, Op::Get], json!(["add", "rmv", "get"]));
    let item = json!({
        "member": "10.0.0.1:29999", "range": "0x00000000-0x00000009", "op": "add", "port": 80, "priority": 1,
    });
    assert_form(&serves(id(1), "0-9", 7).item, item.clone());
    let mut stamped = item;
    stamped["time"] = json!(7);
    assert_form(&serves(id(1), "0-9", 7), stamped.clone());

    let nine = json!({ "incarnation": 5, "gone": false, "clock": 9 });
    assert_form(&version(5, 9), nine.clone());
    assert_form(
        &Predecessor { incarnation: incarnation(4), clock: 8 },
        json!({ "incarnation": 4, "clock": 8 }),
    );
    assert_form(
        &VersionDigest { version: version(5, 9), digest: u64::MAX },
        json!({ "version": nine, "digest": u64::MAX }),
    );

    let record = Record::from_parts(id(1), version(5, 9), predecessor(4, 8), 3, [serves(id(1), "0-9", 7)])
        .expect("sound");
    let record_form = json!({
        "member": "10.0.0.1:29999", "version": nine, "opened": { "incarnation": 4, "clock": 8 }, "floor": 3,
        "items": [stamped],
    });
    assert_form(&record, record_form.clone());
    assert_form(
        &GroupState::from_records(name("G"), [record]),
        json!({ "name": "G", "records": [record_form] }),
    );
    let increment = Increment::from_parts(id(1), incarnation(5), None, (6, 9), 77, [serves(id(1), "0-9", 7)]);
    assert_form(
        &increment.expect("sound"),
        json!({
            "member": "10.0.0.1:29999", "incarnation": 5, "opened": null, "since": 6, "upto": 9, "digest": 77,
            "items": [stamped],
        }),
    );
}

#[test]
fn changes_are_serialized_by_what_they_do() {
    let range = range("0-9");
    let form = |what: Value| {
        let mut form = json!({ "start": 0, "end": 9 });
        form.as_object_mut().expect("an object").extend(what.as_object().expect("an object").clone());
        form
    };
    let serve = |port| Change::Serve { range, port, priority: 2 };
    assert_form(&serve(Some(80)), form(json!({ "do": "serve", "port": 80, "priority": 2 })));
    assert_form(&serve(None), form(json!({ "do": "serve", "port": null, "priority": 2 })));
    assert_form(&Change::Unserve(range), form(json!({ "do": "unserve" })));
    assert_form(&Change::Interest(range), form(json!({ "do": "interest" })));
    let priority = |text: &str| form(json!({ "do": "priority", "priority": text }));
    assert_form(&Change::Priority { range, priority: 3 }, priority("3"));
    assert_form(&Change::Raise { range, by: 3, port: None }, priority("+3"));
    assert_form(&Change::Lower { range, by: 3 }, priority("-3"));
    let raised = form(json!({ "do": "priority", "priority": "+3", "port": 80 }));
    assert_form(&Change::Raise { range, by: 3, port: Some(80) }, raised);
    let item = serves(id(1), "0-9", 7).item;
    assert_form(&Change::Put(item), json!({ "do": "put", "item": to_value(item).expect("plain data") }));

    let short: Change = from_value(form(json!({ "do": "serve", "port": 80 }))).expect("without priority");
    assert_eq!(short, Change::Serve { range, port: Some(80), priority: DEFAULT_PRIORITY });
    let refused = |form: Value, why: &str| {
        let error = from_value::<Change>(form).expect_err("no change").to_string();
        assert!(error.contains(why), "{error}");
    };
    refused(
        json!({ "do": "unserve", "start": 9, "end": 0 }),
        &RangeError::Inverted { start: 9, end: 0 }.to_string(),
    );
    refused(form(json!({ "do": "serve" })), "port");
    refused(priority("*3"), "not a priority");
    refused(form(json!({ "do": "priority", "priority": "3", "port": 80 })), "port");
    refused(form(json!({ "do": "vanish" })), "vanish");
    refused(json!({ "start": 0, "end": 9 }), "do");
}

#[test]
fn events_are_serialized_by_name() {
    let (item, member) = (serves(id(1), "0-9", 7).item, json!("10.0.0.1:29999"));
    let other = Item::interest(id(1), range("0-9"));
    let [item_form, other_form] = [item, other].map(|item| to_value(item).expect("plain data"));
    assert_form(
        &[GroupEvent::Joined(id(1)), GroupEvent::Left(id(1))],
        json!([{ "joined": member }, { "left": member }]),
    );
    assert_form(&[GroupEvent::RangeAdded(item)], json!([{ "range_added": item_form }]));
    assert_form(&[GroupEvent::RangeRemoved(item)], json!([{ "range_removed": item_form }]));
    let changed = json!({ "range_changed": { "from": item_form, "to": other_form } });
    assert_form(&[GroupEvent::RangeChanged { from: item, to: other }], json!([changed]));

    let bad = |from: Item, to: Item| {
        let text = json!({ "range_changed": { "from": from, "to": to } });
        from_value::<GroupEvent>(text).expect_err("no change of a range").to_string()
    };
    let reason = "not live, or not of one range";
    assert!(bad(item, item).contains(reason));
    assert!(bad(item, serves(id(2), "0-9", 7).item).contains(reason));
    assert!(bad(item, serves(id(1), "0-8", 7).item).contains(reason));
    assert!(bad(item, Item::removal(id(1), range("0-9"))).contains(reason));
    from_value::<GroupEvent>(json!({ "range_added": removal(id(1), "0-9", 1).item })).expect_err("not live");
    from_value::<GroupEvent>(json!({ "vanished": member })).expect_err("no such event");
}

/// The form of `value` with `part`, a path of names and indices, replaced by `new`.
fn with(value: &impl Serialize, part: &str, new: Value) -> Value {
    let mut form = to_value(value).expect("plain data");
    *form.pointer_mut(part).expect("there is that part") = new;
    form
}

fn reason<T: DeserializeOwned + Debug>(form: Value) -> String {
    from_value::<T>(form).expect_err("it must be refused").to_string()
}

#[test]
fn malformed_texts_are_not_deserialized() {
    let refusals = [
        (reason::<KeyRange>(json!("9-8")), "inverted"),
        (reason::<KeyRange>(json!("+7")), "not a range"),
        (reason::<KeyRange>(json!(7)), "expected START-END"),
        (reason::<KeyRange>(json!([0, 9])), "expected START-END"),
        (reason::<GroupName>(json!("")), "empty"),
        (reason::<GroupName>(json!("x".repeat(256))), "256 bytes"),
        (reason::<GroupName>(json!("a\nb")), "control character"),
        (reason::<GroupName>(json!(null)), "expected the name of a group"),
        (reason::<Op>(json!("Add")), "unknown variant `Add`"),
        (reason::<Op>(json!(1)), "expected a string"),
    ];
    for (error, part) in refusals {
        assert!(error.contains(part), "{error:?} does not contain {part:?}");
    }
}

#[test]
fn invalid_parts_are_not_deserialized() {
    let stamped = serves(id(1), "0-9", 7);
    let whole = record(id(1), version(5, 9), &[stamped, interest(id(1), "10-19", 9)]);
    let state = group_state([whole.clone(), record(id(2), forgotten(1, 4), &[])]);
    let increment = whole.increment_since(version(5, 8)).expect("above the floor");
    let items = |texts: [StampedItem; 2]| with(&whole, "/items", json!(texts));
    let twice = json!({ "name": "G", "records": [whole, record(id(2), version(1, 1), &[]), record(id(1), version(6, 0), &[])] });
    let refusals = [
        (reason::<Item>(with(&stamped.item, "/priority", json!(0))), "priority 0"),
        (reason::<Item>(with(&stamped.item, "/port", json!(65_536))), "expected u16"),
        (reason::<Item>(with(&stamped.item, "/member", json!("10.0.0.1:0"))), "port 0"),
        (reason::<Item>(json!({ "member": "10.0.0.1:1" })), "missing field"),
        (reason::<StampedItem>(with(&stamped, "/priority", json!(0))), "priority 0"),
        (reason::<StampedItem>(with(&stamped, "/time", json!(CEILING + 1))), "time 4611686018427387904"),
        (reason::<StampedItem>(with(&stamped, "/time", json!(-1))), "expected u64"),
        (reason::<StampedItem>(to_value(stamped.item).expect("plain data")), "missing field `time`"),
        (reason::<Version>(with(&version(5, 9), "/clock", json!(CEILING + 1))), "time 4611686018427387904"),
        (
            reason::<Version>(with(&version(5, 9), "/incarnation", json!(CEILING + 1))),
            "incarnation 4611686018427387904",
        ),
        (
            reason::<Predecessor>(json!({ "incarnation": 1, "clock": CEILING + 1 })),
            "time 4611686018427387904",
        ),
        (reason::<VersionDigest>(json!({ "version": version(1, 1), "digest": -1 })), "expected u64"),
        (reason::<Record>(with(&whole, "/floor", json!(10))), "floor 10"),
        (reason::<Record>(with(&whole, "/version/gone", json!(true))), "forgotten and has items"),
        (reason::<Record>(with(&whole, "/version/clock", json!(8))), "stamp 9"),
        (
            reason::<Record>(with(&whole, "/opened", json!({ "incarnation": 5, "clock": 1 }))),
            "has a predecessor",
        ),
        (
            reason::<Record>(with(&whole, "/items/0/member", json!("10.0.0.2:29999"))),
            "an item of 10.0.0.2:29999",
        ),
        (reason::<Record>(items([interest(id(1), "10-19", 9), stamped])), "not sorted"),
        (reason::<Record>(items([stamped, stamped])), "not sorted"),
        (reason::<GroupState>(with(&state, "/name", json!(""))), "empty"),
        (reason::<GroupState>(with(&state, "/records/1/floor", json!(5))), "floor 5"),
        (reason::<GroupState>(twice), "two records of 10.0.0.1:29999"),
        (reason::<Increment>(with(&increment, "/since", json!(9))), "covers nothing"),
        (reason::<Increment>(with(&increment, "/upto", json!(CEILING + 1))), "time 4611686018427387904"),
        (reason::<Increment>(with(&increment, "/items/0/time", json!(8))), "stamp 8"),
        (
            reason::<Increment>(with(&increment, "/member", json!("10.0.0.2:29999"))),
            "an item of 10.0.0.1:29999",
        ),
    ];
    for (error, part) in refusals {
        assert!(error.contains(part), "{error:?} does not contain {part:?}");
    }
}

#[test]
fn a_restored_replica_continues_from_its_state() {
    let mut replica = empty_replica();
    replica.change(&[serve("0-9"), serve("10-19")], NOW).expect("sound");
    replica.change(&[unserve("0-9")], NOW).expect("sound");
    let stored = to_string(replica.state()).expect("plain data");
    let read: GroupState = from_str(&stored).expect("its own form");
    assert_eq!(read.record(id(1)), replica.own_record());
    assert_eq!(read.fingerprint(), replica.state().fingerprint());
}

proptest! {
    /// Serialization round-trips in any order, including parts that equality ignores: removals and
    /// floors.
    #[test]
    fn serialization_round_trips(
        raw in proptest::collection::vec((1..20_u8, 1..4_u64, any::<bool>(), 0..30_u64, proptest::collection::btree_map(0..9_u32, (0..3_u8, 0..30_u64, 1..9_u16), 0..5)), 0..9),
        turn in any::<bool>(),
    ) {
        let records = raw.into_iter().map(|(member, number, is_gone, clock, items)| {
            let items = items.into_iter().filter(|_| !is_gone).map(|(key, (op, time, priority))| {
                let op = [Op::Add, Op::Rmv, Op::Get][usize::from(op)];
                let item = Item::new(id(member), KeyRange::single(key), op, 80, priority).expect("priority 1");
                StampedItem { item, stamp: time.min(clock) }
            });
            let version = Version { forgotten: is_gone, ..version(number, clock) };
            let from = predecessor(number - 1, clock / 2).filter(|predecessor| predecessor.clock < clock && !is_gone);
            Record::from_parts(id(member), version, from, clock / 3, items).expect("sound")
        });
        let state = group_state(records);
        let mut form = to_value(&state).expect("plain data");
        if turn {
            form["records"].as_array_mut().expect("a list").reverse();
        }
        let read = from_value::<GroupState>(form).expect("its own form");
        prop_assert!(read.records().eq(state.records()));
        prop_assert_eq!(read.fingerprint(), state.fingerprint());
    }
}
