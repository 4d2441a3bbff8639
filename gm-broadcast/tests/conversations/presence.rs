//! Presence: datagrams may be recordings from before the start, of a node that is gone.

use gm_broadcast::{BroadcastCommand, BroadcastEvent, Counter, Input, Transport, Via};
use gm_sim::TrafficKind;

use crate::net::Net;
use crate::observe::limit_usage;
use crate::station::{broadcast_of, ms, node, sealed};

/// Restarts a station: it has no memory, and draws other random bytes.
fn restart(net: &mut Net, number: usize) {
    net.crash(number);
    net.start(number);
    net.stations[number].events.clear();
    net.stations[number].got.clear();
}

/// The datagrams that a node sent in two lives.
fn recorded(net: &mut Net) -> Vec<(Via, Vec<u8>)> {
    net.command(1, BroadcastCommand::AddNodes(vec![node(0)]));
    for number in 0..10 {
        net.broadcast(1, broadcast_of(&format!("{number} of what was")));
        net.send(1, 0, "to one", Transport::Udp);
        net.run(ms(3_000));
    }
    let of = |(from, to, _): &&(usize, Option<usize>, Vec<u8>)| *from == 1 && to.is_none_or(|to| to == 0);
    let via = |to: Option<usize>| if to.is_some() { Via::Unicast } else { Via::Multicast };
    net.datagrams.iter().filter(of).map(|(_, to, bytes)| (via(*to), bytes.clone())).collect()
}

/// A node starts, and an attacker replays datagrams of a node that is gone: the contents are
/// delivered, but the node does not count as a peer.
#[test]
fn a_replay_after_a_restart_creates_no_peer() {
    let mut net = Net::of(2, Some(1), |_| {});
    net.run(ms(5_000));
    let recorded = recorded(&mut net);
    assert!(net.broadcaster(0).near().any(|near| near == node(1)), "it was a neighbor");
    assert!(recorded.iter().any(|(via, _)| *via == Via::Unicast), "challenges and responses are among them");
    net.crash(1);
    restart(&mut net, 0);
    let (mut heard, before) = (0, net.datagrams.len());
    for round in 0..3 {
        for (via, bytes) in &recorded {
            net.feed(0, Input::Datagram { from: node(1).into(), via: *via, bytes: bytes.clone().into() });
            net.run(ms(700));
            let broadcaster = net.broadcaster(0);
            assert!(broadcaster.known().is_empty() && broadcaster.near().next().is_none(), "round {round}");
            assert!(
                broadcaster.island_id().is_none() && !broadcaster.is_alive(net.now(), node(1), ms(60_000))
            );
            assert!(
                broadcaster.pick(u64::MAX / 2).is_none()
                    && broadcaster.reached_by_others(net.now()).is_none()
            );
            heard = heard.max(net.stations[0].got.len());
        }
    }
    let made = |event: &BroadcastEvent| {
        matches!(event, BroadcastEvent::NodeFound(_) | BroadcastEvent::Near(_) | BroadcastEvent::Island(_))
    };
    assert!(!net.stations[0].events.iter().any(made), "{:?}", net.stations[0].events);
    assert!(heard > 10, "contents are delivered: {heard}");
    assert!(
        net.count_reason(0, Counter::DatagramsRejected, "Replayed") > 0
            && net.count(0, Counter::PresenceTimeouts) > 0
    );
    // The cost: three challenges in about seven seconds, and a connection that is refused.
    let asked = net.count(0, Counter::PresenceChallengesSent);
    assert!(asked <= 3 * 60 && net.datagrams.len() - before < 400, "{asked}");
}

/// ... and once the node is back, it is a peer at once.
#[test]
fn a_node_that_returns_after_a_replay_is_a_peer() {
    let mut net = Net::of(2, Some(1), |_| {});
    net.run(ms(5_000));
    let recorded = recorded(&mut net);
    net.crash(1);
    restart(&mut net, 0);
    for (via, bytes) in &recorded {
        net.feed(0, Input::Datagram { from: node(1).into(), via: *via, bytes: bytes.clone().into() });
    }
    net.run(ms(10_000));
    restart(&mut net, 1);
    net.run(ms(4_000));
    assert_eq!((net.broadcaster(0).known(), net.broadcaster(1).known()), (vec![node(1)], vec![node(0)]));
    assert!(net.broadcaster(0).is_near(node(1)) && net.broadcaster(1).is_near(node(0)));
}

