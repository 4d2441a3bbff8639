//! Reachability: lost datagrams, another key, a seed that is down, an unreachable address and a
//! path that drops large packets are detected, reported and worked around.

use gm_broadcast::{
    BroadcastCommand, BroadcastEvent, BroadcasterTimings, ConnectionId, DatagramReachability, Input, Path,
    PeerStatus, STALL_TIMEOUT, SeedTrouble, Transport, UnopenedCause,
};
use gm_codec::Body;
use gm_sim::{Effect, TrafficKind};

use crate::net::Net;
use crate::station::{codec, insecure, ms, node, sealed, text};

impl Net {
    fn status(&self, number: usize, of: usize) -> PeerStatus {
        self.broadcaster(number).peer_status(self.now(), node(of)).unwrap()
    }

    fn saw(&self, number: usize, wanted: impl Fn(&BroadcastEvent) -> bool) -> bool {
        self.stations[number].events.iter().any(wanted)
    }

    /// A request of the caller by datagram without a reply, and then one by connection with a
    /// reply.
    fn ask_unanswered(&mut self, number: usize, peer: usize) {
        self.send(number, peer, "question", Transport::Udp);
        self.run(ms(100));
        self.command(number, BroadcastCommand::Unanswered { node: node(peer), by: Transport::Udp });
        self.send(peer, number, "answer", Transport::Tcp);
        self.run(ms(100));
    }
}

#[test]
fn connections_replace_lost_datagrams() {
    let mut net = Net::of(2, None, |_| {});
    net.lose(|tapped, _| tapped.flow == TrafficKind::Datagram);
    net.ask_unanswered(0, 1);
    assert_eq!(net.status(0, 1).datagrams, DatagramReachability::Untested);
    net.run(ms(1_000));
    assert_eq!(net.status(0, 1).datagrams, DatagramReachability::Lost);
    assert!(net.saw(0, |event| *event == BroadcastEvent::DatagramReachability { node: node(1), lost: true }));
    assert!(net.texts(1).is_empty());
    net.send(0, 1, "by connection", Transport::Udp);
    net.run(ms(100));
    assert_eq!(
        net.stations[1].got.last().map(|got| (got.path, &*got.text)),
        Some((Path::Connection, "by connection"))
    );
    // The firewall opens: the next probe by datagram shows it.
    net.lose_nothing();
    for _ in 0..4 {
        net.run(ms(1_000));
        net.send(0, 1, "again", Transport::Udp);
    }
    net.run(ms(100));
    assert_eq!(net.status(0, 1).datagrams, DatagramReachability::Work);
    assert!(
        net.saw(0, |event| *event == BroadcastEvent::DatagramReachability { node: node(1), lost: false })
    );
    net.send(0, 1, "by datagram", Transport::Udp);
    net.run(ms(100));
    assert_eq!(net.stations[1].got.last().map(|got| got.path), Some(Path::Datagram));
}

#[test]
fn the_other_address_family_gets_connections_only() {
    let mut net = Net::new(sealed);
    net.add(None, |_| {});
    let six: gm_clock::NetId = "[fd00::2]:29999".parse().unwrap();
    net.add(None, |config| config.me = six);
    net.command(0, BroadcastCommand::AddNodes(vec![six]));
    let status = net.broadcaster(0).peer_status(net.now(), six).unwrap();
    assert_eq!(status.datagrams, DatagramReachability::OtherFamily);
    let before = net.datagrams.len();
    net.command(0, BroadcastCommand::Send { to: six, body: text("hello"), transport: Transport::Udp });
    assert_eq!((net.datagrams.len(), net.dials.last().copied()), (before, Some((0, six))));
}

