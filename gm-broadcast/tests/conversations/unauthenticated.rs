//! Nodes without the key, or of another cluster, change nothing and are counted.

use gm_broadcast::{BroadcastCommand, ConnectionId, Counter, Input, Via};
use gm_clock::NetId;
use gm_codec::FrameCodec;

use crate::net::Net;
use crate::station::{broadcast_of, codec, insecure, ms, node, sealed};

/// Two nodes of a cluster, and a stranger on their island that dials them.
fn with_stranger(stranger: fn() -> FrameCodec) -> Net {
    let mut net = Net::new(sealed);
    net.add(Some(1), |_| {});
    net.add(Some(1), |_| {});
    let eve = net.add_with(stranger, Some(1), |_| {});
    net.command(eve, BroadcastCommand::AddNodes(vec![node(0), node(1)]));
    net.run(ms(10_000));
    net
}

/// Number of datagrams and of frames that a station rejected for a reason.
fn refusals(net: &Net, number: usize, why: &str) -> (u64, u64) {
    let count = |counter| net.count_reason(number, counter, why);
    (count(Counter::DatagramsRejected), count(Counter::FramesRejected))
}

#[test]
fn another_cluster_or_key_changes_nothing_and_is_counted() {
    let strangers: [fn() -> FrameCodec; 3] = [|| codec("testing", 7), || codec("production", 8), insecure];
    for (stranger, why) in strangers.into_iter().zip(["NotAuthentic", "UnknownKey", "NotSealed"]) {
        let mut net = with_stranger(stranger);
        let (datagrams, links) = refusals(&net, 1, why);
        assert!(datagrams > 0, "{why}: {:?}", net.broadcaster(1).counters());
        net.broadcast(2, broadcast_of("let me in"));
        net.run(ms(2_000));
        for number in [0, 1] {
            let now = refusals(&net, number, why);
            assert!(now.0 > 0 && now.1 > links, "{why}: {:?}", net.broadcaster(number).counters());
            assert!(net.texts(number).is_empty());
            assert_eq!(net.broadcaster(number).known(), [node(1 - number)]);
            assert_eq!(net.broadcaster(number).near().collect::<Vec<NetId>>(), [node(1 - number)]);
        }
        // The two still communicate.
        let id = net.broadcast(0, broadcast_of("to us"));
        net.run(ms(1_000));
        assert_eq!(net.got(1, id).len(), 1);
        assert!(net.texts(2).is_empty());
    }
}

#[test]
fn garbage_is_counted_and_its_connection_ends() {
    let mut net = Net::of(2, None, |_| {});
    for length in 0..200 {
        let bytes = vec![b'g'; length];
        net.feed(0, Input::Datagram { from: node(7).into(), via: Via::Unicast, bytes: bytes.into() });
    }
    let counted = net.count(0, Counter::DatagramsRejected) + net.count(0, Counter::DatagramsSkipped);
    assert_eq!(counted, 200);
    let link = ConnectionId::accepted(1_000);
    net.feed(0, Input::ConnectionOpened { link, from: None });
    net.feed(0, Input::ConnectionBytes { link, bytes: vec![7; 16].into() });
    net.feed(0, Input::ConnectionBytes { link, bytes: b"GET / HTTP/1.1\r\n\r\n".to_vec().into() });
    assert_eq!(net.broadcaster(0).limit_usage()[1].1, 0, "the connection is closed");
    assert_eq!(net.broadcaster(0).known(), [node(1)]);
}

/// Inputs of connections that do not exist, or no longer, are ignored.
#[test]
fn inputs_of_unknown_connections_do_nothing() {
    let mut net = Net::of(2, None, |_| {});
    let before = net.broadcaster(0).limit_usage();
    for link in [ConnectionId::dialled(77), ConnectionId::accepted(77)] {
        net.feed(0, Input::ConnectionBytes { link, bytes: vec![1; 100].into() });
        net.feed(0, Input::ConnectionSent { link, bytes: 100 });
        net.feed(0, Input::ConnectionClosed { link, stalled: false });
        net.feed(0, Input::ConnectionRefused { link, refusal: gm_broadcast::DialFailure::Unreachable });
    }
    net.feed(0, Input::ConnectionOpened { link: ConnectionId::dialled(77), from: None });
    assert_eq!(net.broadcaster(0).limit_usage(), before);
}

#[test]
fn an_echoed_handshake_ends_the_connection() {
    let mut net = Net::of(2, None, |config| config.datagram_hops = false);
    net.broadcast(0, broadcast_of("to a mirror"));
    net.pause(1);
    let link = ConnectionId::dialled(1);
    net.feed(0, Input::ConnectionOpened { link, from: None });
    let own = net.handshake_of(0, link);
    net.feed(0, Input::ConnectionBytes { link, bytes: own.into() });
    assert_eq!(net.count(0, Counter::HandshakesEchoed), 1);
}

/// A peer with another NetId than the dialed one is not accepted, under either NetId.
#[test]
fn a_peer_with_another_netid_is_disconnected() {
    let mut net = Net::new(sealed);
    // It sends nothing by itself: a datagram of its own would be valid.
    net.add(None, |config| {
        config.me = node(5);
        config.timings.exchange = ms(1_000_000);
        config.timings.reception_report = ms(1_000_000);
    });
    net.add(None, |config| config.seeds = vec![node(0)]);
    net.run(ms(10_000));
    assert!(net.count(1, Counter::ConnectionsUnexpectedPeer) > 0);
    assert!(!net.broadcaster(1).known().contains(&node(5)));
}

/// A successful dial does not authenticate: a node of another cluster accepts connections too, and
/// is neither known nor reported to others.
#[test]
fn a_seed_of_another_cluster_is_not_known() {
    let mut net = Net::new(sealed);
    net.add_with(|| codec("other", 7), None, |_| {});
    net.add(None, |config| config.seeds = vec![node(0), node(2)]);
    net.add(None, |_| {});
    net.run(ms(60_000));
    assert!(net.count_reason(0, Counter::FramesRejected, "NotAuthentic") > 0, "it was dialed");
    assert!(net.broadcaster(0).known().is_empty());
    assert_eq!(net.broadcaster(1).known(), [node(2)]);
    assert_eq!(net.broadcaster(2).known(), [node(1)]);
}
