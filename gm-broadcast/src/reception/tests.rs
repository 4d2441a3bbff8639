//! Reception, compared with plain lists; and the order of keepalives over whole islands.

use proptest::prelude::*;

use super::*;
use crate::islands::tests::node;

const MINUTE: Duration = Duration::from_secs(60);

fn at(seconds: u64) -> Time {
    Time::ZERO + Duration::from_secs(seconds)
}

fn receptions(reception: &ReceptionTable, now: Time) -> Vec<Reception> {
    (1..=3).map(|number| reception.reception_of(node(number), now)).collect()
}

#[test]
fn a_confirmation_expires() {
    let mut reception = ReceptionTable::default();
    assert!(reception.on_multicast(node(1), at(0), MINUTE, true));
    assert!(!reception.on_multicast(node(1), at(1), MINUTE, true));
    assert_eq!(reception.reception_of(node(1), at(1)), Reception::Unconfirmed);
    reception.confirm(node(1), at(1), MINUTE);
    assert_eq!(reception.reception_of(node(1), at(60)), Reception::Confirmed);
    assert_eq!(reception.reception_of(node(1), at(61)), Reception::Unconfirmed);
    assert_eq!(reception.reception_of(node(2), at(1)), Reception::None);
}

#[test]
fn a_denial_or_miss_holds_until_a_confirmation() {
    for missed in [false, true] {
        let mut reception = ReceptionTable::default();
        reception.on_multicast(node(1), at(0), MINUTE, true);
        reception.confirm(node(1), at(0), MINUTE);
        if missed {
            reception.missed(node(1));
        } else {
            reception.deny(node(1));
        }
        assert_eq!(reception.reception_of(node(1), at(1)), Reception::None);
        assert_eq!(
            reception.island_id(node(0)).is_some(),
            missed,
            "a node that missed a multicast is still in the island"
        );
        reception.on_multicast(node(1), at(1), MINUTE, true);
        assert_eq!(reception.reception_of(node(1), at(1)), Reception::None);
        reception.confirm(node(1), at(1), MINUTE);
        assert_eq!(reception.reception_of(node(1), at(2)), Reception::Confirmed);
    }
}

#[test]
fn unconfirm_all_holds_until_a_confirmation() {
    let mut reception = ReceptionTable::default();
    for number in 1..=3 {
        reception.on_multicast(node(number), at(0), MINUTE, true);
        reception.confirm(node(number), at(0), MINUTE);
    }
    reception.missed(node(1));
    reception.unconfirm_all();
    assert_eq!(
        receptions(&reception, at(1)),
        [Reception::None, Reception::Unconfirmed, Reception::Unconfirmed]
    );
    reception.confirm(node(2), at(1), MINUTE);
    assert_eq!(
        receptions(&reception, at(2)),
        [Reception::None, Reception::Confirmed, Reception::Unconfirmed]
    );
}

#[test]
fn an_early_confirmation_counts_once_the_node_is_near() {
    let mut reception = ReceptionTable::default();
    for number in 1..=3 {
        reception.confirm(node(number), at(0), MINUTE);
    }
    reception.deny(node(2));
    assert_eq!(receptions(&reception, at(1)), [Reception::None; 3]);
    assert_eq!(reception.island_id(node(9)), None);
    reception.on_multicast(node(1), at(1), MINUTE, true);
    reception.on_multicast(node(2), at(1), MINUTE, true);
    reception.on_multicast(node(3), at(1), MINUTE, true);
    assert_eq!(
        receptions(&reception, at(59)),
        [Reception::Confirmed, Reception::Unconfirmed, Reception::Confirmed]
    );
    assert_eq!(receptions(&reception, at(61)), [Reception::Unconfirmed; 3], "confirmations expire");
    assert_eq!(reception.island_id(node(9)), Some(node(1)));
}

#[test]
fn the_island_id_is_the_smallest_mutual_neighbor() {
    let mut reception = ReceptionTable::default();
    assert_eq!(reception.island_id(node(5)), None);
    reception.on_multicast(node(1), at(0), MINUTE, true);
    assert_eq!(reception.island_id(node(5)), None, "it does not receive this node's multicast");
    reception.on_multicast(node(7), at(0), MINUTE, true);
    reception.confirm(node(7), at(0), MINUTE);
    assert_eq!(reception.island_id(node(5)), Some(node(5)));
    reception.confirm(node(1), at(0), MINUTE);
    assert_eq!(reception.island_id(node(5)), Some(node(1)));
    assert!(reception.remove(node(1)));
    assert!(!reception.remove(node(1)));
    assert_eq!(reception.island_id(node(5)), Some(node(5)));
    reception.deny(node(7));
    assert_eq!(reception.island_id(node(5)), None);
}

