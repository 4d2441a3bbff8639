//! Contents of any size, and contents that handlers change.

use gm_broadcast::{BroadcastEvent, Counter, Path};
use gm_codec::{Body, PeerExchange};
use gm_sim::{Effect, TrafficKind};

use crate::acks::{settled, with_acks};
use crate::multicast::ACQUAINTED;
use crate::net::Net;
use crate::station::{broadcast_of, ms, node};
use crate::trees::deep;

/// Letters that compression does not shorten much.
fn letters(count: usize) -> String {
    let mut rng = gm_broadcast::Rng::new([5; 32]);
    (0..count).map(|_| char::from(b' ' + u8::try_from(rng.below(95)).unwrap())).collect()
}

/// Contents that do not fit into a datagram go by connections, and those that just fit are
/// multicast without reception changes.
#[test]
fn every_size_reaches_all_once() {
    let mut net = Net::of(4, Some(1), |_| {});
    net.introduce();
    let mut sizes: Vec<usize> = (1_080..1_180).step_by(4).collect();
    sizes.extend([0, 10_000, 1_000_000]);
    for (place, size) in sizes.iter().enumerate() {
        // A new node each time, so that there are always reception changes.
        if place % 5 == 0 {
            net.add(Some(1), |_| {});
            net.introduce();
        }
        net.run(ms(500));
        let id = net.broadcast(0, broadcast_of(&letters(*size)));
        net.run(ms(1_000));
        for number in 1..net.stations.len() {
            let got = net.got(number, id);
            assert_eq!(got.len(), 1, "{size} bytes at {number}");
            assert_eq!(got[0].text.len(), *size);
        }
    }
    assert!(net.count(0, Counter::MulticastsTooLong) > 0 && net.count(0, Counter::ContentMulticasts) > 0);
    let long = net.datagrams.iter().map(|(.., bytes)| bytes.len()).max().unwrap();
    assert!(long <= 1_200);
    // The reception changes were sent later.
    net.run(ACQUAINTED);
    for number in 0..net.stations.len() {
        assert_eq!(net.broadcaster(number).near().count(), net.stations.len() - 1);
        let id = net.broadcast(number, broadcast_of("short"));
        net.run(ms(1_000));
        let paths =
            (0..net.stations.len()).filter(|other| *other != number).map(|other| net.got(other, id)[0].path);
        assert!(paths.into_iter().all(|path| path == Path::Multicast));
    }
}

#[test]
fn equal_latencies_make_a_binomial_tree() {
    let mut net = Net::of(8, None, |config| config.path_costs = deep());
    let id = net.broadcast(0, with_acks(5, "said"));
    net.run(ms(2_000));
    assert_eq!(settled(&net, 5, 7).delivered, 7);
    let sender = |of: usize| {
        let got = net.got(of, id);
        assert_eq!(got.len(), 1);
        (0..8).find(|number| node(*number) == got[0].from).unwrap()
    };
    let mut depths = [0; 4];
    for number in 1..8 {
        let relays = std::iter::successors(Some(sender(number)), |of| (*of != 0).then(|| sender(*of)));
        depths[relays.count() - 1] += 1;
    }
    assert_eq!(depths, [3, 3, 1, 0], "relays between the origin and each receiver");
}

/// Payloads that may not be broadcast, or cannot be encoded, are rejected.
#[test]
fn an_invalid_payload_is_rejected() {
    let direct = Body::PeerExchange(PeerExchange {
        reply_requested: false,
        islands: Vec::new(),
        without_island: Vec::new(),
    });
    let nameless =
        Body::Application(gm_codec::ApplicationPayload { name: String::new(), bytes: Vec::new().into() });
    for body in [direct, Body::HeaderOnly, nameless] {
        let mut net = Net::of(3, Some(1), |_| {});
        let broadcasting =
            gm_broadcast::BroadcastRequest { tag: 4, ..gm_broadcast::BroadcastRequest::new(body.clone()) };
        for broadcasting in [
            broadcasting.clone(),
            gm_broadcast::BroadcastRequest {
                tag: 4,
                catch_up: Some(body),
                ..broadcast_of("with a wrong one instead")
            },
        ] {
            let before = (net.datagrams.len(), net.stations[0].events.len());
            net.command(0, gm_broadcast::BroadcastCommand::Broadcast(broadcasting));
            assert_eq!(net.datagrams.len(), before.0);
            let events = &net.stations[0].events[before.1..];
            assert!(matches!(events, [BroadcastEvent::Rejected { tag: 4, .. }]), "{events:?}");
        }
    }
}

/// Bytes of a connection arrive in chunks of any size: here of one byte each.
#[test]
fn connection_chunks_may_have_any_size() {
    let mut net = Net::of(3, None, |config| config.datagram_hops = false);
    for (from, to) in [(0, 1), (1, 0), (0, 2), (2, 0)] {
        net.begin((from, to), Effect::Pieces(1));
    }
    let id = net.broadcast(0, broadcast_of("in crumbs"));
    net.run(ms(1_000));
    assert!((1..3).all(|number| net.got(number, id).len() == 1));
    assert!(net.wire.iter().all(|tapped| tapped.flow == TrafficKind::Stream || tapped.broadcast().is_none()));
    assert_eq!(net.broadcaster(0).known(), [node(1), node(2)]);
}
