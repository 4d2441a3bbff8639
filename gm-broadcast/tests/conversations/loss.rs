//! Lost multicasts: detected by sequence numbers and retransmitted, or detected by an announcement,
//! which withdraws all confirmations.

use gm_broadcast::{BroadcasterConfig, Counter, Path};
use gm_codec::{Ack, AckStatus, Body};
use gm_sim::{Effect, TrafficKind};

use crate::multicast::ACQUAINTED;
use crate::net::{Net, at};
use crate::station::{broadcast_of, ms, node};

/// An island whose nodes know each other, without traffic but for the test's.
fn island(count: usize, change: impl Fn(&mut BroadcasterConfig)) -> Net {
    let mut net = Net::of(count, Some(1), |config| {
        config.timings.exchange = ms(10_000_000);
        config.timings.content_wait = ms(100_000);
        change(config);
    });
    net.run(ACQUAINTED);
    net
}

#[test]
fn a_gap_is_detected_nacked_and_filled() {
    let mut by_the_next = 0;
    for deaf in 1..4 {
        let mut net = island(4, |_| {});
        net.broadcast(0, broadcast_of("first"));
        net.run(ms(100));
        let to_lose = net.broadcaster(0).counters().get(Counter::ContentMulticasts);
        net.lose(move |tapped, ear| {
            tapped.payload.header.multicast_sequence == Some(to_lose + 1)
                && tapped.flow == TrafficKind::Multicast
                && ear == deaf
        });
        let lost = net.broadcast(0, broadcast_of("second"));
        net.run(ms(200));
        // The receiver of the announcement sees the gap by its sequence number.
        let told = net.wire.iter().any(|tapped| tapped.to == Some(at(deaf)) && tapped.is_announcement(lost));
        by_the_next += u32::from(!told);
        assert_eq!(net.got(deaf, lost).len(), usize::from(told));
        net.broadcast(0, broadcast_of("third"));
        net.run(ms(2_000));
        let order = if told { ["first", "second", "third"] } else { ["first", "third", "second"] };
        assert_eq!(net.texts(deaf), order);
        let got = net.got(deaf, lost);
        assert_eq!(
            (got.len(), got[0].path, got[0].from),
            (1, Path::Multicast, node(0)),
            "as if it had arrived"
        );
        assert_eq!(net.count(deaf, Counter::GapsFilled), 1);
        for other in (1..4).filter(|other| *other != deaf) {
            assert_eq!(net.texts(other), ["first", "second", "third"]);
            assert_eq!(net.count(other, Counter::GapsRequested), 0);
        }
        // The node that got the announcement reports that it missed the multicast, though it has
        // the content by now: only then the content is sent and the confirmations are withdrawn.
        let by_hop = net
            .wire
            .iter()
            .filter(|tapped| tapped.flow != TrafficKind::Multicast && tapped.is_content(lost))
            .count();
        assert_eq!(
            (by_hop, net.count(0, Counter::IncompleteMulticasts)),
            (usize::from(told), u64::from(told))
        );
    }
    assert!(by_the_next > 0);
}

/// A node that received a neighbor's multicasts before the first content misses the first content
/// as any other.
#[test]
fn the_first_multicast_can_be_missed() {
    for deaf in 1..4 {
        let mut net = island(4, |_| {});
        net.lose(move |tapped, ear| {
            tapped.payload.header.multicast_sequence == Some(1)
                && tapped.broadcast().is_some()
                && tapped.flow == TrafficKind::Multicast
                && ear == deaf
        });
        let lost = net.broadcast(0, broadcast_of("first"));
        net.run(ms(100));
        net.broadcast(0, broadcast_of("second"));
        net.run(ms(2_000));
        assert_eq!(net.got(deaf, lost).len(), 1, "{deaf}");
    }
}

fn island_with_the_last_multicast_lost(set: impl Fn(&mut BroadcasterConfig) + 'static) -> Net {
    let mut net = island(3, set);
    net.broadcast(0, broadcast_of("first"));
    net.run(ms(100));
    // The one announcement, if it is for the node without reception, shows the gap at once: it is
    // lost as well.
    net.begin((0, 2), Effect::Stall);
    net.lose(|tapped, ear| tapped.broadcast().is_some() && ear == 2);
    net.broadcast(0, broadcast_of("second"));
    net
}

/// The last multicast has no successor: its sequence beacon shows that it existed.
#[test]
fn a_beacon_reveals_the_loss_of_the_last_multicast() {
    let mut net = island_with_the_last_multicast_lost(|_| {});
    net.run(ms(7));
    assert_eq!(net.texts(2), ["first"]);
    net.run(ms(200));
    assert_eq!(net.texts(2), ["first", "second"]);
}

/// If the beacons are lost, too, the keepalive shows it.
#[test]
fn a_keepalive_reveals_the_loss_of_the_last_multicast() {
    let mut net = island_with_the_last_multicast_lost(|config| config.timings.beacon = ms(1_000_000));
    net.run(ms(2_000));
    assert_eq!(net.texts(2), ["first"]);
    net.run(ms(60_000));
    assert_eq!(net.texts(2), ["first", "second"]);
}

