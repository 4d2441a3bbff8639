//! Ack aggregation, compared with a recount of the whole tree.

use proptest::prelude::*;

use super::*;
use crate::islands::tests::node;

/// A node of a tree, its own ack, and the relays to which it handed subtrees.
#[derive(Clone, Debug)]
struct Tree {
    own: OwnAck,
    open: usize,
    missing: Vec<u32>,
    /// State, whether it reported yet, and its subtree.
    relays: Vec<(RelayState, bool, Tree)>,
}

fn own() -> impl Strategy<Value = OwnAck> {
    prop_oneof![1 => Just(OwnAck::NotTarget), 1 => Just(OwnAck::Pending), 3 => Just(OwnAck::Acked), 1 => Just(OwnAck::Refused)]
}

fn state() -> impl Strategy<Value = RelayState> {
    use RelayState::{Done, Pending, Replaced, Silent};
    prop_oneof![1 => Just(Pending), 3 => Just(Done), 1 => Just(Silent), 1 => Just(Replaced)]
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

fn aggregation(tree: &Tree) -> AckAggregation {
    let mut aggregation = AckAggregation::new(Time::NEVER, false, tree.own, Time::ZERO);
    aggregation.open_subtrees = tree.open;
    for number in &tree.missing {
        aggregation.add_missing(node(*number));
    }
    for (state, spoke, below) in &tree.relays {
        aggregation.children.push(RelayAcks {
            relay: node(1_000),
            targets: Vec::new(),
            reissued: false,
            last_heard: Time::ZERO,
            silence_timeout: Duration::ZERO,
            summary: spoke.then(|| self::aggregation(below).summary(false)),
            state: *state,
        });
    }
    aggregation
}

/// Collects every ack that counts: its own, and those below relays that reported and were not
/// replaced.
fn facts<'a>(tree: &'a Tree, own: &mut Vec<OwnAck>, missing: &mut Vec<&'a u32>) {
    own.push(tree.own);
    missing.extend(&tree.missing);
    for (state, spoke, below) in &tree.relays {
        if *spoke && *state != RelayState::Replaced {
            facts(below, own, missing);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_summary_equals_a_recount(tree in tree(), again: bool) {
        let sum = aggregation(&tree).summary(again);
        let (mut own, mut missing) = (Vec::new(), Vec::new());
        facts(&tree, &mut own, &mut missing);
        let count = |what| own.iter().filter(|own| **own == what).count() as u64;
        prop_assert_eq!(sum.delivered, count(OwnAck::Acked));
        prop_assert_eq!(sum.refused, count(OwnAck::Refused));
        prop_assert_eq!(sum.missing, missing.len() as u64);
        prop_assert_eq!(sum.reassigned, again);
        // The smallest ones without duplicates, as many as a summary names.
        missing.sort_unstable();
        missing.dedup();
        let names: Vec<NetId> = missing.into_iter().take(MAX_MISSING_NAMED).map(|number| node(*number)).collect();
        prop_assert_eq!(sum.missing_sample, names);
        let waits = tree.relays.iter().any(|(state, ..)| *state == RelayState::Pending);
        prop_assert_eq!(sum.is_final, tree.open == 0 && tree.own != OwnAck::Pending && !waits);
    }

    /// Summaries of a replaced relay, earlier or later ones, change nothing.
    #[test]
    fn a_replaced_relay_is_not_counted(tree in tree(), below in tree(), place: usize) {
        let before = aggregation(&tree).summary(false);
        let mut with = tree.clone();
        let place = place % (with.relays.len() + 1);
        with.relays.insert(place, (RelayState::Replaced, true, below));
        prop_assert_eq!(aggregation(&with).summary(false), before);
    }

    #[test]
    fn the_first_silence_deadline_is_of_a_pending_relay(
        relays in prop::collection::vec((state(), 0..50_u64, 0..50_u64), 0..6),
    ) {
        let mut aggregation = AckAggregation::new(Time::NEVER, false, OwnAck::NotTarget, Time::ZERO);
        for (state, heard, patience) in &relays {
            aggregation.children.push(RelayAcks {
                relay: node(1),
                targets: Vec::new(),
                reissued: false,
                last_heard: Time::from_nanos(*heard),
                silence_timeout: Duration::from_nanos(*patience),
                summary: None,
                state: *state,
            });
        }
        let mut silences: Vec<u64> = Vec::new();
        for (state, heard, patience) in relays {
            if state == RelayState::Pending {
                silences.push(heard + patience);
            }
        }
        silences.sort_unstable();
        prop_assert_eq!(aggregation.silence_deadline(), silences.first().map(|nanos| Time::from_nanos(*nanos)));
    }
}

/// A child of the root: its nodes, its state and its summary.
fn child(nodes: &[u32], state: RelayState, sum: Option<AckSummary>) -> RelayAcks {
    let mut nodes = nodes.iter().map(|number| node(*number));
    let relay = nodes.next().unwrap();
    let (heard, patience) = (Time::ZERO, Duration::ZERO);
    RelayAcks {
        relay,
        targets: nodes.collect(),
        reissued: false,
        last_heard: heard,
        silence_timeout: patience,
        summary: sum,
        state,
    }
}

fn origin(missed: &[u32], children: Vec<RelayAcks>) -> AckAggregation {
    let mut aggregation = AckAggregation::new(Time::NEVER, false, OwnAck::NotTarget, Time::ZERO);
    aggregation.tag = Some(1);
    missed.iter().for_each(|number| aggregation.add_missing(node(*number)));
    aggregation.children = children;
    aggregation
}

#[test]
fn parts_name_targets_wherever_summaries_allow_it() {
    let all = AckSummary { delivered: 2, ..AckSummary::default() };
    let two_of_four = AckSummary {
        delivered: 2,
        refused: 1,
        missing: 1,
        missing_sample: vec![node(14)],
        ..AckSummary::default()
    };
    let aggregation = origin(
        &[1],
        vec![
            child(&[11, 12, 13, 14], RelayState::Done, Some(two_of_four)),
            child(&[21, 22], RelayState::Done, Some(all.clone())),
            child(&[31, 32], RelayState::Replaced, Some(all)),
            child(&[41], RelayState::Silent, None),
        ],
    );
    let nodes = |numbers: &[u32]| -> Vec<NetId> { numbers.iter().map(|number| node(*number)).collect() };
    let part = |numbers: &[u32], delivered, refused, missing| AckPart {
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
        // The relay was replaced: its targets are in the part of another relay, and it may have the
        // broadcast itself.
        part(&[31], 0, 0, 0),
        part(&[41], 0, 0, 0),
    ];
    assert_eq!(aggregation.parts(), expected);
}

/// A relay names at most sixteen missing nodes. If there are more, its part stays whole.
#[test]
fn parts_stay_whole_where_not_all_the_missing_are_named() {
    let names = (1..=16).map(node).collect();
    let sum = AckSummary { delivered: 1, missing: 18, missing_sample: names, ..AckSummary::default() };
    let nodes: Vec<u32> = (0..20).collect();
    let aggregation = origin(&[], vec![child(&nodes, RelayState::Done, Some(sum))]);
    let parts = aggregation.parts();
    assert_eq!((parts.len(), parts[0].nodes.len()), (1, 20));
    assert_eq!((parts[0].delivered, parts[0].missing), (1, 18));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    /// For any summaries, the parts add up to the total, and no part counts more nodes than it has.
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
        let aggregation = origin(&(0..missed).collect::<Vec<_>>(), children);
        let (parts, sum) = (aggregation.parts(), aggregation.summary(false));
        let total = |count: fn(&AckPart) -> u64| parts.iter().map(count).sum::<u64>();
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
fn many_missing_nodes_are_sampled() {
    let mut aggregation = AckAggregation::new(Time::NEVER, false, OwnAck::NotTarget, Time::ZERO);
    for number in 0..100 {
        aggregation.add_missing(node(number));
    }
    let sum = aggregation.summary(false);
    assert_eq!((sum.missing, sum.missing_sample.len()), (100, MAX_MISSING_NAMED));
    assert!(sum.missing_sample.is_sorted());
}

/// Invented numbers do not overflow.
#[test]
fn false_summaries_do_not_overflow() {
    let mut aggregation = AckAggregation::new(Time::NEVER, false, OwnAck::Acked, Time::ZERO);
    let sum =
        AckSummary { delivered: u64::MAX, refused: u64::MAX, missing: u64::MAX, ..AckSummary::default() };
    for _ in 0..2 {
        aggregation.children.push(RelayAcks {
            relay: node(1),
            targets: Vec::new(),
            reissued: false,
            last_heard: Time::ZERO,
            silence_timeout: Duration::ZERO,
            summary: Some(sum.clone()),
            state: RelayState::Done,
        });
    }
    assert_eq!(aggregation.summary(false).delivered, u64::MAX);
}

/// Every missing node is counted; a limited number is named.
#[test]
fn a_summary_names_up_to_its_limit() {
    let mut aggregation = AckAggregation::new(Time::NEVER, false, OwnAck::NotTarget, Time::ZERO);
    for number in 0..20 {
        aggregation.add_missing(node(number));
    }
    assert_eq!((aggregation.missing, aggregation.missing_named.len()), (20, MAX_MISSING_NAMED));
}
