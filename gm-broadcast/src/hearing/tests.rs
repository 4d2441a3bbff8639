//! Who hears whom, beside plain lists; and whose turn it is, over whole islands.

use proptest::prelude::*;

use super::*;
use crate::islands::tests::node;

const MINUTE: Duration = Duration::from_secs(60);

fn at(seconds: u64) -> Time {
    Time::ZERO + Duration::from_secs(seconds)
}

fn ears(hearing: &Hearing, now: Time) -> Vec<Ear> {
    (1..=3).map(|number| hearing.ear(node(number), now)).collect()
}

#[test]
fn who_confirms_is_believed_for_a_while() {
    let mut hearing = Hearing::default();
    assert!(hearing.hear(node(1), at(0), MINUTE, true));
    assert!(!hearing.hear(node(1), at(1), MINUTE, true));
    assert_eq!(hearing.ear(node(1), at(1)), Ear::Doubtful);
    hearing.confirm(node(1), at(1), MINUTE);
    assert_eq!(hearing.ear(node(1), at(60)), Ear::Confirmed);
    assert_eq!(hearing.ear(node(1), at(61)), Ear::Doubtful);
    assert_eq!(hearing.ear(node(2), at(1)), Ear::Deaf);
}

#[test]
fn who_denies_or_missed_it_is_deaf_until_he_confirms() {
    for missed in [false, true] {
        let mut hearing = Hearing::default();
        hearing.hear(node(1), at(0), MINUTE, true);
        hearing.confirm(node(1), at(0), MINUTE);
        if missed {
            hearing.missed(node(1));
        } else {
            hearing.deny(node(1));
        }
        assert_eq!(hearing.ear(node(1), at(1)), Ear::Deaf);
        assert_eq!(hearing.label(node(0)).is_some(), missed, "who missed one is of our island still");
        hearing.hear(node(1), at(1), MINUTE, true);
        assert_eq!(hearing.ear(node(1), at(1)), Ear::Deaf);
        hearing.confirm(node(1), at(1), MINUTE);
        assert_eq!(hearing.ear(node(1), at(2)), Ear::Confirmed);
    }
}

#[test]
fn doubt_spares_nobody_and_ends_with_a_confirmation() {
    let mut hearing = Hearing::default();
    for number in 1..=3 {
        hearing.hear(node(number), at(0), MINUTE, true);
        hearing.confirm(node(number), at(0), MINUTE);
    }
    hearing.missed(node(1));
    hearing.doubt();
    assert_eq!(ears(&hearing, at(1)), [Ear::Deaf, Ear::Doubtful, Ear::Doubtful]);
    hearing.confirm(node(2), at(1), MINUTE);
    assert_eq!(ears(&hearing, at(2)), [Ear::Deaf, Ear::Confirmed, Ear::Doubtful]);
}

#[test]
fn who_confirms_before_we_hear_him_is_believed_once_we_do() {
    let mut hearing = Hearing::default();
    for number in 1..=3 {
        hearing.confirm(node(number), at(0), MINUTE);
    }
    hearing.deny(node(2));
    assert_eq!(ears(&hearing, at(1)), [Ear::Deaf; 3]);
    assert_eq!(hearing.label(node(9)), None);
    hearing.hear(node(1), at(1), MINUTE, true);
    hearing.hear(node(2), at(1), MINUTE, true);
    hearing.hear(node(3), at(1), MINUTE, true);
    assert_eq!(ears(&hearing, at(59)), [Ear::Confirmed, Ear::Doubtful, Ear::Confirmed]);
    assert_eq!(ears(&hearing, at(61)), [Ear::Doubtful; 3], "an old word is old");
    assert_eq!(hearing.label(node(9)), Some(node(1)));
}

#[test]
fn the_label_is_the_smallest_of_us_who_hear_each_other() {
    let mut hearing = Hearing::default();
    assert_eq!(hearing.label(node(5)), None);
    hearing.hear(node(1), at(0), MINUTE, true);
    assert_eq!(hearing.label(node(5)), None, "it does not hear us");
    hearing.hear(node(7), at(0), MINUTE, true);
    hearing.confirm(node(7), at(0), MINUTE);
    assert_eq!(hearing.label(node(5)), Some(node(5)));
    hearing.confirm(node(1), at(0), MINUTE);
    assert_eq!(hearing.label(node(5)), Some(node(1)));
    assert!(hearing.lose(node(1)));
    assert!(!hearing.lose(node(1)));
    assert_eq!(hearing.label(node(5)), Some(node(5)));
    hearing.deny(node(7));
    assert_eq!(hearing.label(node(5)), None);
}