/// A node is present, and an attacker replays datagrams of an earlier life of it after it is gone:
/// they are no signs of life.
#[test]
fn a_replay_of_an_earlier_epoch_is_no_sign_of_life() {
    let mut net = Net::of(2, Some(1), |_| {});
    net.run(ms(5_000));
    let recorded = recorded(&mut net);
    restart(&mut net, 0);
    restart(&mut net, 1);
    net.run(ms(10_000));
    assert!(net.broadcaster(0).is_near(node(1)), "it is present in its new life");
    net.crash(1);
    net.run(ms(10_000));
    let heard = net.stations[0].got.len();
    for (via, bytes) in &recorded {
        net.feed(0, Input::Datagram { from: node(1).into(), via: *via, bytes: bytes.clone().into() });
        net.run(ms(100));
        assert!(!net.broadcaster(0).is_alive(net.now(), node(1), ms(9_000)), "it is gone");
    }
    assert!(net.stations[0].got.len() > heard + 10, "contents are delivered");
}

/// The nodes of an island know a newcomer milliseconds after its first multicast, and it knows them
/// once they reported their reception; few of them challenge it.
#[test]
fn a_multicast_newcomer_is_a_peer_within_milliseconds() {
    let mut net = Net::of(20, Some(1), |_| {});
    net.run(ms(60_000));
    let newcomer = net.add(Some(1), |_| {});
    let until = net.now() + ms(5_000);
    while !net.datagrams.iter().any(|(from, to, _)| *from == newcomer && to.is_none()) {
        assert!(net.step(until), "it sends nothing");
    }
    let asked =
        |net: &Net| -> u64 { (0..20).map(|number| net.count(number, Counter::PresenceChallengesSent)).sum() };
    let before = asked(&net);
    net.run(ms(25));
    for number in 0..20 {
        assert!(net.broadcaster(number).known().contains(&node(newcomer)), "{number}");
        assert!(net.broadcaster(number).is_near(node(newcomer)), "{number}");
    }
    assert!(asked(&net) - before < 10, "others vouch: {}", asked(&net) - before);
    net.run(ms(2_100));
    assert_eq!(net.broadcaster(newcomer).known().len(), 20);
}

/// Two nodes challenge each other once, and never again.
#[test]
fn a_node_is_challenged_once() {
    let mut net = Net::of(10, Some(1), |_| {});
    net.run(ms(10_000));
    let asked: u64 = (0..10).map(|number| net.count(number, Counter::PresenceChallengesSent)).sum();
    let before = net.datagrams.len();
    assert!((10..=60).contains(&asked), "{asked}");
    net.run(ms(600_000));
    let more: u64 = (0..10).map(|number| net.count(number, Counter::PresenceChallengesSent)).sum();
    assert_eq!(more, asked, "of {} datagrams later", net.datagrams.len() - before);
}

/// With all datagrams to one node lost, a connection shows that the sender is present.
#[test]
fn without_datagrams_the_challenge_uses_a_connection() {
    let mut net = Net::of(2, Some(1), |_| {});
    net.lose(|tapped, _| tapped.flow == TrafficKind::Datagram);
    net.run(ms(10_000));
    assert_eq!((net.broadcaster(0).known(), net.broadcaster(1).known()), (vec![node(1)], vec![node(0)]));
    assert!(net.broadcaster(0).is_near(node(1)) || net.broadcaster(1).is_near(node(0)));
}