/// Both sides report another key, another cluster name or missing encryption within ten seconds,
/// once, each with its cause.
#[test]
fn a_configuration_mismatch_is_reported_once_per_side() {
    let cases: [(fn() -> gm_codec::FrameCodec, UnopenedCause); 3] = [
        (|| codec("testing", 7), UnopenedCause::OtherCluster),
        (|| codec("production", 8), UnopenedCause::OtherKey { key_id: 0 }),
        (insecure, UnopenedCause::NotSealed),
    ];
    for (stranger, cause) in cases {
        for island in [None, Some(1)] {
            let mut net = Net::new(sealed);
            net.add(island, |_| {});
            net.add_with(stranger, island, |config| config.seeds = vec![node(0)]);
            net.run(ms(10_000));
            let causes = |number: usize| -> Vec<UnopenedCause> {
                let events = net.stations[number].events.iter().filter_map(|event| match event {
                    BroadcastEvent::Unopened(unopened) => Some(unopened.cause),
                    _ => None,
                });
                events.collect()
            };
            let ours = causes(0);
            let same = std::mem::discriminant(&ours[0]) == std::mem::discriminant(&cause);
            assert!(same && ours.len() == 1, "{ours:?} instead of {cause:?}");
            let theirs = causes(1);
            assert_eq!(theirs.len(), usize::from(island.is_some()), "{theirs:?}");
            let reported = |event: &BroadcastEvent| {
                matches!(event, BroadcastEvent::SeedTrouble { why: SeedTrouble::ClosesBeforeFirstFrame, .. })
            };
            assert!(net.saw(1, reported), "{:?}", net.stations[1].events);
        }
    }
}

#[test]
fn a_seed_is_reported_down_and_back() {
    let mut net = Net::new(sealed);
    net.add(None, |_| {});
    net.add(None, |config| config.seeds = vec![node(0)]);
    net.crash(0);
    net.run(ms(10_000));
    let trouble = BroadcastEvent::SeedTrouble { node: node(0), why: SeedTrouble::Refused };
    assert_eq!(net.stations[1].events.iter().filter(|event| **event == trouble).count(), 1);
    net.start(0);
    net.run(ms(60_000));
    assert!(net.saw(1, |event| *event == BroadcastEvent::SeedReached(node(0))));
    assert_eq!(net.status(1, 0).failures, 0);
}

/// Seeds that start a moment later are not reported.
#[test]
fn a_seed_that_comes_up_within_seconds_is_not_reported() {
    let mut net = Net::new(sealed);
    net.add(None, |_| {});
    net.add(None, |config| config.seeds = vec![node(0)]);
    net.crash(0);
    net.run(ms(1_000));
    net.start(0);
    net.run(ms(30_000));
    assert!(!net.saw(1, |event| matches!(event, BroadcastEvent::SeedTrouble { .. })));
}

/// Nodes that start together are not kept apart by the dial that came too early.
#[test]
fn a_seed_that_starts_a_moment_later_is_soon_reached() {
    let mut net = Net::new(sealed);
    net.add(None, |_| {});
    net.add(None, |config| config.seeds = vec![node(0)]);
    net.crash(0);
    net.run(ms(20));
    net.start(0);
    net.run(ms(200));
    assert!(net.status(1, 0).connected, "{:?}", net.status(1, 0));
}

/// A node announces an unreachable address: connections that it opened are used, and both sides can
/// see the fault.
#[test]
fn an_unreachable_node_is_served_on_its_own_connection() {
    let mut net = Net::new(sealed);
    net.add(None, |_| {});
    let nat: gm_clock::NetId = "192.0.2.9:29999".parse().unwrap();
    net.add(None, |config| {
        config.me = nat;
        config.seeds = vec![node(0)];
    });
    net.run(ms(1_000));
    let status = |net: &Net| net.broadcaster(0).peer_status(net.now(), nat).unwrap();
    assert!(status(&net).connected && !status(&net).is_unreachable_at_its_address());
    net.command(0, BroadcastCommand::Unanswered { node: nat, by: Transport::Udp });
    net.send(1, 0, "answer", Transport::Tcp);
    net.run(ms(4_000));
    assert_eq!(status(&net).datagrams, DatagramReachability::Lost);
    net.command(0, BroadcastCommand::Send { to: nat, body: text("hello"), transport: Transport::Udp });
    net.run(ms(1_000));
    assert_eq!(net.texts(1), ["hello"]);
    assert!(status(&net).is_unreachable_at_its_address(), "{:?}", status(&net));
    assert_eq!(net.broadcaster(1).reached_by_others(net.now()), None);
    assert!(net.broadcaster(0).reached_by_others(net.now()).is_some());
}

