//! Increments that overlap the local record: which of their items count, and from which clock an
//! increment can be made.

mod common;

use common::{group_state, id, incarnation, record, removal, serves, version};
use gm_data::{ApplyOutcome, Increment, Record, StampedItem};

/// The record of 10.0.0.2 after its second write, which was a removal.
fn stored_record() -> Record {
    record(id(2), version(5, 2), &[serves(id(2), "0-9", 1), removal(id(2), "10-19", 2)])
}

/// An increment from the beginning up to the third write, with the digest of `result`.
fn up_to_three(items: &[StampedItem], result: &Record) -> Increment {
    Increment::from_parts(id(2), incarnation(5), None, (0, 3), result.digest(), items.iter().copied())
        .expect("sound")
}

/// Only items written after the local clock count. An item with that stamp or an earlier one is
/// ignored, whatever its content.
#[test]
fn items_that_are_known_already_do_not_count() {
    let third = serves(id(2), "20-29", 3);
    let after = record(id(2), version(5, 3), &[serves(id(2), "0-9", 1), removal(id(2), "10-19", 2), third]);
    let same = record(id(2), version(5, 3), &[serves(id(2), "0-9", 1), removal(id(2), "10-19", 2)]);
    let (older, equal) = (serves(id(2), "10-19", 1), serves(id(2), "10-19", 2));
    let cases: [(&str, &[StampedItem], &Record); 6] = [
        ("nothing", &[], &same),
        ("an older one", &[older], &same),
        ("one of the same clock", &[equal], &same),
        ("a newer one", &[third], &after),
        ("an older one and a newer one", &[older, third], &after),
        ("one of the same clock and a newer one", &[equal, third], &after),
    ];
    for (what, items, result) in cases {
        let mut state = group_state([stored_record()]);
        assert_eq!(state.apply(&up_to_three(items, result)), ApplyOutcome::Applied, "{what}");
        assert_eq!(state.record(id(2)), Some(result), "{what}");
    }
}

#[test]
fn an_increment_begins_below_the_version_and_not_at_it() {
    assert_eq!(
        stored_record().increment_since(version(5, 1)).map(|increment| increment.span()),
        Some((1, 2))
    );
    assert_eq!(stored_record().increment_since(version(5, 2)), None);
    assert_eq!(stored_record().increment_since(version(4, 1)), None);
}

#[test]
fn debug_output_of_an_increment() {
    let increment = stored_record().increment_since(version(5, 1)).expect("above the floor");
    let text = format!("{increment:?}");
    assert!(
        text.contains("10.0.0.2:29999") && text.contains("span: (1, 2)") && text.contains("Rmv"),
        "{text}"
    );
}

/// An increment has the items written since a clock, wherever they are in a record with more items
/// than fit into one leaf.
#[test]
fn an_increment_finds_recent_items_among_thousands() {
    let of = |key: u32, time| serves(id(2), &key.to_string(), time);
    let times = |key: u32| if key % 700 == 3 { 9 } else { u64::from(key % 5) + 1 };
    let whole = record(id(2), version(5, 9), &(0..3_000).map(|key| of(key, times(key))).collect::<Vec<_>>());
    for since in 0..9 {
        let increment = whole.increment_since(version(5, since)).expect("above the floor");
        let keys: Vec<u32> = increment.items().map(|stamped| stamped.item.range().start()).collect();
        assert_eq!(keys, (0..3_000).filter(|key| times(*key) > since).collect::<Vec<_>>(), "since {since}");
    }
}
