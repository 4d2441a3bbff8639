//! Gaps beside a plain list of what exists and what came.

use proptest::prelude::*;

use super::*;
use crate::islands::tests::node;

const SECOND: Duration = Duration::from_secs(1);

/// One number of a node's multicasts.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Place {
    /// It came, or is not asked for any longer.
    Closed,
    Missing {
        tries: u32,
        ask: Time,
    },
}

/// All numbers of a node since the first that was heard of.
#[derive(Clone, Debug)]
struct List {
    node: NetId,
    epoch: [u8; 8],
    first: u64,
    places: Vec<Place>,
}

/// A number of a node's epoch that is asked for, and how often it was before.
type Question = (NetId, [u8; 8], u64, u32);

#[derive(Debug, Default)]
struct Twin {
    lists: Vec<List>,
}

impl Twin {
    /// Numbers up to `number` exist; it came, or not.
    fn note(&mut self, node: NetId, epoch: [u8; 8], number: u64, came: bool, ask: Time, most: usize) {
        if !self.lists.iter().any(|list| list.node == node && list.epoch == epoch) {
            self.lists.retain(|list| list.node != node);
            self.lists.push(List { node, epoch, first: number, places: vec![Place::Closed] });
        }
        let Some(list) = self.lists.iter_mut().find(|list| list.node == node) else { return };
        while list.first + (list.places.len() as u64) <= number {
            list.places.push(Place::Missing { tries: 0, ask });
        }
        let at = number.checked_sub(list.first).and_then(|at| usize::try_from(at).ok());
        if let Some(place) = at.filter(|_| came).and_then(|at| list.places.get_mut(at)) {
            *place = Place::Closed;
        }
        while list.places.iter().filter(|place| **place != Place::Closed).count() > most {
            if let Some(place) = list.places.iter_mut().find(|place| **place != Place::Closed) {
                *place = Place::Closed;
            }
        }
    }

    fn missing(&self) -> Vec<(NetId, u64, u32, Time)> {
        let mut missing = Vec::new();
        for list in &self.lists {
            for (number, place) in (list.first..).zip(&list.places) {
                if let Place::Missing { tries, ask } = place {
                    missing.push((list.node, number, *tries, *ask));
                }
            }
        }
        missing.sort_unstable();
        missing
    }

    /// Each number that is asked for now, and how many are given up.
    fn take_due(&mut self, now: Time, retry: Duration) -> (Vec<Question>, u64) {
        let (mut asked, mut given_up) = (Vec::new(), 0);
        self.lists.sort_by_key(|list| list.node);
        for list in &mut self.lists {
            for (number, place) in (list.first..).zip(&mut list.places) {
                match place {
                    Place::Missing { ask, .. } if *ask > now => {}
                    Place::Missing { tries: 4.., .. } => {
                        *place = Place::Closed;
                        given_up += 1;
                    }
                    // No more than eight at once: the others wait.
                    Place::Missing { ask, .. } if asked.len() == 8 => *ask = now + retry,
                    Place::Missing { tries, ask } => {
                        asked.push((list.node, list.epoch, number, *tries));
                        *ask = now;
                        for _ in 0..(1 << *tries) {
                            *ask = *ask + retry;
                        }
                        *tries += 1;
                    }
                    Place::Closed => {}
                }
            }
        }
        asked.sort_unstable();
        (asked, given_up)
    }
}

#[derive(Clone, Debug)]
enum Op {
    Note { node: u32, epoch: u8, number: u64, came: bool },
    Fill { node: u32, epoch: u8, number: u64 },
    Forget(u32),
    Ask,
}

fn op() -> impl Strategy<Value = Op> {
    let number = prop_oneof![8 => 1..30_u64, 1 => 0..300_u64];
    let epoch = prop_oneof![15 => Just(1_u8), 1 => Just(2_u8)];
    prop_oneof![
        8 => (0..3_u32, epoch.clone(), number.clone(), any::<bool>())
            .prop_map(|(node, epoch, number, came)| Op::Note { node, epoch, number, came }),
        3 => (0..3_u32, epoch, number).prop_map(|(node, epoch, number)| Op::Fill { node, epoch, number }),
        1 => (0..3_u32).prop_map(Op::Forget),
        4 => Just(Op::Ask),
    ]
}

