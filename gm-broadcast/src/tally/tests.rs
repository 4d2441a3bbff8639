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
        prop_assert_eq!(sum.reassigned, again);
        // The smallest ones, each once, as many as a sum carries.
        missing.sort_unstable();
        missing.dedup();
        let names: Vec<NetId> = missing.into_iter().take(NAMES).map(|number| node(*number)).collect();
        prop_assert_eq!(sum.missing_sample, names);
        let waits = tree.relays.iter().any(|(state, ..)| *state == ChildState::Waiting);
        prop_assert_eq!(sum.is_final, tree.open == 0 && tree.own != Own::Waiting && !waits);
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

/// A child of the root: its nodes, its state, and its sum.
fn child(nodes: &[u32], state: ChildState, sum: Option<AckSummary>) -> Child {
    let mut nodes = nodes.iter().map(|number| node(*number));
    let hop = nodes.next().unwrap();
    let (heard, patience) = (Time::ZERO, Duration::ZERO);
    Child { hop, list: nodes.collect(), again: false, heard, patience, sum, state }
}

fn origin(missed: &[u32], children: Vec<Child>) -> Tally {
    let mut tally = Tally::new(Time::NEVER, false, Own::None, Time::ZERO);
    tally.tag = Some(1);
    missed.iter().for_each(|number| tally.miss(node(*number)));
    tally.children = children;
    tally
}

#[test]
fn parts_name_targets_wherever_sums_allow_it() {
    let all = AckSummary { delivered: 2, ..AckSummary::default() };
    let two_of_four = AckSummary {
        delivered: 2,
        refused: 1,
        missing: 1,
        missing_sample: vec![node(14)],
        ..AckSummary::default()
    };
    let tally = origin(
        &[1],
        vec![
            child(&[11, 12, 13, 14], ChildState::Done, Some(two_of_four)),
            child(&[21, 22], ChildState::Done, Some(all.clone())),
            child(&[31, 32], ChildState::Replaced, Some(all)),
            child(&[41], ChildState::Silent, None),
        ],
    );
    let nodes = |numbers: &[u32]| -> Vec<NetId> { numbers.iter().map(|number| node(*number)).collect() };
    let part = |numbers: &[u32], delivered, refused, missing| Part {
        nodes: nodes(numbers),
        delivered,
        refused,
        missing,
        closed: false,
    };
    let expected = [
        part(&[1], 0, 0, 1),
        part(&[14], 0, 0, 1),
        part(&[11, 12, 13], 2, 1, 0),
        part(&[21, 22], 2, 0, 0),
        // The relay was replaced: those of its list are in the part of another, and it may have the broadcast.
        part(&[31], 0, 0, 0),
        part(&[41], 0, 0, 0),
    ];
    assert_eq!(tally.parts(), expected);
}

/// A relay names sixteen of the nodes that it misses. If there are more, its part stays whole.
#[test]
fn parts_stay_whole_where_not_all_the_missing_are_named() {
    let names = (1..=16).map(node).collect();
    let sum = AckSummary { delivered: 1, missing: 18, missing_sample: names, ..AckSummary::default() };
    let nodes: Vec<u32> = (0..20).collect();
    let tally = origin(&[], vec![child(&nodes, ChildState::Done, Some(sum))]);
    let parts = tally.parts();
    assert_eq!((parts.len(), parts[0].nodes.len()), (1, 20));
    assert_eq!((parts[0].delivered, parts[0].missing), (1, 18));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever relays say, parts add up to the sum, and no part counts more nodes than it has.
    #[test]
    fn parts_add_up_to_the_sum(
        missed in 0..20_u32,
        children in prop::collection::vec((state(), 1..6_u32, any::<bool>(), 0..6_u64, 0..6_u64, 0..6_u64), 0..8),
    ) {
        let mut next = 100;
        let children = children.into_iter().map(|(state, size, spoke, delivered, refused, missing)| {
            let nodes: Vec<u32> = (next..next + size).collect();
            next += size;
            let size = u64::from(size);
            let delivered = delivered.min(size);
            let refused = refused.min(size - delivered);
            let missing = missing.min(size - delivered - refused);
            let names = nodes.iter().rev().take(usize::try_from(missing).unwrap()).map(|number| node(*number));
            let mut names: Vec<NetId> = names.collect();
            names.sort_unstable();
            child(&nodes, state, spoke.then_some(AckSummary { delivered, refused, missing, missing_sample: names, ..AckSummary::default() }))
        });
        let children = children.collect();
        let tally = origin(&(0..missed).collect::<Vec<_>>(), children);
        let (parts, sum) = (tally.parts(), tally.sum(false));
        let total = |count: fn(&Part) -> u64| parts.iter().map(count).sum::<u64>();
        prop_assert_eq!(total(|part| part.delivered), sum.delivered);
        prop_assert_eq!(total(|part| part.refused), sum.refused);
        prop_assert_eq!(total(|part| part.missing), sum.missing);
        prop_assert!(parts.iter().all(|part| part.delivered + part.refused + part.missing <= part.nodes.len() as u64));
        let mut nodes: Vec<NetId> = parts.iter().flat_map(|part| part.nodes.iter().copied()).collect();
        let count = nodes.len();
        nodes.sort_unstable();
        nodes.dedup();
        prop_assert_eq!(nodes.len(), count);
    }
}

#[test]
fn the_names_of_many_missing_are_few() {
    let mut tally = Tally::new(Time::NEVER, false, Own::None, Time::ZERO);
    for number in 0..100 {
        tally.miss(node(number));
    }
    let sum = tally.sum(false);
    assert_eq!((sum.missing, sum.missing_sample.len()), (100, NAMES));
    assert!(sum.missing_sample.is_sorted());
}

/// Numbers that others made up do not run over.
#[test]
fn sums_of_liars_do_not_run_over() {
    let mut tally = Tally::new(Time::NEVER, false, Own::Counts, Time::ZERO);
    let sum =
        AckSummary { delivered: u64::MAX, refused: u64::MAX, missing: u64::MAX, ..AckSummary::default() };
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

/// All that are missing are counted; so many are named.
#[test]
fn as_many_are_named_as_a_sum_may_name() {
    let mut tally = Tally::new(Time::NEVER, false, Own::None, Time::ZERO);
    for number in 0..20 {
        tally.miss(node(number));
    }
    assert_eq!((tally.missing, tally.names.len()), (20, NAMES));
}
