//! The status of a peer, at the edges of its times.

use std::time::Duration;

use gm_broadcast::{DialFailure, Path, PeerStatus, Transport};

use crate::net::Net;
use crate::station::{broadcast_of, ms, node};

fn status(net: &Net, of: usize) -> PeerStatus {
    net.broadcaster(0).peer_status(net.now(), node(of)).expect("it is known")
}

#[test]
fn a_peer_is_alive_while_heard_or_connected() {
    let mut net = Net::of(3, None, |_| {});
    // No node has sent anything: they were only added.
    let alive =
        |net: &Net, of: usize, within: Duration| net.broadcaster(0).is_alive(net.now(), node(of), within);
    assert!(!alive(&net, 1, ms(1_000_000)));
    let was_heard = |net: &Net| [1, 2].map(|of| net.broadcaster(0).was_heard(node(of)));
    assert_eq!(was_heard(&net), [false, false]);
    assert_eq!(net.broadcaster(0).count_alive(net.now(), ms(1_000_000), 9), 0);
    net.send(1, 0, "hello", Transport::Udp);
    net.run(ms(100));
    let (ago, path) = status(&net, 1).last_heard().expect("it sent a message");
    assert_eq!(path, Path::Datagram);
    assert!(alive(&net, 1, ago + ms(1)) && !alive(&net, 1, ago), "the time is exclusive");
    assert!(!alive(&net, 2, ms(1_000_000)));
    assert_eq!(was_heard(&net), [true, false]);
    assert_eq!(net.broadcaster(0).count_alive(net.now(), ago + ms(1), 9), 1);
    assert_eq!(net.broadcaster(0).count_alive(net.now(), ago, 9), 0);

    net.send(2, 0, "hello", Transport::Tcp);
    net.run(ms(100));
    assert!(status(&net, 2).connected && alive(&net, 2, Duration::ZERO));
    assert_eq!(was_heard(&net), [true, true]);
    assert_eq!(net.broadcaster(0).count_alive(net.now(), ms(1_000_000), 9), 2);
    assert_eq!(
        net.broadcaster(0).count_alive(net.now(), ms(1_000_000), 1),
        1,
        "the count stops at the maximum"
    );
}

#[test]
fn an_unreached_address_shows_while_connected() {
    let told = |connected, reached, failures| {
        PeerStatus { connected, reached, failures, ..PeerStatus::default() }.is_unreachable_at_its_address()
    };
    assert!(told(true, false, 1));
    assert!(!told(false, false, 1) && !told(true, true, 1) && !told(true, false, 0) && !told(false, true, 0));
}

#[test]
fn near_lasts_two_rounds_and_at_least_a_minute() {
    let within = |near: usize, quiet: Duration| {
        let mut net = Net::of(near + 1, Some(1), |config| config.timings.multicast_keepalive = quiet);
        net.run(ms(1_000));
        for number in 1..=near {
            net.broadcast(number, broadcast_of("here"));
        }
        net.run(ms(1_000));
        let zero = net.broadcaster(0);
        (zero.near().len(), zero.near_within())
    };
    assert_eq!(within(0, ms(100)), (0, ms(60_000)));
    assert_eq!(within(2, ms(100)), (2, ms(60_000)));
    // Two rounds of three nodes, and one more interval.
    assert_eq!(within(2, ms(20_000)), (2, ms(2 * 3 * 20_000 + 20_000)));
    assert_eq!(within(0, ms(50_000)), (0, ms(2 * 50_000 + 50_000)));
}

/// Failures are reported until the node is reached.
#[test]
fn an_unreached_peer_shows_its_backoff() {
    let mut net = Net::of(2, None, |_| {});
    net.introduce();
    let before = status(&net, 1);
    assert_eq!((before.failures, before.failure, before.backoff, before.stalled), (0, None, None, None));
    assert!(!before.closes_before_first_frame && before.source.is_none());
    net.crash(1);
    net.send(0, 1, "hello", Transport::Tcp);
    net.run(ms(100));
    let told = status(&net, 1);
    assert!(told.failures > 0, "{told:?}");
    assert!(told.failure.is_some_and(|(ago, why)| ago <= ms(100) && why == DialFailure::Refused), "{told:?}");
    let left = told.backoff.expect("it is in backoff");
    assert!(left > Duration::ZERO);
    net.run(left);
    assert_eq!(status(&net, 1).backoff, None, "the backoff ends exactly then");
    net.start(1);
    net.send(0, 1, "hello", Transport::Tcp);
    net.run(ms(1_000));
    let reached = status(&net, 1);
    assert!(reached.connected && reached.reached, "{reached:?}");
    assert_eq!((reached.failures, reached.failure, reached.backoff), (0, None, None));
}
