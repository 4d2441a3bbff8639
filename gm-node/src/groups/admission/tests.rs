//! Limits, exact to one item: what fits is merged, what does not is refused as a whole, and the
//! refusal is reported once.

use gm_broadcast::{Path, Time};
use gm_clock::{Incarnation, NetId};
use gm_codec::{GroupUpdate, MemberUpdate};
use gm_data::{GroupName, Item, KeyRange, Record, StampedItem, Version};

use super::*;
use crate::config::NodeLimits;

fn node(number: u8) -> NetId {
    format!("10.0.0.{number}:29999").parse().unwrap()
}

fn name() -> GroupName {
    "Customers".parse().unwrap()
}

fn groups(items: usize, group_items: usize, records: usize) -> Groups {
    let limits = NodeLimits { items, group_items, records, ..NodeLimits::DEFAULT };
    let mut groups = Groups::new(node(1), false, limits);
    assert!(groups.host(Time::ZERO, &name()));
    groups
}

/// A record with this number of live and removed items, at a clock.
fn record(member: u8, live: u32, removed: u32, clock: u64) -> Record {
    let version = Version::new(Incarnation::new(1).unwrap(), false, clock).unwrap();
    let items = (0..live + removed).map(|key| {
        let range = KeyRange::single(2 * key);
        let item = if key < live {
            Item::serves(node(member), range, 80, 1).unwrap()
        } else {
            Item::removal(node(member), range)
        };
        StampedItem { item, stamp: clock }
    });
    Record::from_parts(node(member), version, None, 0, items).unwrap()
}

fn merge(groups: &mut Groups, parts: Vec<MemberUpdate>) {
    groups.merge(
        Time::ZERO,
        (node(9), Path::Connection),
        None,
        &GroupUpdate { name: name(), updates: parts },
    );
}

/// The members with a record, and the limits that were reported.
fn outcome(groups: &mut Groups) -> (Vec<NetId>, Vec<&'static str>) {
    let state = groups.set.group(&name()).map(|replica| replica.state().clone());
    let members = state.iter().flat_map(|state| state.records().map(Record::member)).collect();
    let reported = groups.effects.drain(..).filter_map(|effect| match effect {
        Effect::Emit(NodeEvent::LimitReached { limit, .. }) => Some(limit),
        _ => None,
    });
    (members, reported.collect())
}

/// A single message with all records, and a message for each, admit the same records.
#[test]
fn records_are_admitted_up_to_each_limit() {
    type Row = (&'static str, (usize, usize, usize), Vec<(u8, u32, u32)>, Vec<u8>, Vec<&'static str>);
    let rows: [Row; 6] = [
        (
            "items of a member",
            (3, 99, 99),
            vec![(2, 3, 0), (3, 2, 1), (4, 4, 0), (5, 3, 1)],
            vec![2, 3],
            vec!["items"],
        ),
        (
            "items of the group",
            (99, 6, 99),
            vec![(2, 3, 0), (3, 3, 0), (4, 1, 0)],
            vec![2, 3],
            vec!["group_items"],
        ),
        (
            "one item more, then a record that fits",
            (99, 6, 99),
            vec![(2, 4, 0), (3, 3, 0), (4, 2, 0)],
            vec![2, 4],
            vec!["group_items"],
        ),
        ("removals do not count for the group", (99, 3, 99), vec![(2, 3, 4), (3, 0, 5)], vec![2, 3], vec![]),
        (
            "records",
            (99, 99, 2),
            vec![(2, 1, 0), (3, 0, 0), (4, 1, 0), (5, 0, 0)],
            vec![2, 3],
            vec!["records"],
        ),
        ("all fit", (4, 10, 4), vec![(2, 4, 0), (3, 4, 0), (4, 2, 0), (5, 0, 0)], vec![2, 3, 4, 5], vec![]),
    ];
    for (what, (items, group_items, records), list, hosted, reported) in rows {
        let expected = (hosted.iter().map(|member| node(*member)).collect::<Vec<_>>(), reported);
        let parts = || {
            list.iter()
                .map(|(member, live, removed)| MemberUpdate::Record(record(*member, *live, *removed, 1)))
        };
        let mut together = groups(items, group_items, records);
        merge(&mut together, parts().collect());
        assert_eq!(outcome(&mut together), expected, "{what}, together");
        let mut apart = groups(items, group_items, records);
        parts().for_each(|part| merge(&mut apart, vec![part]));
        assert_eq!(outcome(&mut apart), expected, "{what}, one by one");
    }
}

/// An increment needs space for added items, but not for replaced ones.
#[test]
fn increments_are_admitted_up_to_each_limit() {
    let whole = |live, removed| record(2, live, removed, 2);
    // The increment is for a member with two live items; another member has three. Columns: record
    // after the increment, limits, whether it is applied.
    let rows = [
        ("the maximum of live items", whole(4, 0), (99, 7), true),
        ("one more", whole(5, 0), (99, 7), false),
        ("the maximum of items", whole(4, 0), (4, 99), true),
        ("one item more", whole(5, 0), (4, 99), false),
        ("a replaced item needs no space", whole(2, 0), (2, 5), true),
        ("a removal frees space", whole(1, 1), (2, 5), true),
        ("a removal of an unknown range is an item too", whole(2, 1), (2, 99), false),
        ("but not a live one", whole(2, 1), (3, 5), true),
    ];
    for (what, whole, (items, group_items), taken) in rows {
        let mut groups = groups(items.max(3), group_items, 99);
        merge(
            &mut groups,
            vec![MemberUpdate::Record(record(2, 2, 0, 1)), MemberUpdate::Record(record(3, 3, 0, 1))],
        );
        groups.limits.items = items;
        let before = Version::new(Incarnation::new(1).unwrap(), false, 1).unwrap();
        let increment = whole.increment_since(before).unwrap();
        merge(&mut groups, vec![MemberUpdate::Increment(increment)]);
        let hosted = groups.record(&name(), node(2)).cloned();
        let expected = if taken { whole } else { record(2, 2, 0, 1) };
        assert_eq!(hosted, Some(expected), "{what}");
    }
}

/// Parts of a message that are admitted count before they are merged.
#[test]
fn increments_of_one_message_are_counted_together() {
    let life = Incarnation::new(1).unwrap();
    // Two live items of the first write remain, and two are added.
    let increment = |member: u8| {
        let items = (0..4).map(|key| {
            let item = Item::serves(node(member), KeyRange::single(2 * key), 80, 1).unwrap();
            StampedItem { item, stamp: if key < 2 { 1 } else { 2 } }
        });
        let version = |clock| Version::new(life, false, clock).unwrap();
        let whole = Record::from_parts(node(member), version(2), None, 0, items).unwrap();
        MemberUpdate::Increment(whole.increment_since(version(1)).unwrap())
    };
    for (limit, live) in [(8, [4, 4]), (7, [4, 2])] {
        let mut groups = groups(99, limit, 99);
        merge(
            &mut groups,
            vec![MemberUpdate::Record(record(2, 2, 0, 1)), MemberUpdate::Record(record(3, 2, 0, 1))],
        );
        merge(&mut groups, vec![increment(2), increment(3)]);
        let hosted = [2, 3].map(|member| groups.record(&name(), node(member)).unwrap().item_counts().0);
        assert_eq!(hosted, live, "at most {limit}");
    }
}
