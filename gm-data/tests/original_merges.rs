//! The original implementation's merges, case by case, compared with gm's: cases in which the two
//! agree, and cases in which gm's rule differs, with the reason.
//!
//! `data/original_merges.json` was computed by the original's own modules. A case consists of
//! records of incarnation 1 whose clocks are those of its world clock, and is merged in both
//! orders.

mod common;

use std::collections::BTreeMap;

use common::{name, version};
use gm_clock::NetId;
use gm_data::{GroupState, Item, KeyRange, Op, Record, RecordError, StampedItem};
use serde_json::Value;

/// Reason why the result of gm differs from the original.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reason {
    /// The original merges item by item; gm takes one of the two records as a whole. The two sides
    /// have equal clocks and different contents, which a single writer cannot produce: it takes a
    /// fault, such as a lost clock. A mixture of the two would be a state that no member ever
    /// wrote; the owner refutes the record with its real items.
    RecordsAreWhole,
    /// Equal clocks on one range with different contents. The original keeps the right-hand side's
    /// item, so its two orders give two results and the nodes never agree. gm compares digests, and
    /// both orders give one result.
    Tie,
    /// A side has two items of one range. The original removes duplicates during the merge; in gm
    /// that is not a valid record and is refused.
    RawDuplicates,
    /// An item is stamped with another member's clock. The original keeps it or raises; in gm only
    /// a member itself writes its items, so it is refused.
    ForeignClock,
    /// The sides belong to different groups. Both implementations refuse: the original raises, gm
    /// returns an error with the names.
    GroupsDiffer,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    /// The items including removals, their stamps, and the clocks equal those of the original, in
    /// both orders.
    Equal,
    Differs(Reason),
}

use Outcome::{Differs, Equal};

const MERGES: [(&str, Outcome); 20] = [
    ("m1", Equal),
    ("m2", Equal),
    ("m3", Equal),
    ("m4", Equal),
    ("m5", Equal),
    ("m6", Equal),
    ("m7", Differs(Reason::Tie)),
    ("m8", Differs(Reason::Tie)),
    ("m9", Differs(Reason::Tie)),
    ("m10", Differs(Reason::RecordsAreWhole)),
    ("m11", Equal),
    ("m12", Equal),
    ("m13", Equal),
    ("m14", Equal),
    ("m15", Differs(Reason::RawDuplicates)),
    ("m16", Equal),
    ("m17", Differs(Reason::GroupsDiffer)),
    ("m18", Differs(Reason::ForeignClock)),
    ("m19", Differs(Reason::ForeignClock)),
    ("m20", Equal),
];

/// An added item is a record of that item alone. In `a3` the clocks tie: both the original and gm
/// keep the present item, gm in both orders, because the digest of a removal is 0 and that of any
/// live item is greater.
const ADDS: [(&str, Outcome); 4] = [("a1", Equal), ("a2", Equal), ("a3", Equal), ("a4", Equal)];

fn file() -> Value {
    serde_json::from_str(include_str!("data/original_merges.json")).expect("the file is JSON")
}

fn text<'a>(value: &'a Value, part: &str) -> &'a str {
    value[part].as_str().expect(part)
}

fn number(value: &Value, part: &str) -> u64 {
    value[part].as_u64().expect(part)
}

fn list<'a>(value: &'a Value, part: &str) -> &'a [Value] {
    value[part].as_array().expect(part)
}

fn small<T: TryFrom<u64, Error: core::fmt::Debug>>(value: &Value, part: &str) -> T {
    number(value, part).try_into().expect("it is in range")
}

fn member(value: &Value) -> NetId {
    NetId::new(text(value, "ip").parse().expect("an address"), small(value, "port"))
        .expect("an ordinary address")
}

fn stamped(item: &Value) -> StampedItem {
    let op = [Op::Add, Op::Rmv, Op::Get].into_iter().find(|op| op.to_string() == text(item, "op"));
    let op = op.expect("a known op");
    let range = KeyRange::new(small(item, "start"), small(item, "end")).expect("in order");
    let item_of = |port| Item::new(member(&item["member"]), range, op, port, 1).expect("priority 1");
    StampedItem { item: item_of(small(item, "port")), stamp: number(item, "clock_time") }
}

/// Converts one side of a case to records. An item belongs to the record whose clock it has, if
/// there is one.
fn state(side: &Value) -> Result<GroupState, RecordError> {
    let mut parts: BTreeMap<NetId, (u64, Vec<StampedItem>)> = BTreeMap::new();
    for clock in list(side, "world_clock") {
        let (time, _) = parts.entry(member(&clock["member"])).or_default();
        *time = number(clock, "time").max(*time);
    }
    for item in list(side, "items") {
        parts.entry(member(&item["clock_member"])).or_default().1.push(stamped(item));
    }
    let record = |(member, (time, mut items)): (NetId, (u64, Vec<StampedItem>))| {
        items.sort_by_key(|stamped| stamped.item.range());
        Record::from_parts(member, version(1, time), None, 0, items)
    };
    let records: Result<Vec<_>, _> = parts.into_iter().map(record).collect();
    Ok(GroupState::from_records(name(text(side, "group_name")), records?))
}

