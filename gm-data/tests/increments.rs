//! When an increment is applied, and when somebody must be asked; and what a merge says of both sides.

mod common;

use common::{gone, id, incarnation, message, record, removal, serves, version};
use gm_data::{Applied, Increment, Merged, Message, Record, TimedItem};

/// What 10.0.0.2 holds after its third write; the second was a removal.
fn whole() -> Record {
    record(id(2), version(5, 3), &items())
}

fn items() -> [TimedItem; 3] {
    [serves(id(2), "0-9", 1), removal(id(2), "10-19", 2), serves(id(2), "20-29", 3)]
}

/// What 10.0.0.2 held after so many writes.
fn at(clock: u64) -> Message {
    let first = [serves(id(2), "0-9", 1), serves(id(2), "10-19", 1)];
    match clock {
        1 => message([record(id(2), version(5, 1), &first)]),
        2 => message([record(id(2), version(5, 2), &items()[..2])]),
        _ => message([whole()]),
    }
}

fn since(clock: u64) -> Increment {
    whole().increment_since(version(5, clock)).expect("above the floor")
}

#[test]
fn an_increment_is_applied_from_where_knowledge_ends_or_before() {
    for (held, from) in [(1, 1), (2, 2), (2, 1), (1, 0), (2, 0)] {
        let mut state = at(held);
        assert_eq!(state.apply(&since(from)), Applied::Applied, "{from} onto {held}");
        assert_eq!(state.record(id(2)), Some(&whole()), "{from} onto {held}");
        assert_eq!(state.fingerprint(), at(3).fingerprint(), "{from} onto {held}");
        assert_eq!(state.apply(&since(from)), Applied::Known, "{from} onto {held}, again");
    }
}

#[test]
fn what_does_not_fit_is_asked_for_and_changes_nothing() {
    let false_digest =
        Increment::from_parts(id(2), incarnation(5), None, (2, 3), 1, [items()[2]]).expect("sound");
    let other_life = message([record(id(2), version(4, 3), &items())]);
    let later_life = message([record(id(2), version(6, 0), &[])]);
    let cases = [
        ("nothing is known", message([]), since(2), Applied::Ask),
        ("a gap", at(1), since(2), Applied::Ask),
        ("another digest", at(2), false_digest, Applied::Ask),
        ("another life that it was not opened from", other_life, since(2), Applied::Ask),
        ("forgotten in an older life", message([record(id(2), gone(4, 9), &[])]), since(0), Applied::Ask),
        ("forgotten in this life", message([record(id(2), gone(5, 1), &[])]), since(0), Applied::Known),
        ("a later life", later_life, since(2), Applied::Known),
        ("the same", at(3), since(2), Applied::Known),
    ];
    for (what, mut state, increment, expected) in cases {
        let before = state.clone();
        assert_eq!(state.apply(&increment), expected, "{what}");
        assert!(state.records().eq(before.records()), "{what}");
        assert_eq!(state.fingerprint(), before.fingerprint(), "{what}");
    }
}

#[test]
fn a_merge_names_who_was_newer_and_who_older() {
    let other = |member, clock| record(id(member), version(1, clock), &[]);
    let mut mine = message([whole(), other(3, 4), other(4, 1), other(5, 7)]);
    let theirs = message([whole(), other(3, 5), other(4, 0), other(6, 1)]);
    let merged = mine.merge(&theirs).expect("one group");
    assert_eq!(merged, Merged { newer: vec![id(3), id(6)], older: vec![id(4)], ..Merged::default() });
    assert_eq!(
        mine.merge(&theirs).expect("one group"),
        Merged { newer: vec![], older: vec![id(4)], ..Merged::default() }
    );
    assert_eq!(mine.merge(&mine.clone()), Ok(Merged::default()));
    assert_eq!(mine.merge(&message([whole()])), Ok(Merged::default()), "equal, and shares nothing");
}