/// Open challenges are limited, and a node beyond the limit is challenged at its next datagram.
#[test]
fn concurrent_challenges_are_bounded() {
    use gm_codec::{Body, Channel, Epoch, Header, NonceSequence, Payload};
    let mut net = Net::of(1, Some(1), |_| {});
    let mut codec = sealed();
    for number in 0..1_200_u32 {
        let me = format!("10.9.{}.{}:7", number >> 8, number & 255).parse().unwrap();
        let (mut payload, mut bytes) = (Vec::new(), Vec::new());
        let tapped = Payload { header: Header::direct(me), body: Body::HeaderOnly };
        tapped.encode(codec.limits(), &mut payload).unwrap();
        let epoch = Epoch::new([[1; 4], number.to_be_bytes()].concat().try_into().unwrap()).unwrap();
        codec
            .seal(&Channel::Datagram, NonceSequence::new(epoch).next_nonce().unwrap(), &payload, &mut bytes)
            .unwrap();
        net.feed(0, Input::Datagram { from: node(7).into(), via: Via::Multicast, bytes: bytes.into() });
    }
    assert_eq!(net.count(0, Counter::PresenceChecksDropped), 176);
    net.run(ms(240_000));
    assert!(net.broadcaster(0).known().is_empty());
    assert_eq!(limit_usage(net.broadcaster(0), "presence challenges"), (0, 1_024));
}

/// The datagrams to one node, the multicasts, and the pairs of nodes of which one does not know the
/// other, or is not its neighbor, after `count` nodes started and multicast together.
fn started_together(count: usize, lost_percent: u64, after: u64) -> (usize, usize, usize, usize) {
    let mut net = Net::of(count, Some(1), |_| {});
    let mut rng = gm_broadcast::Rng::new([7; 32]);
    net.lose(move |_, _| rng.ratio(lost_percent, 100));
    for number in 0..count {
        net.broadcast(number, broadcast_of(&format!("{number}")));
    }
    net.run(ms(after));
    let multicasts = net.datagrams.iter().filter(|(_, to, _)| to.is_none()).count();
    let known: usize = (0..count).map(|number| net.broadcaster(number).known().len()).sum();
    let near: usize = (0..count).map(|number| net.broadcaster(number).near().len()).sum();
    let pairs = count * (count - 1);
    (net.datagrams.len() - multicasts, multicasts, pairs - known, pairs - near)
}

/// Nodes that start together know each other soon, and what each of them sends does not grow with
/// their number.
#[test]
fn a_start_together_costs_each_node_a_few_datagrams() {
    for count in [8, 32, 128] {
        let (datagrams, multicasts, unknown, far) = started_together(count, 0, 4_000);
        assert_eq!((unknown, far), (0, 0), "of {count} nodes");
        assert!(datagrams <= 16 * count && multicasts <= 6 * count, "{datagrams}, {multicasts} of {count}");
    }
}

/// ... also if each of them misses a quarter of all datagrams.
#[test]
fn nodes_that_start_together_know_each_other_despite_loss() {
    let (datagrams, multicasts, unknown, far) = started_together(64, 25, 10_000);
    // Some received no frame of some others yet.
    assert!(unknown <= 8 && far <= 64 * 63 / 100, "{unknown}, {far}");
    assert!(datagrams <= 64 * 64 && multicasts <= 10 * 64, "{datagrams}, {multicasts}");
}

/// A node that is present in a later life vouches for no other by frames of an earlier life.
#[test]
fn recorded_vouching_is_no_evidence() {
    let mut net = Net::of(3, Some(1), |_| {});
    net.run(ms(10_000));
    let recorded: Vec<(usize, Via, Vec<u8>)> = net
        .datagrams
        .iter()
        .filter(|(from, to, _)| *from != 0 && to.is_none_or(|to| to == 0))
        .map(|(from, to, bytes)| (*from, to.map_or(Via::Multicast, |_| Via::Unicast), bytes.clone()))
        .collect();
    net.crash(2);
    restart(&mut net, 0);
    restart(&mut net, 1);
    net.run(ms(10_000));
    assert_eq!(net.broadcaster(0).known(), vec![node(1)]);
    for (from, via, bytes) in &recorded {
        net.feed(0, Input::Datagram { from: node(*from).into(), via: *via, bytes: bytes.clone().into() });
        net.run(ms(50));
        assert_eq!(net.broadcaster(0).known(), vec![node(1)]);
        assert!(net.broadcaster(0).near().eq([node(1)]));
    }
    net.run(ms(20_000));
    assert_eq!(net.broadcaster(0).known(), vec![node(1)]);
}
