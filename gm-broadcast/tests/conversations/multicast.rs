//! Multicast: neighbors confirm reception, and then receive broadcasts by multicast alone.

use gm_broadcast::{BroadcastCommand, BroadcastEvent, Counter, DialFailure, Input, Path, Transport, Via};
use gm_codec::{AckRequest, Body, BroadcastHeader, Channel, Epoch, Header, NonceSequence, Payload, Routing};
use gm_sim::TrafficKind;

use crate::net::{Net, at};
use crate::station::{broadcast_of, ms, node, sealed, text};

/// Time in which all nodes of an island confirm reception of each other.
pub(crate) const ACQUAINTED: std::time::Duration = ms(8_000);

#[test]
fn the_second_broadcast_costs_one_announcement() {
    let mut net = Net::of(4, Some(1), |_| {});
    net.introduce();
    let first = net.broadcast(0, broadcast_of("first"));
    net.run(ms(100));
    for number in 1..4 {
        assert_eq!(net.got(number, first).len(), 1, "by multicast and by a datagram, once");
    }
    let contents = net
        .wire
        .iter()
        .filter(|tapped| tapped.flow != TrafficKind::Multicast && tapped.is_content(first))
        .count();
    assert_eq!(contents, 3, "no confirmation was sent yet");

    net.run(ACQUAINTED);
    for number in 0..4 {
        let station = &net.stations[number];
        assert_eq!(net.broadcaster(number).near().count(), 3);
        assert_eq!(net.broadcaster(number).island_id(), Some(node(0)));
        let nears = station.events.iter().filter(|event| matches!(event, BroadcastEvent::Near(_))).count();
        assert_eq!(nears, 3);
        assert!(
            !station.events.contains(&BroadcastEvent::IdentityClash),
            "our own multicast is not another's"
        );
    }

    let before = net.wire.len();
    let second = net.broadcast(0, broadcast_of("second"));
    net.run(ms(500));
    let tapped = &net.wire[before..];
    let by_hop: Vec<_> =
        tapped.iter().filter(|tapped| tapped.flow == TrafficKind::Datagram && tapped.from == at(0)).collect();
    assert_eq!(by_hop.len(), 1, "{by_hop:?}");
    assert!(by_hop[0].is_announcement(second));
    assert_eq!(tapped.iter().filter(|tapped| tapped.is_content(second)).count(), 1, "one multicast");
    for number in 1..4 {
        let paths: Vec<Path> = net.got(number, second).iter().map(|got| got.path).collect();
        assert_eq!(paths, [Path::Multicast]);
    }
}

/// The status of a peer follows its messages, and it is near only while its multicast arrives.
#[test]
fn a_peer_is_near_while_its_multicast_is_heard() {
    let mut net = Net::of(2, Some(1), |_| {});
    let status = |net: &Net| net.broadcaster(0).peer_status(net.now(), node(1));
    assert_eq!(status(&net), None);
    net.introduce();
    let told = status(&net).unwrap();
    assert_eq!((told.near, told.last_heard(), told.failures), (false, None, 0));
    net.run(ACQUAINTED);
    let met = status(&net).unwrap();
    assert!(met.near && met.receives_us.is_some(), "{met:?}");
    assert_eq!(met.last_heard().map(|(_, path)| path), Some(Path::Multicast));
    // It dies: for a minute it may just be silent.
    net.crash(1);
    net.run(ms(50_000));
    assert!(status(&net).unwrap().near);
    net.run(ms(41_000));
    let silent = status(&net).unwrap();
    assert!(!silent.near && silent.multicast.is_some_and(|ago| ago > ms(60_000)), "{silent:?}");
}

