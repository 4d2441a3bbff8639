//! Limits of what peers and strangers can make a node hold. The network asserts all limits after
//! every input; here they are reached.

use gm_broadcast::{
    BroadcastCommand, BroadcastMachine, BroadcastRequest, BroadcasterConfig, ConnectionId, Counter, Input,
    Machine, RequestedAcks, Time, Transport, TreeShape, Via,
};
use gm_sim::Effect;

use crate::net::Net;
use crate::station::{RecordingHandler, broadcast_of, ms, node, sealed};

#[test]
fn an_unauthenticated_connection_replaces_the_oldest() {
    let mut net = Net::of(2, None, |config| config.limits.unauthenticated = 5);
    for number in 0..50 {
        net.feed(0, Input::ConnectionOpened { link: ConnectionId::accepted(1_000 + number), from: None });
        assert!(net.usage(0, "connections") <= 5);
    }
    assert_eq!(net.count(0, Counter::ConnectionsEvictedUnauthenticated), 45);
    net.run(ms(10_000));
    assert_eq!(net.usage(0, "connections"), 0, "an unauthenticated connection is closed");
    assert_eq!(net.count(0, Counter::AuthenticationTimeouts), 5);
}

#[test]
fn seeds_are_limited_and_dialed_once() {
    let mut net = Net::of(2, None, |config| {
        config.seeds = vec![node(1)];
        config.limits.seeds = 3;
    });
    for number in [1, 7, 7, 8, 9, 10] {
        net.command(0, BroadcastCommand::AddSeeds(vec![node(number)]));
    }
    assert_eq!(net.broadcaster(0).seeds(), [node(1), node(7), node(8)]);
    assert_eq!(net.count(0, Counter::SeedsDropped), 2);
}

/// More nodes than connections: idle connections make room, and all nodes are reached in the end.
#[test]
fn connections_are_bounded() {
    let mut net = Net::of(8, None, |config| {
        config.limits.connections = 2;
        config.tree_shape = TreeShape::Star;
    });
    for number in 1..8 {
        net.send(0, number, "direct", Transport::Tcp);
        net.run(ms(100));
        assert_eq!(net.texts(number), ["direct"]);
    }
    assert_eq!(net.usage(0, "connections"), 2);
    net.broadcast(0, broadcast_of("to more than there is room for"));
    net.run(ms(1_000));
    assert!(net.count(0, Counter::DialsOverLimit) > 0 || (1..8).all(|number| net.texts(number).len() == 2));
}

/// With all connections stuck, a further node connects.
#[test]
fn a_connection_while_all_are_busy_keeps_the_limit() {
    let mut net = Net::of(4, None, |config| {
        config.limits.connections = 2;
        config.datagram_hops = false;
        config.limits.in_flight = 1;
        config.tree_shape = TreeShape::Star;
    });
    for number in [1, 2] {
        net.send(0, number, "first", Transport::Tcp);
    }
    net.run(ms(100));
    for to in [1, 2] {
        net.begin((0, to), Effect::Stall);
    }
    for number in [1, 2] {
        for what in ["second", "third"] {
            let to = gm_broadcast::Targets::Nodes(vec![node(number)]);
            net.broadcast(0, BroadcastRequest { to, ..broadcast_of(what) });
        }
    }
    assert_eq!((net.usage(0, "connections"), net.usage(0, "outbox")), (2, 1));
    for number in 0..5 {
        net.feed(0, Input::ConnectionOpened { link: ConnectionId::accepted(1_000 + number), from: None });
        assert!(net.usage(0, "connections") <= 2);
    }
    net.send(3, 0, "hello", Transport::Tcp);
    net.run(ms(100));
    assert_eq!(net.texts(0), ["hello"]);
}

#[test]
fn frames_of_a_connection_are_rate_limited() {
    let mut net = Net::of(2, None, |config| config.limits.frames_per_second = 10);
    for number in 0..100 {
        net.send(1, 0, &format!("{number}"), Transport::Tcp);
    }
    net.run(ms(500));
    assert_eq!(net.count(0, Counter::ConnectionsRateLimited), 1);
    assert_eq!(net.texts(0).len(), 10);
}

/// In a flood of invalid datagrams, those of unknown addresses are not decrypted beyond a rate,
/// those of known ones are.
#[test]
fn invalid_datagrams_are_rate_limited() {
    let mut net = Net::of(2, None, |config| config.limits.unopened_datagrams_per_second = 10);
    net.run(ms(2_000));
    for _ in 0..100 {
        net.feed(0, Input::Datagram { from: node(77).into(), via: Via::Unicast, bytes: vec![1; 100].into() });
    }
    assert_eq!(net.count(0, Counter::DatagramsSkipped), 90);
    net.send(1, 0, "I am known", Transport::Udp);
    net.run(ms(10));
    assert_eq!(net.texts(0), ["I am known"]);
}

