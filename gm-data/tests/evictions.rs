//! Recovery at the ends of the ranges of incarnation and clock, and refusal of evicted records for
//! an hour. The crate's own tests check the rules exhaustively in a small world.

mod common;

use common::{
    FIRST, NOW, empty_replica, forgotten, group_state, id, incarnation, later, name, record, serve, serves,
    unserve, version,
};
use gm_clock::{CEILING, Incarnation};
use gm_data::{
    ApplyOutcome, Eviction, GroupState, HORIZON, OwnRecordOutcome, Record, Replica, Version, VersionDigest,
    WriteContext,
};

const HOUR: u64 = 3_600_000;

fn written() -> Replica {
    let mut replica = empty_replica();
    replica.change(&[serve("0-9")], NOW).expect("sound");
    replica
}

/// The eviction of everything above the given incarnation, except for the margin.
fn far_above(incarnation: u64) -> Eviction {
    Eviction {
        member: id(1),
        least: version(incarnation + (1 << 32), 0),
        greatest: Version { incarnation: Incarnation::MAX, forgotten: true, clock: CEILING },
    }
}

#[test]
fn a_clock_at_its_end_is_refuted_without_an_eviction() {
    for clock in [HORIZON, CEILING - 1, CEILING] {
        for received in [version(FIRST, clock), version(FIRST + 5, clock), forgotten(FIRST + 5, clock)] {
            let mut replica = written();
            let expected = version(received.incarnation.get() + 1, 2);
            let hostile = group_state([Record::from_parts(id(1), received, None, 0, []).expect("sound")]);
            assert_eq!(
                replica.merge(&hostile, NOW).expect("one group").own,
                OwnRecordOutcome::Refuted(expected)
            );
            let mut other = hostile;
            assert_eq!(other.merge(replica.state()).expect("one group").newer, [id(1)], "{received}");
            // Writing continues, with increments.
            let write = replica.change(&[serve("10-19")], NOW).expect("sound");
            assert_eq!(write.version, Version { clock: 3, ..expected });
            assert_eq!(other.apply(&write.increment.expect("within an incarnation")), ApplyOutcome::Applied);
        }
    }
    // A clock just below the horizon is followed as usual.
    let mut replica = written();
    let outcome =
        replica.observe_own_record(VersionDigest { version: version(FIRST, HORIZON - 1), digest: 0 }, NOW);
    assert_eq!(outcome, OwnRecordOutcome::Refuted(version(FIRST + 1, HORIZON)));
    // Then the own clock starts again, in a new incarnation.
    let write = replica.change(&[serve("10-19")], NOW).expect("sound");
    assert_eq!((write.version, write.increment, write.eviction), (version(FIRST + 2, 2), None, None));
    assert_eq!(replica.own_record().expect("written").item_counts(), (2, 2));
}

#[test]
fn an_own_clock_beyond_the_horizon_starts_again() {
    for clock in [HORIZON, CEILING] {
        let state = group_state([record(id(1), version(1, clock), &[serves(id(1), "0-9", clock)])]);
        let restored = || Replica::restore(id(1), state.clone());
        let mut replica = restored();
        let write = replica.change(&[serve("10-19")], NOW).expect("sound");
        assert_eq!((write.version, write.increment, write.eviction), (version(FIRST, 2), None, None));
        let mut other = state.clone();
        assert_eq!(other.merge(replica.state()).expect("one group").newer, [id(1)]);
        assert_eq!(&other, replica.state());
        let write = replica.change(&[unserve("0-9")], NOW).expect("sound");
        assert_eq!(other.apply(&write.increment.expect("within an incarnation")), ApplyOutcome::Applied);
        // A write that needs no tick needs no new incarnation.
        let mut replica = restored();
        assert!(!replica.change(&[serve("0-9")], NOW).expect("the item is stored already").changed);
        assert_eq!(replica.own_record(), state.record(id(1)));
        assert_eq!(restored().leave(NOW).expect("a member").version, version(FIRST, 2));
    }
}

#[test]
fn an_incarnation_beyond_the_horizon_is_reset() {
    let received =
        [version(HORIZON, 1), version(CEILING, 1), version(CEILING, CEILING), forgotten(CEILING, CEILING)];
    for received in received {
        let mut replica = written();
        let seen = VersionDigest { version: received, digest: 0 };
        let (version, eviction) = (version(FIRST + 1, 2), far_above(FIRST + 1));
        let expected = OwnRecordOutcome::Reset { version, eviction };
        assert_eq!(replica.observe_own_record(seen, NOW), expected, "{received}");
        assert!(eviction.covers(received));
        // A peer that still sends the evicted record gets the eviction, and nothing is written.
        let before = replica.own_record().cloned();
        assert_eq!(replica.observe_own_record(seen, NOW), OwnRecordOutcome::AlreadyEvicted(eviction));
        assert_eq!(replica.own_record().cloned(), before);

        // Another node drops its record and then accepts the new incarnation, but not the old one
        // again for an hour.
        let hostile = group_state([Record::from_parts(id(1), received, None, 0, []).expect("sound")]);
        let mut other = Replica::restore(id(2), hostile.clone());
        assert_eq!(other.evict(&[eviction], 0), [id(1)]);
        assert_eq!(other.state(), &GroupState::new(name("G")));
        assert_eq!(other.state().fingerprint(), 0);
        assert_eq!(other.merge_others(replica.state()).expect("one group").newer, [id(1)]);
        let refused = other.merge_others(&hostile).expect("one group");
        assert_eq!((refused.newer.len(), refused.refused), (0, vec![id(1)]));
        assert_eq!(other.eviction_covering(id(1), received), Some(eviction));
        assert_eq!(other.state(), replica.state());
        other.expire_evictions(HOUR - 1);
        assert!(other.eviction_covering(id(1), received).is_some());
        other.expire_evictions(HOUR);
        assert_eq!(other.merge_others(&hostile).expect("one group").newer, [id(1)]);
    }
}

