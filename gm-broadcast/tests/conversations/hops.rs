//! Subtrees by datagram: hop-by-hop acknowledgements, retransmission, and the ways out where
//! datagrams or relays fail.

use std::cell::Cell;
use std::rc::Rc;

use gm_broadcast::{
    BroadcastEvent, BroadcastRequest, Counter, DatagramReachability, Path, Targets, Transport,
};
use gm_codec::{Ack, AckStatus, Body};
use gm_sim::TrafficKind;
use gm_sim::broadcast::tap::TappedFrame;

use crate::net::{Net, at, number_of};
use crate::station::{broadcast_of, ms, node};
use crate::trees::deep;

/// Stations without multicast that have shown each other that they are present, and have no
/// connection with each other any more.
fn acquainted(count: usize) -> Net {
    let mut net = Net::of(count, None, |config| {
        config.path_costs = deep();
        config.timings.exchange = ms(10_000_000);
    });
    meet(&mut net, count);
    net.run(ms(100_000));
    assert_eq!(net.usage(0, "connections"), 0);
    net
}

/// Shows each station that all others are present.
pub(crate) fn meet(net: &mut Net, count: usize) {
    for (from, to) in (0..count).flat_map(|from| (0..count).map(move |to| (from, to))) {
        if from != to {
            net.send(from, to, "hello", Transport::Tcp);
        }
    }
    net.run(ms(1_000));
}

fn is_acceptance(tapped: &TappedFrame) -> bool {
    matches!(&tapped.payload.body, Body::Ack(Ack { status: AckStatus::Accepted, .. }))
}

#[test]
fn each_hop_is_acknowledged_without_a_connection() {
    let mut net = acquainted(8);
    let (dials, before) = (net.dials.len(), net.wire.len());
    let id = net.broadcast(0, broadcast_of("by datagrams"));
    net.run(ms(20));
    assert!((1..8).all(|number| net.got(number, id).iter().map(|got| got.path).eq([Path::Datagram])));
    net.run(ms(5_000));
    let tapped = &net.wire[before..];
    assert_eq!(tapped.iter().filter(|tapped| tapped.is_content(id)).count(), 7);
    assert_eq!(tapped.iter().filter(|tapped| is_acceptance(tapped)).count(), 7);
    assert_eq!((tapped.len(), net.dials.len()), (14, dials));
    assert!((0..8).all(|number| net.usage(number, "subtrees") == 0));
}

/// A lost datagram, or a lost acknowledgement, is repeated after a few round trips. Nothing is
/// delivered or forwarded twice.
#[test]
fn a_lost_hop_is_sent_again() {
    for lose_ack in [false, true] {
        let mut net = acquainted(4);
        let left = Rc::new(Cell::new(1));
        let of = Rc::clone(&left);
        net.lose(move |tapped, _| {
            let wanted = if lose_ack { is_acceptance(tapped) } else { tapped.broadcast().is_some() };
            wanted && of.get() > 0 && {
                of.set(of.get() - 1);
                true
            }
        });
        let id = net.broadcast(0, broadcast_of("once each"));
        net.run(ms(60));
        assert_eq!(left.get(), 0);
        assert!((1..4).all(|number| net.got(number, id).len() == 1));
        net.run(ms(2_000));
        let repeated: u64 = (0..4).map(|number| net.count(number, Counter::HopsRetransmitted)).sum();
        let duplicates: u64 = (1..4).map(|number| net.count(number, Counter::BroadcastDuplicates)).sum();
        assert!(repeated >= 1, "{lose_ack}");
        assert_eq!(net.wire.iter().filter(|tapped| tapped.is_content(id)).count(), 4);
        assert!(!lose_ack || duplicates >= 1);
        assert!((1..4).all(|number| net.got(number, id).len() == 1));
        assert_eq!(net.count(0, Counter::RelaysUnreachable), 0);
    }
}

