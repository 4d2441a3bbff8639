//! The life of a node's own record: its incarnations, and how it defends what it wrote. Whole histories of many nodes are
//! the crate's own tests.

mod common;

use common::{
    FIRST, NOW, assert_same, blank, gone, id, incarnation, interest, later, message, name, opened, own_items,
    record, refused, removal, serve, serves, unserve, version,
};
use gm_data::{
    Applied, ChangeError, Conflict, HORIZON, Increment, Message, Moment, OwnOutcome, Record, Replica, Stamp,
    TimedItem, Version,
};

fn write(replica: &mut Replica, text: &str, moment: Moment) -> Version {
    replica.change(&[serve(text)], moment).expect("a sound change").version
}

/// Hears a record of oneself of that version.
fn hear(replica: &mut Replica, version: Version, items: &[TimedItem], moment: Moment) -> OwnOutcome {
    replica.hear(&message([record(id(1), version, items)]), moment).expect("of this group").own
}

#[test]
fn the_first_write_opens_an_incarnation_above_the_hint() {
    assert_eq!(write(&mut blank(), "0-9", NOW), version(FIRST, 1));
    assert!(blank().own().is_none());
    // The chance keeps two starts in one second apart.
    assert_eq!(write(&mut blank(), "0-9", Moment { chance: 8, ..NOW }), version(FIRST + 1, 1));
    assert_eq!(
        write(&mut blank(), "0-9", Moment { unix_seconds: 101, chance: 0, millis: 0 }).incarnation.get(),
        FIRST - 7 + 65_536
    );
    // Within one life the incarnation stays, whatever the clocks say.
    let mut replica = blank();
    write(&mut replica, "0-9", NOW);
    assert_eq!(write(&mut replica, "10-19", Moment { unix_seconds: 999, ..NOW }), version(FIRST, 2));
}

#[test]
fn a_wall_clock_out_of_range_is_no_hint() {
    for unix_seconds in [0, 1 << 44, 1 << 48, u64::MAX / 65_536, u64::MAX] {
        let moment = Moment { unix_seconds, chance: 0, millis: 0 };
        assert_eq!(write(&mut blank(), "0-9", moment), version(1, 1), "{unix_seconds} seconds");
    }
    let last = Moment { unix_seconds: (1 << 44) - 1, chance: u16::MAX, millis: 0 };
    assert_eq!(write(&mut blank(), "0-9", last).incarnation.get(), HORIZON / 2 - 1);
}

#[test]
fn a_new_life_is_above_what_was_on_disk_and_heard() {
    let stored = message([record(id(1), version(FIRST + 50, 4), &[serves(id(1), "0-9", 4)])]);
    let mut replica = Replica::restore(id(1), stored);
    assert_eq!(write(&mut replica, "10-19", NOW), version(FIRST + 51, 5));

    // Heard of in a digest only, before there is a record: the record is made by hearing, and stands above.
    let mut replica = blank();
    let stamp = Stamp { version: version(FIRST + 70, 3), digest: 9 };
    assert_eq!(replica.hear_of_oneself(stamp, NOW), OwnOutcome::Reasserted(version(FIRST + 71, 4)));
    assert_eq!(write(&mut replica, "0-9", NOW), version(FIRST + 71, 5));
}

#[test]
fn a_restart_with_disk_goes_on_from_what_was_stored() {
    let mut before = blank();
    write(&mut before, "0-9", NOW);
    before.change(&[serve("10-19"), unserve("0-9")], NOW).expect("sound");
    let mut replica = Replica::restore(id(1), before.state().clone());
    let same = replica.change(&[serve("10-19")], NOW).expect("it stands there");
    assert!(!same.changed);
    assert_eq!(replica.own(), before.own());

    let write = replica.change(&[serve("20-29")], NOW).expect("sound");
    assert_eq!(write.version, version(FIRST + 1, 3));
    let own = replica.own().expect("written");
    assert_eq!((own.opened(), own.floor()), (opened(FIRST, 2), 0));
    // Whoever holds the former life is brought up by an increment, and who holds an older part of it too.
    let increment = write.increment.expect("an increment");
    assert_eq!((increment.span(), increment.opened()), ((2, 3), opened(FIRST, 2)));
    let mut other = before.state().clone();
    assert_eq!(other.apply(&increment), Applied::Applied);
    assert_eq!((&other, other.fingerprint()), (replica.state(), replica.state().fingerprint()));
    assert_eq!(own.increment_since(version(FIRST, 1)).expect("above the floor").span(), (1, 3));
    // The second write of the life says the same of its beginning.
    replica.change(&[serve("30-39")], NOW).expect("sound");
    assert_eq!(replica.own().expect("written").opened(), opened(FIRST, 2));
}

