//! Incarnations of a node's own record, and its refutation of foreign ones. The crate's own tests
//! check whole histories of many nodes.

mod common;

use common::{
    FIRST, NOW, assert_same, empty_replica, forgotten, group_state, id, incarnation, interest, later, name,
    own_items, predecessor, record, refused, removal, serve, serves, unserve, version,
};
use gm_data::{
    ApplyOutcome, ChangeError, GroupState, HORIZON, IdentityConflict, Increment, OwnRecordOutcome, Record,
    Replica, StampedItem, Version, VersionDigest, WriteContext,
};

fn write(replica: &mut Replica, text: &str, context: WriteContext) -> Version {
    replica.change(&[serve(text)], context).expect("a sound change").version
}

/// Merges a record of the node itself with the given version.
fn merge(
    replica: &mut Replica,
    version: Version,
    items: &[StampedItem],
    context: WriteContext,
) -> OwnRecordOutcome {
    replica.merge(&group_state([record(id(1), version, items)]), context).expect("of this group").own
}

#[test]
fn the_first_write_opens_an_incarnation_above_the_hint() {
    assert_eq!(write(&mut empty_replica(), "0-9", NOW), version(FIRST, 1));
    assert!(empty_replica().own_record().is_none());
    // The random bits distinguish two starts within one second.
    assert_eq!(write(&mut empty_replica(), "0-9", WriteContext { entropy: 8, ..NOW }), version(FIRST + 1, 1));
    assert_eq!(
        write(&mut empty_replica(), "0-9", WriteContext { unix_seconds: 101, entropy: 0, millis: 0 })
            .incarnation
            .get(),
        FIRST - 7 + 65_536
    );
    // Within one process the incarnation stays, whatever the clocks show.
    let mut replica = empty_replica();
    write(&mut replica, "0-9", NOW);
    assert_eq!(write(&mut replica, "10-19", WriteContext { unix_seconds: 999, ..NOW }), version(FIRST, 2));
}

#[test]
fn a_wall_clock_out_of_range_is_no_hint() {
    for unix_seconds in [0, 1 << 44, 1 << 48, u64::MAX / 65_536, u64::MAX] {
        let context = WriteContext { unix_seconds, entropy: 0, millis: 0 };
        assert_eq!(write(&mut empty_replica(), "0-9", context), version(1, 1), "{unix_seconds} seconds");
    }
    let last = WriteContext { unix_seconds: (1 << 44) - 1, entropy: u16::MAX, millis: 0 };
    assert_eq!(write(&mut empty_replica(), "0-9", last).incarnation.get(), HORIZON / 2 - 1);
}

#[test]
fn a_new_incarnation_exceeds_all_known_ones() {
    let stored = group_state([record(id(1), version(FIRST + 50, 4), &[serves(id(1), "0-9", 4)])]);
    let mut replica = Replica::restore(id(1), stored);
    assert_eq!(write(&mut replica, "10-19", NOW), version(FIRST + 51, 5));

    // Version and digest are received before there is an own record: the own record is created
    // above them.
    let mut replica = empty_replica();
    let seen = VersionDigest { version: version(FIRST + 70, 3), digest: 9 };
    assert_eq!(replica.observe_own_record(seen, NOW), OwnRecordOutcome::Refuted(version(FIRST + 71, 4)));
    assert_eq!(write(&mut replica, "0-9", NOW), version(FIRST + 71, 5));
}

#[test]
fn a_restart_continues_from_the_stored_state() {
    let mut before = empty_replica();
    write(&mut before, "0-9", NOW);
    before.change(&[serve("10-19"), unserve("0-9")], NOW).expect("sound");
    let mut replica = Replica::restore(id(1), before.state().clone());
    let same = replica.change(&[serve("10-19")], NOW).expect("it stands there");
    assert!(!same.changed);
    assert_eq!(replica.own_record(), before.own_record());

    let write = replica.change(&[serve("20-29")], NOW).expect("sound");
    assert_eq!(write.version, version(FIRST + 1, 3));
    let own = replica.own_record().expect("written");
    assert_eq!((own.predecessor(), own.floor()), (predecessor(FIRST, 2), 0));
    // A holder of the record of the previous incarnation can be updated by an increment, and so can
    // a holder of an older version of it.
    let increment = write.increment.expect("an increment");
    assert_eq!((increment.span(), increment.predecessor()), ((2, 3), predecessor(FIRST, 2)));
    let mut other = before.state().clone();
    assert_eq!(other.apply(&increment), ApplyOutcome::Applied);
    assert_eq!((&other, other.fingerprint()), (replica.state(), replica.state().fingerprint()));
    assert_eq!(own.increment_since(version(FIRST, 1)).expect("above the floor").span(), (1, 3));
    // The second write of the incarnation has the same predecessor.
    replica.change(&[serve("30-39")], NOW).expect("sound");
    assert_eq!(replica.own_record().expect("written").predecessor(), predecessor(FIRST, 2));
}