#[test]
fn silence_is_measured_from_the_last_multicast() {
    let mut reception = ReceptionTable::default();
    reception.on_multicast(node(1), at(0), MINUTE, true);
    reception.on_multicast(node(2), at(0), MINUTE, true);
    reception.on_multicast(node(1), at(30), MINUTE, true);
    assert!(reception.silent_for(at(60), MINUTE).is_empty());
    assert_eq!(reception.silent_for(at(61), MINUTE), [node(2)]);
    assert_eq!(reception.silent_for(at(91), MINUTE), [node(1), node(2)]);
}

#[test]
fn reception_is_reported_again_before_it_expires() {
    let mut reception = ReceptionTable::default();
    let all = |reception: &mut ReceptionTable, now| reception.take_changes(usize::MAX, now);
    reception.on_multicast(node(1), at(0), MINUTE, true);
    assert_eq!(all(&mut reception, at(0)), (vec![node(1)], vec![]));
    reception.on_multicast(node(1), at(29), MINUTE, true);
    assert!(!reception.has_changes() && !reception.has_renewals());
    reception.on_multicast(node(1), at(30), MINUTE, false);
    assert!(!reception.has_renewals(), "only senders of content need it");
    reception.on_multicast(node(1), at(30), MINUTE, true);
    assert!(!reception.has_changes() && reception.has_renewals(), "a renewal has time");
    assert_eq!(all(&mut reception, at(30)), (vec![node(1)], vec![]));
    reception.unconfirm(node(1));
    assert!(!reception.has_changes(), "reported on reception, not before");
    reception.on_multicast(node(1), at(31), MINUTE, true);
    assert!(reception.has_changes() && !reception.has_renewals());
    assert_eq!(all(&mut reception, at(31)), (vec![node(1)], vec![]));
}

/// A renewal is sent with changes, to the neighbor itself, or not at all once it is gone.
#[test]
fn renewals_are_sent_once() {
    let renewable = || {
        let mut reception = ReceptionTable::default();
        for (number, first) in [(1, 0), (2, 0)] {
            reception.on_multicast(node(number), at(first), MINUTE, true);
        }
        reception.take_changes(usize::MAX, at(0));
        reception.on_multicast(node(2), at(40), MINUTE, true);
        assert!(reception.has_renewals());
        reception
    };
    let mut reception = renewable();
    reception.on_multicast(node(3), at(40), MINUTE, true);
    assert_eq!(reception.take_changes(1, at(40)), (vec![node(3)], vec![]), "changes come first");
    assert_eq!(reception.take_changes(1, at(40)), (vec![node(2)], vec![]));
    assert!(!reception.has_renewals());
    let mut reception = renewable();
    reception.on_multicast(node(3), at(40), MINUTE, true);
    assert_eq!(reception.take_changes(2, at(40)), (vec![node(2), node(3)], vec![]));
    assert!(!reception.has_renewals());
    let mut reception = renewable();
    assert_eq!(reception.take_change_of(node(2), at(40)), Some(true));
    assert_eq!((reception.take_change_of(node(2), at(40)), reception.has_renewals()), (None, false));
    let mut reception = renewable();
    assert!(reception.remove(node(2)) && !reception.has_renewals());
    let mut reception = renewable();
    reception.unconfirm(node(2));
    reception.on_multicast(node(2), at(40), MINUTE, true);
    assert_eq!(reception.take_changes(2, at(40)), (vec![node(2)], vec![]), "once, though it is both");
    assert!(!reception.has_renewals());
}

#[test]
fn early_confirmations_are_bounded() {
    let mut reception = ReceptionTable::default();
    for number in 0..20_000 {
        reception.confirm(node(number), at(0), MINUTE);
    }
    assert_eq!(reception.early_confirmations.len(), MAX_EARLY_CONFIRMATIONS);
}

