//! Loss recovery, compared with a plain list of numbers.

use proptest::prelude::*;

use super::*;
use crate::islands::tests::node;

const SECOND: Duration = Duration::from_secs(1);

/// State of one number.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Position {
    /// It arrived, or needs no further nack.
    Closed,
    Missing {
        tries: u32,
        ask: Time,
    },
}

/// The numbers of a node since the first known one.
#[derive(Clone, Debug)]
struct ModelList {
    node: NetId,
    epoch: [u8; 8],
    first: u64,
    places: Vec<Position>,
}

/// A requested number of a node's epoch, and the number of earlier nacks.
type Nack = (NetId, [u8; 8], u64, u32);

#[derive(Debug, Default)]
struct Model {
    lists: Vec<ModelList>,
}

impl Model {
    /// Numbers up to `number` exist; it arrived, or not.
    fn note(&mut self, node: NetId, epoch: [u8; 8], number: u64, inbound: bool, ask: Time, most: usize) {
        if !self.lists.iter().any(|list| list.node == node && list.epoch == epoch) {
            self.lists.retain(|list| list.node != node);
            self.lists.push(ModelList { node, epoch, first: number, places: vec![Position::Closed] });
        }
        let Some(list) = self.lists.iter_mut().find(|list| list.node == node) else { return };
        while list.first + (list.places.len() as u64) <= number {
            list.places.push(Position::Missing { tries: 0, ask });
        }
        let at = number.checked_sub(list.first).and_then(|at| usize::try_from(at).ok());
        if let Some(place) = at.filter(|_| inbound).and_then(|at| list.places.get_mut(at)) {
            *place = Position::Closed;
        }
        while list.places.iter().filter(|place| **place != Position::Closed).count() > most {
            if let Some(place) = list.places.iter_mut().find(|place| **place != Position::Closed) {
                *place = Position::Closed;
            }
        }
    }

    fn missing(&self) -> Vec<(NetId, u64, u32, Time)> {
        let mut missing = Vec::new();
        for list in &self.lists {
            for (number, place) in (list.first..).zip(&list.places) {
                if let Position::Missing { tries, ask } = place {
                    missing.push((list.node, number, *tries, *ask));
                }
            }
        }
        missing.sort_unstable();
        missing
    }

    /// The numbers to request now, and how many are given up.
    fn take_due(&mut self, now: Time, retry: Duration) -> (Vec<Nack>, u64) {
        let (mut requested, mut given_up) = (Vec::new(), 0);
        self.lists.sort_by_key(|list| list.node);
        for list in &mut self.lists {
            for (number, place) in (list.first..).zip(&mut list.places) {
                match place {
                    Position::Missing { ask, .. } if *ask > now => {}
                    Position::Missing { tries: 6.., .. } => {
                        *place = Position::Closed;
                        given_up += 1;
                    }
                    // At most eight at once: the others wait.
                    Position::Missing { ask, .. } if requested.len() == 8 => *ask = now + retry,
                    Position::Missing { tries, ask } => {
                        requested.push((list.node, list.epoch, number, *tries));
                        *ask = now;
                        for _ in 0..(1 << tries.saturating_sub(1)) {
                            *ask = *ask + retry;
                        }
                        *tries += 1;
                    }
                    Position::Closed => {}
                }
            }
        }
        requested.sort_unstable();
        (requested, given_up)
    }
}

#[derive(Clone, Debug)]
enum Op {
    Note { node: u32, epoch: u8, number: u64, inbound: bool },
    Fill { node: u32, epoch: u8, number: u64 },
    Forget(u32),
    Ask,
}

