//! The table of peers: its limit, which peer is removed, and backoff.

use proptest::prelude::*;

use super::*;
use crate::islands::tests::node;
use crate::rng::Rng;

const FIRST: Duration = Duration::from_millis(500);
const MOST: Duration = Duration::from_secs(60);

fn at(seconds: u64) -> Time {
    Time::ZERO + Duration::from_secs(seconds)
}

fn rng(seed: u8) -> Rng {
    Rng::new([seed; 32])
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    /// Compared with a plain list of (node, contact, connection): the unconnected node that was
    /// silent longest is removed.
    #[test]
    fn the_table_is_bounded(
        most in 1..8_usize,
        met in prop::collection::vec((0..20_u32, prop::option::of(0..1_000_u64), prop::bool::weighted(0.2)), 0..80),
    ) {
        let mut peers = PeerTable::new(most, 1, 10);
        let mut list: Vec<(NetId, Option<Time>, bool)> = Vec::new();
        let mut max_connections_seen = 0;
        for (number, contact, linked) in met {
            let (who, contact) = (node(number), contact.map(at));
            if !list.iter().any(|(known, ..)| *known == who) && list.len() >= most {
                let mut silent: Vec<_> = list.iter().filter(|(.., linked)| !linked).copied().collect();
                silent.sort_by_key(|(node, contact, _)| (*contact, *node));
                list.retain(|known| silent.first() != Some(known));
            }
            let new = !list.iter().any(|(known, ..)| *known == who);
            list.retain(|(known, ..)| *known != who);
            list.push((who, contact, linked));

            let (peer, is_new) = peers.entry(who, None);
            peer.last_contact = contact;
            peer.connection = linked.then(|| ConnectionId::dialled(1));
            prop_assert_eq!(is_new, new);
            // Connections have a limit of their own, and connected peers are not removed.
            max_connections_seen = max_connections_seen.max(list.iter().filter(|(.., linked)| *linked).count());
            prop_assert!(peers.len() <= most.max(max_connections_seen + 1), "{} of {}", peers.len(), most);
            list.sort_unstable();
            let held: Vec<_> = peers.iter().map(|(node, peer)| (*node, peer.last_contact, peer.connection.is_some())).collect();
            prop_assert_eq!(&held, &list);
        }
    }

    #[test]
    fn backoff_grows_and_is_bounded(seed: u8, start in 0..1_000_000_u64) {
        let (mut peers, mut rng) = (PeerTable::new(10, 1, 10), rng(seed));
        let now = at(start);
        let mut least = Duration::ZERO;
        for failures in 1..100_u32 {
            peers.on_failure(node(1), None, (now, DialFailure::Refused), (FIRST, MOST), &mut rng);
            let peer = peers.get(node(1)).unwrap();
            prop_assert_eq!(peer.failures, failures);
            let pause = peer.backoff_until.since(now);
            // Between half and three halves of the doubled time.
            let doubled = (1..failures).fold(FIRST, |pause, _| (pause * 2).min(MOST));
            prop_assert!(pause >= doubled / 2 && pause <= doubled * 3 / 2, "{:?} after {} failures", pause, failures);
            prop_assert!(doubled / 2 >= least && doubled <= MOST);
            least = doubled / 2;
        }
        prop_assert_eq!(least, MOST / 2);
    }

    #[test]
    fn a_directory_knows_the_first_of_each(nodes in prop::collection::vec((0..10_u32, 0..3_u32), 0..30)) {
        let known: Vec<KnownNode> = nodes
            .iter()
            .map(|(number, label)| KnownNode { node: node(*number), island_id: Some(node(*label)), class: LatencyClass::Wan })
            .collect();
        let directory = Directory::new(known.clone());
        for number in 0..10 {
            prop_assert_eq!(directory.get(node(number)), known.iter().find(|known| known.node == node(number)));
        }
        prop_assert!(directory.iter().is_sorted_by(|one, next| one.node < next.node));
        prop_assert_eq!(directory.len(), directory.iter().count());
        prop_assert_eq!(directory.is_empty(), known.is_empty());
    }
}

#[test]
fn a_new_peer_starts_from_its_directory_entry() {
    let mut peers = PeerTable::new(10, 1, 10);
    let known = KnownNode { node: node(1), island_id: Some(node(3)), class: LatencyClass::Wan };
    let (peer, new) = peers.entry(node(1), Some(&known));
    assert!(!new, "it was known from the start");
    assert_eq!((peer.island_id, peer.class), (Some(node(3)), Some(LatencyClass::Wan)));
    let (peer, new) = peers.entry(node(2), None);
    assert!(new);
    assert_eq!((peer.island_id, peer.class), (None, None));
    assert!(!peers.entry(node(2), None).1);
}

#[test]
fn replies_to_one_node_are_rate_limited() {
    let mut peers = PeerTable::new(10, 3, 10);
    let mut answered =
        |number| (0..10).filter(|_| peers.entry(node(number), None).0.answer_bucket.take(at(5))).count();
    assert_eq!((answered(1), answered(2)), (3, 3));
}

#[test]
fn any_port_of_an_address_is_found() {
    let mut peers = PeerTable::new(10, 1, 10);
    peers.entry(node(5), None);
    let ports = |number| {
        let ip = node(number).ip();
        (NetId::new(ip, 1).unwrap(), NetId::new(ip, u16::MAX).unwrap())
    };
    for (number, found) in [(4, false), (5, true), (6, false)] {
        let (low, high) = ports(number);
        assert_eq!(peers.any_within(low, high), found);
    }
}

#[test]
fn a_directory_finds_any_within_bounds() {
    let known = |number| KnownNode { node: node(number), island_id: None, class: LatencyClass::Lan };
    let directory = Directory::new(vec![known(2), known(5)]);
    for (low, high, found) in [
        (0, 1, false),
        (0, 2, true),
        (2, 2, true),
        (2, 4, true),
        (3, 4, false),
        (3, 5, true),
        (5, 9, true),
        (6, 9, false),
    ] {
        assert_eq!(directory.any_within(node(low), node(high)), found, "{low} to {high}");
    }
}

/// Failures are counted since the last success.
#[test]
fn failures_record_their_first_time() {
    let (mut peers, mut rng) = (PeerTable::new(10, 1, 10), rng(1));
    let mut failed = |seconds, reached: bool| {
        if reached {
            peers.entry(node(1), None).0.failures = 0;
        }
        peers.on_failure(node(1), None, (at(seconds), DialFailure::Refused), (FIRST, MOST), &mut rng);
        peers.get(node(1)).and_then(|peer| peer.failure)
    };
    assert_eq!(failed(5, false), Some((at(5), at(5), DialFailure::Refused)));
    assert_eq!(failed(9, false), Some((at(5), at(9), DialFailure::Refused)));
    assert_eq!(failed(20, true), Some((at(20), at(20), DialFailure::Refused)));
}

#[test]
fn small_segments_are_used_for_a_while_after_a_stall() {
    let mut peers = PeerTable::new(10, 1, 10);
    let (peer, _) = peers.entry(node(1), None);
    assert!(!peer.drops_large_packets(at(0)));
    peer.stalled = Some(at(0));
    let end = at(0) + SMALL_SEGMENTS_FOR;
    assert!(peer.drops_large_packets(at(0)) && !peer.drops_large_packets(end));
}
