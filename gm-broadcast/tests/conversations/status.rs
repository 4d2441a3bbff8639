//! What is known of a peer, as it is told: at the edges of its times.

use std::time::Duration;

use gm_broadcast::{By, Command, Path, PeerStatus, Refusal};

use crate::net::Net;
use crate::station::{ms, node, say, text};

fn status(net: &Net, of: usize) -> PeerStatus {
    net.stations[0].node.peer_status(net.now, node(of)).expect("it is known")
}

#[test]
fn who_was_heard_is_alive_for_a_while_and_who_is_connected_always() {
    let mut net = Net::of(3, None, |_| {});
    // Nobody was heard: they were only told of.
    let alive =
        |net: &Net, of: usize, within: Duration| net.stations[0].node.is_alive(net.now, node(of), within);
    assert!(!alive(&net, 1, ms(1_000_000)));
    let was_heard = |net: &Net| [1, 2].map(|of| net.stations[0].node.was_heard(node(of)));
    assert_eq!(was_heard(&net), [false, false]);
    assert_eq!(net.stations[0].node.count_alive(net.now, ms(1_000_000), 9), 0);
    net.tell(1, Command::Send { to: node(0), body: text("hello"), by: By::Datagram });
    net.run(ms(100));
    let (ago, path) = status(&net, 1).heard().expect("it was heard");
    assert_eq!(path, Path::Datagram);
    assert!(alive(&net, 1, ago + ms(1)) && !alive(&net, 1, ago), "within is below");
    assert!(!alive(&net, 2, ms(1_000_000)));
    assert_eq!(was_heard(&net), [true, false]);
    assert_eq!(net.stations[0].node.count_alive(net.now, ago + ms(1), 9), 1);
    assert_eq!(net.stations[0].node.count_alive(net.now, ago, 9), 0);

    net.tell(2, Command::Send { to: node(0), body: text("hello"), by: By::Link });
    net.run(ms(100));
    assert!(status(&net, 2).connected && alive(&net, 2, Duration::ZERO));
    assert_eq!(was_heard(&net), [true, true]);
    assert_eq!(net.stations[0].node.count_alive(net.now, ms(1_000_000), 9), 2);
    assert_eq!(
        net.stations[0].node.count_alive(net.now, ms(1_000_000), 1),
        1,
        "no more than that are counted"
    );
}

#[test]
fn an_address_that_is_not_reached_is_told_while_its_connection_is_open() {
    let told = |connected, reached, failures| {
        PeerStatus { connected, reached, failures, ..PeerStatus::default() }.is_unreachable_at_its_address()
    };
    assert!(told(true, false, 1));
    assert!(!told(false, false, 1) && !told(true, true, 1) && !told(true, false, 0) && !told(false, true, 0));
}

#[test]
fn a_multicast_counts_for_two_rounds_of_the_island_and_for_a_minute_at_least() {
    let within = |near: usize, quiet: Duration| {
        let mut net = Net::of(near + 1, Some(1), |config| config.times.quiet = quiet);
        net.run(ms(1_000));
        for number in 1..=near {
            net.broadcast(number, say("here"));
        }
        net.run(ms(1_000));
        let node = &net.stations[0].node;
        (node.near().len(), node.near_within())
    };
    assert_eq!(within(0, ms(100)), (0, ms(60_000)));
    assert_eq!(within(2, ms(100)), (2, ms(60_000)));
    // Twice for each of three, and once more.
    assert_eq!(within(2, ms(20_000)), (2, ms(2 * 3 * 20_000 + 20_000)));
    assert_eq!(within(0, ms(50_000)), (0, ms(2 * 50_000 + 50_000)));
}

/// What is told of failures ends when the node is reached.
#[test]
fn who_is_not_reached_is_left_alone_and_told_of() {
    let mut net = Net::of(2, None, |_| {});
    net.introduce();
    let before = status(&net, 1);
    assert_eq!((before.failures, before.failure, before.left_alone, before.stalled), (0, None, None, None));
    assert!(!before.closes_before_first_frame && before.source.is_none());
    net.stations[1].down = true;
    net.tell(0, Command::Send { to: node(1), body: text("hello"), by: By::Link });
    net.run(ms(100));
    let told = status(&net, 1);
    assert!(told.failures > 0, "{told:?}");
    assert!(told.failure.is_some_and(|(ago, why)| ago <= ms(100) && why == Refusal::Refused), "{told:?}");
    let left = told.left_alone.expect("it is left alone");
    assert!(left > Duration::ZERO);
    net.run(left);
    assert_eq!(status(&net, 1).left_alone, None, "the time is up to the moment");
    net.stations[1].down = false;
    net.tell(0, Command::Send { to: node(1), body: text("hello"), by: By::Link });
    net.run(ms(1_000));
    let reached = status(&net, 1);
    assert!(reached.connected && reached.reached, "{reached:?}");
    assert_eq!((reached.failures, reached.failure, reached.left_alone), (0, None, None));
}
