//! Ten named histories that break simpler rules. n0 is the owner; k@s/L is key k with stamp s in
//! incarnation L.

use std::string::String;
use std::vec::Vec;

use super::world::{group, id};
use crate::{
    ApplyOutcome, Change, GroupState, Item, KeyRange, OwnRecordOutcome, PurgePolicy, Record, Replica,
    StampedItem, Transfer, Version, WriteContext,
};

type Outcome = Result<(), String>;

fn ensure(holds: bool, what: &str) -> Outcome {
    if holds { Ok(()) } else { Err(String::from(what)) }
}

fn k(key: u32) -> KeyRange {
    KeyRange::single(key)
}

fn now() -> WriteContext {
    WriteContext::default()
}

fn fresh(node: usize) -> Replica {
    Replica::new(id(node), group()).with_default_port(80)
}

fn add(replica: &mut Replica, key: u32) -> crate::WriteOutcome {
    replica.change(&[Change::Serve { range: k(key), port: None, priority: 1 }], now()).unwrap()
}

fn serves(replica: &Replica, owner: usize) -> Vec<u32> {
    let record = replica.state().record(id(owner));
    record.map(|record| record.items().map(|item| item.range().start()).collect()).unwrap_or_default()
}

/// `to` merges the whole state of `from`.
fn send_state(from: &Replica, to: &mut Replica) -> OwnRecordOutcome {
    to.merge(from.state(), now()).unwrap().own
}

/// `from` sends its record of n0 to `to`, depending on the version that `to` has. Returns whether
/// it sent an increment, and the outcome of applying it.
fn send_transfer(from: &Replica, to: &mut Replica) -> (bool, Option<ApplyOutcome>) {
    let known = to.state().record(id(0)).map(Record::version);
    match from.state().transfer_for(id(0), known) {
        Transfer::Increment(increment) => (true, Some(to.apply_increment(&increment, now()).0)),
        Transfer::Whole(record) => {
            to.merge(&GroupState::from_records(group(), [record]), now()).unwrap();
            (false, None)
        }
        Transfer::Nothing | Transfer::Request => (false, None),
    }
}

/// A state with one record of n0 in the given incarnation, with items (key, stamp).
fn state_of_incarnation(incarnation: u64, clock: u64, items: &[(u32, u64)]) -> GroupState {
    let version = Version::new(incarnation.try_into().unwrap(), false, clock).unwrap();
    let stamped = items
        .iter()
        .map(|&(key, time)| StampedItem { item: Item::serves(id(0), k(key), 80, 1).unwrap(), stamp: time });
    GroupState::from_records(group(), [Record::from_parts(id(0), version, None, 0, stamped).unwrap()])
}

fn holding(node: usize, state: &GroupState) -> Replica {
    Replica::restore(id(node), state.clone())
}

fn h1_an_increment_is_not_a_state() -> Outcome {
    let (mut n0, mut n1) = (fresh(0), fresh(1));
    add(&mut n0, 0);
    send_state(&n0, &mut n1);
    let write = add(&mut n0, 1);
    let increment = write.increment.ok_or("no increment of the second write")?;
    ensure(n1.apply_increment(&increment, now()).0 == ApplyOutcome::Applied, "the increment fits")?;
    ensure(serves(&n1, 0) == [0, 1], "k0 stays when (1,2] arrives")
}

fn h2_the_floor_travels_with_the_record() -> Outcome {
    let (mut n0, mut n1, mut n2) = (fresh(0), fresh(1), fresh(2));
    add(&mut n0, 9);
    add(&mut n0, 0);
    send_state(&n0, &mut n1);
    n0.change(&[Change::Unserve(k(0))], now()).unwrap();
    n0.purge(PurgePolicy::EVERYTHING);
    send_state(&n0, &mut n2);
    let (by_increment, _) = send_transfer(&n2, &mut n1);
    ensure(!by_increment, "no increment is made over a purged removal")?;
    ensure(serves(&n1, 0) == [9], "k0 is removed")
}

fn h3_a_part_at_the_whole_clock_is_detected() -> Outcome {
    let mut n0 = fresh(0);
    add(&mut n0, 0);
    add(&mut n0, 1);
    let own = n0.own_record().ok_or("no record")?.clone();
    let part = own.stamped_items().filter(|stamped| stamped.stamp > 1);
    let part = Record::from_parts(id(0), own.version(), own.predecessor(), own.floor(), part).unwrap();
    let mut n1 = holding(1, &GroupState::from_records(group(), [part]));
    ensure(n1.state().fingerprint() != n0.state().fingerprint(), "the digests differ")?;
    let outcome = send_state(&n1, &mut n0);
    ensure(matches!(outcome, OwnRecordOutcome::Refuted(_)), "the owner refutes")?;
    send_state(&n0, &mut n1);
    ensure(serves(&n1, 0) == [0, 1], "both keys are served in the end")
}

fn h4_a_refutation_is_not_an_increment() -> Outcome {
    let (mut n0, mut n1) = (fresh(0), fresh(1));
    add(&mut n0, 0);
    send_state(&n0, &mut n1);
    let mut n0 = fresh(0); // It lost its disk.
    ensure(
        matches!(send_state(&n1, &mut n0), OwnRecordOutcome::Refuted(_)),
        "it refutes with a record without items",
    )?;
    let (by_increment, _) = send_transfer(&n0, &mut n1);
    ensure(!by_increment && serves(&n1, 0).is_empty(), "k0 is removed")
}