#[test]
fn peers_acks_and_cache_are_bounded() {
    let mut net = Net::of(3, None, |config| {
        config.limits.peers = 20;
        // A connected peer is not forgotten.
        config.limits.connections = 10;
        config.limits.ack_aggregations = 3;
        config.limits.cached_broadcasts = 4;
        config.limits.origins = 2;
    });
    net.command(0, BroadcastCommand::AddNodes((0..100).map(node).collect()));
    assert_eq!(net.usage(0, "peers"), 20);
    for tag in 0..20 {
        let receipts = Some(RequestedAcks { within: ms(1_000), durable: true });
        net.broadcast(0, BroadcastRequest { tag, acks: receipts, ..broadcast_of("much") });
    }
    assert_eq!((net.usage(0, "ack aggregations"), net.usage(0, "cached broadcasts")), (3, 4));
    net.run(ms(60_000));
    assert_eq!(net.usage(0, "ack aggregations"), 0);
    for tag in 0..20 {
        assert!(net.reports(0, tag).last().is_some_and(|report| report.settled));
    }
}

fn ann() -> BroadcastMachine<RecordingHandler> {
    let config = BroadcasterConfig { multicast: false, ..BroadcasterConfig::new(node(0)) };
    let handler = RecordingHandler::default();
    let mut ann = BroadcastMachine::new(config, sealed(), handler, [1; 32], Time::ZERO).unwrap();
    ann.handle(Time::ZERO, Input::Command(BroadcastCommand::AddNodes(vec![node(1)])));
    while ann.poll_output().is_some() {}
    ann
}

#[test]
#[cfg(debug_assertions)]
#[should_panic(expected = "outputs of the last input were not pulled")]
fn an_undrained_machine_panics() {
    let mut ann = ann();
    ann.handle(Time::ZERO, Input::Command(BroadcastCommand::Broadcast(broadcast_of("not pulled"))));
    ann.handle(Time::ZERO, Input::Wake);
}

#[test]
#[cfg(debug_assertions)]
#[should_panic(expected = "time decreased")]
fn time_must_not_decrease() {
    let mut ann = ann();
    ann.handle(Time::from_nanos(2), Input::Wake);
    while ann.poll_output().is_some() {}
    ann.handle(Time::from_nanos(1), Input::Wake);
}

#[test]
fn a_drained_machine_accepts_input() {
    let mut ann = ann();
    for nanos in [2, 2, 3] {
        ann.handle(
            Time::from_nanos(nanos),
            Input::Command(BroadcastCommand::Broadcast(broadcast_of("pulled"))),
        );
        while ann.poll_output().is_some() {}
        assert!(ann.deadline().is_some_and(|deadline| deadline > Time::from_nanos(nanos)));
    }
}

/// The limit is per node, not per path: datagrams count together with frames of connections.
#[test]
fn frames_are_rate_limited_over_all_paths() {
    let mut net = Net::of(2, None, |config| config.limits.frames_per_second = 10);
    for number in 0..8 {
        net.send(1, 0, &format!("{number}"), Transport::Tcp);
    }
    for number in 8..100 {
        net.send(1, 0, &format!("{number}"), Transport::Udp);
    }
    net.run(ms(20));
    assert_eq!(net.texts(0).len(), 10);
    assert!(net.count(0, Counter::DatagramsRateLimited) > 0);
}

/// Subtrees without a relay are limited: nodes beyond the limit are missing, and the totals still
/// add up to the targets.
#[test]
fn open_subtrees_are_bounded() {
    let mut net = Net::of(6, None, |config| {
        config.tree_shape = TreeShape::Star;
        config.limits.open_subtrees = 2;
    });
    net.introduce();
    for number in 1..6 {
        net.pause(number);
    }
    let receipts = Some(RequestedAcks { within: ms(10_000), durable: false });
    net.broadcast(0, BroadcastRequest { tag: 7, acks: receipts, ..broadcast_of("without replies") });
    assert_eq!(net.usage(0, "subtrees"), 2);
    assert_eq!(net.count(0, Counter::SubtreesDropped), 3);
    net.run(ms(20_000));
    assert_eq!(net.usage(0, "subtrees"), 0);
    let report = net.reports(0, 7).last().cloned().unwrap();
    assert_eq!((report.missing, report.unknown, report.settled), (5, 0, true));
}
