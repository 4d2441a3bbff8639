//! Errors of records, increments, forgetting and merging: every error by name.

mod common;

use common::{
    empty_replica, forgotten, group_state, id, incarnation, interest, later, name, predecessor, record,
    refused, removal, serves, version,
};
use gm_clock::{CEILING, ClockError};
use gm_data::{
    ForgetError, GroupState, Increment, Predecessor, PurgePolicy, Record, RecordError, Replica, StampedItem,
    Transfer, Version, WrongGroup,
};

fn from_parts(
    version: Version,
    predecessor: Option<Predecessor>,
    floor: u64,
    items: &[StampedItem],
) -> Result<Record, RecordError> {
    Record::from_parts(id(1), version, predecessor, floor, items.iter().copied())
}

fn increment(
    predecessor: Option<Predecessor>,
    span: (u64, u64),
    items: &[StampedItem],
) -> Result<Increment, RecordError> {
    Increment::from_parts(id(1), incarnation(5), predecessor, span, 0, items.iter().copied())
}

/// Invalid items in a record at clock 9, and likewise in an increment of (2, 9].
fn unsound_items() -> Vec<(Vec<StampedItem>, RecordError)> {
    let member = id(1);
    let [nine, low] = ["0-9", "0-8"].map(common::range);
    vec![
        (
            vec![serves(member, "0-9", 3), serves(member, "0-8", 3)],
            RecordError::Unsorted { member, range: low },
        ),
        (
            vec![serves(member, "0-9", 3), removal(member, "0-9", 4)],
            RecordError::Unsorted { member, range: nine },
        ),
        (
            vec![serves(member, "0-8", 3), serves(id(2), "0-9", 3)],
            RecordError::ForeignItem { member, other: id(2) },
        ),
        (
            vec![serves(member, "0-8", 9), interest(member, "0-9", 10)],
            RecordError::StampOutOfRange { member, range: nine, stamp: 10 },
        ),
        (
            vec![removal(member, "0-9", u64::MAX)],
            RecordError::StampOutOfRange { member, range: nine, stamp: u64::MAX },
        ),
    ]
}

#[test]
fn a_record_is_made_of_sound_parts_only() {
    let member = id(1);
    for (items, error) in unsound_items() {
        assert_eq!(from_parts(version(5, 9), None, 0, &items), Err(error), "{items:?}");
    }
    let too_large = |time| Err(RecordError::Clock(ClockError::TimeTooLarge { time }));
    let beyond = |clock| Version { clock, ..version(5, 0) };
    assert_eq!(from_parts(beyond(CEILING + 1), None, 0, &[]), too_large(CEILING + 1));
    assert_eq!(from_parts(beyond(u64::MAX), None, u64::MAX, &[]), too_large(u64::MAX));
    assert_eq!(
        from_parts(version(5, 9), None, 10, &[]),
        Err(RecordError::FloorAboveClock { member, floor: 10, clock: 9 })
    );
    assert_eq!(
        from_parts(forgotten(5, 9), None, 9, &[removal(member, "0-9", 3)]),
        Err(RecordError::ForgottenNotEmpty { member })
    );
    for from in [
        predecessor(5, 1),
        predecessor(6, 1),
        predecessor(4, 9),
        predecessor(4, 10),
        predecessor(4, u64::MAX),
    ] {
        assert_eq!(
            from_parts(version(5, 9), from, 0, &[]),
            Err(RecordError::PredecessorNotEarlier { member }),
            "{from:?}"
        );
    }
}

#[test]
fn a_record_gives_back_its_parts() {
    let items = [removal(id(1), "0-8", 0), serves(id(1), "0-9", 9), interest(id(1), "5", 4)];
    let record = from_parts(version(5, 9), predecessor(4, 8), 9, &items).expect("sound parts");
    assert_eq!(
        (record.member(), record.version(), record.predecessor(), record.floor()),
        (id(1), version(5, 9), predecessor(4, 8), 9)
    );
    assert!(record.stamped_items().eq(items));
    assert!(record.items().eq([items[1].item, items[2].item]));
    assert_eq!((record.item_counts(), record.is_member()), ((2, 3), true));
    assert_eq!(record.get(common::range("0-8")), Some(items[0]));
    assert_eq!(record.get(common::range("0-7")), None);
    assert_eq!(record.clock().incarnation_and_time(), (incarnation(5), 9));
    let ends = from_parts(version(CEILING, CEILING), predecessor(CEILING - 1, CEILING - 1), CEILING, &[]);
    assert_eq!(ends.expect("the ceilings are in range").version(), version(CEILING, CEILING));
    assert!(!from_parts(forgotten(5, 9), None, 9, &[]).expect("sound parts").is_member());
}

#[test]
fn an_increment_is_made_of_sound_parts_only() {
    let member = id(1);
    for (items, error) in unsound_items() {
        assert_eq!(increment(None, (2, 9), &items), Err(error), "{items:?}");
    }
    // An item written at or before the beginning of the span does not belong to the increment.
    let old = [serves(member, "0-9", 2)];
    let stray = RecordError::StampOutOfRange { member, range: common::range("0-9"), stamp: 2 };
    assert_eq!(increment(None, (2, 9), &old), Err(stray));
    for (since, upto) in [(9, 9), (9, 8), (u64::MAX, 0), (0, 0)] {
        let empty = RecordError::EmptySpan { member, since, upto };
        assert_eq!(increment(None, (since, upto), &[]), Err(empty));
    }
    let too_large = RecordError::Clock(ClockError::TimeTooLarge { time: CEILING + 1 });
    assert_eq!(increment(None, (0, CEILING + 1), &[]), Err(too_large));
    for from in [predecessor(5, 1), predecessor(6, 1), predecessor(4, 9), predecessor(4, u64::MAX)] {
        assert_eq!(
            increment(from, (2, 9), &[]),
            Err(RecordError::PredecessorNotEarlier { member }),
            "{from:?}"
        );
    }
    let whole = increment(predecessor(4, 2), (2, 9), &[removal(member, "0-9", 3)]).expect("sound parts");
    assert_eq!(
        (whole.span(), whole.predecessor(), whole.version_digest().version),
        ((2, 9), predecessor(4, 2), version(5, 9))
    );
}