#[test]
fn a_forgotten_incarnation_is_not_a_predecessor() {
    let state =
        group_state([Record::from_parts(id(1), forgotten(FIRST, 7), None, 7, []).expect("sound parts")]);
    let mut replica = Replica::restore(id(1), state.clone());
    let write = replica.change(&[serve("0-9")], NOW).expect("sound");
    assert_eq!((write.version, write.increment), (version(FIRST + 1, 8), None));
    let own = replica.own_record().expect("written");
    assert_eq!((own.predecessor(), own.floor(), own.increment_since(forgotten(FIRST, 7))), (None, 7, None));
    let mut other = state;
    assert_eq!(other.merge(replica.state()).expect("one group").newer, [id(1)]);
}

#[test]
fn a_foreign_record_is_refuted() {
    let first = |replica: &Replica| replica.own_record().expect("written").clone();
    let cases: &[(&str, Version, &[StampedItem], Version)] = &[
        ("higher clock", version(FIRST, 9), &[], version(FIRST + 1, 10)),
        ("higher incarnation, lower clock", version(FIRST + 5, 1), &[], version(FIRST + 6, 4)),
        ("equal with another digest", version(FIRST, 3), &[serves(id(1), "0-9", 1)], version(FIRST + 1, 4)),
        ("forgotten, equal clock", forgotten(FIRST, 3), &[], version(FIRST + 1, 4)),
        ("forgotten, higher clock", forgotten(FIRST, 4), &[], version(FIRST + 1, 5)),
        ("forgotten, lower clock", forgotten(FIRST, 1), &[], version(FIRST + 1, 4)),
    ];
    for (what, received, items, expected) in cases {
        let mut replica = empty_replica();
        write(&mut replica, "0-9", NOW);
        replica.change(&[serve("10-19")], NOW).expect("sound");
        replica.change(&[unserve("0-9")], NOW).expect("sound");
        assert_eq!(first(&replica).item_counts(), (1, 2), "{what}");
        assert_eq!(
            merge(&mut replica, *received, items, NOW),
            OwnRecordOutcome::Refuted(*expected),
            "{what}"
        );
        let own = first(&replica);
        assert_eq!(
            (own.version(), own.predecessor(), own.floor()),
            (*expected, None, expected.clock),
            "{what}"
        );
        let format_item = format!("0x0000000a-0x00000013 add :80 x1 @{}", expected.clock);
        assert_eq!(own_items(&replica), [format_item], "{what}");
        // It wins wherever the foreign one is known, and it is refuted only once.
        let mut other = group_state([record(id(1), *received, items)]);
        assert_eq!(other.merge(replica.state()).expect("one group").newer, [id(1)], "{what}");
        assert_eq!(&other, replica.state(), "{what}");
        assert_eq!(merge(&mut replica, *received, items, NOW), OwnRecordOutcome::Older, "{what}");
        // The next write continues the incarnation without opening another one.
        assert_eq!(
            write(&mut replica, "20-29", NOW),
            Version { clock: expected.clock + 1, ..*expected },
            "{what}"
        );
    }
}

#[test]
fn an_own_record_changes_nothing() {
    let mut replica = empty_replica();
    write(&mut replica, "0-9", NOW);
    let first = replica.state().clone();
    write(&mut replica, "10-19", NOW);
    let before = replica.clone();
    for (received, outcome) in [
        (&first, OwnRecordOutcome::Older),
        (before.state(), OwnRecordOutcome::Nothing),
        (&GroupState::new(name("G")), OwnRecordOutcome::Nothing),
    ] {
        assert_eq!(replica.merge(received, NOW).expect("of this group").own, outcome);
        assert_same(&before, &replica);
    }
}

#[test]
fn an_increment_of_the_own_record_is_never_applied() {
    let mut replica = empty_replica();
    write(&mut replica, "0-9", NOW);
    let before = replica.clone();
    let increment = |upto, items: Vec<StampedItem>| {
        Increment::from_parts(id(1), incarnation(FIRST), None, (0, upto), 7, items).expect("sound parts")
    };
    let ours =
        before.own_record().expect("written").increment_since(version(FIRST, 0)).expect("above the floor");
    assert_eq!(replica.apply_increment(&ours, NOW), (ApplyOutcome::AlreadyKnown, OwnRecordOutcome::Nothing));
    assert_same(&before, &replica);
    // A greater one is refuted, and its contents are not taken over.
    let foreign = increment(5, vec![removal(id(1), "0-9", 5), interest(id(1), "10-19", 5)]);
    let expected = OwnRecordOutcome::Refuted(version(FIRST + 1, 6));
    assert_eq!(replica.apply_increment(&foreign, NOW), (ApplyOutcome::AlreadyKnown, expected));
    assert_eq!(own_items(&replica), ["0x00000000-0x00000009 add :80 x1 @6"]);
    assert_eq!(
        replica.apply_increment(&increment(6, vec![]), NOW),
        (ApplyOutcome::AlreadyKnown, OwnRecordOutcome::Older)
    );
}