fn held(gaps: &Gaps) -> Vec<(NetId, u64, u32, Time)> {
    let each = |(node, numbers): (&NetId, &Numbers)| {
        let node = *node;
        let missing = numbers.missing.iter().map(move |(number, it)| (node, *number, it.tries, it.ask));
        missing.collect::<Vec<_>>()
    };
    gaps.nodes.iter().flat_map(each).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn they_miss_what_a_list_misses(
        most in 1..12_usize,
        ops in prop::collection::vec((op(), 0..4_u64, 0..3_u64), 0..80),
    ) {
        let pace = Pace { retry: SECOND, most };
        let (mut gaps, mut twin) = (Gaps::default(), Twin::default());
        let mut now = Time::ZERO;
        for (op, pass, wait) in ops {
            now = now + SECOND.saturating_mul(u32::try_from(pass).unwrap());
            let ask = now + SECOND.saturating_mul(u32::try_from(wait).unwrap());
            match op {
                Op::Note { node: who, epoch, number, came } => {
                    if came {
                        gaps.came(node(who), [epoch; 8], number, ask, pace);
                    } else {
                        gaps.exists(node(who), [epoch; 8], number, ask, pace);
                    }
                    twin.note(node(who), [epoch; 8], number, came, ask, most);
                }
                Op::Fill { node: who, epoch, number } => {
                    gaps.fill(node(who), [epoch; 8], number);
                    let list = twin.lists.iter_mut().find(|list| list.node == node(who) && list.epoch == [epoch; 8]);
                    let place = list.and_then(|list| {
                        let at = usize::try_from(number.checked_sub(list.first)?).ok()?;
                        list.places.get_mut(at)
                    });
                    if let Some(place) = place {
                        *place = Place::Closed;
                    }
                }
                Op::Forget(who) => {
                    gaps.forget(node(who));
                    twin.lists.retain(|list| list.node != node(who));
                }
                Op::Ask => {
                    let (questions, given_up) = gaps.take_due(now, pace);
                    let mut numbers = Vec::new();
                    for (MissedMulticasts { node, epoch, runs }, tries) in &questions {
                        prop_assert!(runs.windows(2).all(|runs| runs[0].1 + 1 < runs[1].0), "runs have a number between");
                        for number in runs.iter().flat_map(|(first, last)| *first..=*last) {
                            numbers.push((*node, *epoch, number, *tries));
                        }
                    }
                    let (asked, given_up_slowly) = twin.take_due(now, SECOND);
                    prop_assert_eq!(given_up, given_up_slowly);
                    // Of a node the most frequent number of tries is told.
                    let told: Vec<_> = asked.iter().map(|(node, epoch, number, _)| {
                        let tries = asked.iter().filter(|(other, ..)| other == node).map(|(.., tries)| *tries).max();
                        (*node, *epoch, *number, tries.unwrap())
                    }).collect();
                    prop_assert_eq!(numbers, told);
                }
            }
            let missing = twin.missing();
            prop_assert_eq!(gaps.due(), missing.iter().map(|(.., ask)| *ask).min());
            prop_assert_eq!(held(&gaps), missing);
        }
    }
}

#[test]
fn what_was_before_the_first_is_not_missed() {
    let pace = Pace { retry: SECOND, most: 8 };
    let mut gaps = Gaps::default();
    gaps.came(node(1), [1; 8], 500, Time::ZERO, pace);
    assert_eq!(gaps.due(), None);
    gaps.came(node(1), [1; 8], 502, Time::ZERO, pace);
    gaps.came(node(1), [1; 8], 400, Time::ZERO, pace);
    let (questions, given_up) = gaps.take_due(Time::ZERO, pace);
    assert_eq!(questions, [(MissedMulticasts { node: node(1), epoch: [1; 8], runs: vec![(501, 501)] }, 0)]);
    assert_eq!(given_up, 0);
}

#[test]
fn a_number_is_asked_for_four_times_and_given_up() {
    let pace = Pace { retry: SECOND, most: 8 };
    let mut gaps = Gaps::default();
    gaps.came(node(1), [1; 8], 1, Time::ZERO, pace);
    gaps.exists(node(1), [1; 8], 2, Time::ZERO, pace);
    let mut tried = Vec::new();
    while let Some(due) = gaps.due() {
        let (questions, given_up) = gaps.take_due(due, pace);
        tried.extend(questions.into_iter().map(|(_, tries)| tries));
        assert_eq!(given_up, u64::from(gaps.due().is_none()));
    }
    assert_eq!(tried, [0, 1, 2, 3]);
}

/// However many are missing: each is asked for before any is given up.
#[test]
fn a_burst_is_asked_for_bit_by_bit() {
    let pace = Pace { retry: SECOND, most: 64 };
    let mut gaps = Gaps::default();
    gaps.came(node(1), [1; 8], 1, Time::ZERO, pace);
    gaps.came(node(1), [1; 8], 66, Time::ZERO, pace);
    let mut asked = Vec::new();
    while asked.len() < 64 {
        let (questions, given_up) = gaps.take_due(gaps.due().unwrap(), pace);
        assert_eq!(given_up, 0);
        for (first, last) in questions.into_iter().flat_map(|(missed, _)| missed.runs) {
            assert!(last - first < 8);
            for number in first..=last {
                asked.push(number);
                gaps.fill(node(1), [1; 8], number);
            }
        }
    }
    asked.sort_unstable();
    assert_eq!(asked, (2..66).collect::<Vec<_>>());
}

#[test]
fn a_jump_to_the_end_of_numbers_costs_no_more_than_the_bound() {
    let pace = Pace { retry: SECOND, most: 8 };
    let mut gaps = Gaps::default();
    gaps.came(node(1), [1; 8], 1, Time::ZERO, pace);
    gaps.exists(node(1), [1; 8], u64::MAX, Time::ZERO, pace);
    assert_eq!(held(&gaps).len(), 8);
    gaps.came(node(1), [1; 8], u64::MAX, Time::ZERO, pace);
    assert_eq!(held(&gaps).len(), 7);
}