/// Without further traffic there are few beacons, each later than the one before: as many as a loss
/// of a quarter needs.
#[test]
fn beacons_end() {
    for (nodes, beacons) in [(2, 3), (5, 4), (17, 5)] {
        let mut net = island(nodes, |_| {});
        for number in 0..3 {
            net.broadcast(0, broadcast_of(&format!("{number}")));
            net.run(ms(5));
        }
        net.run(ms(5_000));
        assert_eq!(net.count(0, Counter::SequenceBeacons), beacons, "{nodes}");
    }
}

/// A neighbor without the multicast replies so, and another one is asked.
#[test]
fn nacks_find_a_neighbor_with_the_multicast() {
    let mut net = island(5, |_| {});
    net.broadcast(0, broadcast_of("first"));
    net.run(ms(100));
    let second = net.broadcaster(0).counters().get(Counter::ContentMulticasts) + 1;
    net.lose(move |tapped, ear| {
        tapped.payload.header.multicast_sequence == Some(second) && tapped.broadcast().is_some() && ear != 1
    });
    net.broadcast(0, broadcast_of("second"));
    net.run(ms(100));
    net.broadcast(0, broadcast_of("third"));
    net.run(ms(5_000));
    for number in 1..5 {
        let mut texts = net.texts(number);
        texts.sort_unstable();
        assert_eq!(texts, ["first", "second", "third"]);
    }
}

#[test]
fn an_announced_lost_multicast_reaches_all() {
    // Its sequence number shows it, too, but later.
    let mut net = Net::of(5, Some(1), |config| {
        config.timings.nack_jitter = ms(10_000);
        config.timings.beacon = ms(1_000_000);
    });
    net.run(ACQUAINTED);
    net.lose(|tapped, _| tapped.flow == TrafficKind::Multicast && tapped.broadcast().is_some());
    let before = net.wire.len();
    let id = net.broadcast(0, broadcast_of("lost"));
    net.run(ms(2_000));
    for number in 1..5 {
        let paths: Vec<Path> = net.got(number, id).iter().map(|got| got.path).collect();
        assert_eq!(paths, [Path::Datagram], "{number}");
    }
    assert_eq!(net.count(0, Counter::IncompleteMulticasts), 1);
    let asked = net.wire[before..].iter().filter(|tapped| {
        matches!(&tapped.payload.body, Body::Ack(Ack { broadcast, status: AckStatus::ContentWanted }) if *broadcast == id)
    });
    assert_eq!(asked.count(), 4, "each node requested it once");

    // All confirmations are withdrawn, so each neighbor gets an announcement; in time they confirm
    // reception again.
    net.lose_nothing();
    let before = net.wire.len();
    let id = net.broadcast(0, broadcast_of("heard"));
    net.run(ms(500));
    assert!((1..5).all(|number| net.got(number, id).len() == 1));
    let told = net.wire[before..]
        .iter()
        .filter(|tapped| tapped.flow != TrafficKind::Multicast && tapped.id() == Some(id))
        .count();
    assert_eq!(told, 4);
    net.run(ms(60_000));
    let before = net.wire.len();
    let id = net.broadcast(0, broadcast_of("believed"));
    net.run(ms(500));
    let told = net.wire[before..]
        .iter()
        .filter(|tapped| tapped.flow != TrafficKind::Multicast && tapped.id() == Some(id))
        .count();
    assert_eq!(told, 1);
}

/// A node without reception for a while gets contents by connections, from the first detected loss
/// on.
#[test]
fn a_node_without_reception_gets_everything() {
    let mut net = Net::of(4, Some(1), |_| {});
    net.run(ACQUAINTED);
    net.lose(|tapped, ear| tapped.flow == TrafficKind::Multicast && ear == 3);
    for number in 0..10 {
        net.broadcast(0, broadcast_of(&format!("{number}")));
        net.run(ms(1_000));
    }
    net.run(ms(20_000));
    let mut texts = net.texts(3);
    texts.sort_unstable();
    assert_eq!(texts, ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"]);
}

/// A burst is lost: as many numbers as may be missing are all filled, though no nack requests all
/// of them.
#[test]
fn a_burst_is_filled() {
    for (burst, every) in [(20, 1), (40, 1), (60, 1), (60, 2)] {
        let mut net = island(3, |config| config.timings.reception_report = ms(1_000_000));
        net.command(0, gm_broadcast::BroadcastCommand::AddNodes(vec![node(1), node(2)]));
        net.run(ms(1_000));
        net.lose(move |tapped, ear| {
            let number = tapped.payload.header.multicast_sequence.unwrap_or(0);
            tapped.flow == TrafficKind::Multicast
                && ear == 1
                && (2..2 + burst).contains(&number)
                && number % every == 0
        });
        let targets = gm_broadcast::Targets::Nodes(vec![]);
        for number in 1..burst + 3 {
            net.broadcast(
                0,
                gm_broadcast::BroadcastRequest { to: targets.clone(), ..broadcast_of(&format!("{number}")) },
            );
            net.run(ms(2));
        }
        net.run(ms(60_000));
        let expected = usize::try_from(burst + 2).unwrap();
        assert_eq!((net.texts(2).len(), net.texts(1).len()), (expected, expected), "{burst} every {every}");
    }
}