#[test]
fn silence_is_counted_from_the_last_word() {
    let mut hearing = Hearing::default();
    hearing.hear(node(1), at(0), MINUTE, true);
    hearing.hear(node(2), at(0), MINUTE, true);
    hearing.hear(node(1), at(30), MINUTE, true);
    assert!(hearing.silent(at(60), MINUTE).is_empty());
    assert_eq!(hearing.silent(at(61), MINUTE), [node(2)]);
    assert_eq!(hearing.silent(at(91), MINUTE), [node(1), node(2)]);
}

#[test]
fn that_we_hear_a_node_is_said_again_in_good_time() {
    let mut hearing = Hearing::default();
    let all = |hearing: &mut Hearing, now| hearing.take(usize::MAX, now);
    hearing.hear(node(1), at(0), MINUTE, true);
    assert_eq!(all(&mut hearing, at(0)), (vec![node(1)], vec![]));
    hearing.hear(node(1), at(29), MINUTE, true);
    assert!(!hearing.has_changes());
    hearing.hear(node(1), at(30), MINUTE, true);
    assert_eq!(all(&mut hearing, at(30)), (vec![node(1)], vec![]));
    hearing.unsay(node(1));
    assert!(!hearing.has_changes(), "it is said when it is heard, not before");
    hearing.hear(node(1), at(31), MINUTE, true);
    assert_eq!(all(&mut hearing, at(31)), (vec![node(1)], vec![]));
}

#[test]
fn what_hears_us_early_is_bounded() {
    let mut hearing = Hearing::default();
    for number in 0..20_000 {
        hearing.confirm(node(number), at(0), MINUTE);
    }
    assert_eq!(hearing.early.len(), EARLY);
}

/// Waits of all nodes of an island, each of whom hears all others and heard the same one last.
fn waits(island: &[NetId], last: Option<NetId>, quiet: Duration) -> Vec<(Duration, NetId)> {
    let wait = |me: NetId| {
        let mut hearing = Hearing::default();
        for node in island.iter().filter(|node| **node != me) {
            hearing.hear(*node, at(0), MINUTE, true);
        }
        hearing.turn(me, last, quiet)
    };
    let mut waits: Vec<(Duration, NetId)> = island.iter().map(|me| (wait(*me), *me)).collect();
    waits.sort_unstable();
    waits
}

#[test]
fn after_each_of_three_the_next_one_speaks() {
    let island = [node(1), node(2), node(3)];
    let quiet = Duration::from_secs(4);
    let order = |last| waits(&island, last, quiet).into_iter().map(|(_, node)| node).collect::<Vec<_>>();
    assert_eq!(order(None), [node(1), node(2), node(3)]);
    assert_eq!(order(Some(node(1))), [node(2), node(3), node(1)]);
    assert_eq!(order(Some(node(2))), [node(3), node(1), node(2)]);
    assert_eq!(order(Some(node(3))), [node(1), node(2), node(3)]);
}

#[derive(Clone, Copy, Debug)]
enum Op {
    Hear(u32),
    Lose(u32),
    Take(usize),
    TakeBack(usize),
    TakeOf(u32),
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        4 => (0..6_u32).prop_map(Op::Hear),
        2 => (0..6_u32).prop_map(Op::Lose),
        2 => (0..4_usize).prop_map(Op::Take),
        1 => (0..4_usize).prop_map(Op::TakeBack),
        1 => (0..6_u32).prop_map(Op::TakeOf),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn one_has_the_shortest_wait_and_all_differ(
        island in prop::collection::btree_set(0..30_u32, 1..12),
        last in prop::option::of(0..30_u32),
        quarter in 1..10_000_u64,
    ) {
        let island: Vec<NetId> = island.into_iter().map(node).collect();
        let last = last.map(node);
        let quiet = Duration::from_nanos(quarter * 4);
        let waits = waits(&island, last, quiet);
        prop_assert_eq!(waits[0].0, quiet);
        for pair in waits.windows(2) {
            prop_assert!(pair[1].0 - pair[0].0 >= quiet / 4, "{:?} after {:?}", waits, last);
        }
        // The order of NetIds, from the one behind who spoke last.
        let mut order = island.clone();
        order.sort_by_key(|node| (last.is_some_and(|last| *node <= last), *node));
        prop_assert_eq!(waits.into_iter().map(|(_, node)| node).collect::<Vec<_>>(), order);
    }