fn op() -> impl Strategy<Value = Op> {
    let number = prop_oneof![8 => 1..30_u64, 1 => 0..300_u64];
    let epoch = prop_oneof![15 => Just(1_u8), 1 => Just(2_u8)];
    prop_oneof![
        8 => (0..3_u32, epoch.clone(), number.clone(), any::<bool>())
            .prop_map(|(node, epoch, number, inbound)| Op::Note { node, epoch, number, inbound }),
        3 => (0..3_u32, epoch, number).prop_map(|(node, epoch, number)| Op::Fill { node, epoch, number }),
        1 => (0..3_u32).prop_map(Op::Forget),
        4 => Just(Op::Ask),
    ]
}

fn missing_numbers(gaps: &LossRecovery) -> Vec<(NetId, u64, u32, Time)> {
    let each = |(node, numbers): (&NetId, &MulticastNumbers)| {
        let node = *node;
        let missing = numbers.missing.iter().map(move |(number, it)| (node, *number, it.tries, it.nack_at));
        missing.collect::<Vec<_>>()
    };
    gaps.nodes.iter().flat_map(each).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn loss_recovery_equals_a_plain_list(
        most in 1..12_usize,
        ops in prop::collection::vec((op(), 0..4_u64, 0..3_u64), 0..80),
    ) {
        let policy = NackPolicy { retry: SECOND, max_missing: most };
        let (mut gaps, mut model) = (LossRecovery::default(), Model::default());
        let mut now = Time::ZERO;
        for (op, pass, wait) in ops {
            now = now + SECOND.saturating_mul(u32::try_from(pass).unwrap());
            let ask = now + SECOND.saturating_mul(u32::try_from(wait).unwrap());
            match op {
                Op::Note { node: who, epoch, number, inbound } => {
                    if inbound {
                        gaps.on_received(node(who), [epoch; 8], number, ask, policy);
                    } else {
                        gaps.on_number_known(node(who), [epoch; 8], number, ask, policy);
                    }
                    model.note(node(who), [epoch; 8], number, inbound, ask, most);
                }
                Op::Fill { node: who, epoch, number } => {
                    gaps.on_recovered(node(who), [epoch; 8], number);
                    let list = model.lists.iter_mut().find(|list| list.node == node(who) && list.epoch == [epoch; 8]);
                    let place = list.and_then(|list| {
                        let at = usize::try_from(number.checked_sub(list.first)?).ok()?;
                        list.places.get_mut(at)
                    });
                    if let Some(place) = place {
                        *place = Position::Closed;
                    }
                }
                Op::Forget(who) => {
                    gaps.forget(node(who));
                    model.lists.retain(|list| list.node != node(who));
                }
                Op::Ask => {
                    let (questions, given_up) = gaps.take_due(now, policy);
                    let mut numbers = Vec::new();
                    for (MissedMulticasts { node, epoch, runs }, tries) in &questions {
                        prop_assert!(runs.windows(2).all(|runs| runs[0].1 + 1 < runs[1].0), "runs are not adjacent");
                        for number in runs.iter().flat_map(|(first, last)| *first..=*last) {
                            numbers.push((*node, *epoch, number, *tries));
                        }
                    }
                    let (requested, given_up_slowly) = model.take_due(now, SECOND);
                    prop_assert_eq!(given_up, given_up_slowly);
                    // The greatest number of tries of a node is returned.
                    let expected: Vec<_> = requested.iter().map(|(node, epoch, number, _)| {
                        let tries = requested.iter().filter(|(other, ..)| other == node).map(|(.., tries)| *tries).max();
                        (*node, *epoch, *number, tries.unwrap())
                    }).collect();
                    prop_assert_eq!(numbers, expected);
                }
            }
            let missing = model.missing();
            prop_assert_eq!(gaps.deadline(), missing.iter().map(|(.., ask)| *ask).min());
            prop_assert_eq!(missing_numbers(&gaps), missing);
        }
    }
}

