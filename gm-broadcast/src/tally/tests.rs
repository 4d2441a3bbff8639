//! Sums beside a recount of the whole tree, node by node.

use proptest::prelude::*;

use super::*;
use crate::islands::tests::node;

/// A node of a tree, what it knows itself, and the relays that took shares of it.
#[derive(Clone, Debug)]
struct Tree {
    own: Own,
    open: usize,
    missing: Vec<u32>,
    /// State, whether it said anything yet, and what is below it.
    relays: Vec<(ChildState, bool, Tree)>,
}

fn own() -> impl Strategy<Value = Own> {
    prop_oneof![1 => Just(Own::None), 1 => Just(Own::Waiting), 3 => Just(Own::Counts), 1 => Just(Own::Refused)]
}

fn state() -> impl Strategy<Value = ChildState> {
    use ChildState::{Done, Replaced, Silent, Waiting};
    prop_oneof![1 => Just(Waiting), 3 => Just(Done), 1 => Just(Silent), 1 => Just(Replaced)]
}

fn tree() -> impl Strategy<Value = Tree> {
    let open = || prop_oneof![3 => Just(0_usize), 1 => 1..3_usize];
    let missing = || prop::collection::vec(0..60_u32, 0..8);
    let leaf = (own(), open(), missing()).prop_map(|(own, open, missing)| Tree {
        own,
        open,
        missing,
        relays: Vec::new(),
    });
    leaf.prop_recursive(4, 40, 4, move |below| {
        let relays = prop::collection::vec((state(), any::<bool>(), below), 0..4);
        (own(), open(), missing(), relays).prop_map(|(own, open, missing, relays)| Tree {
            own,
            open,
            missing,
            relays,
        })
    })
}

fn tally(tree: &Tree) -> Tally {
    let mut tally = Tally::new(Time::NEVER, false, tree.own, Time::ZERO);
    tally.open = tree.open;
    for number in &tree.missing {
        tally.miss(node(*number));
    }
    for (state, spoke, below) in &tree.relays {
        tally.children.push(Child {
            hop: node(1_000),
            list: Vec::new(),
            again: false,
            heard: Time::ZERO,
            patience: Duration::ZERO,
            sum: spoke.then(|| self::tally(below).sum(false)),
            state: *state,
        });
    }
    tally
}

/// Every fact that counts: of itself, and of what is below relays that spoke and were not replaced.
fn facts<'a>(tree: &'a Tree, own: &mut Vec<Own>, missing: &mut Vec<&'a u32>) {
    own.push(tree.own);
    missing.extend(&tree.missing);
    for (state, spoke, below) in &tree.relays {
        if *spoke && *state != ChildState::Replaced {
            facts(below, own, missing);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_sum_is_a_recount(tree in tree(), again: bool) {
        let sum = tally(&tree).sum(again);
        let (mut own, mut missing) = (Vec::new(), Vec::new());
        facts(&tree, &mut own, &mut missing);
        let count = |what| own.iter().filter(|own| **own == what).count() as u64;
        prop_assert_eq!(sum.delivered, count(Own::Counts));
        prop_assert_eq!(sum.refused, count(Own::Refused));
        prop_assert_eq!(sum.missing, missing.len() as u64);
        prop_assert_eq!(sum.again, again);
        // The smallest ones, each once, as many as a sum carries.
        missing.sort_unstable();
        missing.dedup();
        let names: Vec<NetId> = missing.into_iter().take(NAMES).map(|number| node(*number)).collect();
        prop_assert_eq!(sum.names, names);
        let waits = tree.relays.iter().any(|(state, ..)| *state == ChildState::Waiting);
        prop_assert_eq!(sum.last, tree.open == 0 && tree.own != Own::Waiting && !waits);
    }

    /// Whatever a replaced relay said, or says later, changes nothing.
    #[test]
    fn a_replaced_relay_is_not_counted(tree in tree(), below in tree(), place: usize) {
        let before = tally(&tree).sum(false);
        let mut with = tree.clone();
        let place = place % (with.relays.len() + 1);
        with.relays.insert(place, (ChildState::Replaced, true, below));
        prop_assert_eq!(tally(&with).sum(false), before);
    }

    #[test]
    fn the_first_silence_is_of_who_is_waited_for(
        relays in prop::collection::vec((state(), 0..50_u64, 0..50_u64), 0..6),
    ) {
        let mut tally = Tally::new(Time::NEVER, false, Own::None, Time::ZERO);
        for (state, heard, patience) in &relays {
            tally.children.push(Child {
                hop: node(1),
                list: Vec::new(),
                again: false,
                heard: Time::from_nanos(*heard),
                patience: Duration::from_nanos(*patience),
                sum: None,
                state: *state,
            });
        }
        let mut silences: Vec<u64> = Vec::new();
        for (state, heard, patience) in relays {
            if state == ChildState::Waiting {
                silences.push(heard + patience);
            }
        }
        silences.sort_unstable();
        prop_assert_eq!(tally.next_silence(), silences.first().map(|nanos| Time::from_nanos(*nanos)));
    }
}

#[test]
fn the_names_of_many_missing_are_few() {
    let mut tally = Tally::new(Time::NEVER, false, Own::None, Time::ZERO);
    for number in 0..100 {
        tally.miss(node(number));
    }
    let sum = tally.sum(false);
    assert_eq!((sum.missing, sum.names.len()), (100, NAMES));
    assert!(sum.names.is_sorted());
}

/// Numbers that others made up do not run over.
#[test]
fn sums_of_liars_do_not_run_over() {
    let mut tally = Tally::new(Time::NEVER, false, Own::Counts, Time::ZERO);
    let sum = Sum { delivered: u64::MAX, refused: u64::MAX, missing: u64::MAX, ..Sum::default() };
    for _ in 0..2 {
        tally.children.push(Child {
            hop: node(1),
            list: Vec::new(),
            again: false,
            heard: Time::ZERO,
            patience: Duration::ZERO,
            sum: Some(sum.clone()),
            state: ChildState::Done,
        });
    }
    assert_eq!(tally.sum(false).delivered, u64::MAX);
}
