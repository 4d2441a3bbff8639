//! Groups with more members than fit into one page, leaf or bucket: queries for owners and for
//! members by hash position.

mod common;

use std::collections::BTreeSet;

use common::{NOW, empty_replica, name, range, version};
use gm_clock::NetId;
use gm_data::{Change, GroupState, Item, KeyRange, Record, StampedItem, View, hash_position};

fn member(number: u16) -> NetId {
    let [high, low] = number.to_be_bytes();
    format!("10.1.{high}.{low}:29999").parse().expect("an ordinary address")
}

/// A record that serves only the key of its number.
fn record(number: u16, clock: u64) -> Record {
    let item = Item::serves(member(number), KeyRange::single(number.into()), 80, 1).expect("a priority");
    let stamped = StampedItem { item, stamp: clock };
    Record::from_parts(member(number), version(1, clock), None, 0, [stamped]).expect("sound")
}

fn view(numbers: impl Iterator<Item = u16>) -> View {
    View::new(GroupState::from_records(name("many"), numbers.map(|number| record(number, 1))))
}

#[test]
fn each_of_many_members_is_found_by_what_it_serves() {
    for count in [255, 256, 257, 511, 512, 513, 1_200] {
        let view = view(0..count);
        for number in 0..count {
            let owners: Vec<NetId> = view.locate(number.into()).iter().map(|owner| owner.member).collect();
            assert_eq!(owners, [member(number)], "{number} of {count}");
            assert_eq!(view.first_owner(number.into()).map(|owner| owner.member), Some(member(number)));
        }
        assert!(view.locate(count.into()).is_empty());
        assert_eq!(view.next_served_key(u32::from(count) - 1), None);
        assert_eq!(view.next_served_key(u32::from(count) - 2), Some(u32::from(count) - 1));
        assert_eq!(view.locate_range(range("100-199")).len(), 100);
    }
}

/// A walk by hash position, wrapping around at the end, visits every member once, in the order of
/// the positions.
#[test]
fn a_walk_by_hash_position_visits_every_member() {
    let view = view(0..600);
    let at = |position: u64| view.record_from_position(position).map(Record::member);
    let mut expected: Vec<(u64, NetId)> =
        (0..600).map(|number| (hash_position(member(number)), member(number))).collect();
    expected.sort_unstable();
    let first = expected.first().map(|(_, who)| *who);
    for (number, (here, who)) in expected.iter().enumerate() {
        assert_eq!(at(*here), Some(*who), "at its own hash position");
        let next = expected.get(number + 1).map_or(first, |(_, next)| Some(*next));
        assert_eq!(here.checked_add(1).map_or(next, at), next);
    }
    assert_eq!((at(0), at(u64::MAX)), (first, first));
    assert_eq!(View::new(GroupState::new(name("many"))).record_from_position(0), None);
}

/// The sixteen children of a bucket have its records, and their sums add up to its sum, in a
/// rebuilt state and in one that was updated while records were added and replaced.
#[test]
fn buckets_add_up_before_and_after_records_change() {
    let mut followed = empty_replica();
    for (clock, count) in [(1, 600), (2, 300), (3, 900)] {
        let news = GroupState::from_records(
            followed.state().name().clone(),
            (0..count).map(|number| record(number, clock)),
        );
        followed.merge_others(&news).expect("the same group");
        let built = View::new(followed.state().clone());
        let view = followed.view();
        assert_eq!(view.bucket(0, 0).records, usize::from(count).max(600));
        assert_eq!(u128::from(view.bucket(0, 0).fingerprint), view.fingerprint() & u128::from(u64::MAX));
        let mut members = BTreeSet::new();
        let (mut records, mut fingerprint) = (0, 0_u64);
        for (index, bucket) in (0..16).zip(view.bucket_children(0, 0)) {
            assert_eq!((bucket, bucket), (view.bucket(1, index), built.bucket(1, index)));
            records += bucket.records;
            fingerprint = fingerprint.wrapping_add(bucket.fingerprint);
            let inside: Vec<NetId> = view.bucket_records(1, index).map(Record::member).collect();
            assert_eq!(inside.len(), bucket.records);
            assert!(inside.iter().all(|member| hash_position(*member) >> 60 == index));
            members.extend(inside);
        }
        let root = view.bucket(0, 0);
        assert_eq!((records, fingerprint, members.len()), (root.records, root.fingerprint, root.records));
    }
}

/// An index from which thousands of scattered ranges were removed equals one that is built from the
/// remaining ranges.
#[test]
fn an_index_shrinks_as_it_grew() {
    let mut replica = empty_replica();
    let key = |number: u32| KeyRange::single(2 * number);
    let serve = |number: &u32| Change::Serve { range: key(*number), port: Some(80), priority: 1 };
    let count = 12_000;
    let all: Vec<Change> = (0..count).map(|number| serve(&number)).collect();
    replica.change(&all, NOW).expect("sound changes");
    // Every index is visited once, because the step and the count have no common divisor.
    let order: Vec<u32> = (0..count).map(|number| number * 7_919 % count).collect();
    for forgotten in order.chunks(1_500) {
        let forgotten: Vec<Change> = forgotten.iter().map(|number| Change::Unserve(key(*number))).collect();
        replica.change(&forgotten, NOW).expect("sound changes");
        let (followed, built) = (replica.view(), View::new(replica.state().clone()));
        assert!(followed.coverage().eq(built.coverage()), "{} are left", replica.state().live_item_count());
    }
    assert_eq!(replica.view().first_served_key(), None);
}
