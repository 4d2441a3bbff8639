//! Generated runs: whatever happens, no broadcast is delivered twice, reports are settled and never
//! count too much, and without faults every target is reached.

use gm_broadcast::{BroadcastCommand, BroadcastRequest, Input, RequestedAcks};
use proptest::prelude::*;

use crate::net::Net;
use crate::station::{broadcast_of, ms, node, sealed};
use crate::trees::deep;

#[derive(Clone, Debug)]
enum Op {
    Say { from: usize, receipts: bool, topic: Option<u64> },
    Wait(u64),
    Chance(usize),
    Close(usize),
    Gag(usize),
    Ungag(usize),
    Move(usize, u32),
    Lose(bool),
}

fn calm() -> impl Strategy<Value = Op> {
    prop_oneof![
        6 => (0..6_usize, any::<bool>()).prop_map(|(from, receipts)| Op::Say { from, receipts, topic: None }),
        3 => (0..50_u64).prop_map(Op::Wait),
        2 => (0..70_000_u64).prop_map(Op::Wait),
        1 => (0..6_usize).prop_map(Op::Chance),
    ]
}

fn any_op() -> impl Strategy<Value = Op> {
    prop_oneof![
        6 => calm(),
        2 => (0..6_usize, prop::option::of(0..2_u64))
            .prop_map(|(from, topic)| Op::Say { from, receipts: false, topic }),
        1 => (0..6_usize).prop_map(Op::Close),
        1 => (0..6_usize).prop_map(Op::Gag),
        2 => (0..6_usize).prop_map(Op::Ungag),
        1 => (0..6_usize, 0..3_u32).prop_map(|(number, island)| Op::Move(number, island)),
        1 => any::<bool>().prop_map(Op::Lose),
    ]
}

fn stations(islands: &[Option<u32>], latency: u64) -> Net {
    let mut net = Net::with_latency(sealed, ms(latency));
    for island in islands {
        net.add(*island, |config| config.path_costs = deep());
    }
    net.introduce();
    net
}

/// Applies the operations. Returns the broadcasts that were started, by origin, with their tags if
/// acks were requested.
fn play(net: &mut Net, ops: &[Op]) -> Vec<(gm_codec::BroadcastId, usize, u64, bool)> {
    let count = net.stations.len();
    let mut begun = Vec::new();
    for (tag, op) in (0_u64..).zip(ops) {
        match *op {
            Op::Say { from, receipts, topic } if !net.stations[from % count].paused => {
                let wanted = receipts.then_some(RequestedAcks { within: ms(10_000), durable: false });
                let broadcasting =
                    BroadcastRequest { tag, topic, acks: wanted, ..broadcast_of(&format!("{tag}")) };
                let id = net.broadcast(from % count, broadcasting);
                begun.push((id, from % count, tag, receipts));
            }
            Op::Say { .. } => {}
            Op::Wait(millis) => net.run(ms(millis)),
            Op::Chance(number) => {
                let mut seed = [u8::try_from(tag).unwrap(); 32];
                seed[0] = 255; // As no other has it.
                net.feed(number % count, Input::Entropy(seed));
            }
            Op::Close(number) => net.command(number % count, BroadcastCommand::Close),
            Op::Gag(number) => net.pause(number % count),
            Op::Ungag(number) => net.resume(number % count),
            Op::Move(number, island) => {
                if net.stations[number % count].island.is_some() {
                    net.move_to(number % count, island);
                }
            }
            Op::Lose(lose) => {
                let mut calls = 0_u32;
                net.lose(move |_, _| {
                    calls += 1;
                    lose && calls % 3 == 1
                });
            }
        }
    }
    net.lose_nothing();
    for number in 0..count {
        net.resume(number);
    }
    net.run(ms(120_000));
    begun
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn without_faults_every_node_delivers_once(
        islands in prop::collection::vec(prop_oneof![1 => Just(None), 3 => (0..2_u32).prop_map(Some)], 2..6),
        ops in prop::collection::vec(calm(), 1..16),
        latency in 0..40_u64,
    ) {
        let mut net = stations(&islands, latency);
        let begun = play(&mut net, &ops);
        for (id, from, tag, receipts) in begun {
            for number in 0..islands.len() {
                prop_assert_eq!(net.got(number, id).len(), usize::from(number != from), "{} of {} at {}", tag, from, number);
            }
            if receipts {
                let last = net.reports(from, tag).last().copied().cloned().unwrap();
                prop_assert!(last.settled);
                prop_assert_eq!(last.delivered, islands.len() as u64 - 1, "{:?}", last);
            }
        }
    }

    #[test]
    fn no_broadcast_is_delivered_twice(
        islands in prop::collection::vec(prop_oneof![1 => Just(None), 3 => (0..2_u32).prop_map(Some)], 2..6),
        ops in prop::collection::vec(any_op(), 1..24),
        latency in 0..40_u64,
    ) {
        let mut net = stations(&islands, latency);
        let begun = play(&mut net, &ops);
        for (id, from, tag, receipts) in begun {
            let mut have = 0;
            for number in 0..islands.len() {
                prop_assert!(net.got(number, id).len() <= usize::from(number != from));
                have += net.got(number, id).len() as u64;
            }
            let targets = islands.len() as u64 - 1;
            for report in net.reports(from, tag) {
                prop_assert_eq!(report.delivered + report.refused + report.missing + report.unknown, targets);
                prop_assert!(report.delivered <= have, "{:?}, but {} nodes have it", report, have);
                prop_assert!(!report.missing_nodes.contains(&node(from)));
            }
            prop_assert!(!receipts || net.reports(from, tag).last().is_some_and(|report| report.settled));
        }
        for number in 0..islands.len() {
            prop_assert!(!net.stations[number].events.contains(&gm_broadcast::BroadcastEvent::IdentityClash));
            for what in ["outbox", "in flight", "ack aggregations", "awaited contents"] {
                prop_assert_eq!(net.usage(number, what), 0, "{} at {}", what, number);
            }
        }
    }
}
