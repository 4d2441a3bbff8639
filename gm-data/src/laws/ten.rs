//! The ten histories that break simpler rules, by name. n0 is the owner; k@s/L is key k with stamp s in life L.

use std::string::String;
use std::vec::Vec;

use super::world::{group, id};
use crate::{
    Applied, Change, Item, KeyRange, Message, Moment, OwnOutcome, PurgePolicy, Record, Replica, TimedItem,
    Transfer, Version,
};

type Outcome = Result<(), String>;

fn ensure(holds: bool, what: &str) -> Outcome {
    if holds { Ok(()) } else { Err(String::from(what)) }
}

fn k(key: u32) -> KeyRange {
    KeyRange::single(key)
}

fn now() -> Moment {
    Moment::default()
}

fn fresh(node: usize) -> Replica {
    Replica::new(id(node), group()).with_default_port(80)
}

fn add(replica: &mut Replica, key: u32) -> crate::Write {
    replica.change(&[Change::Serve { range: k(key), port: None, priority: 1 }], now()).unwrap()
}

fn serves(replica: &Replica, owner: usize) -> Vec<u32> {
    let record = replica.state().record(id(owner));
    record.map(|record| record.items().map(|item| item.range().start()).collect()).unwrap_or_default()
}

/// `to` hears all that `from` holds.
fn tell(from: &Replica, to: &mut Replica) -> OwnOutcome {
    to.hear(from.state(), now()).unwrap().own
}

/// What `from` hands over of n0 to `to`, which shows what it has; whether it was an increment, and what came of it.
fn hand_over(from: &Replica, to: &mut Replica) -> (bool, Option<Applied>) {
    let known = to.state().record(id(0)).map(Record::version);
    match from.state().transfer(id(0), known) {
        Transfer::Increment(increment) => (true, Some(to.hear_increment(&increment, now()).0)),
        Transfer::Whole(record) => {
            to.hear(&Message::from_records(group(), [record]), now()).unwrap();
            (false, None)
        }
        Transfer::Nothing | Transfer::Ask => (false, None),
    }
}

/// A state with one record of n0 as life `life` left it: (key, stamp).
fn left_by(life: u64, clock: u64, items: &[(u32, u64)]) -> Message {
    let version = Version::new(life.try_into().unwrap(), false, clock).unwrap();
    let timed = items
        .iter()
        .map(|&(key, time)| TimedItem { item: Item::serves(id(0), k(key), 80, 1).unwrap(), time });
    Message::from_records(group(), [Record::from_parts(id(0), version, None, 0, timed).unwrap()])
}

fn holding(node: usize, state: &Message) -> Replica {
    Replica::restore(id(node), state.clone())
}

fn h1_an_increment_is_not_a_state() -> Outcome {
    let (mut n0, mut n1) = (fresh(0), fresh(1));
    add(&mut n0, 0);
    tell(&n0, &mut n1);
    let write = add(&mut n0, 1);
    let increment = write.increment.ok_or("no increment of the second write")?;
    ensure(n1.hear_increment(&increment, now()).0 == Applied::Applied, "the increment fits")?;
    ensure(serves(&n1, 0) == [0, 1], "k0 stays when (1,2] arrives")
}

fn h2_the_floor_travels_with_the_record() -> Outcome {
    let (mut n0, mut n1, mut n2) = (fresh(0), fresh(1), fresh(2));
    add(&mut n0, 9);
    add(&mut n0, 0);
    tell(&n0, &mut n1);
    n0.change(&[Change::Unserve(k(0))], now()).unwrap();
    n0.purge(PurgePolicy::EVERYTHING);
    tell(&n0, &mut n2);
    let (by_increment, _) = hand_over(&n2, &mut n1);
    ensure(!by_increment, "no increment is made over a purged removal")?;
    ensure(serves(&n1, 0) == [9], "k0 goes")
}

fn h3_a_part_under_the_whole_clock_is_found_out() -> Outcome {
    let mut n0 = fresh(0);
    add(&mut n0, 0);
    add(&mut n0, 1);
    let own = n0.own().ok_or("no record")?.clone();
    let part = own.timed_items().filter(|timed| timed.time > 1);
    let part = Record::from_parts(id(0), own.version(), own.opened(), own.floor(), part).unwrap();
    let mut n1 = holding(1, &Message::from_records(group(), [part]));
    ensure(n1.state().fingerprint() != n0.state().fingerprint(), "the digest tells them apart")?;
    let outcome = tell(&n1, &mut n0);
    ensure(matches!(outcome, OwnOutcome::Reasserted(_)), "the owner re-asserts")?;
    tell(&n0, &mut n1);
    ensure(serves(&n1, 0) == [0, 1], "both keys are there in the end")
}

fn h4_a_reassertion_is_no_increment() -> Outcome {
    let (mut n0, mut n1) = (fresh(0), fresh(1));
    add(&mut n0, 0);
    tell(&n0, &mut n1);
    let mut n0 = fresh(0); // Its disk is lost.
    ensure(matches!(tell(&n1, &mut n0), OwnOutcome::Reasserted(_)), "it re-asserts that it serves nothing")?;
    let (by_increment, _) = hand_over(&n0, &mut n1);
    ensure(!by_increment && serves(&n1, 0).is_empty(), "k0 goes")
}

