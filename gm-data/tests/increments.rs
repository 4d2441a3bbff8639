//! Application of increments, requests for a whole record, and reports of a merge about both sides.

mod common;

use common::{forgotten, group_state, id, incarnation, record, removal, serves, version};
use gm_data::{ApplyOutcome, GroupState, Increment, MergeOutcome, Record, StampedItem};

/// The record of 10.0.0.2 after its third write; the second was a removal.
fn whole() -> Record {
    record(id(2), version(5, 3), &items())
}

fn items() -> [StampedItem; 3] {
    [serves(id(2), "0-9", 1), removal(id(2), "10-19", 2), serves(id(2), "20-29", 3)]
}

/// The record of 10.0.0.2 after the given number of writes.
fn at(clock: u64) -> GroupState {
    let first = [serves(id(2), "0-9", 1), serves(id(2), "10-19", 1)];
    match clock {
        1 => group_state([record(id(2), version(5, 1), &first)]),
        2 => group_state([record(id(2), version(5, 2), &items()[..2])]),
        _ => group_state([whole()]),
    }
}

fn since(clock: u64) -> Increment {
    whole().increment_since(version(5, clock)).expect("above the floor")
}

#[test]
fn an_increment_applies_if_it_leaves_no_gap() {
    for (held, from) in [(1, 1), (2, 2), (2, 1), (1, 0), (2, 0)] {
        let mut state = at(held);
        assert_eq!(state.apply(&since(from)), ApplyOutcome::Applied, "{from} onto {held}");
        assert_eq!(state.record(id(2)), Some(&whole()), "{from} onto {held}");
        assert_eq!(state.fingerprint(), at(3).fingerprint(), "{from} onto {held}");
        assert_eq!(state.apply(&since(from)), ApplyOutcome::AlreadyKnown, "{from} onto {held}, again");
    }
}

#[test]
fn an_increment_that_does_not_fit_changes_nothing() {
    let false_digest =
        Increment::from_parts(id(2), incarnation(5), None, (2, 3), 1, [items()[2]]).expect("sound");
    let other_incarnation = group_state([record(id(2), version(4, 3), &items())]);
    let later_incarnation = group_state([record(id(2), version(6, 0), &[])]);
    let cases = [
        ("nothing is known", group_state([]), since(2), ApplyOutcome::DoesNotFit),
        ("a gap", at(1), since(2), ApplyOutcome::DoesNotFit),
        ("another digest", at(2), false_digest, ApplyOutcome::DoesNotFit),
        ("an incarnation that is not its predecessor", other_incarnation, since(2), ApplyOutcome::DoesNotFit),
        (
            "forgotten in an older incarnation",
            group_state([record(id(2), forgotten(4, 9), &[])]),
            since(0),
            ApplyOutcome::DoesNotFit,
        ),
        (
            "forgotten in this incarnation",
            group_state([record(id(2), forgotten(5, 1), &[])]),
            since(0),
            ApplyOutcome::AlreadyKnown,
        ),
        ("a later incarnation", later_incarnation, since(2), ApplyOutcome::AlreadyKnown),
        ("the same", at(3), since(2), ApplyOutcome::AlreadyKnown),
    ];
    for (what, mut state, increment, expected) in cases {
        let before = state.clone();
        assert_eq!(state.apply(&increment), expected, "{what}");
        assert!(state.records().eq(before.records()), "{what}");
        assert_eq!(state.fingerprint(), before.fingerprint(), "{what}");
    }
}

#[test]
fn a_merge_reports_newer_and_older_members() {
    let other = |member, clock| record(id(member), version(1, clock), &[]);
    let mut mine = group_state([whole(), other(3, 4), other(4, 1), other(5, 7)]);
    let theirs = group_state([whole(), other(3, 5), other(4, 0), other(6, 1)]);
    let merged = mine.merge(&theirs).expect("one group");
    assert_eq!(
        merged,
        MergeOutcome { newer: vec![id(3), id(6)], older: vec![id(4)], ..MergeOutcome::default() }
    );
    assert_eq!(
        mine.merge(&theirs).expect("one group"),
        MergeOutcome { newer: vec![], older: vec![id(4)], ..MergeOutcome::default() }
    );
    assert_eq!(mine.merge(&mine.clone()), Ok(MergeOutcome::default()));
    assert_eq!(mine.merge(&group_state([whole()])), Ok(MergeOutcome::default()), "equal, and shares nothing");
}