    /// Whoever hears all that is said knows whom we hear, and nothing is said that did not change.
    #[test]
    fn every_change_is_announced_once(ops in prop::collection::vec(op(), 0..80)) {
        let mut hearing = Hearing::default();
        let mut near = BTreeSet::new();
        // What is to be said of whom: the twin; and what the others believe.
        let mut to_say: Vec<(NetId, bool)> = Vec::new();
        let mut believed = BTreeSet::new();
        for op in ops {
            match op {
                Op::Hear(number) => {
                    let new = near.insert(node(number));
                    prop_assert_eq!(hearing.hear(node(number), at(0), MINUTE, true), new);
                    if new {
                        to_say.retain(|(about, _)| *about != node(number));
                        to_say.push((node(number), true));
                    }
                }
                Op::Lose(number) => {
                    let was = near.remove(&node(number));
                    prop_assert_eq!(hearing.lose(node(number)), was);
                    if was {
                        to_say.retain(|(about, _)| *about != node(number));
                        to_say.push((node(number), false));
                    }
                }
                Op::Take(most) => {
                    let (heard, lost) = hearing.take(most, at(0));
                    prop_assert_eq!(heard.len() + lost.len(), most.min(to_say.len()));
                    prop_assert!(heard.is_sorted() && lost.is_sorted());
                    let said = heard.into_iter().map(|node| (node, true)).chain(lost.into_iter().map(|node| (node, false)));
                    for (about, hears) in said {
                        prop_assert!(to_say.contains(&(about, hears)));
                        to_say.retain(|(other, _)| *other != about);
                        if hears { believed.insert(about) } else { believed.remove(&about) };
                    }
                }
                Op::TakeBack(most) => {
                    let (heard, lost) = hearing.take(most, at(0));
                    hearing.put_back(&heard, &lost);
                }
                Op::TakeOf(number) => {
                    let there = to_say.iter().find(|(about, _)| *about == node(number)).map(|(_, hears)| *hears);
                    prop_assert_eq!(hearing.take_of(node(number), at(0)), there);
                    to_say.retain(|(about, _)| *about != node(number));
                    match there {
                        Some(true) => drop(believed.insert(node(number))),
                        Some(false) => drop(believed.remove(&node(number))),
                        None => {}
                    }
                }
            }
            prop_assert_eq!(hearing.has_changes(), !to_say.is_empty());
        }
        let (heard, lost) = hearing.take(usize::MAX, at(0));
        believed.extend(heard);
        believed.retain(|node| !lost.contains(node));
        prop_assert_eq!(&believed, &near);
        prop_assert_eq!(hearing.near().collect::<BTreeSet<_>>(), near);
        prop_assert!(!hearing.has_changes());
    }
}

/// Words of nodes that we do not hear are kept up to a bound; when it is reached, what is old goes, and nothing else.
#[test]
fn early_words_are_bounded_and_old_ones_make_room() {
    let mut hearing = Hearing::default();
    let many = u32::try_from(EARLY).unwrap();
    for number in 0..many {
        hearing.confirm(node(number), at(u64::from(number % 2) * 30), MINUTE);
    }
    assert_eq!((hearing.early(node(0)), hearing.early(node(1))), (Some(at(60)), Some(at(90))));
    assert_eq!(hearing.early(node(many)), None, "it was never said");
    hearing.confirm(node(many), at(59), MINUTE);
    assert_eq!(hearing.early(node(many)), None, "there is no room");
    assert_eq!(hearing.early(node(0)), Some(at(60)), "whose word holds still is not forgotten");
    // The first half is as old as it may be.
    hearing.confirm(node(many), at(60), MINUTE);
    assert_eq!(hearing.early(node(many)), Some(at(120)));
    assert_eq!((hearing.early(node(0)), hearing.early(node(1))), (None, Some(at(90))));
    // There is room now: nothing is forgotten for the next one.
    hearing.confirm(node(many + 1), at(100), MINUTE);
    assert_eq!((hearing.early(node(1)), hearing.early(node(many + 1))), (Some(at(90)), Some(at(160))));
}
