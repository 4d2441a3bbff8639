//! Multicasts that are lost: found by their numbers and filled, or found by a notice, and then
//! nobody is believed.

use gm_broadcast::{BroadcasterConfig, Counter, Path};
use gm_codec::{Ack, AckStatus, Body};

use crate::multicast::ACQUAINTED;
use crate::net::Net;
use crate::station::{broadcast_of, ms, node};
use crate::tap::Carrier;

/// An island whose nodes know each other, of which nobody speaks but for what a test makes happen.
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
fn a_gap_is_found_by_the_next_asked_for_and_filled() {
    let mut by_the_next = 0;
    for deaf in 1..4 {
        let mut net = island(4, |_| {});
        net.broadcast(0, broadcast_of("first"));
        net.run(ms(100));
        let to_lose = net.stations[0].node.counters().get(Counter::ContentMulticasts);
        net.lose = Some(Box::new(move |said, ear| {
            said.payload.header.multicast_sequence == Some(to_lose + 1)
                && said.way == Carrier::Multicast
                && ear == deaf
        }));
        let lost = net.broadcast(0, broadcast_of("second"));
        net.run(ms(200));
        // Whoever happens to get the notice sees it by the number in that.
        let told = net.wire.iter().any(|said| said.to == Some(deaf) && said.is_announcement(lost));
        by_the_next += u32::from(!told);
        assert_eq!(net.got(deaf, lost).len(), usize::from(told));
        net.broadcast(0, broadcast_of("third"));
        net.run(ms(2_000));
        let order = if told { ["first", "second", "third"] } else { ["first", "third", "second"] };
        assert_eq!(net.texts(deaf), order);
        let got = net.got(deaf, lost);
        assert_eq!((got.len(), got[0].path, got[0].from), (1, Path::Multicast, node(0)), "as if it had come");
        assert_eq!(net.count(deaf, Counter::GapsFilled), 1);
        for other in (1..4).filter(|other| *other != deaf) {
            assert_eq!(net.texts(other), ["first", "second", "third"]);
            assert_eq!(net.count(other, Counter::GapsRequested), 0);
        }
        // Who was asked whether he heard it says that he did not, though he has it: only then is it
        // sent, and doubted.
        let by_link =
            net.wire.iter().filter(|said| said.way == Carrier::Link && said.is_content(lost)).count();
        assert_eq!(
            (by_link, net.count(0, Counter::IncompleteMulticasts)),
            (usize::from(told), u64::from(told))
        );
    }
    assert!(by_the_next > 0);
}

/// Whoever heard a node before it said anything misses its first broadcast as any other.
#[test]
fn the_first_of_all_is_missed_too() {
    for deaf in 1..4 {
        let mut net = island(4, |_| {});
        net.lose = Some(Box::new(move |said, ear| {
            said.payload.header.multicast_sequence == Some(1)
                && said.broadcast().is_some()
                && said.way == Carrier::Multicast
                && ear == deaf
        }));
        let lost = net.broadcast(0, broadcast_of("first"));
        net.run(ms(100));
        net.broadcast(0, broadcast_of("second"));
        net.run(ms(2_000));
        assert_eq!(net.got(deaf, lost).len(), 1, "{deaf}");
    }
}

fn the_last_is_lost(set: impl Fn(&mut BroadcasterConfig) + 'static) -> Net {
    let mut net = island(3, set);
    net.broadcast(0, broadcast_of("first"));
    net.run(ms(100));
    // The one notice of it, if it is for the deaf one, shows it at once: it is lost as well.
    net.stuck.insert((0, 2));
    net.lose =
        Some(Box::new(|said, ear| said.broadcast().is_some() && said.way == Carrier::Multicast && ear == 2));
    net.broadcast(0, broadcast_of("second"));
    net
}

/// The last multicast has no next one: its echo shows that it was there.
#[test]
fn the_loss_of_the_last_is_found_by_its_beacon() {
    let mut net = the_last_is_lost(|_| {});
    net.run(ms(99));
    assert_eq!(net.texts(2), ["first"]);
    net.run(ms(200));
    assert_eq!(net.texts(2), ["first", "second"]);
}

/// If the echoes are lost, too, the word of quiet times shows it.
#[test]
fn the_loss_of_the_last_is_found_in_quiet() {
    let mut net = the_last_is_lost(|config| config.timings.beacon = ms(1_000_000));
    net.run(ms(2_000));
    assert_eq!(net.texts(2), ["first"]);
    net.run(ms(60_000));
    assert_eq!(net.texts(2), ["first", "second"]);
}