fn h5_equal_clocks_with_other_contents_meet() -> Outcome {
    let (one, other) = (left_by(1, 1, &[(0, 1)]), left_by(1, 1, &[(1, 1)]));
    let (mut n1, mut n2) = (holding(1, &one), holding(2, &other));
    tell(&n1, &mut n2);
    tell(&n2, &mut n1);
    ensure(serves(&n1, 0) == serves(&n2, 0), "they agree")?;
    ensure(serves(&n1, 0).len() == 1, "on one of the two")
}

fn h6_three_lives_join_alike_in_any_order() -> Outcome {
    let states =
        [left_by(2, 2, &[(0, 2), (1, 1)]), left_by(1, 2, &[(0, 1), (1, 2)]), left_by(2, 1, &[(1, 1)])];
    for order in [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]] {
        let mut sum = Message::new(group());
        order.iter().for_each(|at| drop(sum.merge(&states[*at]).unwrap()));
        ensure(sum == states[0], &format!("order {order:?}: {sum:?}"))?;
    }
    Ok(())
}

fn h7_nobody_sees_what_nobody_wrote() -> Outcome {
    // Two lives under one number: the disk and all knowledge of it were lost.
    let mut n1 = holding(1, &left_by(1, 1, &[(0, 1)]));
    let mut n0 = fresh(0);
    add(&mut n0, 1);
    let increment = add(&mut n0, 2).increment.ok_or("no increment")?;
    ensure(n1.hear_increment(&increment, now()).0 == Applied::Ask, "n1 asks")?;
    ensure(serves(&n1, 0) == [0], "and keeps what it has")
}

fn h8_not_everything_vanishes() -> Outcome {
    let (mut n1, mut n2) = (holding(1, &left_by(1, 1, &[(0, 1)])), holding(2, &left_by(2, 1, &[(1, 1)])));
    tell(&n1, &mut n2);
    tell(&n2, &mut n1);
    ensure(serves(&n1, 0) == [1] && serves(&n2, 0) == [1], "the later life stays, whole")
}

fn h9_a_stale_disk_does_not_lose_to_the_past() -> Outcome {
    let (mut n0, mut n1) = (fresh(0), fresh(1));
    add(&mut n0, 0);
    let stale = n0.state().clone();
    (1..5).for_each(|key| drop(add(&mut n0, key)));
    tell(&n0, &mut n1);
    let mut n0 = Replica::restore(id(0), stale).with_default_port(80);
    let version = add(&mut n0, 7).version;
    ensure(version.clock < 5, "it writes below the clock that others know")?;
    tell(&n0, &mut n1);
    ensure(serves(&n1, 0) == [0, 7], "and wins, being of a later life")
}

fn h10_a_forgotten_life_does_not_return_by_half() -> Outcome {
    let (mut n0, mut n1, mut n2) = (fresh(0), fresh(1), fresh(2));
    add(&mut n0, 0);
    tell(&n0, &mut n1);
    tell(&n0, &mut n2);
    let late = add(&mut n0, 1).increment.ok_or("no increment")?;
    let later = {
        add(&mut n0, 2);
        n0.clone()
    };
    n2.forget(id(0)).unwrap();
    n2.hear_increment(&late, now());
    tell(&later, &mut n2);
    ensure(serves(&n2, 0).is_empty(), "nothing of it returns where it was forgotten")?;
    tell(&later, &mut n1);
    tell(&n2, &mut n1);
    ensure(serves(&n1, 0).is_empty(), "and it goes elsewhere")?;
    ensure(matches!(tell(&n2, &mut n0), OwnOutcome::Reasserted(_)), "the living owner comes back")?;
    tell(&n0, &mut n1);
    ensure(serves(&n1, 0) == [0, 1, 2], "with all that it serves")
}

type History = (&'static str, fn() -> Outcome);

pub(super) const HISTORIES: [History; 10] = [
    ("1: an increment joined like a state", h1_an_increment_is_not_a_state),
    ("2: a floor that stays at home", h2_the_floor_travels_with_the_record),
    ("3: a record split by stamps", h3_a_part_under_the_whole_clock_is_found_out),
    ("4: re-assertion by increment", h4_a_reassertion_is_no_increment),
    ("5: equal clocks, other contents", h5_equal_clocks_with_other_contents_meet),
    ("6: joins that are not associative", h6_three_lives_join_alike_in_any_order),
    ("7: pictures that nobody wrote", h7_nobody_sees_what_nobody_wrote),
    ("8: everything vanishes", h8_not_everything_vanishes),
    ("9: the older life beats the newer one", h9_a_stale_disk_does_not_lose_to_the_past),
    ("10: forget as a filter", h10_a_forgotten_life_does_not_return_by_half),
];

#[test]
fn the_ten_histories() {
    for (name, history) in HISTORIES {
        assert_eq!(history(), Ok(()), "history {name}");
    }
}