/// A peer that refuses a connection after its last multicast is not near, at any time.
#[test]
fn a_peer_not_reached_since_its_last_multicast_is_far() {
    let mut net = Net::of(2, Some(1), |_| {});
    net.introduce();
    net.run(ACQUAINTED);
    net.crash(1);
    net.send(0, 1, "hello", Transport::Tcp);
    net.run(ms(100));
    let status = net.broadcaster(0).peer_status(net.now(), node(1)).unwrap();
    assert!(!status.near && status.failures == 1, "{status:?}");
    assert!(matches!(status.failure, Some((_, DialFailure::Refused))), "{status:?}");
}

/// Exactly one node of each island multicasts there.
#[test]
fn a_relay_multicasts_in_its_island_once() {
    let mut net = Net::new(sealed);
    for number in 0..6 {
        net.add(Some(number / 3), |_| {});
    }
    net.introduce();
    net.run(ACQUAINTED);
    // The id of the other island is learned from its messages.
    let id = net.broadcast(0, broadcast_of("so that each knows where the other is"));
    net.run(ms(40_000));
    assert_eq!((1..6).map(|number| net.got(number, id).len()).sum::<usize>(), 5);

    let before = net.wire.len();
    let id = net.broadcast(0, broadcast_of("to both islands"));
    net.run(ms(500));
    for number in 1..6 {
        assert_eq!(net.got(number, id).len(), 1);
    }
    let multicasts = net.wire[before..]
        .iter()
        .filter(|tapped| tapped.flow == TrafficKind::Multicast && tapped.is_content(id));
    let mut from: Vec<u32> = multicasts.map(|tapped| tapped.from.0 / 3).collect();
    from.sort_unstable();
    assert_eq!(from, [0, 1]);
    let contents = net.wire[before..]
        .iter()
        .filter(|tapped| tapped.flow != TrafficKind::Multicast && tapped.is_content(id))
        .count();
    assert_eq!(contents, 1, "one hop to the other island");
}

#[test]
fn a_replay_is_not_delivered_twice() {
    let mut net = Net::of(3, Some(1), |_| {});
    net.run(ACQUAINTED);
    let id = net.broadcast(0, broadcast_of("once"));
    let multicasts = net.datagrams.iter().rev();
    let (_, _, recorded) = multicasts.clone().find(|(_, to, _)| to.is_none()).cloned().unwrap();
    net.run(ms(100));
    // Replayed unchanged, and as a unicast: a multicast is not authentic as a unicast.
    for (via, why) in [(Via::Multicast, "Replayed"), (Via::Unicast, "NotAuthentic")] {
        let before = net.count_reason(1, Counter::DatagramsRejected, why);
        net.feed(1, Input::Datagram { from: node(0).into(), via, bytes: recorded.clone().into() });
        assert_eq!(net.count_reason(1, Counter::DatagramsRejected, why), before + 1);
    }
    // Encrypted anew, the broadcast has the same id.
    let header = net
        .wire
        .iter()
        .find(|tapped| tapped.flow == TrafficKind::Multicast && tapped.is_content(id))
        .unwrap();
    let mut payload = header.payload.clone();
    let Routing::Broadcast(broadcast) = &mut payload.header.routing else { panic!() };
    broadcast.origin = Some(gm_codec::Origin { node: id.origin, epoch: id.epoch });
    net.feed(
        1,
        Input::Datagram {
            from: node(0).into(),
            via: Via::Multicast,
            bytes: datagram(&Channel::Datagram, &payload, 9).into(),
        },
    );
    assert_eq!(net.count(1, Counter::BroadcastDuplicates), 1);
    net.run(ms(1_000));
    assert_eq!(net.got(1, id).len(), 1);
}

/// A datagram with a payload, of a peer with the key.
fn datagram(channel: &Channel, payload: &Payload, epoch: u8) -> Vec<u8> {
    let mut codec = sealed();
    let mut bytes = Vec::new();
    payload.encode(codec.limits(), &mut bytes).unwrap();
    let mut frame = Vec::new();
    let nonce = NonceSequence::new(Epoch::new([epoch; 8]).unwrap()).next_nonce().unwrap();
    codec.seal(channel, nonce, &bytes, &mut frame).unwrap();
    frame
}