#[test]
fn a_forgotten_life_is_no_ground_to_go_on_from() {
    let forgotten = message([Record::from_parts(id(1), gone(FIRST, 7), None, 7, []).expect("sound parts")]);
    let mut replica = Replica::restore(id(1), forgotten.clone());
    let write = replica.change(&[serve("0-9")], NOW).expect("sound");
    assert_eq!((write.version, write.increment), (version(FIRST + 1, 8), None));
    let own = replica.own().expect("written");
    assert_eq!((own.opened(), own.floor(), own.increment_since(gone(FIRST, 7))), (None, 7, None));
    let mut other = forgotten;
    assert_eq!(other.merge(replica.state()).expect("one group").newer, [id(1)]);
}

#[test]
fn what_it_did_not_write_is_answered_from_above() {
    let first = |replica: &Replica| replica.own().expect("written").clone();
    let cases: &[(&str, Version, &[TimedItem], Version)] = &[
        ("higher clock", version(FIRST, 9), &[], version(FIRST + 1, 10)),
        ("higher incarnation, lower clock", version(FIRST + 5, 1), &[], version(FIRST + 6, 4)),
        ("equal with another digest", version(FIRST, 3), &[serves(id(1), "0-9", 1)], version(FIRST + 1, 4)),
        ("gone, equal clock", gone(FIRST, 3), &[], version(FIRST + 1, 4)),
        ("gone, higher clock", gone(FIRST, 4), &[], version(FIRST + 1, 5)),
        ("gone, lower clock", gone(FIRST, 1), &[], version(FIRST + 1, 4)),
    ];
    for (what, heard, items, expected) in cases {
        let mut replica = blank();
        write(&mut replica, "0-9", NOW);
        replica.change(&[serve("10-19")], NOW).expect("sound");
        replica.change(&[unserve("0-9")], NOW).expect("sound");
        assert_eq!(first(&replica).counts(), (1, 2), "{what}");
        assert_eq!(hear(&mut replica, *heard, items, NOW), OwnOutcome::Reasserted(*expected), "{what}");
        let own = first(&replica);
        assert_eq!((own.version(), own.opened(), own.floor()), (*expected, None, expected.clock), "{what}");
        let shown = format!("0x0000000a-0x00000013 add :80 x1 @{}", expected.clock);
        assert_eq!(own_items(&replica), [shown], "{what}");
        // It wins wherever the other one is held, and the answer is given once.
        let mut other = message([record(id(1), *heard, items)]);
        assert_eq!(other.merge(replica.state()).expect("one group").newer, [id(1)], "{what}");
        assert_eq!(&other, replica.state(), "{what}");
        assert_eq!(hear(&mut replica, *heard, items, NOW), OwnOutcome::Older, "{what}");
        // The life goes on without opening another one.
        assert_eq!(
            write(&mut replica, "20-29", NOW),
            Version { clock: expected.clock + 1, ..*expected },
            "{what}"
        );
    }
}

#[test]
fn what_it_wrote_itself_is_no_news() {
    let mut replica = blank();
    write(&mut replica, "0-9", NOW);
    let first = replica.state().clone();
    write(&mut replica, "10-19", NOW);
    let before = replica.clone();
    for (heard, outcome) in [
        (&first, OwnOutcome::Older),
        (before.state(), OwnOutcome::Nothing),
        (&Message::new(name("G")), OwnOutcome::Nothing),
    ] {
        assert_eq!(replica.hear(heard, NOW).expect("of this group").own, outcome);
        assert_same(&before, &replica);
    }
}

#[test]
fn an_increment_about_oneself_is_never_applied() {
    let mut replica = blank();
    write(&mut replica, "0-9", NOW);
    let before = replica.clone();
    let increment = |upto, items: Vec<TimedItem>| {
        Increment::from_parts(id(1), incarnation(FIRST), None, (0, upto), 7, items).expect("sound parts")
    };
    let ours = before.own().expect("written").increment_since(version(FIRST, 0)).expect("above the floor");
    assert_eq!(replica.hear_increment(&ours, NOW), (Applied::Known, OwnOutcome::Nothing));
    assert_same(&before, &replica);
    // A greater one is answered from above, and what it says is not taken.
    let foreign = increment(5, vec![removal(id(1), "0-9", 5), interest(id(1), "10-19", 5)]);
    let expected = OwnOutcome::Reasserted(version(FIRST + 1, 6));
    assert_eq!(replica.hear_increment(&foreign, NOW), (Applied::Known, expected));
    assert_eq!(own_items(&replica), ["0x00000000-0x00000009 add :80 x1 @6"]);
    assert_eq!(replica.hear_increment(&increment(6, vec![]), NOW), (Applied::Known, OwnOutcome::Older));
}