#[test]
fn the_first_write_resets_a_stored_incarnation() {
    for (incarnation, hint, expected) in [
        (HORIZON, 100, FIRST),
        (CEILING, 100, FIRST),
        // A wall clock without information.
        (CEILING, 0, 7),
        (CEILING, u64::MAX, 1),
    ] {
        let context = WriteContext { unix_seconds: hint, ..NOW };
        let state = group_state([record(id(1), version(incarnation, 4), &[serves(id(1), "0-9", 1)])]);
        let mut replica = Replica::restore(id(1), state);
        let write = replica.change(&[serve("10-19")], context).expect("sound");
        assert_eq!((write.version, write.increment), (version(expected, 6), None));
        assert_eq!(write.eviction, Some(far_above(expected)));
        assert_eq!(replica.own_record().expect("written").item_counts(), (2, 2));
        let next = replica.change(&[serve("20-29")], context).expect("sound");
        assert_eq!((next.version, next.eviction), (version(expected, 7), None));
    }
    // The last incarnation below the horizon is an ordinary one.
    let state = group_state([record(id(1), version(HORIZON - 1, 4), &[serves(id(1), "0-9", 1)])]);
    let write = Replica::restore(id(1), state).change(&[serve("10-19")], NOW).expect("sound");
    assert_eq!((write.version, write.eviction), (version(HORIZON, 5), None));
}

#[test]
fn a_draft_with_a_reset_incarnation_is_committed() {
    let mut replica = written();
    let above = VersionDigest { version: version(HORIZON - 1, 1), digest: 0 };
    assert!(matches!(replica.observe_own_record(above, NOW), OwnRecordOutcome::Refuted(_)));
    let mut draft = replica.clone();
    let last = VersionDigest { version: version(CEILING, 1), digest: 0 };
    assert!(matches!(draft.observe_own_record(last, NOW), OwnRecordOutcome::Reset { .. }));
    replica.commit(draft);
    assert_eq!(replica.own_record().expect("written").version().incarnation, incarnation(FIRST));
    assert!(matches!(replica.observe_own_record(last, NOW), OwnRecordOutcome::AlreadyEvicted(_)));
    // Of two drafts of one incarnation the greater is kept, as usual.
    let (mut first, mut second) = (replica.clone(), replica.clone());
    first.change(&[serve("10-19")], NOW).expect("sound");
    second.change(&[serve("10-19")], NOW).expect("sound");
    second.change(&[serve("20-29")], NOW).expect("sound");
    let greater = second.own_record().cloned();
    replica.commit(second);
    replica.commit(first);
    assert_eq!(replica.own_record().cloned(), greater);
}

#[test]
fn an_evicted_forgotten_member_returns_if_it_lives() {
    let members = [(2, forgotten(7, 4)), (3, version(5, 2)), (4, forgotten(9, 1))];
    let records =
        members.map(|(member, version)| Record::from_parts(id(member), version, None, 0, []).expect("sound"));
    let mut replica = written();
    replica.merge_others(&group_state(records.clone())).expect("one group");
    let evictions = replica.evictions_of_forgotten(|_| false);
    assert_eq!(evictions, [Eviction::up_to(id(2), forgotten(7, 4)), Eviction::up_to(id(4), forgotten(9, 1))]);
    assert_eq!(replica.evictions_of_forgotten(|member| member == id(3)).len(), 3);
    assert_eq!(replica.evict(&evictions, 0), [id(2), id(4)]);
    assert_eq!(replica.state().records().map(Record::member).collect::<Vec<_>>(), [id(1), id(3)]);
    // Neither the forgotten record nor an older one returns, as a whole or as an increment.
    let old = record(id(2), version(7, 4), &[serves(id(2), "0-9", 4)]);
    let increment = old.increment_since(version(7, 3)).expect("above the floor");
    assert_eq!(replica.merge_others(&group_state(records)).expect("one group").refused, [id(2), id(4)]);
    assert_eq!(replica.merge_others(&group_state([old])).expect("one group").refused, [id(2)]);
    assert_eq!(replica.apply_increment(&increment, NOW), (ApplyOutcome::Refused, OwnRecordOutcome::Nothing));
    // A later incarnation does.
    let later_life = group_state([record(id(2), version(8, 1), &[serves(id(2), "0-9", 1)])]);
    assert_eq!(replica.merge_others(&later_life).expect("one group").newer, [id(2)]);
    // A known eviction does not start anew, so two nodes do not keep refreshing each other's.
    replica.evict(&evictions, HOUR - 1);
    replica.expire_evictions(HOUR);
    assert_eq!(replica.eviction_covering(id(2), forgotten(7, 4)), None);
}

#[test]
fn a_replica_never_evicts_its_own_record() {
    let mut replica = written();
    let before = replica.own_record().cloned();
    let eviction = Eviction::up_to(id(1), version(FIRST, 1));
    assert_eq!(replica.evict(&[eviction], 0), []);
    assert_eq!(replica.own_record().cloned(), before);
    // It refutes it instead.
    let seen = VersionDigest { version: eviction.greatest, digest: 0 };
    assert!(matches!(replica.observe_own_record(seen, later(1)), OwnRecordOutcome::Refuted(_)));
    assert!(!eviction.covers(replica.own_record().expect("written").version()));
}