#[test]
fn members_that_cannot_be_forgotten() {
    let (last, known) =
        (record(id(2), version(1, CEILING), &[]), record(id(3), version(1, CEILING - 1), &[]));
    let mut replica = Replica::restore(id(1), group_state([last, known]));
    assert_eq!(
        refused(&mut replica, |replica| replica.forget(id(1))),
        ForgetError::ThisNode { member: id(1) }
    );
    assert_eq!(
        refused(&mut replica, |replica| replica.forget(id(4))),
        ForgetError::Unknown { member: id(4) }
    );
    assert_eq!(replica.forget(id(3)), Ok(forgotten(1, CEILING)));
    // Forgetting works at the greatest clock: the version is greater all the same.
    assert_eq!(replica.forget(id(2)), Ok(forgotten(1, CEILING)));
    assert_eq!(
        refused(&mut replica, |replica| replica.forget(id(3))),
        ForgetError::Already { member: id(3) }
    );
}

#[test]
fn forgetting_lasts_until_a_later_incarnation() {
    let live = record(id(2), version(7, 3), &[serves(id(2), "0-9", 3)]);
    let mut state = group_state([live]);
    assert_eq!(state.forget(id(2)), Ok(forgotten(7, 4)));
    let record_of = |state: &GroupState| state.record(id(2)).expect("it is kept").clone();
    assert_eq!((record_of(&state).floor(), record_of(&state).item_counts()), (4, (0, 0)));
    assert_eq!((state.member_count(), state.live_item_count()), (0, 0));
    assert!(state.world_clock().is_empty());

    let late = record(id(2), version(7, 1_000), &[serves(id(2), "0-9", 9)]);
    assert_eq!(state.merge(&group_state([late])).expect("one group").older, [id(2)]);
    let back = record(id(2), version(8, 1), &[serves(id(2), "0-9", 1)]);
    assert_eq!(state.merge(&group_state([back])).expect("one group").newer, [id(2)]);
    assert!(state.is_member(id(2)));
}

#[test]
fn the_state_of_another_group_is_refused() {
    let other =
        GroupState::from_records(name("H"), [record(id(2), version(1, 1), &[serves(id(2), "0-9", 1)])]);
    let wrong = WrongGroup { mine: name("G"), theirs: name("H") };
    let mut replica = empty_replica();
    assert_eq!(refused(&mut replica, |replica| replica.merge(&other, later(0))), wrong);
    let mut state = group_state([record(id(2), version(1, 0), &[])]);
    let before = state.clone();
    assert_eq!(state.merge(&other), Err(wrong.clone()));
    assert_eq!((&state, state.fingerprint()), (&before, before.fingerprint()));
    assert!(wrong.to_string().contains("\"H\""));
}

#[test]
fn the_transfer_depends_on_the_known_version() {
    let items = [serves(id(1), "0-9", 3), removal(id(1), "10-19", 7), serves(id(1), "20-29", 9)];
    let whole = Record::from_parts(id(1), version(5, 9), predecessor(4, 6), 4, items).expect("sound parts");
    let mut state = group_state([whole.clone()]);
    let span = |state: &GroupState, known| match state.transfer_for(id(1), known) {
        Transfer::Increment(increment) => Some((increment.span(), increment.items().len())),
        _ => None,
    };
    assert_eq!(state.transfer_for(id(1), Some(version(5, 9))), Transfer::Nothing);
    assert_eq!(state.transfer_for(id(1), Some(version(5, 10))), Transfer::Request);
    assert_eq!(state.transfer_for(id(1), Some(forgotten(5, 9))), Transfer::Request);
    assert_eq!(state.transfer_for(id(2), Some(version(1, 0))), Transfer::Request);
    assert_eq!(state.transfer_for(id(2), None), Transfer::Nothing);
    for known in [
        None,
        Some(version(5, 3)),
        Some(version(4, 3)),
        Some(version(4, 7)),
        Some(version(3, 5)),
        Some(forgotten(4, 5)),
    ] {
        assert_eq!(state.transfer_for(id(1), known), Transfer::Whole(whole.clone()), "{known:?}");
    }
    assert_eq!(span(&state, Some(version(5, 8))), Some(((8, 9), 1)));
    assert_eq!(span(&state, Some(version(5, 4))), Some(((4, 9), 2)));
    assert_eq!(span(&state, Some(version(4, 6))), Some(((6, 9), 2)));
    // A purge raises the floor to the last dropped stamp, and changes nothing that is compared.
    let fingerprint = state.fingerprint();
    assert_eq!(state.purge(PurgePolicy::EVERYTHING), 1);
    assert_eq!((state.record(id(1)).expect("known").floor(), state.fingerprint()), (7, fingerprint));
    assert_eq!(span(&state, Some(version(5, 6))), None);
    assert_eq!(span(&state, Some(version(5, 7))), Some(((7, 9), 1)));
}