#[test]
fn a_fourth_defence_within_a_minute_stops_writing_for_a_while() {
    let mut replica = blank();
    write(&mut replica, "0-9", NOW);
    let above =
        |replica: &Replica| version(replica.own().expect("written").version().incarnation.get() + 1, 1);
    for millis in [0, 1, Conflict::WINDOW - 2] {
        let heard = above(&replica);
        assert!(matches!(hear(&mut replica, heard, &[], later(millis)), OwnOutcome::Reasserted(_)));
        assert_eq!(replica.conflict().until(), None);
    }
    let (at, heard) = (Conflict::WINDOW - 1, above(&replica));
    let before = replica.clone();
    assert_eq!(hear(&mut replica, heard, &[], later(at)), OwnOutcome::Conflict);
    assert_eq!(replica.own(), before.own());
    assert_eq!(replica.state().fingerprint(), before.state().fingerprint());
    let until = at + Conflict::QUIET;
    assert_eq!(replica.conflict().until(), Some(until));
    let conflict = ChangeError::IdentityConflict { member: id(1) };
    for millis in [at, until - 1] {
        assert_eq!(
            refused(&mut replica, |replica| replica.change(&[serve("10-19")], later(millis))),
            conflict
        );
        assert_eq!(hear(&mut replica, heard, &[], later(millis)), OwnOutcome::Conflict);
    }
    // Others are heard all the while.
    let other = message([record(id(2), version(1, 1), &[])]);
    assert_eq!(replica.hear(&other, later(at)).expect("of this group").merged.newer, [id(2)]);

    assert!(matches!(hear(&mut replica, heard, &[], later(until)), OwnOutcome::Reasserted(_)));
    write(&mut replica, "10-19", later(until));
    assert_eq!(replica.own().expect("written").counts(), (2, 2));
    assert_eq!(replica.conflict().until(), None);
}

#[test]
fn defences_that_are_a_minute_apart_are_borne() {
    let mut replica = blank();
    for turn in 0..20 {
        let heard = version(FIRST + 10 * (turn + 1), 1);
        let outcome = hear(&mut replica, heard, &[], later(turn * Conflict::WINDOW / 3));
        assert!(matches!(outcome, OwnOutcome::Reasserted(_)), "turn {turn}");
    }
}

#[test]
fn a_former_self_leaves_under_its_old_name() {
    let mut former = blank();
    former.change(&[serve("0-9"), serve("10-19")], NOW).expect("sound");
    let stored = former.state().clone();
    // The node now starts as 10.0.0.9: first it writes the leave of 10.0.0.1, then it goes on as itself.
    let mut farewell = Replica::restore(id(1), stored);
    let write = farewell.leave(NOW).expect("it was a member");
    assert_eq!(write.version, version(FIRST + 1, 2));
    let mut now = Replica::restore(id(9), farewell.state().clone());
    now.change(&[serve("0-9")], NOW).expect("sound");
    assert!(now.state().members().eq([id(9)]));
    assert_eq!(now.state().record(id(1)).map(Record::counts), Some((0, 2)));
    // Whoever knew the former self hears of both.
    let mut other = former.state().clone();
    assert_eq!(other.apply(&write.increment.expect("an increment")), Applied::Applied);
    other.merge(now.state()).expect("one group");
    assert_eq!((&other, other.fingerprint()), (now.state(), now.state().fingerprint()));
}

#[test]
fn a_pause_lasts_while_new_claims_are_heard_and_until_it_is_ended() {
    let mut replica = blank();
    write(&mut replica, "0-9", NOW);
    let claim = |number: u64| Stamp { version: version(FIRST + number, 1), digest: 0 };
    for number in [10, 20, 30] {
        assert!(matches!(replica.hear_of_oneself(claim(number), NOW), OwnOutcome::Reasserted(_)));
    }
    assert_eq!(replica.hear_of_oneself(claim(40), NOW), OwnOutcome::Conflict);
    assert_eq!(replica.conflict().claim(), Some(claim(40)));
    let until = |replica: &Replica| replica.conflict().until();
    assert_eq!(until(&replica), Some(Conflict::QUIET));
    // What was claimed before, or less, is passed on by others.
    replica.hear_claim(claim(40), later(500));
    replica.hear_claim(claim(39), later(500));
    assert_eq!((until(&replica), replica.conflict().claim()), (Some(Conflict::QUIET), Some(claim(40))));
    replica.hear_claim(claim(41), later(500));
    assert_eq!((until(&replica), replica.conflict().claim()), (Some(Conflict::QUIET + 500), Some(claim(41))));
    assert!(replica.end_conflict(later(600)));
    assert_eq!((until(&replica), replica.conflict().claim()), (None, Some(claim(41))));
    assert!(!replica.end_conflict(later(600)));
    write(&mut replica, "10-19", later(600));
    // A claim while nothing is paused begins no pause.
    replica.hear_claim(claim(42), later(700));
    assert_eq!(until(&replica), None);
}