/// Otherwise the peer of a connection whose first frame is lost would close it first, and its end
/// would not show that the path drops large packets.
#[test]
fn a_stalled_connection_ends_before_its_peer_closes_it() {
    assert!(STALL_TIMEOUT < BroadcasterTimings::DEFAULT.opening);
}

/// A stalled connection to a node that is alive: the next one uses small segments, and replaces one
/// that the node opened, unless it cannot be dialed.
#[test]
fn a_stalled_transfer_replaces_an_accepted_connection() {
    for reachable in [true, false] {
        let mut net = Net::of(2, None, |_| {});
        // Both dial.
        net.send(0, 1, "hello", Transport::Tcp);
        net.send(1, 0, "hello", Transport::Tcp);
        net.run(ms(100));
        net.feed(0, Input::ConnectionClosed { link: ConnectionId::dialled(1), stalled: true });
        assert!(net.saw(0, |event| *event == BroadcastEvent::Stalled(node(1))));
        if !reachable {
            net.begin((0, 1), Effect::Refuse);
        }
        let dials = net.dials.len();
        // A small frame passes by any connection, and does not wait for a dial.
        net.command(
            0,
            BroadcastCommand::Send { to: node(1), body: Body::HeaderOnly, transport: Transport::Tcp },
        );
        assert_eq!(net.dials.len(), dials);
        for number in 0..4 {
            net.send(0, 1, &number.to_string(), Transport::Tcp);
            net.run(ms(500));
        }
        assert_eq!(net.dials.len() - dials, 1, "reachable: {reachable}");
        // What waits for the refused dial is lost; the accepted connection carries the rest.
        let arrived = if reachable { &["hello", "0", "1", "2", "3"][..] } else { &["hello", "1", "2", "3"] };
        assert_eq!(net.texts(1), arrived, "reachable: {reachable}");
    }
}

/// A stalled connection to a node that is alive: the next one uses small segments.
#[test]
fn after_a_stalled_transfer_connections_use_small_segments() {
    let mut net = Net::of(2, None, |_| {});
    net.send(0, 1, "hello", Transport::Tcp);
    net.run(ms(100));
    net.send(1, 0, "hello", Transport::Udp);
    net.run(ms(100));
    let link = ConnectionId::dialled(1);
    net.feed(0, Input::ConnectionClosed { link, stalled: true });
    assert!(net.saw(0, |event| *event == BroadcastEvent::Stalled(node(1))));
    assert!(net.status(0, 1).stalled.is_some());
    // For a silent node it shows nothing: it may be dead.
    let mut net = Net::of(2, None, |_| {});
    net.send(0, 1, "hello", Transport::Tcp);
    net.run(ms(30_000));
    net.feed(0, Input::ConnectionClosed { link, stalled: true });
    assert!(!net.saw(0, |event| *event == BroadcastEvent::Stalled(node(1))));
}

/// A node that the caller removed is not known, whatever others report, until it sends a message
/// itself.
#[test]
fn an_unlisted_node_comes_back_only_by_itself() {
    let mut net = Net::of(3, None, |_| {});
    net.run(ms(2_000));
    net.crash(2);
    for number in [0, 1] {
        net.command(number, BroadcastCommand::Unlist(node(2)));
        net.command(number, BroadcastCommand::AddNodes(vec![node(2)]));
    }
    net.run(ms(120_000));
    assert_eq!(net.broadcaster(0).known(), [node(1)]);
    net.start(2);
    net.command(2, BroadcastCommand::AddNodes(vec![node(0), node(1)]));
    net.run(ms(60_000));
    assert_eq!(net.broadcaster(0).known(), [node(1), node(2)]);
}