#[test]
fn numbers_before_the_first_are_not_missing() {
    let policy = NackPolicy { retry: SECOND, max_missing: 8 };
    let mut gaps = LossRecovery::default();
    gaps.on_received(node(1), [1; 8], 500, Time::ZERO, policy);
    assert_eq!(gaps.deadline(), None);
    gaps.on_received(node(1), [1; 8], 502, Time::ZERO, policy);
    gaps.on_received(node(1), [1; 8], 400, Time::ZERO, policy);
    let (questions, given_up) = gaps.take_due(Time::ZERO, policy);
    assert_eq!(questions, [(MissedMulticasts { node: node(1), epoch: [1; 8], runs: vec![(501, 501)] }, 0)]);
    assert_eq!(given_up, 0);
}

#[test]
fn a_number_is_requested_six_times_then_given_up() {
    let policy = NackPolicy { retry: SECOND, max_missing: 8 };
    let mut gaps = LossRecovery::default();
    gaps.on_received(node(1), [1; 8], 1, Time::ZERO, policy);
    gaps.on_number_known(node(1), [1; 8], 2, Time::ZERO, policy);
    let mut tried = Vec::new();
    while let Some(due) = gaps.deadline() {
        let (questions, given_up) = gaps.take_due(due, policy);
        tried.extend(questions.into_iter().map(|(_, tries)| tries));
        assert_eq!(given_up, u64::from(gaps.deadline().is_none()));
    }
    assert_eq!(tried, [0, 1, 2, 3, 4, 5]);
}

/// A neighbor that lacks the number costs no waiting time.
#[test]
fn an_unavailable_number_is_requested_elsewhere_at_once() {
    let policy = NackPolicy { retry: SECOND, max_missing: 8 };
    let mut gaps = LossRecovery::default();
    gaps.on_received(node(1), [1; 8], 1, Time::ZERO, policy);
    gaps.on_number_known(node(1), [1; 8], 2, Time::ZERO, policy);
    gaps.take_due(Time::ZERO, policy);
    assert_eq!(gaps.deadline(), Some(Time::ZERO + SECOND));
    let soon = Time::ZERO + SECOND / 10;
    gaps.on_unavailable(node(1), [2; 8], 2, soon);
    gaps.on_unavailable(node(1), [1; 8], 3, soon);
    assert_eq!(gaps.deadline(), Some(Time::ZERO + SECOND), "another epoch, another number");
    gaps.on_unavailable(node(1), [1; 8], 2, soon);
    assert_eq!(gaps.deadline(), Some(soon));
}

/// However many are missing, each is requested before any is given up.
#[test]
fn a_burst_is_requested_in_steps() {
    let policy = NackPolicy { retry: SECOND, max_missing: 64 };
    let mut gaps = LossRecovery::default();
    gaps.on_received(node(1), [1; 8], 1, Time::ZERO, policy);
    gaps.on_received(node(1), [1; 8], 66, Time::ZERO, policy);
    let mut requested = Vec::new();
    while requested.len() < 64 {
        let (questions, given_up) = gaps.take_due(gaps.deadline().unwrap(), policy);
        assert_eq!(given_up, 0);
        for (first, last) in questions.into_iter().flat_map(|(missed, _)| missed.runs) {
            assert!(last - first < 8);
            for number in first..=last {
                requested.push(number);
                gaps.on_recovered(node(1), [1; 8], number);
            }
        }
    }
    requested.sort_unstable();
    assert_eq!(requested, (2..66).collect::<Vec<_>>());
}

#[test]
fn a_jump_to_the_last_number_stays_within_the_limit() {
    let policy = NackPolicy { retry: SECOND, max_missing: 8 };
    let mut gaps = LossRecovery::default();
    gaps.on_received(node(1), [1; 8], 1, Time::ZERO, policy);
    gaps.on_number_known(node(1), [1; 8], u64::MAX, Time::ZERO, policy);
    assert_eq!(missing_numbers(&gaps).len(), 8);
    gaps.on_received(node(1), [1; 8], u64::MAX, Time::ZERO, policy);
    assert_eq!(missing_numbers(&gaps).len(), 7);
}