fn h5_equal_clocks_with_different_contents_converge() -> Outcome {
    let (one, other) = (state_of_incarnation(1, 1, &[(0, 1)]), state_of_incarnation(1, 1, &[(1, 1)]));
    let (mut n1, mut n2) = (holding(1, &one), holding(2, &other));
    send_state(&n1, &mut n2);
    send_state(&n2, &mut n1);
    ensure(serves(&n1, 0) == serves(&n2, 0), "they agree")?;
    ensure(serves(&n1, 0).len() == 1, "on one of the two items")
}

fn h6_three_incarnations_merge_alike_in_any_order() -> Outcome {
    let states = [
        state_of_incarnation(2, 2, &[(0, 2), (1, 1)]),
        state_of_incarnation(1, 2, &[(0, 1), (1, 2)]),
        state_of_incarnation(2, 1, &[(1, 1)]),
    ];
    for order in [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]] {
        let mut sum = GroupState::new(group());
        order.iter().for_each(|at| drop(sum.merge(&states[*at]).unwrap()));
        ensure(sum == states[0], &format!("order {order:?}: {sum:?}"))?;
    }
    Ok(())
}

fn h7_no_record_is_a_mixture_of_two_writes() -> Outcome {
    // Two incarnations with one number: the disk and all knowledge of it were lost.
    let mut n1 = holding(1, &state_of_incarnation(1, 1, &[(0, 1)]));
    let mut n0 = fresh(0);
    add(&mut n0, 1);
    let increment = add(&mut n0, 2).increment.ok_or("no increment")?;
    ensure(
        n1.apply_increment(&increment, now()).0 == ApplyOutcome::DoesNotFit,
        "n1 must request the record",
    )?;
    ensure(serves(&n1, 0) == [0], "and n1 keeps its record")
}

fn h8_merging_does_not_lose_everything() -> Outcome {
    let (mut n1, mut n2) = (
        holding(1, &state_of_incarnation(1, 1, &[(0, 1)])),
        holding(2, &state_of_incarnation(2, 1, &[(1, 1)])),
    );
    send_state(&n1, &mut n2);
    send_state(&n2, &mut n1);
    ensure(serves(&n1, 0) == [1] && serves(&n2, 0) == [1], "the later incarnation wins as a whole")
}

fn h9_a_stale_disk_does_not_lose_to_the_past() -> Outcome {
    let (mut n0, mut n1) = (fresh(0), fresh(1));
    add(&mut n0, 0);
    let stale = n0.state().clone();
    (1..5).for_each(|key| drop(add(&mut n0, key)));
    send_state(&n0, &mut n1);
    let mut n0 = Replica::restore(id(0), stale).with_default_port(80);
    let version = add(&mut n0, 7).version;
    ensure(version.clock < 5, "its clock is below the one that peers know")?;
    send_state(&n0, &mut n1);
    ensure(serves(&n1, 0) == [0, 7], "and it wins by its later incarnation")
}

fn h10_a_forgotten_incarnation_does_not_return_in_part() -> Outcome {
    let (mut n0, mut n1, mut n2) = (fresh(0), fresh(1), fresh(2));
    add(&mut n0, 0);
    send_state(&n0, &mut n1);
    send_state(&n0, &mut n2);
    let late = add(&mut n0, 1).increment.ok_or("no increment")?;
    let later = {
        add(&mut n0, 2);
        n0.clone()
    };
    n2.forget(id(0)).unwrap();
    n2.apply_increment(&late, now());
    send_state(&later, &mut n2);
    ensure(serves(&n2, 0).is_empty(), "no item returns where the member was forgotten")?;
    send_state(&later, &mut n1);
    send_state(&n2, &mut n1);
    ensure(serves(&n1, 0).is_empty(), "and the items are dropped elsewhere")?;
    ensure(matches!(send_state(&n2, &mut n0), OwnRecordOutcome::Refuted(_)), "the living owner returns")?;
    send_state(&n0, &mut n1);
    ensure(serves(&n1, 0) == [0, 1, 2], "with all its items")
}

type History = (&'static str, fn() -> Outcome);

const HISTORIES: [History; 10] = [
    ("1: an increment joined like a state", h1_an_increment_is_not_a_state),
    ("2: a floor that stays at home", h2_the_floor_travels_with_the_record),
    ("3: a record split by stamps", h3_a_part_at_the_whole_clock_is_detected),
    ("4: a refutation as an increment", h4_a_refutation_is_not_an_increment),
    ("5: equal clocks, other contents", h5_equal_clocks_with_different_contents_converge),
    ("6: joins that are not associative", h6_three_incarnations_merge_alike_in_any_order),
    ("7: records that no member wrote", h7_no_record_is_a_mixture_of_two_writes),
    ("8: everything vanishes", h8_merging_does_not_lose_everything),
    ("9: the older incarnation beats the newer one", h9_a_stale_disk_does_not_lose_to_the_past),
    ("10: forget as a filter", h10_a_forgotten_incarnation_does_not_return_in_part),
];

#[test]
fn ten_known_hard_histories() {
    for (name, history) in HISTORIES {
        assert_eq!(history(), Ok(()), "history {name}");
    }
}