/// The compared contents: the clocks, and all items with their stamps.
type Contents = (Vec<(NetId, u64)>, Vec<StampedItem>);

fn contents(state: &GroupState) -> Contents {
    let clocks = state.world_clock().into_iter().map(|clock| (clock.member(), clock.time())).collect();
    (clocks, state.records().flat_map(Record::stamped_items).collect())
}

fn original(group_state: &Value) -> Contents {
    let clocks = list(group_state, "world_clock").iter();
    let mut clocks: Vec<_> = clocks.map(|clock| (member(&clock["member"]), number(clock, "time"))).collect();
    let mut items: Vec<_> = list(group_state, "items").iter().map(stamped).collect();
    clocks.sort();
    items.sort_by_key(|stamped| (stamped.item.member(), stamped.item.range()));
    (clocks, items)
}

fn merged(left: &GroupState, right: &GroupState) -> GroupState {
    let mut merged = left.clone();
    merged.merge(right).expect("one group");
    merged
}

#[test]
fn every_merge_of_the_original_comes_out_as_the_table_says() {
    let file = file();
    let cases = list(&file, "merge_cases");
    let ids: Vec<&str> = cases.iter().map(|case| text(case, "id")).collect();
    assert_eq!(ids, MERGES.map(|(id, _)| id), "the table and the file have the same cases");
    for (case, (id, outcome)) in cases.iter().zip(MERGES) {
        match outcome {
            Equal => assert_equal(case, id),
            Differs(reason) => assert_differs(case, id, reason),
        }
    }
}

fn assert_equal(case: &Value, id: &str) {
    let [left, right] = ["lhs", "rhs"].map(|side| state(&case[side]).expect("sound records"));
    let (there, back) = (merged(&left, &right), merged(&right, &left));
    assert_eq!(contents(&there), original(&case["merge_lhs_rhs"]["message"]), "{id}, lhs with rhs");
    assert_eq!(contents(&back), original(&case["merge_rhs_lhs"]["message"]), "{id}, rhs with lhs");
    assert_eq!(there.fingerprint(), back.fingerprint(), "{id}");
}

fn assert_differs(case: &Value, id: &str, reason: Reason) {
    let (left, right) = (state(&case["lhs"]), state(&case["rhs"]));
    match reason {
        Reason::RawDuplicates => {
            assert!(matches!(left, Err(RecordError::Unsorted { .. })), "{id}: {left:?}");
            right.expect("the other side is sound");
            assert_eq!(text(&case["merge_lhs_rhs"], "outcome"), "ok", "{id}");
        }
        Reason::ForeignClock => {
            assert!(matches!(left, Err(RecordError::ForeignItem { .. })), "{id}: {left:?}");
            right.expect("the other side is sound");
        }
        Reason::GroupsDiffer => {
            let [mut left, mut right] = [left, right].map(|side| side.expect("sound records"));
            let before = (left.clone(), right.clone());
            let error = left.merge(&right).expect_err("two groups");
            assert_eq!(
                (error.mine, error.theirs),
                (before.0.name().clone(), before.1.name().clone()),
                "{id}"
            );
            right.merge(&left).expect_err("two groups");
            assert_eq!((left, right), before, "{id}");
            for order in ["merge_lhs_rhs", "merge_rhs_lhs"] {
                assert_eq!(text(&case[order], "outcome"), "raised", "{id}");
            }
        }
        Reason::Tie | Reason::RecordsAreWhole => {
            let [left, right] = [left, right].map(|side| side.expect("sound records"));
            let ours = contents(&merged(&left, &right));
            assert_eq!(ours, contents(&merged(&right, &left)), "{id}: one result, whatever the order");
            assert!(ours == contents(&left) || ours == contents(&right), "{id}: one side, whole");
            let theirs = ["merge_lhs_rhs", "merge_rhs_lhs"].map(|order| original(&case[order]["message"]));
            let tie = reason == Reason::Tie;
            assert_eq!(theirs[0] != theirs[1], tie, "{id}: the original's orders");
            assert_eq!(theirs.contains(&ours), tie, "{id}: one of the original's results");
        }
    }
}

#[test]
fn every_add_of_the_original_comes_out_as_the_table_says() {
    let file = file();
    let cases = list(&file, "add_cases");
    let ids: Vec<&str> = cases.iter().map(|case| text(case, "id")).collect();
    assert_eq!(ids, ADDS.map(|(id, _)| id), "the table and the file have the same cases");
    for (case, (id, outcome)) in cases.iter().zip(ADDS) {
        assert_eq!(outcome, Equal, "{id}");
        let before = state(&case["message"]).expect("sound records");
        let item = stamped(&case["item"]);
        let alone = common::record(item.item.member(), version(1, item.stamp), &[item]);
        let added = GroupState::from_records(before.name().clone(), [alone]);
        let expected = original(&case["result"]);
        assert_eq!(contents(&merged(&before, &added)), expected, "{id}");
        assert_eq!(contents(&merged(&added, &before)), expected, "{id}, the other way round");
    }
}