#[test]
fn a_fourth_refutation_within_a_minute_pauses_writing() {
    let mut replica = empty_replica();
    write(&mut replica, "0-9", NOW);
    let above = |replica: &Replica| {
        version(replica.own_record().expect("written").version().incarnation.get() + 1, 1)
    };
    for millis in [0, 1, IdentityConflict::WINDOW - 2] {
        let received = above(&replica);
        assert!(matches!(merge(&mut replica, received, &[], later(millis)), OwnRecordOutcome::Refuted(_)));
        assert_eq!(replica.conflict().paused_until(), None);
    }
    let (at, received) = (IdentityConflict::WINDOW - 1, above(&replica));
    let before = replica.clone();
    assert_eq!(merge(&mut replica, received, &[], later(at)), OwnRecordOutcome::Conflict);
    assert_eq!(replica.own_record(), before.own_record());
    assert_eq!(replica.state().fingerprint(), before.state().fingerprint());
    let until = at + IdentityConflict::PAUSE;
    assert_eq!(replica.conflict().paused_until(), Some(until));
    let conflict = ChangeError::IdentityConflict { member: id(1) };
    for millis in [at, until - 1] {
        assert_eq!(
            refused(&mut replica, |replica| replica.change(&[serve("10-19")], later(millis))),
            conflict
        );
        assert_eq!(merge(&mut replica, received, &[], later(millis)), OwnRecordOutcome::Conflict);
    }
    // Records of other members are merged all the while.
    let other = group_state([record(id(2), version(1, 1), &[])]);
    assert_eq!(replica.merge(&other, later(at)).expect("of this group").others.newer, [id(2)]);

    assert!(matches!(merge(&mut replica, received, &[], later(until)), OwnRecordOutcome::Refuted(_)));
    write(&mut replica, "10-19", later(until));
    assert_eq!(replica.own_record().expect("written").item_counts(), (2, 2));
    assert_eq!(replica.conflict().paused_until(), None);
}

#[test]
fn refutations_a_minute_apart_are_allowed() {
    let mut replica = empty_replica();
    for turn in 0..20 {
        let received = version(FIRST + 10 * (turn + 1), 1);
        let outcome = merge(&mut replica, received, &[], later(turn * IdentityConflict::WINDOW / 3));
        assert!(matches!(outcome, OwnRecordOutcome::Refuted(_)), "turn {turn}");
    }
}

#[test]
fn a_node_can_leave_under_its_former_identity() {
    let mut former = empty_replica();
    former.change(&[serve("0-9"), serve("10-19")], NOW).expect("sound");
    let stored = former.state().clone();
    // The node now starts as 10.0.0.9: first it leaves as 10.0.0.1, then it continues as itself.
    let mut farewell = Replica::restore(id(1), stored);
    let write = farewell.leave(NOW).expect("it was a member");
    assert_eq!(write.version, version(FIRST + 1, 2));
    let mut now = Replica::restore(id(9), farewell.state().clone());
    now.change(&[serve("0-9")], NOW).expect("sound");
    assert!(now.state().members().eq([id(9)]));
    assert_eq!(now.state().record(id(1)).map(Record::item_counts), Some((0, 2)));
    // A node that knew the former identity receives both.
    let mut other = former.state().clone();
    assert_eq!(other.apply(&write.increment.expect("an increment")), ApplyOutcome::Applied);
    other.merge(now.state()).expect("one group");
    assert_eq!((&other, other.fingerprint()), (now.state(), now.state().fingerprint()));
}

#[test]
fn new_claims_prolong_a_pause_until_it_is_ended() {
    let mut replica = empty_replica();
    write(&mut replica, "0-9", NOW);
    let claim = |number: u64| VersionDigest { version: version(FIRST + number, 1), digest: 0 };
    for number in [10, 20, 30] {
        assert!(matches!(replica.observe_own_record(claim(number), NOW), OwnRecordOutcome::Refuted(_)));
    }
    assert_eq!(replica.observe_own_record(claim(40), NOW), OwnRecordOutcome::Conflict);
    assert_eq!(replica.conflict().greatest_claim(), Some(claim(40)));
    let until = |replica: &Replica| replica.conflict().paused_until();
    assert_eq!(until(&replica), Some(IdentityConflict::PAUSE));
    // An equal or lesser claim is an old one that peers pass on.
    replica.note_claim(claim(40), later(500));
    replica.note_claim(claim(39), later(500));
    assert_eq!(
        (until(&replica), replica.conflict().greatest_claim()),
        (Some(IdentityConflict::PAUSE), Some(claim(40)))
    );
    replica.note_claim(claim(41), later(500));
    assert_eq!(
        (until(&replica), replica.conflict().greatest_claim()),
        (Some(IdentityConflict::PAUSE + 500), Some(claim(41)))
    );
    assert!(replica.end_conflict(later(600)));
    assert_eq!((until(&replica), replica.conflict().greatest_claim()), (None, Some(claim(41))));
    assert!(!replica.end_conflict(later(600)));
    write(&mut replica, "10-19", later(600));
    // A claim while writing is not paused begins no pause.
    replica.note_claim(claim(42), later(700));
    assert_eq!(until(&replica), None);
}