/// After two tries without an acknowledgement, the next node of the subtree becomes its relay.
#[test]
fn a_silent_relay_by_datagram_is_replaced() {
    let mut net = acquainted(8);
    let before = net.wire.len();
    // The first relay with targets never gets them.
    let deaf = Rc::new(Cell::new(None));
    let of = Rc::clone(&deaf);
    net.lose(move |tapped, ear| {
        if of.get().is_none() && tapped.broadcast().is_some_and(|it| it.targets.len() > 1) {
            of.set(Some(ear));
        }
        of.get() == Some(ear)
    });
    let id = net.broadcast(0, broadcast_of("to all"));
    let first = net.wire[before..].iter().find_map(|tapped| tapped.to).map(number_of);
    assert_eq!(first, deaf.get(), "the first one gets the largest subtree");
    let deaf = first.unwrap();
    net.pause(deaf);
    net.run(ms(200));
    for number in (1..8).filter(|number| *number != deaf) {
        assert_eq!(net.got(number, id).len(), 1, "{number}, beside {deaf}");
    }
    assert_eq!(net.count(0, Counter::HopsReplaced), 1);
    net.run(ms(20_000));
    assert!(net.stations[0].events.contains(&BroadcastEvent::DeliveryDoubtful));
    assert!((0..8).all(|number| net.usage(number, "subtrees") == 0), "nothing is tried for ever");
}

/// If no datagram arrives, a connection is used, and from then on no datagram is sent.
#[test]
fn without_datagrams_connections_carry_all() {
    let mut net = acquainted(2);
    net.lose(|_, _| true);
    let id = net.broadcast(0, broadcast_of("first"));
    net.run(ms(1_000));
    assert_eq!(net.got(1, id).iter().map(|got| got.path).collect::<Vec<_>>(), [Path::Connection]);
    net.run(ms(5_000));
    let status = net.broadcaster(0).peer_status(net.now(), node(1)).unwrap();
    assert_eq!(status.datagrams, DatagramReachability::Lost);
    let repeated = net.count(0, Counter::HopsRetransmitted);
    let id = net.broadcast(0, broadcast_of("second"));
    net.run(ms(10));
    assert_eq!(net.got(1, id).len(), 1, "the connection is open");
    assert_eq!(net.count(0, Counter::HopsRetransmitted), repeated);
}

/// A burst of more than a node acknowledges goes by a connection, which has flow control.
#[test]
fn a_burst_goes_by_a_connection() {
    let mut net = acquainted(2);
    for number in 0..40 {
        net.broadcast(0, broadcast_of(&format!("{number}")));
    }
    net.run(ms(1_000));
    let count = |flow| {
        let content = |tapped: &&TappedFrame| {
            tapped.flow == flow && tapped.from == at(0) && tapped.broadcast().is_some()
        };
        net.wire.iter().filter(content).count()
    };
    assert_eq!(net.texts(1).len(), 41);
    assert_eq!((count(TrafficKind::Datagram), count(TrafficKind::Stream)), (16, 24));
}

/// Targets that do not fit into a datagram are divided among several relays.
#[test]
fn a_long_list_of_targets_is_divided() {
    let mut net = acquainted(3);
    // The others do not run: only the lists matter.
    let absent = (1_000..2_000).map(node);
    let to = Targets::Nodes(absent.chain([node(1), node(2)]).collect());
    let before = net.wire.len();
    let id = net.broadcast(0, BroadcastRequest { to, ..broadcast_of(&"long ".repeat(100)) });
    net.run(ms(10));
    let hops: Vec<_> = net.datagrams.iter().filter(|(from, to, _)| *from == 0 && to.is_some()).collect();
    assert!(hops.iter().all(|(_, _, bytes)| bytes.len() <= 1_200));
    net.run(ms(20_000));
    assert!((1..3).all(|number| net.got(number, id).len() == 1), "{:?}", &net.wire[before..].len());
}