/// Datagrams of any content are delivered and never forwarded.
#[test]
fn datagrams_are_never_forwarded() {
    for (via, island) in [(Via::Unicast, None), (Via::Multicast, Some(1)), (Via::Unicast, Some(1))] {
        let mut net = Net::of(3, island, |config| config.timings.exchange = ms(1_000_000));
        net.introduce();
        net.run(ACQUAINTED);
        let (dials, tapped) = (net.dials.len(), net.wire.len());
        let receipts = Some(AckRequest { within_millis: 1_000, durable: false, reassigned: false });
        for (sequence, body) in [(1, text("pass this on")), (2, Body::HeaderOnly)] {
            let list = vec![node(1), node(2)];
            let broadcast = BroadcastHeader { origin: None, sequence, targets: list, ack_request: receipts };
            let header = Header { routing: Routing::Broadcast(broadcast), ..Header::direct(node(9)) };
            let epoch = u8::try_from(sequence).unwrap();
            let channel = if via == Via::Unicast { Channel::DatagramTo(node(0)) } else { Channel::Datagram };
            let bytes = datagram(&channel, &Payload { header, body }, epoch);
            net.feed(0, Input::Datagram { from: node(9).into(), via, bytes: bytes.into() });
        }
        net.run(ms(500));
        assert_eq!(net.texts(0), ["pass this on"]);
        assert_eq!(net.dials.len(), dials);
        assert!(
            net.wire[tapped..].iter().all(|tapped| tapped.broadcast().is_none()),
            "{:?}",
            &net.wire[tapped..]
        );
        assert!(net.texts(1).is_empty() && net.texts(2).is_empty());
    }
}

/// A node that leaves an island gets contents by datagrams, and one that returns by multicast.
#[test]
fn lost_reception_is_replaced_by_datagrams() {
    let mut net = Net::of(3, Some(1), |_| {});
    net.run(ACQUAINTED);
    net.move_to(2, 2);
    net.run(ms(2_000_000));
    assert_eq!(net.broadcaster(0).near().collect::<Vec<_>>(), [node(1)]);
    assert!(net.stations[0].events.contains(&BroadcastEvent::Far(node(2))));
    assert_eq!(net.broadcaster(2).island_id(), None);
    let id = net.broadcast(0, broadcast_of("far"));
    net.run(ms(1_000));
    assert_eq!(net.got(2, id).iter().map(|got| got.path).collect::<Vec<_>>(), [Path::Datagram]);
    assert_eq!(net.got(1, id).iter().map(|got| got.path).collect::<Vec<_>>(), [Path::Multicast]);
    net.move_to(2, 1);
    net.run(ms(1_000_000));
    net.command(0, BroadcastCommand::AddNodes(vec![node(2)]));
    let id = net.broadcast(0, broadcast_of("near"));
    net.run(ms(1_000));
    assert_eq!(net.got(2, id).iter().map(|got| got.path).collect::<Vec<_>>(), [Path::Multicast]);
}

/// A node that does not multicast itself gets contents by connections and by multicast, and
/// delivers them once.
#[test]
fn a_listener_gets_everything_once() {
    let mut net = Net::of(3, Some(1), |config| config.multicast = config.me != node(2));
    net.introduce();
    net.run(ACQUAINTED);
    for from in 0..3 {
        let id = net.broadcast(from, broadcast_of("to all"));
        net.run(ms(1_000));
        for number in (0..3).filter(|number| *number != from) {
            assert_eq!(net.got(number, id).len(), 1);
        }
    }
    assert!(net.wire.iter().all(|tapped| tapped.flow != TrafficKind::Multicast || tapped.from != at(2)));
    assert_eq!(net.broadcaster(0).near().collect::<Vec<_>>(), [node(1)]);
}