/// Delays of all nodes of an island with mutual reception and the same last sender.
fn waits(island: &[NetId], last: Option<NetId>, quiet: Duration) -> Vec<(Duration, NetId)> {
    let wait = |me: NetId| {
        let mut reception = ReceptionTable::default();
        for node in island.iter().filter(|node| **node != me) {
            reception.on_multicast(*node, at(0), MINUTE, true);
        }
        reception.time_to_turn(me, last, quiet)
    };
    let mut waits: Vec<(Duration, NetId)> = island.iter().map(|me| (wait(*me), *me)).collect();
    waits.sort_unstable();
    waits
}

#[test]
fn three_nodes_take_turns() {
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
        // The order of NetIds, starting after the last sender.
        let mut order = island.clone();
        order.sort_by_key(|node| (last.is_some_and(|last| *node <= last), *node));
        prop_assert_eq!(waits.into_iter().map(|(_, node)| node).collect::<Vec<_>>(), order);
    }

    /// A peer that receives all reports knows the neighbors, and only changes are reported.
    #[test]
    fn every_change_is_announced_once(ops in prop::collection::vec(op(), 0..80)) {
        let mut reception = ReceptionTable::default();
        let mut near = BTreeSet::new();
        // The changes to report by the reference, and what the peers believe.
        let mut to_say: Vec<(NetId, bool)> = Vec::new();
        let mut believed = BTreeSet::new();
        for op in ops {
            match op {
                Op::Hear(number) => {
                    let new = near.insert(node(number));
                    prop_assert_eq!(reception.on_multicast(node(number), at(0), MINUTE, true), new);
                    if new {
                        to_say.retain(|(about, _)| *about != node(number));
                        to_say.push((node(number), true));
                    }
                }
                Op::Lose(number) => {
                    let was = near.remove(&node(number));
                    prop_assert_eq!(reception.remove(node(number)), was);
                    if was {
                        to_say.retain(|(about, _)| *about != node(number));
                        to_say.push((node(number), false));
                    }
                }
                Op::Take(most) => {
                    let (heard, lost) = reception.take_changes(most, at(0));
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
                    let (heard, lost) = reception.take_changes(most, at(0));
                    reception.put_back(&heard, &lost);
                }
                Op::TakeOf(number) => {
                    let there = to_say.iter().find(|(about, _)| *about == node(number)).map(|(_, hears)| *hears);
                    prop_assert_eq!(reception.take_change_of(node(number), at(0)), there);
                    to_say.retain(|(about, _)| *about != node(number));
                    match there {
                        Some(true) => drop(believed.insert(node(number))),
                        Some(false) => drop(believed.remove(&node(number))),
                        None => {}
                    }
                }
            }
            prop_assert_eq!(reception.has_changes(), !to_say.is_empty());
        }
        let (heard, lost) = reception.take_changes(usize::MAX, at(0));
        believed.extend(heard);
        believed.retain(|node| !lost.contains(node));
        prop_assert_eq!(&believed, &near);
        prop_assert_eq!(reception.near().collect::<BTreeSet<_>>(), near);
        prop_assert!(!reception.has_changes());
    }
}

/// Confirmations of nodes that are no neighbors are limited; at the limit, only expired ones are
/// removed.
#[test]
fn old_early_confirmations_make_room() {
    let mut reception = ReceptionTable::default();
    let many = u32::try_from(MAX_EARLY_CONFIRMATIONS).unwrap();
    for number in 0..many {
        reception.confirm(node(number), at(u64::from(number % 2) * 30), MINUTE);
    }
    assert_eq!(
        (reception.early_confirmation(node(0)), reception.early_confirmation(node(1))),
        (Some(at(60)), Some(at(90)))
    );
    assert_eq!(reception.early_confirmation(node(many)), None, "it was never confirmed");
    reception.confirm(node(many), at(59), MINUTE);
    assert_eq!(reception.early_confirmation(node(many)), None, "there is no room");
    assert_eq!(reception.early_confirmation(node(0)), Some(at(60)), "a valid confirmation is not removed");
    // The first half is just expired.
    reception.confirm(node(many), at(60), MINUTE);
    assert_eq!(reception.early_confirmation(node(many)), Some(at(120)));
    assert_eq!(
        (reception.early_confirmation(node(0)), reception.early_confirmation(node(1))),
        (None, Some(at(90)))
    );
    // There is room now: no entry is removed for the next one.
    reception.confirm(node(many + 1), at(100), MINUTE);
    assert_eq!(
        (reception.early_confirmation(node(1)), reception.early_confirmation(node(many + 1))),
        (Some(at(90)), Some(at(160)))
    );
}