/// Where nothing else is said there are few echoes, each later than the one before: as many as it
/// takes at a quarter lost.
#[test]
fn beacons_end() {
    for (nodes, echoes) in [(2, 1), (5, 2), (17, 3)] {
        let mut net = island(nodes, |_| {});
        for number in 0..3 {
            net.broadcast(0, broadcast_of(&format!("{number}")));
            net.run(ms(50));
        }
        net.run(ms(5_000));
        assert_eq!(net.count(0, Counter::SequenceBeacons), echoes, "{nodes}");
    }
}

/// Whoever is asked and does not have it says so, and another one is asked.
#[test]
fn somebody_has_what_most_missed() {
    let mut net = island(5, |_| {});
    net.broadcast(0, broadcast_of("first"));
    net.run(ms(100));
    let second = net.stations[0].node.counters().get(Counter::ContentMulticasts) + 1;
    net.lose = Some(Box::new(move |said, ear| {
        said.payload.header.multicast_sequence == Some(second) && said.broadcast().is_some() && ear != 1
    }));
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
    // Its number shows it, too; but here that is too slow.
    let mut net = Net::of(5, Some(1), |config| {
        config.timings.nack_jitter = ms(10_000);
        config.timings.beacon = ms(1_000_000);
    });
    net.run(ACQUAINTED);
    net.lose = Some(Box::new(|said, _| said.way == Carrier::Multicast && said.broadcast().is_some()));
    let before = net.wire.len();
    let id = net.broadcast(0, broadcast_of("lost"));
    net.run(ms(2_000));
    for number in 1..5 {
        let paths: Vec<Path> = net.got(number, id).iter().map(|got| got.path).collect();
        assert_eq!(paths, [Path::Connection], "{number}");
    }
    assert_eq!(net.count(0, Counter::IncompleteMulticasts), 1);
    let asked = net.wire[before..].iter().filter(|said| {
        matches!(&said.payload.body, Body::Ack(Ack { broadcast, status: AckStatus::ContentWanted }) if *broadcast == id)
    });
    assert_eq!(asked.count(), 4, "each asked for it once");

    // Nobody is believed now, so each is told that there is something; in time they say again that
    // they hear.
    net.lose = None;
    let before = net.wire.len();
    let id = net.broadcast(0, broadcast_of("heard"));
    net.run(ms(500));
    assert!((1..5).all(|number| net.got(number, id).len() == 1));
    let told =
        net.wire[before..].iter().filter(|said| said.way == Carrier::Link && said.id() == Some(id)).count();
    assert_eq!(told, 4);
    net.run(ms(60_000));
    let before = net.wire.len();
    let id = net.broadcast(0, broadcast_of("believed"));
    net.run(ms(500));
    let told =
        net.wire[before..].iter().filter(|said| said.way == Carrier::Link && said.id() == Some(id)).count();
    assert_eq!(told, 1);
}

/// One who is deaf for a while is told by connections from the first loss that is found on.
#[test]
fn a_node_without_reception_gets_everything() {
    let mut net = Net::of(4, Some(1), |_| {});
    net.run(ACQUAINTED);
    net.lose = Some(Box::new(|said, ear| said.way == Carrier::Multicast && ear == 3));
    for number in 0..10 {
        net.broadcast(0, broadcast_of(&format!("{number}")));
        net.run(ms(1_000));
    }
    net.run(ms(20_000));
    let mut texts = net.texts(3);
    texts.sort_unstable();
    assert_eq!(texts, ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"]);
}

/// A burst is lost: as many numbers as may be missed are all filled, though no question is about
/// all of them.
#[test]
fn a_burst_is_filled() {
    for (burst, every) in [(20, 1), (40, 1), (60, 1), (60, 2)] {
        let mut net = island(3, |config| config.timings.reception_report = ms(1_000_000));
        net.command(0, gm_broadcast::BroadcastCommand::AddNodes(vec![node(1), node(2)]));
        net.run(ms(1_000));
        net.lose = Some(Box::new(move |said, ear| {
            let number = said.payload.header.multicast_sequence.unwrap_or(0);
            said.way == Carrier::Multicast
                && ear == 1
                && (2..2 + burst).contains(&number)
                && number % every == 0
        }));
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
